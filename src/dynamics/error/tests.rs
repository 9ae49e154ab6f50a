use super::*;
use crate::dynamics::fixtures::refusal;
use crate::error::Remedy;
use crate::http::fixtures::{START, answer};

fn read(status: u16, body: impl Into<Vec<u8>>) -> Refusal {
    Refusal::read(&answer(status, &[], body))
}

fn error(status: u16, code: &str, message: &str) -> Error {
    read(status, refusal(code, message)).into_error("read the accounts", START)
}

#[test]
fn r_4_a_code_is_read_in_every_spelling() {
    for text in ["0x80040217", "0X80040217", "-2147220969", "2147746327", " 0x80040217 "] {
        assert_eq!(Code::parse(text), Some(Code::OBJECT_DOES_NOT_EXIST), "{text}");
    }
    for text in ["", "0", "0x", "abc", "0x1234567890", "-99999999999"] {
        assert_eq!(Code::parse(text), None, "{text}");
    }
    let bare = br#"{"error":{"code":-2147220969,"message":null}}"#;
    assert_eq!(read(404, bare).code, Some(Code::OBJECT_DOES_NOT_EXIST));
}

#[test]
fn r_4_a_body_that_is_no_error_object_is_survived() {
    let bodies: [Vec<u8>; 9] = [
        Vec::new(),
        b"<html><body>502 Bad Gateway</body></html>".to_vec(),
        vec![b'['; 1024 * 1024],
        br#"{"error":null}"#.to_vec(),
        br#"{"error":"text"}"#.to_vec(),
        br#"{"error":{"code":"","message":7}}"#.to_vec(),
        br#"{"error":{"code":{"a":1}}}"#.to_vec(),
        br#"{"error":{"message":"\ud800"}}"#.to_vec(),
        b"\xff\xfe{".to_vec(),
    ];
    for body in bodies {
        let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let found = read(502, body);
        assert_eq!((found.code, found.message.as_str()), (None, ""), "{start}");
        let error = found.into_error("read the accounts", START);
        assert!(matches!(error, Error::Unavailable { .. }), "{start}");
    }
}

#[test]
fn r_4_a_message_is_shortened_and_loses_control_characters() {
    let found = read(400, refusal("0x80040265", &format!("no\u{1b}[31m{}", "x".repeat(1000))));
    assert_eq!(found.message.chars().count(), 300);
    assert!(found.message.starts_with("no [31mxxx"));
}

#[test]
fn con_7_a_missing_privilege_is_named() {
    let message = "Principal user (Id=0a1b, type=8, roleCount=3) is missing prvReadOpportunity \
                   privilege (Id=0a1c) on OTC=3 for entity 'opportunity'";
    let error = error(403, "0x80040220", message);
    assert_eq!(
        error.customer_message(),
        "The connected user may not read the accounts. Ask your CRM administrator for the \
         privilege prvReadOpportunity."
    );
    assert_eq!(error.remedy(), Remedy::AskAdmin);
}

/// CON-7: whoever has to act is told what to do, and never the service's words.
#[test]
fn con_7_every_refusal_of_access_has_its_remedy() {
    for (status, code, message, remedy, words) in [
        (403, "0x80072560", "The user is not a member", Remedy::AskAdmin, "not a member"),
        (403, "-2147015328", "The user is not a member", Remedy::AskAdmin, "not a member"),
        (403, "0x8004D24B", "x", Remedy::AskAdmin, "licence"),
        (403, "0x80042F09", "x", Remedy::AskAdmin, "security role"),
        (401, "0x80040225", "x", Remedy::AskAdmin, "disabled"),
        (403, "0x8004A112", "x", Remedy::AskAdmin, "disabled"),
        (403, "0x8004A113", "x", Remedy::AskAdmin, "administration mode"),
        (403, "0x8004A104", "x", Remedy::AskAdmin, "environment is disabled"),
        (403, "0x80095FFC", "Access is restricted", Remedy::AskAdmin, "allow Fluint"),
        (403, "", "rejected as access to your IP is blocked", Remedy::AskAdmin, "IP firewall"),
        (404, "0x80060888", "no segment", Remedy::AskAdmin, "Sales app"),
        (400, "0x80041102", "not in cache", Remedy::AskAdmin, "Sales app"),
        (403, "", "", Remedy::AskAdmin, "may not read the accounts"),
        (401, "", "", Remedy::Reconnect, "connect again"),
        (404, "", "", Remedy::FixInput, "environment"),
        (404, "0x80040217", "gone", Remedy::FixInput, "record"),
        (400, "0x80040203", "ours", Remedy::ReportBug, "0x80040203"),
        (409, "", "", Remedy::ReportBug, "HTTP 409"),
        (302, "", "", Remedy::ReportBug, "contact support"),
        (503, "", "", Remedy::Retry, "keep trying"),
    ] {
        let error = error(status, code, message);
        assert_eq!(error.remedy(), remedy, "{status} {code}");
        let said = error.customer_message();
        assert!(said.contains(words), "{status} {code}: {said}");
        assert!(message.len() < 5 || !said.contains(message), "{said}");
    }
}

#[test]
fn r_1_failures_that_pass_are_told_by_their_code() {
    for (code, hint) in [
        ("0x80040216", Hint::Transient),
        ("0x80044150", Hint::Transient),
        ("0x80044151", Hint::Transient),
        ("0x80040255", Hint::Transient),
        ("0x80072321", Hint::Throttled),
        ("0x80072322", Hint::Throttled),
        ("-2147015898", Hint::Throttled),
        ("0x8005F103", Hint::Throttled),
        ("0x80131501", Hint::None),
        ("0x80048573", Hint::None),
        ("", Hint::None),
    ] {
        assert_eq!(read(400, refusal(code, "x")).hint(), hint, "{code}");
    }
    let sql = read(500, refusal("-2146233087", "Cannot open SQL connection."));
    assert_eq!(sql.hint(), Hint::Transient);
}

/// R-1: an error under a status of success is found at the very beginning of the body, or not at
/// all.
#[test]
fn r_1_an_error_under_a_status_of_success_is_a_refusal() {
    let padded = format!("{}{}", " ".repeat(200), refusal("0x80040216", "x"));
    let too_far = format!("{}{}", " ".repeat(300), refusal("0x80040216", "x"));
    let huge = refusal("0x80040216", &"x".repeat(300 * 1024));
    for (body, code) in [
        (refusal("0x80040216", "x"), Some(0x8004_0216)),
        (padded, Some(0x8004_0216)),
        ("\r\n{ \"error\" : {\"code\":\"0x80072322\"}}".to_owned(), Some(0x8007_2322)),
        (r#"{"error":{}}"#.to_owned(), Some(0)),
        (r#"{"error":null,"value":[]}"#.to_owned(), None),
        (r#"{"errors":{"code":"0x80040216"}}"#.to_owned(), None),
        (r#"{"value":[],"error":{"code":"0x80040216"}}"#.to_owned(), None),
        (r#"{"error":{"code":"0x80040216""#.to_owned(), None),
        (r#"["error"]"#.to_owned(), None),
        (String::new(), None),
        (too_far, None),
        (huge, None),
    ] {
        let shown: String = body.trim().chars().take(60).collect();
        let found = Refusal::of(&answer(200, &[], body));
        let found = found.map(|refusal| refusal.code.map_or(0, |code| code.0));
        assert_eq!(found, code, "{shown}");
    }
    assert!(Refusal::of(&answer(204, &[], "")).is_none());
    assert!(Refusal::of(&answer(304, &[], "")).is_some());
}
