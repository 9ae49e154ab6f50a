use std::sync::Arc;

use super::*;
use crate::connector::CrmProvider as _;
use crate::dynamics::test_bench::{CLIENT_ID, answer, bench};
use crate::http::fixtures::FnTransport;

fn provider(transport: &Arc<FnTransport>) -> DynamicsProvider {
    DynamicsProvider::builder()
        .client_id(CLIENT_ID)
        .client_secret("marker-client-secret".to_owned())
        .redirect_uri("https://app.example/crm/callback")
        .transport(Arc::<FnTransport>::clone(transport))
        .build()
        .unwrap()
}

fn sign_in(address: &str) -> SignIn {
    SignIn {
        address: address.to_owned(),
        state: SecretString::from("orgs-1"),
        verifier: SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        login_hint: None,
        claims: None,
        tenant: None,
    }
}

#[test]
fn con_2_the_commercial_directories_are_offered_and_no_other() {
    let provider = provider(&FnTransport::new(|_, _| Ok(answer(500, ""))));
    let discovery = provider.discovery().unwrap();
    let offered: Vec<_> = discovery.directories().into_iter().map(|d| d.address).collect();
    let commercial =
        ["https://globaldisco.crm.dynamics.com", "https://globaldisco.crm9.dynamics.com"];
    assert_eq!(offered, commercial);
    let page = discovery.sign_in(&sign_in(commercial[0])).unwrap().url;
    assert_eq!(page.path(), "/organizations/oauth2/v2.0/authorize");
    let scope = page.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
    assert!(scope.starts_with("https://globaldisco.crm.dynamics.com/user_impersonation "));
    for nowhere in ["https://evil.example", "https://globaldisco.crm.dynamics.com.evil.com", ""] {
        let refused = discovery.sign_in(&sign_in(nowhere)).unwrap_err();
        assert!(matches!(refused, Error::InvalidInput { .. }), "{nowhere}");
    }
}

#[test]
fn con_1_the_directory_is_not_believed_about_where_tokens_may_go() {
    let listing = |url: &str, api: &str, name: &str| {
        let body = serde_json::json!({"Id": "11111111-2222-3333-4444-555555555555",
            "FriendlyName": name, "Url": url, "ApiUrl": api, "State": 0, "Unheard": [1]});
        serde_json::from_value::<Instance>(body).unwrap().listing()
    };
    let org = listing("https://contoso.crm4.dynamics.com/", "", "Contoso\u{7} Sales").unwrap();
    assert_eq!(org.address, "https://contoso.crm4.dynamics.com");
    assert_eq!(org.name, "Contoso Sales");
    assert_eq!(org.organisation.as_str(), "11111111-2222-3333-4444-555555555555");
    let by_api = listing("", "https://contoso.api.crm4.dynamics.com", " ").unwrap();
    assert_eq!(by_api.name, "contoso.crm4.dynamics.com");
    assert!(listing("https://evil.example", "http://contoso.crm4.dynamics.com", "x").is_none());
}

#[tokio::test]
async fn con_9_a_stranger_in_the_list_gets_no_token() {
    // Whatever the directory answers, the token goes to the directory alone.
    let claims = format!(
        r#"{{"aud":"{CLIENT_ID}","tid":"11111111-2222-3333-4444-555555555555",
            "iss":"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"}}"#
    );
    use base64::Engine as _;
    let middle = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    let tokens = format!(
        r#"{{"access_token":"marker-a","expires_in":3600,"refresh_token":"marker-r","id_token":"e30.{middle}.s"}}"#
    );
    let list =
        r#"{"value":[{"Id":"11111111-2222-3333-4444-555555555555","Url":"https://evil.example"}]}"#;
    let transport = FnTransport::new(move |request, _| {
        Ok(match request.url.host_str() {
            Some("login.microsoftonline.com") => answer(200, tokens.clone()),
            _ => answer(200, list),
        })
    });
    let provider = provider(&transport);
    let callback = Callback::new([("code", "marker-code"), ("state", "orgs-1")]);
    let asked = sign_in("https://globaldisco.crm.dynamics.com");
    let orgs = provider.list(&bench().context, &asked, &callback).await.unwrap();
    assert!(orgs.is_empty());
    let hosts: Vec<_> =
        transport.sent().iter().map(|r| r.url.host_str().unwrap().to_owned()).collect();
    assert_eq!(hosts, ["login.microsoftonline.com", "globaldisco.crm.dynamics.com"]);
}
