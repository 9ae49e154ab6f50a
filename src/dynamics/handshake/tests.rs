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
        claims: None,
        tenant: None,
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
    let made = Handshake { app: &app, endpoints: &endpoints }.authorize(&sign_in(), None).unwrap();
    assert_eq!(
        made.url.as_str(),
        format!(
            "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize\
             ?client_id={CLIENT_ID}&response_type=code\
             &redirect_uri=https%3A%2F%2Fapp.example%2Fcrm%2Fcallback&response_mode=query\
             &scope=https%3A%2F%2Fcontoso.api.crm4.dynamics.com%2Fuser_impersonation\
             +openid+profile+offline_access&state=marker+state%261\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
             &code_challenge_method=S256\
             &claims=%7B%22access_token%22%3A%7B%22xms_cc%22%3A%7B%22values%22%3A%5B%22cp1%22%5D\
             %7D%7D%7D&login_hint=ada%2B1%40contoso.com"
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
        let made =
            Handshake { app: &app, endpoints: &endpoints }.authorize(&sign_in(), None).unwrap();
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

#[test]
fn con_2_a_known_tenant_signs_its_people_in_and_approves_the_app() {
    let (app, endpoints) = (app(), endpoints(ORG));
    let handshake = Handshake { app: &app, endpoints: &endpoints };
    let made = handshake.authorize(&sign_in(), Some(TENANT.to_owned())).unwrap();
    assert_eq!(made.url.path(), format!("/{TENANT}/oauth2/v2.0/authorize"));
    assert_eq!(made.admin_consent.unwrap().path(), format!("/{TENANT}/v2.0/adminconsent"));
    assert_eq!(made.tenant.as_deref(), Some(TENANT));
}

#[test]
fn con_5_the_claims_that_entra_wanted_reach_the_sign_in_page() {
    let (app, endpoints) = (app(), endpoints(ORG));
    let mut wanted = sign_in();
    wanted.claims = Some(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#.to_owned());
    let made = Handshake { app: &app, endpoints: &endpoints }.authorize(&wanted, None).unwrap();
    let claims = made.url.query_pairs().find(|(name, _)| name == "claims").unwrap().1;
    let claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims["access_token"]["acrs"]["value"], "c1");
    assert_eq!(claims["access_token"]["xms_cc"]["values"][0], "cp1");
}

#[tokio::test]
async fn con_3_a_sign_in_to_another_tenant_than_the_orgs_is_refused_before_the_org_is_asked() {
    let good = tokens(&id_token(CLIENT_ID, &issuer(), TENANT));
    let transport = two_sided(good, (200, WHO));
    let (app, endpoints) = (app(), endpoints(ORG));
    let handshake = Handshake { app: &app, endpoints: &endpoints };
    let mut bound = sign_in();
    bound.tenant = Some("99999999-2222-3333-4444-555555555555".to_owned());
    let context = bench().context;
    let refused = handshake.finish(&*transport, &context, &bound, &with_code()).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Reconnect);
    assert!(refused.customer_message().contains("another company"), "{refused}");
    assert_eq!(transport.sent().len(), 1);
    assert!(transport.sent()[0].url.path().starts_with("/99999999-"), "at the flow's tenant");
    bound.tenant = Some(TENANT.to_owned());
    handshake.finish(&*transport, &context, &bound, &with_code()).await.unwrap();
}

#[tokio::test]
async fn con_3_a_redirect_of_another_issuer_redeems_nothing() {
    let transport = two_sided(String::new(), (200, WHO));
    let (app, endpoints) = (app(), endpoints(ORG));
    let handshake = Handshake { app: &app, endpoints: &endpoints };
    let mut bound = sign_in();
    bound.tenant = Some(TENANT.to_owned());
    let mixed_up = Callback::new([("code", "marker-code"), ("iss", "https://evil.example/")]);
    let refused = handshake.finish(&*transport, &bench().context, &bound, &mixed_up).await;
    assert!(matches!(refused, Err(Error::UnexpectedResponse { .. })));
    assert!(transport.sent().is_empty());
}

/// CON-4: every redirect of the reference's parts 2.2 and 2.8, as it comes back.
#[tokio::test]
async fn con_4_every_redirect_answer_is_told_apart() {
    let table: [(&str, Remedy); 13] = [
        (
            "error=access_denied&error_subcode=cancel&error_description=AADSTS65004%3A+User+declined",
            Remedy::AskAdmin,
        ),
        (
            "error=access_denied&error_description=AADSTS65004%3A+User+declined+to+consent.",
            Remedy::AskAdmin,
        ),
        (
            "error=access_denied&error_description=AADSTS90094%3A+Admin+consent+is+required",
            Remedy::AskAdmin,
        ),
        ("error=access_denied", Remedy::AskAdmin),
        (
            "error=consent_required&error_description=AADSTS65001%3A+not+consented",
            Remedy::Reconnect,
        ),
        ("error=interaction_required&error_description=AADSTS50076%3A+MFA", Remedy::Reconnect),
        ("error=login_required&error_description=AADSTS50058%3A+no+session", Remedy::Reconnect),
        ("error=invalid_resource&error_description=AADSTS500011%3A+principal", Remedy::FixInput),
        ("error=server_error&error_description=AADSTS90033%3A+transient", Remedy::Retry),
        ("error=temporarily_unavailable", Remedy::Retry),
        ("error=unauthorized_client&error_description=AADSTS700016%3A+app", Remedy::AskAdmin),
        (
            "error=invalid_request&error_description=AADSTS50011%3A+redirect",
            Remedy::FixConfiguration,
        ),
        ("error=unsupported_response_type", Remedy::FixConfiguration),
    ];
    let silent = FnTransport::new(|_, _| Err(TransportErrorKind::NotSent));
    for (query, remedy) in table {
        let url = Url::parse(&format!("https://app.example/crm/callback?{query}&state=s")).unwrap();
        let refused = finish(&silent, &Callback::from_url(&url)).await.unwrap_err();
        assert_eq!(refused.remedy(), remedy, "{query}: {refused:?}");
        assert!(refused.customer_message().ends_with('.'), "{query}");
    }
    assert!(silent.sent().is_empty());
}

#[test]
fn con_4_the_administrators_answer_is_read() {
    let read = |query: &str| {
        let url = Url::parse(&format!("https://app.example/back?{query}")).unwrap();
        read_admin_consent(&Callback::from_url(&url))
    };
    read("admin_consent=True&tenant=11111111-2222-3333-4444-555555555555&scope=x&state=s").unwrap();
    for declined in [
        "admin_consent=True&error=consent_required&error_description=AADSTS65004%3A+declined",
        "error=permission_denied&error_description=AADSTS65004",
        "error=access_denied",
    ] {
        let refused = read(declined).unwrap_err();
        assert_eq!(refused.remedy(), Remedy::AskAdmin, "{declined}");
    }
    let down = read("error=temporarily_unavailable").unwrap_err();
    assert_eq!(down.remedy(), Remedy::Retry);
    assert_eq!(read("code=x").unwrap_err().remedy(), Remedy::FixInput);
}
