use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::dynamics::test_bench::{CLIENT_ID, MemoryVault, answer, bench, everything_said};
use crate::http::fixtures::FnTransport;
use crate::http::transport::TransportErrorKind;
use crate::model::{ConnectionId, Identity, MemberId, OrganisationId, RecordId, WorkspaceId};

fn builder() -> DynamicsProviderBuilder {
    DynamicsProvider::builder()
        .client_id(CLIENT_ID)
        .client_secret("marker-secret".to_owned())
        .redirect_uri("https://app.example/crm/callback")
}

fn connection(address: &str) -> Connection {
    let organisation = OrganisationId::new("cccccccc-0000-0000-0000-000000000003").unwrap();
    let user = RecordId::new("bbbbbbbb-0000-0000-0000-000000000002").unwrap();
    let mut identity = Identity::new(organisation, user);
    identity.tenant = Some("11111111-2222-3333-4444-555555555555".to_owned());
    Connection::new(
        ConnectionId::new(Uuid::from_u128(7)),
        WorkspaceId::new("acme").unwrap(),
        DYNAMICS,
        address.to_owned(),
        identity,
        MemberId::new("ada").unwrap(),
        OffsetDateTime::UNIX_EPOCH,
    )
}

#[track_caller]
fn config_key(builder: DynamicsProviderBuilder) -> String {
    match builder.build() {
        Err(Error::Config { key, .. }) => key.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn host_5_a_setting_that_cannot_work_is_named() {
    let empty = DynamicsProvider::builder;
    assert_eq!(config_key(empty()), "client_secret");
    assert_eq!(config_key(empty().client_secret("x".to_owned())), "client_id");
    assert_eq!(config_key(empty().client_secret("x".to_owned()).client_id("y")), "redirect_uri");
    assert_eq!(config_key(builder().client_secret(String::new())), "client_secret");
    for client_id in ["", " ", "a b", "ü"] {
        assert_eq!(config_key(builder().client_id(client_id)), "client_id");
    }
    for uri in ["", "/callback", "http://app.example/", "https://app.example/#x", "ftp://localhost"]
    {
        assert_eq!(config_key(builder().redirect_uri(uri)), "redirect_uri", "{uri}");
    }
    let elsewhere = Url::parse("https://evil.com").unwrap();
    assert_eq!(config_key(builder().authority_base(elsewhere.clone())), "authority_base");
    assert_eq!(config_key(builder().org_base(elsewhere)), "org_base");
    for uri in ["http://localhost:3000/back", "http://127.0.0.1/back", "https://app.example"] {
        assert!(builder().redirect_uri(uri).build().is_ok(), "{uri}");
    }
}

#[test]
fn con_9_neither_builder_nor_provider_prints_the_secret() {
    let builder = builder();
    assert!(!format!("{builder:?}").contains("marker"));
    assert!(!format!("{:?}", builder.build().unwrap()).contains("marker"));
}

#[test]
fn syn_3_dynamics_declares_six_hours() {
    let provider = builder().build().unwrap();
    assert_eq!(provider.kind().as_str(), "dynamics");
    assert_eq!(provider.default_interval(), Duration::from_secs(21_600));
}

#[tokio::test]
async fn con_1_a_refused_address_reaches_no_socket() {
    let transport = FnTransport::new(|_, _| Err(TransportErrorKind::NotSent));
    let silent: Arc<dyn Transport> = Arc::<FnTransport>::clone(&transport);
    let provider = builder().transport(silent).build().unwrap();
    let sign_in = SignIn {
        address: "https://contoso.crm.dynamics.com.evil.com".to_owned(),
        state: SecretString::from("s"),
        verifier: SecretString::from("v"),
        login_hint: None,
        claims: None,
        tenant: None,
    };
    let refused = provider.authorize(&bench().context, &sign_in).await;
    assert!(matches!(refused, Err(Error::InvalidInput { .. })));
    assert!(transport.sent().is_empty());
}

#[tokio::test]
async fn con_5_an_opened_connection_refreshes_at_its_own_tenant() {
    let bench = bench();
    let body = r#"{"access_token":"marker-1","expires_in":3600,"refresh_token":"marker-2"}"#;
    let transport = FnTransport::new(move |_, _| Ok(answer(200, body)));
    let entra: Arc<dyn Transport> = Arc::<FnTransport>::clone(&transport);
    let base = Url::parse("http://127.0.0.1:4001").unwrap();
    let provider = builder().authority_base(base).transport(entra).build().unwrap();

    let vault = MemoryVault::new("marker-0", "marker-r", OffsetDateTime::UNIX_EPOCH);
    let connection = connection("https://contoso.crm4.dynamics.com");
    let parts = provider.parts(&bench.context, &connection, vault).unwrap();
    assert_eq!(parts.endpoints.org_host(), "contoso.crm4.dynamics.com");
    parts.tokens.bearer().await.unwrap();
    assert_eq!(
        transport.sent()[0].url.as_str(),
        "http://127.0.0.1:4001/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token"
    );
    assert!(!format!("{parts:?}").contains("marker"));
}

#[tokio::test]
async fn con_3_a_sign_in_runs_through_the_stand_ins() {
    let claims = format!(
        r#"{{"aud":"{CLIENT_ID}","iss":"http://127.0.0.1:4001/fake",
            "tid":"11111111-2222-3333-4444-555555555555"}}"#
    );
    let id_token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
    let tokens = format!(
        r#"{{"access_token":"marker-1","expires_in":3600,"refresh_token":"marker-2",
            "id_token":"{id_token}"}}"#
    );
    let who = r#"{"OrganizationId":"cccccccc-0000-0000-0000-000000000003",
        "UserId":"bbbbbbbb-0000-0000-0000-000000000002"}"#;
    let transport = FnTransport::new(move |request, _| {
        Ok(match request.url.port() {
            Some(4001) => answer(200, tokens.clone()),
            _ => answer(200, who),
        })
    });
    let fakes: Arc<dyn Transport> = Arc::<FnTransport>::clone(&transport);
    let provider = builder()
        .authority_base(Url::parse("http://127.0.0.1:4001").unwrap())
        .org_base(Url::parse("http://127.0.0.1:4002").unwrap())
        .transport(fakes)
        .build()
        .unwrap();
    let sign_in = SignIn {
        address: provider.parse_address("Contoso.api.crm4.dynamics.com").unwrap(),
        state: SecretString::from("s"),
        verifier: SecretString::from("v"),
        login_hint: None,
        claims: None,
        tenant: None,
    };
    let page = provider.authorize(&bench().context, &sign_in).await.unwrap().url;
    assert_eq!(page.origin().ascii_serialization(), "http://127.0.0.1:4001");
    let callback = Callback::new([("code", "c"), ("state", "s")]);
    let signed_in = provider.finish(&bench().context, &sign_in, &callback).await.unwrap();
    assert_eq!(signed_in.address, "https://contoso.crm4.dynamics.com");
    let sent = transport.sent();
    assert_eq!(sent[0].url.as_str(), "http://127.0.0.1:4002/api/data/v9.2/");
    assert!(!sent[0].headers.contains_key("authorization"), "nobody has signed in yet");
    assert_eq!(sent[2].url.as_str(), "http://127.0.0.1:4002/api/data/v9.2/WhoAmI");
    // The scope names the real org, whatever answers.
    let form = std::str::from_utf8(&sent[1].body).unwrap();
    assert!(form.contains("scope=https%3A%2F%2Fcontoso.api.crm4.dynamics.com%2F"), "{form}");
}

#[test]
fn host_5_a_broken_stored_address_is_not_the_customers_fault() {
    let provider = builder().build().unwrap();
    let vault = MemoryVault::new("a", "r", OffsetDateTime::UNIX_EPOCH);
    let opened = provider.open(&bench().context, &connection("https://evil.com"), vault);
    let error = opened.unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{}", everything_said(&error));
}
