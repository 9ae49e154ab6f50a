use super::*;
use crate::dynamics::test_bench::{
    CLIENT_ID, START, answer, app, bench, endpoints, everything_said, with_header,
};
use crate::error::Remedy;
use crate::http::fixtures::FnTransport;
use crate::http::transport::TransportErrorKind;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// What every request declares.
const CAPABLE: &str =
    "%7B%22access_token%22%3A%7B%22xms_cc%22%3A%7B%22values%22%3A%5B%22cp1%22%5D%7D%7D%7D";

/// The request that the first credential proves.
fn first_request(endpoint: &TokenEndpoint<'_>, grant: Grant<'_>) -> Request {
    let first = &endpoint.app.credentials.in_order()[0];
    endpoint.request(grant, &first.credential, &bench().context).unwrap()
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// Sends a refresh and hands back what came of it, with the number of requests.
async fn refresh_with(
    respond: impl Fn(&Request) -> Result<Response, TransportErrorKind> + Send + Sync + 'static,
) -> (Result<Granted, ExchangeError>, usize) {
    let (app, endpoints) = (app(), endpoints("contoso.crm4.dynamics.com"));
    let endpoint = TokenEndpoint { app: &app, endpoints: &endpoints, tenant: Some(TENANT) };
    let transport = FnTransport::new(move |request, _| respond(request));
    let token = secret("marker-refresh");
    let grant = Grant::Refresh { token: &token, claims: None, resend: Resend::IfTransient };
    let outcome = endpoint.exchange(&*transport, &bench().context, grant).await;
    (outcome, transport.sent().len())
}

#[test]
fn con_3_a_code_is_redeemed_with_this_form() {
    let (app, endpoints) = (app(), endpoints("contoso.crm4.dynamics.com"));
    let endpoint = TokenEndpoint { app: &app, endpoints: &endpoints, tenant: None };
    let (code, verifier) = (secret("marker code/1"), secret("marker-verifier"));
    let request = first_request(&endpoint, Grant::Code { code: &code, verifier: &verifier });
    assert_eq!(request.method, Method::POST);
    assert_eq!(
        request.url.as_str(),
        "https://login.microsoftonline.com/organizations/oauth2/v2.0/token"
    );
    assert_eq!(request.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(
        std::str::from_utf8(&request.body).unwrap(),
        format!(
            "client_id={CLIENT_ID}&scope=https%3A%2F%2Fcontoso.api.crm4.dynamics.com\
             %2Fuser_impersonation+openid+profile+offline_access&grant_type=authorization_code\
             &code=marker+code%2F1&redirect_uri=https%3A%2F%2Fapp.example%2Fcrm%2Fcallback\
             &code_verifier=marker-verifier&claims={CAPABLE}&client_secret=marker-client-secret"
        )
    );
    assert!(!format!("{request:?} {endpoint:?}").contains("marker"));
}

#[test]
fn con_5_a_refresh_goes_to_the_users_tenant_with_this_form() {
    let (app, endpoints) = (app(), endpoints("contoso.crm4.dynamics.com"));
    let endpoint = TokenEndpoint { app: &app, endpoints: &endpoints, tenant: Some(TENANT) };
    let token = secret("0.AX+marker");
    let body_with = |claims: Option<&str>| {
        let grant = Grant::Refresh { token: &token, claims, resend: Resend::IfTransient };
        let request = first_request(&endpoint, grant);
        assert_eq!(
            request.url.as_str(),
            format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")
        );
        String::from_utf8(request.body.to_vec()).unwrap()
    };
    let plain = format!(
        "client_id={CLIENT_ID}&scope=https%3A%2F%2Fcontoso.api.crm4.dynamics.com\
         %2Fuser_impersonation+openid+profile+offline_access&grant_type=refresh_token\
         &refresh_token=0.AX%2Bmarker&claims={CAPABLE}&client_secret=marker-client-secret"
    );
    assert_eq!(body_with(None), plain);
    let challenged = body_with(Some(r#"{"access_token":{"nbf":{"essential":true}}}"#));
    assert!(challenged.contains(
        "&claims=%7B%22access_token%22%3A%7B%22nbf%22%3A%7B%22essential%22%3Atrue%7D%2C\
         %22xms_cc%22%3A%7B%22values%22%3A%5B%22cp1%22%5D%7D%7D%7D&"
    ));
    // A challenge comes from the network: what is no small JSON object goes no further.
    let huge = format!(r#"{{"a":"{}"}}"#, "x".repeat(9000));
    for claims in ["", "null", "[]", "not json", huge.as_str()] {
        assert_eq!(body_with(Some(claims)), plain);
    }
}

#[tokio::test]
async fn con_5_tokens_are_read_as_entra_writes_them() {
    for body in [
        r#"{"token_type":"Bearer","scope":"x","expires_in":4271,"ext_expires_in":4271,
            "access_token":"marker-a","refresh_token":"marker-r","id_token":"marker-i"}"#,
        r#"{"token_type":"bearer","expires_in":"4271","access_token":"marker-a",
            "refresh_token":"marker-r","id_token":"marker-i"}"#,
    ] {
        let (granted, _) = refresh_with(move |_| Ok(answer(200, body))).await;
        let granted = granted.unwrap();
        assert_eq!(granted.access.expose_secret(), "marker-a");
        assert_eq!(granted.lifetime, Duration::seconds(4271));
        assert_eq!(granted.refresh.as_ref().unwrap().expose_secret(), "marker-r");
        assert!(!format!("{granted:?}").contains("marker"));
    }
}

#[tokio::test]
async fn con_9_an_answer_that_is_no_token_never_quotes_one() {
    for body in [
        "",
        "<html>marker</html>",
        r#"{"access_token":"","expires_in":1}"#,
        r#"{"access_token":"marker","expires_in":0}"#,
        r#"{"access_token":"marker","expires_in":-1}"#,
        r#"{"access_token":"marker","expires_in":"marker"}"#,
        r#"{"access_token":"marker"}"#,
        r#"{"access_token":"marker\r\nHost: evil.com","expires_in":1}"#,
        r#"{"access_token":"marker","expires_in":9,"token_type":"marker-mac"}"#,
        r#"{"access_token":"marker","expires_in":9,"refresh_token":{"marker":"marker"}}"#,
        r#"{"expires_in":"x","access_token":["marker"],"refresh_token":"marker"}"#,
    ] {
        let (outcome, sent) = refresh_with(move |_| Ok(answer(200, body))).await;
        let failed = outcome.unwrap_err();
        assert!(matches!(failed.error, Error::UnexpectedResponse { .. }), "{body}");
        assert!(!everything_said(&failed.error).contains("marker"), "{body}");
        assert_eq!(sent, 1);
    }
    let endless = r#"{"access_token":"a","expires_in":9223372036854775807}"#;
    let (granted, _) = refresh_with(move |_| Ok(answer(200, endless))).await;
    assert_eq!(granted.unwrap().lifetime, Duration::days(7));
}

#[tokio::test]
async fn con_5_a_refresh_is_tried_three_times_at_most() {
    let (outcome, sent) = refresh_with(|_| Ok(answer(503, "<html>busy</html>"))).await;
    assert!(outcome.unwrap_err().error.is_retryable());
    assert_eq!(sent, 3);
    let (outcome, sent) = refresh_with(|_| Err(TransportErrorKind::MaybeSent)).await;
    assert_eq!(outcome.unwrap_err().error.remedy(), Remedy::Retry);
    assert_eq!(sent, 3);
    let (outcome, sent) =
        refresh_with(|_| Ok(with_header(answer(429, ""), "retry-after", "600"))).await;
    let at = outcome.unwrap_err().error.retry_at();
    assert_eq!((at, sent), (Some(START + Duration::minutes(10)), 1));
}

#[tokio::test]
async fn con_3_a_code_is_sent_once_unless_it_never_left() {
    for (kind, expected) in [(TransportErrorKind::MaybeSent, 1), (TransportErrorKind::NotSent, 3)] {
        let (app, endpoints) = (app(), endpoints("contoso.crm4.dynamics.com"));
        let endpoint = TokenEndpoint { app: &app, endpoints: &endpoints, tenant: None };
        let transport = FnTransport::new(move |_, _| Err(kind));
        let (code, verifier) = (secret("c"), secret("v"));
        let grant = Grant::Code { code: &code, verifier: &verifier };
        let failed = endpoint.exchange(&*transport, &bench().context, grant).await.unwrap_err();
        assert!(matches!(failed.error, Error::Unavailable { .. }));
        assert_eq!(transport.sent().len(), expected);
    }
}

#[tokio::test]
async fn con_6_a_rejected_credential_is_told_to_the_operator() {
    let (app, endpoints) = (app(), endpoints("contoso.crm4.dynamics.com"));
    let endpoint = TokenEndpoint { app: &app, endpoints: &endpoints, tenant: None };
    let token = secret("r");
    for (body, heard) in [
        (r#"{"error":"invalid_client","error_codes":[7000222]}"#, 1),
        (r#"{"error":"invalid_grant","error_codes":[700082]}"#, 0),
    ] {
        let bench = bench();
        let transport = FnTransport::new(move |_, _| Ok(answer(401, body)));
        let grant = Grant::Refresh { token: &token, claims: None, resend: Resend::IfTransient };
        let failed = endpoint.exchange(&*transport, &bench.context, grant).await.unwrap_err();
        let events = bench.ear.0.lock().unwrap().clone();
        let rejected = OperatorEvent::CredentialRejected { credential: "primary".to_owned() };
        assert_eq!(events, vec![rejected; heard]);
        assert_eq!(failed.grant == GrantFate::Refused, heard == 0);
    }
}
