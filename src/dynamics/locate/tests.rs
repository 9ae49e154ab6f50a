use super::*;
use crate::dynamics::test_bench::{answer, bench, endpoints, with_header};
use crate::http::fixtures::FnTransport;

const ORG: &str = "contoso.crm4.dynamics.com";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

async fn told(answered: Result<Response, TransportErrorKind>) -> Result<Option<String>> {
    let transport = FnTransport::new(move |_, _| answered.clone());
    tenant(&*transport, &bench().context, &endpoints(ORG)).await
}

fn challenge(value: &str) -> Result<Response, TransportErrorKind> {
    Ok(with_header(answer(401, ""), "www-authenticate", value))
}

#[tokio::test]
async fn con_2_the_question_carries_no_credential_and_goes_to_the_org_alone() {
    let transport = FnTransport::new(|_, _| Ok(answer(401, "")));
    tenant(&*transport, &bench().context, &endpoints(ORG)).await.unwrap();
    let sent = transport.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].url.as_str(), "https://contoso.api.crm4.dynamics.com/api/data/v9.2/");
    assert!(!sent[0].headers.contains_key("authorization") && sent[0].body.is_empty());
}

#[tokio::test]
async fn con_2_the_tenant_is_read_from_the_orgs_own_challenge() {
    let named = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize, \
         resource_id=https://contoso.crm4.dynamics.com/"
    );
    assert_eq!(told(challenge(&named)).await.unwrap().as_deref(), Some(TENANT));
    for unnamed in [
        "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize",
        "Bearer authorization_uri=\"https://login.microsoftonline.com\"",
        "Bearer realm=\"\"",
        "Negotiate",
    ] {
        assert_eq!(told(challenge(unnamed)).await.unwrap(), None, "{unnamed}");
    }
}

#[tokio::test]
async fn con_2_an_authority_that_nobody_knows_is_not_followed() {
    let evil = format!("Bearer authorization_uri=https://evil.example/{TENANT}/oauth2/authorize");
    assert_eq!(told(challenge(&evil)).await.unwrap(), None);
    let other = format!("Bearer authorization_uri=https://login.microsoftonline.us/{TENANT}/x");
    let refused = told(challenge(&other)).await.unwrap_err();
    assert_eq!(refused.customer_message(), OTHER_CLOUD);
}

#[tokio::test]
async fn con_1_an_address_without_an_org_is_refused_before_anybody_signs_in() {
    for nothing in
        [Ok(answer(404, "<html>")), Ok(answer(400, "")), Err(TransportErrorKind::NotSent)]
    {
        let refused = told(nothing).await.unwrap_err();
        assert_eq!(refused.customer_message(), NOT_THERE);
    }
}

#[tokio::test]
async fn con_4_the_ip_firewall_speaks_before_anybody_signs_in() {
    let blocked = r#"{"error":{"code":"","message":"The request you are trying to make is rejected as access to your IP is blocked."}}"#;
    let refused = told(Ok(answer(403, blocked))).await.unwrap_err();
    assert!(matches!(refused, Error::NeedsAdmin { .. }));
    assert!(refused.customer_message().contains("IP firewall"));
}

#[tokio::test]
async fn con_2_an_org_in_trouble_is_left_to_the_sign_in() {
    let passing = [
        Ok(answer(503, "")),
        Ok(answer(429, "")),
        Ok(answer(403, "<html>")),
        Ok(answer(302, "")),
        Ok(answer(200, "{}")),
        Err(TransportErrorKind::MaybeSent),
        Err(TransportErrorKind::UnusableBody),
    ];
    for trouble in passing {
        assert_eq!(told(trouble).await.unwrap(), None);
    }
}
