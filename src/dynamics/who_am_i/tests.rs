use super::*;
use crate::dynamics::test_bench::{START, answer, endpoints, everything_said, with_header};
use crate::error::Remedy;

const GOOD: &str = r#"{"@odata.context":"https://contoso.api.crm4.dynamics.com/x",
    "BusinessUnitId":"AAAAAAAA-0000-0000-0000-000000000001",
    "UserId":"BBBBBBBB-0000-0000-0000-000000000002",
    "OrganizationId":"CCCCCCCC-0000-0000-0000-000000000003"}"#;

#[test]
fn con_3_the_question_is_one_get_at_the_orgs_own_host() {
    let token = SecretString::from("marker-token");
    let request = request(&endpoints("contoso.crm4.dynamics.com"), &token).unwrap();
    assert_eq!(request.method, Method::GET);
    assert_eq!(request.url.as_str(), "https://contoso.api.crm4.dynamics.com/api/data/v9.2/WhoAmI");
    let mut headers: Vec<String> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    assert_eq!(
        headers,
        [
            "accept: application/json",
            "authorization: Bearer marker-token",
            "if-none-match: null",
            "odata-maxversion: 4.0",
            "odata-version: 4.0",
        ]
    );
    assert!(!format!("{request:?} {:?}", request.headers).contains("marker"));
}

#[test]
fn con_3_the_answer_gives_lower_case_ids() {
    let identity = read(&answer(200, GOOD), START).unwrap();
    assert_eq!(identity.organisation.as_str(), "cccccccc-0000-0000-0000-000000000003");
    assert_eq!(identity.user.as_str(), "bbbbbbbb-0000-0000-0000-000000000002");
    let unit = identity.unit.unwrap();
    assert_eq!(unit.as_str(), "aaaaaaaa-0000-0000-0000-000000000001");
}

#[test]
fn con_3_an_answer_without_ids_is_no_answer() {
    let nil = GOOD.replace("CCCCCCCC-0000-0000-0000-000000000003", &Uuid::nil().to_string());
    for body in ["", "{}", "<html>", r#"{"OrganizationId":"x","UserId":"y"}"#, &nil] {
        let refused = read(&answer(200, body), START);
        assert!(matches!(refused, Err(Error::UnexpectedResponse { .. })), "{body}");
    }
}

fn forbidden_with(code: &str, message: &str) -> Error {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
    read(&answer(403, body), START).unwrap_err()
}

#[test]
fn con_3_a_refusal_says_who_has_to_act() {
    for code in ["0x80072560", "0x8004D24B", "0x80040225", "0x8004a104", "0x80095FFC"] {
        let error = forbidden_with(code, "marker");
        assert_eq!(error.remedy(), Remedy::AskAdmin, "{code}");
        assert!(!everything_said(&error).contains("marker"), "{code}");
    }
    // The same number as a signed decimal.
    assert_eq!(
        forbidden_with("-2147015328", "x").customer_message(),
        forbidden_with("0x80072560", "x").customer_message(),
    );
    let blocked = forbidden_with("", "rejected as access to your IP is blocked by policy");
    assert!(blocked.customer_message().contains("IP firewall"));
    assert_eq!(forbidden_with("0x8004A113", "x").remedy(), Remedy::AskAdmin);
    let unknown = forbidden_with("0x80040220", "is missing prvReadUser privilege (Id=1)");
    assert!(matches!(&unknown, Error::PermissionDenied { privilege, .. }
        if privilege.as_deref() == Some("prvReadUser")));

    for status in [400, 404, 410] {
        assert_eq!(read(&answer(status, ""), START).unwrap_err().remedy(), Remedy::FixInput);
    }
    let unauthorized = read(&answer(401, ""), START).unwrap_err();
    assert_eq!(unauthorized.remedy(), Remedy::Reconnect);
    assert!(unauthorized.customer_message().contains("belongs to the org"));
    // Dataverse says "disabled" with a status of its own choosing.
    let body = r#"{"error":{"code":"0x80040225","message":"x"}}"#;
    assert_eq!(read(&answer(401, body), START).unwrap_err().remedy(), Remedy::AskAdmin);
    let busy = read(&with_header(answer(429, ""), "retry-after", "5"), START).unwrap_err();
    assert_eq!(busy.retry_at(), Some(START + time::Duration::seconds(5)));
    let hasty = read(&answer(429, ""), START).unwrap_err();
    assert_eq!(hasty.retry_at(), Some(START + time::Duration::minutes(1)));
    let down = read(&with_header(answer(503, "<html>"), "retry-after", "9"), START).unwrap_err();
    assert_eq!(down.retry_at(), Some(START + time::Duration::seconds(9)));
    let moved = read(&answer(302, ""), START).unwrap_err();
    assert!(matches!(moved, Error::UnexpectedResponse { .. }));
}
