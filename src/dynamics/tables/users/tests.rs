use super::*;
use crate::dynamics::decode::page;

fn user(columns: &str) -> User {
    let id = r#""systemuserid":"0A1B2C3D-1111-2222-3333-444455556666""#;
    let body = format!(r#"{{"value":[{{{id}{columns}}}]}}"#);
    page(&Users, body.as_bytes()).unwrap().rows.remove(0)
}

/// SYN-1: a golden row; leavers are kept and marked.
#[test]
fn syn_1_a_disabled_user_is_kept() {
    let user = user(
        r#","fullname":"Ada Lovelace","internalemailaddress":" Ada@Contoso.com ",
           "domainname":"ada@contoso.onmicrosoft.com","isdisabled":true,"accessmode":0,
           "applicationid":null,"versionnumber":4711223,"@odata.etag":"W/\"4711223\"""#,
    );
    assert_eq!(user.id.as_str(), "0a1b2c3d-1111-2222-3333-444455556666");
    assert_eq!(user.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(user.email.as_ref().map(EmailAddress::as_str), Some("ada@contoso.com"));
    assert_eq!(user.sign_in_name.as_deref(), Some("ada@contoso.onmicrosoft.com"));
    assert_eq!((user.status, user.kind), (UserStatus::Disabled, UserKind::Person));
    assert_eq!(user.version.as_i64(), 4_711_223);
}

#[test]
fn syn_1_machines_are_told_from_people() {
    let nil = "00000000-0000-0000-0000-000000000000";
    for (columns, kind) in [
        (r#","accessmode":0"#.to_owned(), UserKind::Person),
        (r#","accessmode":2"#.to_owned(), UserKind::Person),
        (r#","accessmode":4"#.to_owned(), UserKind::Service),
        (r#","accessmode":3"#.to_owned(), UserKind::Service),
        (r#","accessmode":99"#.to_owned(), UserKind::Person),
        (String::new(), UserKind::Person),
        (format!(r#","applicationid":"{nil}","accessmode":0"#), UserKind::Person),
        (
            r#","applicationid":"11111111-1111-1111-1111-111111111111","accessmode":4"#.to_owned(),
            UserKind::Application,
        ),
    ] {
        assert_eq!(user(&columns).kind, kind, "{columns}");
    }
}

#[test]
fn dea_1_what_is_no_address_is_no_address() {
    for email in ["null", "\"\"", "\"none\"", "\"a@b@c\""] {
        assert_eq!(user(&format!(r#","internalemailaddress":{email}"#)).email, None);
    }
}
