use std::sync::Arc;

use super::*;
use crate::dynamics::test_bench::{
    CLIENT_ID, START, answer, app, bench, endpoints, everything_said,
};
use crate::error::Remedy;
use crate::http::fixtures::FnTransport;
use crate::http::log::Log;
use crate::http::transport::TransportErrorKind;

const ORG: &str = "contoso.crm4.dynamics.com";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const WHO: &str = r#"{"BusinessUnitId":"aaaaaaaa-0000-0000-0000-000000000001",
    "UserId":"bbbbbbbb-0000-0000-0000-000000000002",
    "OrganizationId":"cccccccc-0000-0000-0000-000000000003"}"#;

fn sign_in() -> SignIn {
    SignIn {
        address: format!("https://{ORG}"),
        state: SecretString::from("marker state&1"),
        // The verifier of RFC 7636, appendix B.
        verifier: SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        login_hint: Some("ada+1@contoso.com".to_owned()),
    }
}

fn id_token(aud: &str, iss: &str, tid: &str) -> String {
    let claims = format!(r#"{{"aud":"{aud}","iss":"{iss}","tid":"{tid}","oid":"x","ver":"2.0"}}"#);
    format!("e30.{}.marker-signature", URL_SAFE_NO_PAD.encode(claims))
}

fn issuer() -> String {
    format!("https://login.microsoftonline.com/{TENANT}/v2.0")
}

fn tokens(id_token: &str) -> String {
    format!(
        r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"marker-access",
            "refresh_token":"marker-refresh","id_token":"{id_token}"}}"#
    )
}

/// Entra answers the first request, the org every other.
fn two_sided(token_body: String, who: (u16, &'static str)) -> Arc<FnTransport> {
    FnTransport::new(move |request, _| {
        Ok(match request.url.host_str() {
            Some("login.microsoftonline.com") => answer(200, token_body.clone()),
            _ => answer(who.0, who.1),
        })
    })
}

async fn finish(transport: &FnTransport, callback: &Callback) -> Result<SignedIn> {
    let (app, endpoints) = (app(), endpoints(ORG));
    let handshake = Handshake { app: &app, endpoints: &endpoints };
    handshake.finish(transport, &bench().context, &sign_in(), callback).await
}

fn with_code() -> Callback {
    Callback::new([("code", "marker-code"), ("state", "marker state&1"), ("session_state", "s")])
}

#[test]
fn con_2_the_authorize_url_asks_for_exactly_this() {
    let (app, endpoints) = (app(), endpoints(ORG));
    let made = Handshake { app: &app, endpoints: &endpoints }.authorize(&sign_in()).unwrap();
    assert_eq!(
        made.url.as_str(),
        format!(
            "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize\
             ?client_id={CLIENT_ID}&response_type=code\
             &redirect_uri=https%3A%2F%2Fapp.example%2Fcrm%2Fcallback&response_mode=query\
             &scope=https%3A%2F%2Fcontoso.api.crm4.dynamics.com%2Fuser_impersonation\
             +openid+profile+offline_access&state=marker+state%261\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
             &code_challenge_method=S256&login_hint=ada%2B1%40contoso.com"
        )
    );
    let consent = made.admin_consent.unwrap();
    assert!(consent.as_str().starts_with(
        "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=8c5d0c1e"
    ));
    assert!(!consent.as_str().contains("marker"));
}

#[test]
fn con_2_each_cloud_has_its_own_sign_in_page() {
    for (address, authority) in [
        ("contoso.crm.microsoftdynamics.us", "login.microsoftonline.us"),
        ("contoso.crm.dynamics.cn", "login.partner.microsoftonline.cn"),
    ] {
        let (app, endpoints) = (app(), endpoints(address));
        let made = Handshake { app: &app, endpoints: &endpoints }.authorize(&sign_in()).unwrap();
        assert_eq!(made.url.host_str(), Some(authority));
        assert_eq!(made.admin_consent.unwrap().host_str(), Some(authority));
    }
}

#[tokio::test]
async fn con_3_a_finished_sign_in_brings_tokens_and_an_identity() {
    let good = tokens(&id_token(CLIENT_ID, &issuer(), TENANT));
    let transport = two_sided(good, (200, WHO));
    let signed_in = finish(&transport, &with_code()).await.unwrap();

    assert_eq!(signed_in.address, "https://contoso.crm4.dynamics.com");
    assert_eq!(signed_in.identity.tenant.as_deref(), Some(TENANT));
    assert_eq!(signed_in.identity.user.as_str(), "bbbbbbbb-0000-0000-0000-000000000002");
    assert_eq!(signed_in.tokens.access.expose_secret(), "marker-access");
    assert_eq!(signed_in.tokens.refresh.as_ref().unwrap().expose_secret(), "marker-refresh");
    assert_eq!(signed_in.tokens.expires_at, Some(START + time::Duration::hours(1)));
    assert!(!format!("{signed_in:?}").contains("marker"));

    let sent = transport.sent();
    let asked: Vec<&str> = sent.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(
        asked,
        [
            "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
            "https://contoso.api.crm4.dynamics.com/api/data/v9.2/WhoAmI",
        ]
    );
    let form = std::str::from_utf8(&sent[0].body).unwrap();
    assert!(form.contains("&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&"), "{form}");
    assert_eq!(sent[1].headers["authorization"], "Bearer marker-access");
}

#[tokio::test]
async fn r_9_signing_in_and_refreshing_trace_no_secret() {
    let log = Log::default();
    let _listening = log.listen();
    let good = tokens(&id_token(CLIENT_ID, &issuer(), TENANT));
    finish(&two_sided(good, (200, WHO)), &with_code()).await.unwrap();
    let refusal = r#"{"error":"invalid_grant","error_description":"AADSTS700082: marker",
        "error_codes":[700082],"trace_id":"marker"}"#;
    let refused = FnTransport::new(move |_, _| Ok(answer(400, refusal)));
    finish(&refused, &with_code()).await.unwrap_err();
    let heard = log.text();
    assert!(heard.contains("Entra answered invalid_grant AADSTS700082 (status 400)"), "{heard}");
    assert!(heard.contains("exchange") && heard.contains("ask"), "both calls have a span");
    assert!(!heard.contains("marker") && !heard.contains("dBjftJeZ4CVP"), "{heard}");
}

