//! Entra: the authorize page, codes, refresh tokens, secrets.

use fluint_crm::testkit::{FakeEntra, Fault, Rotation, SignIn};
use serde_json::Value;
use time::Duration;
use url::Url;

use crate::fakes::{Answer, World, send};

/// RFC 7636's own example.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn scope(world: &World) -> String {
    let org = world.server.org_base();
    format!("openid profile offline_access {org}user_impersonation")
}

/// The authorize address, with some parameters changed.
fn authorize(world: &World, changes: &[(&str, &str)]) -> Url {
    let mut parameters = vec![
        ("client_id".to_owned(), FakeEntra::CLIENT_ID.to_owned()),
        ("response_type".to_owned(), "code".to_owned()),
        ("redirect_uri".to_owned(), FakeEntra::REDIRECT_URI.to_owned()),
        ("scope".to_owned(), scope(world)),
        ("state".to_owned(), "s t/ate".to_owned()),
        ("code_challenge".to_owned(), CHALLENGE.to_owned()),
        ("code_challenge_method".to_owned(), "S256".to_owned()),
    ];
    for (name, value) in changes {
        parameters.retain(|(known, _)| known != name);
        parameters.push(((*name).to_owned(), (*value).to_owned()));
    }
    let mut url = world.server.authority_base();
    url.set_path("/organizations/oauth2/v2.0/authorize");
    url.query_pairs_mut().extend_pairs(parameters);
    url
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn code(world: &World) -> String {
    let back = world.fake.browse(&authorize(world, &[])).unwrap();
    parameter(&back, "code").unwrap()
}

/// A token request, with some fields changed.
async fn redeem(world: &World, fields: &[(&str, &str)]) -> Answer {
    let mut form: Vec<(&str, &str)> = vec![
        ("client_id", FakeEntra::CLIENT_ID),
        ("client_secret", FakeEntra::CLIENT_SECRET),
        ("redirect_uri", FakeEntra::REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("grant_type", "authorization_code"),
    ];
    for (name, value) in fields {
        form.retain(|(known, _)| known != name);
        form.push((name, value));
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let token = world.server.authority_base().join("organizations/oauth2/v2.0/token").unwrap();
    let request = world.http.post(token).body(body);
    send(request.header("content-type", "application/x-www-form-urlencoded")).await
}

#[track_caller]
fn failed(answer: &Answer, error: &str, code: u64) {
    let body = answer.json();
    assert_eq!(
        (body["error"].as_str(), body["error_codes"][0].as_u64()),
        (Some(error), Some(code))
    );
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    for name in ["timestamp", "trace_id", "correlation_id"] {
        assert!(body[name].is_string(), "{name}");
    }
}

#[tokio::test]
async fn signing_in_gives_a_token_that_dataverse_takes() {
    let (mut world, _) = World::small().await;
    let response = send(world.http.get(authorize(&world, &[]))).await;
    assert_eq!(response.status, 302);
    let back: Url = response.header("location").parse().unwrap();
    assert!(back.as_str().starts_with(FakeEntra::REDIRECT_URI));
    assert_eq!(parameter(&back, "state").as_deref(), Some("s t/ate"));
    assert!(parameter(&back, "session_state").is_some());
    let code = parameter(&back, "code").unwrap();
    let tokens = redeem(&world, &[("code", &code)]).await.json();
    assert_eq!(tokens["expires_in"], 4271);
    assert_eq!(tokens["id_token"].as_str().unwrap().split('.').count(), 3);
    world.token = tokens["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.read("WhoAmI").await.status, 200);
}

#[tokio::test]
async fn the_page_redirects_to_no_address_that_is_not_registered() {
    let (world, _) = World::small().await;
    for change in [
        ("client_id", "22222222-aaaa-4bbb-8ccc-222222222222"),
        ("redirect_uri", "https://app.fluint.example/crm/Callback"),
        ("redirect_uri", "https://evil.example/"),
    ] {
        assert_eq!(world.fake.browse(&authorize(&world, &[change])), None, "{change:?}");
    }
}

#[tokio::test]
async fn mistakes_of_the_request_come_back_as_errors() {
    let (world, _) = World::small().await;
    let two = format!("{} https://graph.microsoft.com/.default", scope(&world));
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("state", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("scope", "openid", "invalid_scope"),
        ("scope", &two, "invalid_scope"),
        ("scope", "https://other.crm.dynamics.com/user_impersonation", "invalid_resource"),
    ] {
        let back = world.fake.browse(&authorize(&world, &[(name, value)])).unwrap();
        assert_eq!(parameter(&back, "error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(parameter(&back, "code"), None);
    }
}

#[tokio::test]
async fn a_cancel_redirects_and_the_approval_page_does_not() {
    let (world, _) = World::small().await;
    world.fake.entra().sign_in_as(SignIn::Cancels);
    let back = world.fake.browse(&authorize(&world, &[])).unwrap();
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "error_subcode").as_deref(), Some("cancel"));
    world.fake.entra().sign_in_as(SignIn::NeedsAdminApproval);
    let page = send(world.http.get(authorize(&world, &[]))).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Need admin approval"));
    let mut consent = world.server.authority_base();
    consent.set_path("/organizations/v2.0/adminconsent");
    let scope = format!("{}.default", world.server.org_base());
    consent.query_pairs_mut().extend_pairs([
        ("client_id", FakeEntra::CLIENT_ID),
        ("redirect_uri", FakeEntra::REDIRECT_URI),
        ("scope", &scope),
        ("state", "abc"),
    ]);
    let back = world.fake.browse(&consent).unwrap();
    assert_eq!(parameter(&back, "admin_consent").as_deref(), Some("True"));
    assert_eq!(parameter(&back, "state").as_deref(), Some("abc"));
    assert!(parameter(&world.fake.browse(&authorize(&world, &[])).unwrap(), "code").is_some());
}

#[tokio::test]
async fn a_code_works_once_and_for_ten_minutes() {
    let (world, _) = World::small().await;
    let once = code(&world);
    assert_eq!(redeem(&world, &[("code", &once)]).await.status, 200);
    failed(&redeem(&world, &[("code", &once)]).await, "invalid_grant", 54005);
    let late = code(&world);
    world.clock.advance(Duration::minutes(10));
    failed(&redeem(&world, &[("code", &late)]).await, "invalid_grant", 70008);
    assert_eq!(world.fake.entra().counts().codes, 3);
}

#[tokio::test]
async fn a_code_is_bound_to_its_verifier_and_address() {
    let (world, _) = World::small().await;
    let code = code(&world);
    let other = [("code", code.as_str()), ("code_verifier", "another")];
    failed(&redeem(&world, &other).await, "invalid_grant", 501_481);
    let other = [("code", code.as_str()), ("redirect_uri", "https://evil.example/")];
    failed(&redeem(&world, &other).await, "invalid_request", 50011);
    assert_eq!(redeem(&world, &[("code", &code)]).await.status, 200);
}

#[tokio::test]
async fn a_wrong_secret_or_none_is_our_mistake() {
    let (world, _) = World::small().await;
    let code = code(&world);
    let wrong = redeem(&world, &[("code", &code), ("client_secret", "old")]).await;
    assert_eq!(wrong.status, 401);
    failed(&wrong, "invalid_client", 7_000_215);
    let token = world.server.authority_base().join("organizations/oauth2/v2.0/token").unwrap();
    let json = world.http.post(token).header("content-type", "application/json").body("{}");
    failed(&send(json).await, "invalid_request", 900_144);
    world.fake.entra().set_secrets(["old".to_owned()]);
    assert_eq!(redeem(&world, &[("code", &code), ("client_secret", "old")]).await.status, 200);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_die_as_told() {
    let (world, _) = World::small().await;
    let code = code(&world);
    let first = redeem(&world, &[("code", &code)]).await.json();
    let old = first["refresh_token"].as_str().unwrap().to_owned();
    let scope = scope(&world);
    let refresh = async |token: &str| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", &scope)];
        redeem(&world, &fields).await
    };
    let second = refresh(&old).await.json();
    assert_ne!(second["refresh_token"], Value::String(old.clone()));
    assert_eq!(refresh(&old).await.status, 200, "Entra keeps the old one alive");
    world.fake.entra().set_rotation(Rotation::Strict);
    assert_eq!(refresh(&old).await.status, 200);
    failed(&refresh(&old).await, "invalid_grant", 50173);
    world.fake.entra().revoke_sessions();
    let newest = second["refresh_token"].as_str().unwrap();
    failed(&refresh(newest).await, "invalid_grant", 50173);
    world.fake.entra().fail_next(90033, "temporarily_unavailable");
    let busy = refresh(newest).await;
    assert_eq!(busy.status, 503);
    failed(&busy, "temporarily_unavailable", 90033);
}

#[tokio::test]
async fn planted_faults_strike_the_next_token_request() {
    let (world, _) = World::small().await;
    let entra = world.fake.entra();
    entra.plant(Fault::TooManyRequests { retry_after: Some("30".to_owned()) });
    entra.plant(Fault::BadGateway);
    let code = code(&world);
    let throttled = redeem(&world, &[("code", &code)]).await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, "30"));
    assert_eq!(redeem(&world, &[("code", &code)]).await.status, 502);
    entra.plant(Fault::AnswerLost);
    let token = world.server.authority_base().join("organizations/oauth2/v2.0/token").unwrap();
    let form = format!(
        "grant_type=authorization_code&client_id={}&client_secret={}&code={code}&code_verifier=\
         {VERIFIER}&redirect_uri=https%3A%2F%2Fapp.fluint.example%2Fcrm%2Fcallback&claims=%7B%7D",
        FakeEntra::CLIENT_ID,
        FakeEntra::CLIENT_SECRET,
    );
    let lost = world.http.post(token).body(form);
    assert!(lost.header("content-type", "application/x-www-form-urlencoded").send().await.is_err());
    assert_eq!(entra.counts().with_claims, 1);
    failed(&redeem(&world, &[("code", &code)]).await, "invalid_grant", 54005);
}
