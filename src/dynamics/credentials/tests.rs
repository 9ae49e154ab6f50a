use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use time::macros::datetime;

use super::*;
use crate::dynamics::resend::Resend;
use crate::dynamics::test_bench::{Bench, CLIENT_ID, answer, bench, endpoints, everything_said};
use crate::dynamics::token_endpoint::{ExchangeError, Grant, Granted, TokenEndpoint};
use crate::error::Remedy;
use crate::host::OperatorEvent;
use crate::http::fixtures::FnTransport;

const TOKENS: &str = r#"{"access_token":"marker-a","expires_in":3600,"refresh_token":"marker-r"}"#;
const BAD_SECRET: &str = r#"{"error":"invalid_client","error_codes":[7000215]}"#;

/// A key and its self-signed certificate, made once: making one takes a while.
fn key_pair() -> &'static (String, String) {
    static PAIR: OnceLock<(String, String)> = OnceLock::new();
    PAIR.get_or_init(make_pair)
}

fn make_pair() -> (String, String) {
    let (algorithm, size) = (&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let key = rcgen::KeyPair::generate_rsa_for(algorithm, size).unwrap();
    let mut wanted = rcgen::CertificateParams::new(vec!["app.example".to_owned()]).unwrap();
    wanted.not_after = rcgen::date_time_ymd(2027, 3, 1);
    (key.serialize_pem(), wanted.self_signed(&key).unwrap().pem())
}

fn certificate(id: &str) -> ClientCredential {
    let (key, certificate) = key_pair();
    ClientCredential::certificate(id, key.clone(), certificate).unwrap()
}

fn secret(id: &str, value: &str) -> ClientCredential {
    ClientCredential::secret(id, value.to_owned()).unwrap()
}

/// The fields that a credential adds to a form.
fn proved(credential: &ClientCredential) -> Vec<(String, String)> {
    let mut form = Serializer::new(String::new());
    let occasion = Occasion {
        client_id: CLIENT_ID,
        token_url: "https://login.microsoftonline.com/t/oauth2/v2.0/token",
        now: datetime!(2026-02-01 09:00 UTC),
        id: Uuid::from_u128(7),
    };
    credential.prove(&mut form, occasion).unwrap();
    url::form_urlencoded::parse(form.finish().as_bytes()).into_owned().collect()
}

#[test]
fn con_9_a_credential_never_prints_its_secret() {
    let ends = datetime!(2026-03-01 00:00 UTC);
    let primary = secret("primary", "marker-secret").expires_at(ends);
    assert_eq!(format!("{primary:?}"), "ClientCredential(primary, secret, until 2026-03-01)");
    let set = Credentials::new(vec![primary, certificate("cert")]).unwrap();
    assert_eq!(
        format!("{set:?}"),
        "[ClientCredential(primary, secret, until 2026-03-01), \
         ClientCredential(cert, certificate, until 2027-03-01)]"
    );
}

#[test]
fn con_6_a_secret_goes_into_the_form_as_it_is() {
    let fields = proved(&secret("primary", "a b&c=d~é"));
    assert_eq!(fields, [("client_secret".to_owned(), "a b&c=d~é".to_owned())]);
}

/// CON-6: header and claims, each as the reference's part 2.6 lists them.
#[test]
fn con_6_a_certificate_signs_an_assertion_as_entra_wants_it() {
    let fields = proved(&certificate("cert"));
    assert_eq!(fields[0].0, "client_assertion_type");
    assert_eq!(fields[0].1, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!((fields.len(), fields[1].0.as_str()), (2, "client_assertion"));
    let part = |at: usize| -> serde_json::Value {
        let part = fields[1].1.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let der = pem::parse(&key_pair().1).unwrap();
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(der.contents()));
    assert_eq!(part(0), serde_json::json!({"typ": "JWT", "alg": "PS256", "x5t#S256": thumbprint}));
    assert_eq!(
        part(1),
        serde_json::json!({
            "aud": "https://login.microsoftonline.com/t/oauth2/v2.0/token",
            "iss": CLIENT_ID,
            "sub": CLIENT_ID,
            "jti": "00000000-0000-0000-0000-000000000007",
            "iat": 1_769_936_400,
            "nbf": 1_769_936_400,
            "exp": 1_769_937_000,
        })
    );
}

#[test]
fn con_6_what_cannot_prove_anything_is_refused_and_not_quoted() {
    let (key, pem) = key_pair();
    let other = make_pair().1;
    let broken = |key: &str, pem: &str| {
        let error = ClientCredential::certificate("c", key.to_owned(), pem).unwrap_err();
        assert!(matches!(error, Error::Config { .. }));
        let said = everything_said(&error);
        assert!(!said.contains(&key.lines().nth(1).unwrap_or("-----").to_owned()), "{said}");
        error.to_string()
    };
    assert!(broken("", pem).contains("no RSA key"));
    assert!(
        broken("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", pem)
            .contains("no RSA key")
    );
    assert!(broken(key, "marker").contains("not in PEM"));
    assert!(broken(key, key).contains("not in PEM"), "a key where the certificate belongs");
    assert!(broken(key, &other).contains("does not belong"));
    assert!(ClientCredential::secret("s", " ".to_owned()).is_err());
    assert!(ClientCredential::secret(" ", "x".to_owned()).is_err());
    assert!(Credentials::new(vec![]).is_err());
    assert!(Credentials::new(vec![secret("a", "x"), secret("a", "y")]).is_err());
}

/// Refreshes once with a set, at an Entra that answers by the secret that it is shown.
async fn exchange(
    bench: &Bench,
    set: &Credentials,
    good: &'static [&'static str],
) -> (Result<Granted, ExchangeError>, usize) {
    let app = AppRegistration::new(CLIENT_ID, "https://app.example/cb", set.clone()).unwrap();
    let endpoints = endpoints("contoso.crm4.dynamics.com");
    let endpoint = TokenEndpoint { app: &app, endpoints: &endpoints, tenant: None };
    let transport = FnTransport::new(move |request, _| {
        let form: Vec<(String, String)> =
            url::form_urlencoded::parse(&request.body).into_owned().collect();
        let shown = form.iter().find(|(name, _)| name == "client_secret").unwrap();
        let fits = good.contains(&shown.1.as_str());
        Ok(if fits { answer(200, TOKENS) } else { answer(401, BAD_SECRET) })
    });
    let token = SecretString::from("marker-refresh");
    let grant = Grant::Refresh { token: &token, claims: None, resend: Resend::IfNotSent };
    let outcome = endpoint.exchange(&*transport, &bench.context, grant).await;
    (outcome, transport.sent().len())
}

fn rejected(bench: &Bench) -> Vec<String> {
    let told = bench.ear.0.lock().unwrap();
    told.iter()
        .map(|event| match event {
            OperatorEvent::CredentialRejected { credential } => credential.clone(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn con_6_a_rejected_credential_is_skipped_and_reported_once() {
    let bench = bench();
    let set = Credentials::new(vec![secret("old", "marker-1"), secret("new", "marker-2")]).unwrap();
    let (outcome, sent) = exchange(&bench, &set, &["marker-2"]).await;
    assert!(outcome.is_ok() && sent == 2, "the same exchange goes on with the next");
    let (outcome, sent) = exchange(&bench, &set, &["marker-2"]).await;
    assert!(outcome.is_ok() && sent == 1, "what works goes first from then on");
    assert_eq!(rejected(&bench), ["old"]);
}

#[tokio::test]
async fn con_6_when_all_are_rejected_it_is_our_configuration_and_they_are_tried_again() {
    let bench = bench();
    let set = Credentials::new(vec![secret("a", "marker-1"), secret("b", "marker-2")]).unwrap();
    for _ in 0..3 {
        let (outcome, sent) = exchange(&bench, &set, &[]).await;
        assert_eq!(outcome.unwrap_err().error.remedy(), Remedy::FixConfiguration);
        assert_eq!(sent, 2);
    }
    assert_eq!(rejected(&bench), ["a", "b"], "each is told once");
    // Entra has changed its mind; and whoever fails again after that is news.
    let (outcome, _) = exchange(&bench, &set, &["marker-1"]).await;
    assert!(outcome.is_ok());
    let (outcome, _) = exchange(&bench, &set, &["marker-2"]).await;
    assert!(outcome.is_ok());
    assert_eq!(rejected(&bench), ["a", "b", "a"]);
}

#[tokio::test]
async fn con_6_replacing_counts_at_once_and_a_bad_set_replaces_nothing() {
    let bench = bench();
    let set = Credentials::new(vec![secret("old", "marker-1")]).unwrap();
    let clone = set.clone();
    assert!(set.replace(vec![]).is_err());
    assert!(exchange(&bench, &clone, &["marker-1"]).await.0.is_ok());
    set.replace(vec![secret("new", "marker-2")]).unwrap();
    assert!(exchange(&bench, &clone, &["marker-2"]).await.0.is_ok());
    assert!(rejected(&bench).is_empty());
}

#[test]
fn con_6_a_request_under_way_keeps_the_set_that_it_began_with() {
    let set = Credentials::new(vec![secret("old", "marker-1")]).unwrap();
    let begun = set.in_order();
    set.replace(vec![secret("new", "marker-2")]).unwrap();
    assert_eq!(begun[0].credential.id(), "old");
    assert!(begun[0].reject(), "what it learns concerns the old one alone");
    assert_eq!(set.in_order()[0].credential.id(), "new");
}

#[tokio::test]
async fn con_6_the_end_of_a_credential_is_told_ahead_of_time_once_each() {
    let bench = bench();
    let ends = datetime!(2026-03-31 12:00 UTC);
    let primary = || secret("primary", "marker-1").expires_at(ends);
    let set = Credentials::new(vec![primary()]).unwrap();
    let dates = [
        datetime!(2026-02-01 00:00 UTC),
        datetime!(2026-03-02 00:00 UTC),
        datetime!(2026-03-03 00:00 UTC),
        datetime!(2026-03-25 00:00 UTC),
        datetime!(2026-03-31 00:00 UTC),
        datetime!(2026-04-01 00:00 UTC),
        datetime!(2026-04-02 00:00 UTC),
    ];
    let mut told = Vec::new();
    for now in dates {
        bench.clock.set(now);
        exchange(&bench, &set, &["marker-1"]).await.0.unwrap();
        told.push(bench.ear.0.lock().unwrap().len());
        // The same credential put in again is no news.
        set.replace(vec![primary()]).unwrap();
    }
    assert_eq!(told, [0, 1, 1, 2, 3, 4, 4]);
    let expiring =
        OperatorEvent::CredentialExpiring { credential: "primary".to_owned(), expires_at: ends };
    assert!(bench.ear.0.lock().unwrap().iter().all(|event| *event == expiring));
    let _shared: Arc<dyn Send> = Arc::new(set);
}