#[tokio::test]
async fn con_3_an_id_token_of_somebody_else_is_refused_before_the_org_is_asked() {
    let foreign = "https://login.microsoftonline.com/99999999-2222-3333-4444-555555555555/v2.0";
    for token in [
        id_token("another-app", &issuer(), TENANT),
        id_token(CLIENT_ID, foreign, TENANT),
        id_token(CLIENT_ID, "https://evil.com/v2.0", TENANT),
        id_token(CLIENT_ID, &issuer(), "contoso.com"),
        id_token(CLIENT_ID, &issuer(), "../evil"),
        format!("e30.{}.x", URL_SAFE_NO_PAD.encode("{}")),
        format!("e30.{}", URL_SAFE_NO_PAD.encode("{}")),
        "a.b.c.d".to_owned(),
        "a.!!!.c".to_owned(),
        String::new(),
        "a".repeat(70_000),
    ] {
        let transport = two_sided(tokens(&token), (200, WHO));
        let error = finish(&transport, &with_code()).await.unwrap_err();
        assert!(matches!(error, Error::UnexpectedResponse { .. }), "{token:.80}");
        assert!(!everything_said(&error).contains("marker"));
        assert_eq!(transport.sent().len(), 1, "{token:.80}");
    }
    let without = r#"{"expires_in":3600,"access_token":"a","refresh_token":"r"}"#.to_owned();
    assert!(finish(&two_sided(without, (200, WHO)), &with_code()).await.is_err());
}

#[tokio::test]
async fn con_3_a_sign_in_without_refresh_token_is_refused() {
    let token = id_token(CLIENT_ID, &issuer(), TENANT);
    let body = format!(r#"{{"expires_in":3600,"access_token":"a","id_token":"{token}"}}"#);
    let error = finish(&two_sided(body, (200, WHO)), &with_code()).await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedResponse { .. }));
}

#[tokio::test]
async fn con_3_an_org_that_does_not_know_the_user_refuses_the_sign_in() {
    let good = tokens(&id_token(CLIENT_ID, &issuer(), TENANT));
    let not_a_member = r#"{"error":{"code":"0x80072560","message":"marker"}}"#;
    let transport = two_sided(good, (403, not_a_member));
    let error = finish(&transport, &with_code()).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::AskAdmin);
    assert!(!everything_said(&error).contains("marker"));
}

#[tokio::test]
async fn con_4_a_callback_without_code_sends_nothing() {
    let silent = FnTransport::new(|_, _| Err(TransportErrorKind::NotSent));
    let huge = "x".repeat(70_000);
    for (pairs, remedy) in [
        (vec![("error", "access_denied"), ("error_subcode", "cancel")], Remedy::AskAdmin),
        (vec![("error", "access_denied"), ("code", "marker-code")], Remedy::AskAdmin),
        (vec![("error", "server_error")], Remedy::Retry),
        (vec![("error", "temporarily_unavailable")], Remedy::Retry),
        (vec![("error", "invalid_resource")], Remedy::FixInput),
        (vec![("error", "invalid_request")], Remedy::FixConfiguration),
        (vec![("error", "unauthorized_client")], Remedy::FixConfiguration),
        (vec![("error", "login_required")], Remedy::Reconnect),
        (vec![("error", "marker <b>"), ("error_description", "marker")], Remedy::ReportBug),
        (vec![("admin_consent", "True"), ("tenant", TENANT)], Remedy::Reconnect),
        (vec![("code", "")], Remedy::Reconnect),
        (vec![("code", huge.as_str())], Remedy::Reconnect),
        (vec![("state", "marker")], Remedy::Reconnect),
        (vec![], Remedy::Reconnect),
    ] {
        let error = finish(&silent, &Callback::new(pairs.clone())).await.unwrap_err();
        assert_eq!(error.remedy(), remedy, "{pairs:.60?}");
        assert!(!everything_said(&error).contains("marker"), "{pairs:?}");
    }
    assert!(silent.sent().is_empty());
}

#[tokio::test]
async fn con_4_a_cancel_carries_the_admin_consent_link() {
    let silent = FnTransport::new(|_, _| Err(TransportErrorKind::NotSent));
    let cancel = Callback::new([("error", "access_denied"), ("error_subcode", "cancel")]);
    let Err(Error::NeedsAdmin { link: Some(link), .. }) = finish(&silent, &cancel).await else {
        panic!("no link")
    };
    assert_eq!(link.path(), "/organizations/v2.0/adminconsent");
}
