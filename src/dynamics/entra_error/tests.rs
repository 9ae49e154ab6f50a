use std::collections::BTreeSet;

use time::macros::datetime;

use super::*;
use crate::dynamics::test_bench::{answer, everything_said};
use crate::error::Remedy;

const NOW: OffsetDateTime = datetime!(2026-02-01 09:00 UTC);

fn consent() -> Option<Url> {
    Some(Url::parse("https://login.microsoftonline.com/organizations/v2.0/adminconsent").unwrap())
}

/// An answer as Entra writes it, with a marker wherever prose is.
fn refusal(status: u16, error: &str, code: u32) -> EntraFailure {
    let body = format!(
        r#"{{"error":"{error}","error_description":"AADSTS{code}: marker-upn@contoso.com. Trace ID: marker-trace",
            "error_codes":[{code}],"timestamp":"2026-01-02 03:04:05Z","trace_id":"marker-trace",
            "correlation_id":"11111111-2222-3333-4444-555555555555","suberror":"bad_token",
            "claims":"marker-claims"}}"#
    );
    EntraFailure::from_response(&answer(status, body))
}

#[track_caller]
fn error_of(error: &str, code: u32) -> Error {
    let made = refusal(400, error, code).into_error("sign in", None, NOW, consent());
    assert!(!everything_said(&made).contains("marker"), "{}", everything_said(&made));
    made
}

/// The numbers of the reference, part 2.7, written out.
const REFERENCE: &[u32] = &[
    16000, 16001, 16002, 160021, 16003, 50001, 500011, 500021, 500022, 50011, 50012, 50013, 500133,
    50014, 50020, 500208, 500212, 500213, 50033, 50034, 50053, 50055, 50056, 50057, 50058, 50059,
    50072, 50074, 50076, 50078, 50079, 50085, 50089, 50087, 50088, 50097, 50105, 50126, 50131,
    50132, 50133, 50140, 50144, 501481, 50147, 50158, 50173, 50194, 50196, 50199, 51004, 53000,
    53001, 53002, 53003, 53004, 53011, 530032, 530035, 54005, 65001, 65002, 65004, 65005, 650052,
    650054, 650056, 650057, 70000, 70002, 70007, 70001, 700016, 700005, 70008, 70011, 700022,
    700023, 700011, 700020, 700025, 700027, 700030, 70043, 700054, 700082, 700084, 7000112,
    7000215, 7000218, 7000222, 700229, 80001, 80002, 80005, 80007, 80014, 90002, 90006, 90012,
    90024, 90033, 90090, 90014, 900144, 90019, 90036, 90038, 900382, 900432, 90055, 90072, 90093,
    90094, 90095, 90099, 9001023, 90124, 90130, 9002313, 901002, 1000031,
];

#[test]
fn con_4_the_table_holds_every_number_of_the_reference_once() {
    let mut listed: Vec<u32> = table::ROWS.iter().flat_map(|row| row.codes).copied().collect();
    let distinct: BTreeSet<u32> = listed.iter().copied().collect();
    assert_eq!(distinct.len(), listed.len());
    let mut expected = REFERENCE.to_vec();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

#[test]
fn con_4_every_number_gives_a_sentence_that_a_settings_page_can_show() {
    for &code in REFERENCE {
        let message = error_of("invalid_grant", code).customer_message();
        assert!(message.ends_with('.') && message.len() > 20, "{code}: {message}");
        assert!(message.starts_with(char::is_uppercase), "{code}: {message}");
        assert!(!message.contains("AADSTS") && !message.contains("  "), "{code}: {message}");
    }
}

/// What people search for is how a sentence begins; what to do may be told once for several.
#[test]
fn con_4_every_sentence_has_a_paragraph_in_the_troubleshooting_guide() {
    let guide = include_str!("../../../TROUBLESHOOTING.md");
    let grouped = [
        table::NOT_APPROVED,
        table::SIGN_IN,
        table::WRONG_ADDRESS,
        table::MICROSOFT_DOWN,
        table::SLOW_DOWN,
        table::MISCONFIGURED,
        table::BAD_CREDENTIAL,
    ];
    for sentence in table::ROWS.iter().map(|row| row.sentence).chain(grouped) {
        let begins = sentence.split_inclusive(". ").next().unwrap().trim_end();
        assert!(guide.contains(begins), "{begins}");
    }
}

#[test]
fn con_5_claims_that_come_with_a_refusal_are_kept_for_the_next_sign_in() {
    let wanted = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let refused = |error: &str, code: u32, claims: &str| {
        let body = serde_json::json!({"error": error, "error_codes": [code], "claims": claims});
        EntraFailure::from_response(&answer(400, body.to_string())).into_error("x", None, NOW, None)
    };
    for (error, code) in [("interaction_required", 50076), ("invalid_grant", 53003)] {
        match refused(error, code, wanted) {
            Error::Unauthenticated { claims, .. } => assert_eq!(claims.as_deref(), Some(wanted)),
            other => panic!("{code}: {other:?}"),
        }
    }
    // Without usable claims a policy stays the administrator's business.
    for useless in ["", "[]", "no json"] {
        assert!(matches!(refused("invalid_grant", 53003, useless), Error::NeedsAdmin { .. }));
    }
}

#[test]
fn con_4_sign_in_again() {
    for code in [16000, 50076, 50173, 54005, 65001, 70008, 70043, 700082] {
        let error = error_of("invalid_grant", code);
        assert!(matches!(error, Error::Unauthenticated { .. }), "{code}: {error:?}");
        assert_eq!(error.remedy(), Remedy::Reconnect);
    }
    let unused = error_of("invalid_grant", 700_082);
    assert_eq!(unused.customer_message(), "The connection was unused for too long. Connect again.");
}

#[test]
fn con_4_ask_your_admin_with_the_link_where_approval_helps() {
    for code in [65004, 90093, 90094, 90095, 90099, 700_016] {
        let Error::NeedsAdmin { link, .. } = error_of("invalid_grant", code) else {
            panic!("{code}");
        };
        assert_eq!(link.as_deref(), consent().as_ref(), "{code}");
    }
    for code in [50057, 50105, 53003, 500_212, 7_000_112, 1_000_031] {
        let Error::NeedsAdmin { link, .. } = error_of("invalid_grant", code) else {
            panic!("{code}");
        };
        assert_eq!(link, None, "{code}");
    }
}

#[test]
fn con_4_check_the_org_address() {
    for code in [50001, 500_011, 650_052, 90002, 90038, 900_432] {
        let error = error_of("invalid_request", code);
        assert_eq!(error.remedy(), Remedy::FixInput, "{code}");
        assert!(error.customer_message().contains("address"), "{code}");
    }
}

#[test]
fn con_6_our_own_mistakes_disconnect_nobody() {
    for (code, expected) in [
        (7_000_215, "client_secret"),
        (7_000_222, "client_secret"),
        (700_027, "client_secret"),
        (50011, "redirect_uri"),
        (50194, "app registration"),
        (70011, "app registration"),
    ] {
        // Even where Entra calls the grant invalid, the number says whose fault it is.
        for name in ["invalid_client", "invalid_grant"] {
            let Error::Config { key, .. } = error_of(name, code) else { panic!("{code}") };
            assert_eq!(key, expected, "{code}");
        }
    }
}

#[test]
fn con_4_try_again_and_wait() {
    for code in [50033, 50087, 80001, 90033] {
        let error = error_of("invalid_grant", code);
        assert!(matches!(error, Error::Unavailable { .. }) && error.is_retryable(), "{code}");
    }
    for code in [50196, 90055] {
        let error = error_of("invalid_grant", code);
        assert_eq!(error.retry_at(), Some(NOW + Duration::seconds(60)), "{code}");
    }
    let later = NOW + Duration::minutes(7);
    let told = refusal(429, "", 0).into_error("sign in", Some(later), NOW, None);
    assert_eq!(told.retry_at(), Some(later));
}

#[test]
fn con_4_a_server_in_trouble_says_nothing_about_the_user() {
    for status in [408, 500, 502, 503, 504] {
        assert_eq!(refusal(status, "invalid_grant", 700_082).class(), Class::TryAgain, "{status}");
    }
    assert_eq!(refusal(429, "invalid_grant", 700_082).class(), Class::Wait);
}

#[test]
fn con_4_an_unknown_number_falls_back_on_the_name() {
    for (name, expected) in [
        ("invalid_grant", Class::SignInAgain),
        ("interaction_required", Class::SignInAgain),
        ("login_required", Class::SignInAgain),
        ("consent_required", Class::SignInAgain),
        ("invalid_client", Class::Ours(Setting::ClientCredential)),
        ("unauthorized_client", Class::Ours(Setting::Registration)),
        ("invalid_request", Class::Ours(Setting::Registration)),
        ("unsupported_grant_type", Class::Ours(Setting::Registration)),
        ("invalid_scope", Class::Ours(Setting::Registration)),
        ("something_new", Class::Ours(Setting::Registration)),
        ("invalid_resource", Class::CheckAddress),
        ("access_denied", Class::AskAdmin(AdminStep::Approve)),
        ("temporarily_unavailable", Class::TryAgain),
        ("server_error", Class::TryAgain),
        ("", Class::Unexpected),
    ] {
        assert_eq!(refusal(400, name, 99_999_999).class(), expected, "{name}");
    }
    for suberror in ["client_mismatch", "protection_policy_required"] {
        let body = format!(r#"{{"error":"invalid_grant","suberror":"{suberror}"}}"#);
        let failure = EntraFailure::from_response(&answer(400, body));
        assert_eq!(failure.class(), Class::Ours(Setting::Registration));
    }
}

#[test]
fn con_4_a_declined_and_a_forbidden_consent_share_one_honest_sentence() {
    let declined = Callback::new([
        ("error", "access_denied"),
        ("error_subcode", "cancel"),
        ("error_description", "AADSTS65004: marker declined"),
    ]);
    let bare = Callback::new([("error", "access_denied")]);
    for callback in [declined, bare] {
        let failure = EntraFailure::from_callback(&callback).unwrap();
        let error = failure.into_error("sign in", None, NOW, consent());
        assert_eq!(
            error.customer_message(),
            "The app was not approved. If you declined, connect again; if your company lets only \
             administrators approve apps, send your Global Admin the approval link."
        );
        assert!(matches!(error, Error::NeedsAdmin { link: Some(_), .. }));
    }
    // A number that names another cause for the administrator is believed.
    let unassigned = Callback::new([
        ("error", "access_denied"),
        ("error_description", "AADSTS50105: not assigned"),
    ]);
    let failure = EntraFailure::from_callback(&unassigned).unwrap();
    assert_eq!(failure.class(), Class::AskAdmin(AdminStep::Other));
    assert_eq!(EntraFailure::from_callback(&Callback::new([("code", "x")])), None);
}

#[test]
fn r_4_any_body_is_read_without_harm() {
    let deep = "[".repeat(1_000_000);
    let nested = "[".repeat(200);
    let huge = format!(r#"{{"error":"invalid_grant","x":"{}"}}"#, "a".repeat(100_000));
    for body in [
        "",
        "null",
        "[]",
        "42",
        "\"text\"",
        "<html>marker</html>",
        "{",
        "\u{0}",
        deep.as_str(),
        nested.as_str(),
        huge.as_str(),
        r#"{"error":{"code":"marker"}}"#,
        r#"{"error":42}"#,
        r#"{"error":"<b>marker</b>"}"#,
        r#"{"error":"invalid_grant","error_codes":[1e400]}"#,
    ] {
        let failure = EntraFailure::from_response(&answer(400, body));
        assert_eq!(failure.class(), Class::Unexpected, "{failure}");
        let error = failure.into_error("sign in", None, NOW, None);
        assert!(!everything_said(&error).contains("marker"));
    }
    let odd = r#"{"error":"invalid_grant","error_codes":["700082",-1,4294967296,null,{}]}"#;
    let failure = EntraFailure::from_response(&answer(400, odd));
    assert_eq!(failure.codes, [700_082]);
}

#[test]
fn con_4_numbers_are_found_in_the_prose_too() {
    let body = r#"{"error":"invalid_grant","error_description":"AADSTS50076: AADSTS: AADSTSx AADSTS99999999999 AADSTS50076 AADSTS7000215"}"#;
    let failure = EntraFailure::from_response(&answer(400, body));
    assert_eq!(failure.codes, [50076, 7_000_215]);
    assert_eq!(
        failure.to_string(),
        "Entra answered invalid_grant AADSTS50076 AADSTS7000215 (status 400)"
    );
}
