use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const LINK: &str = "https://contoso.crm4.dynamics.com/api/data/v9.2/accounts?$skiptoken=%3Ccookie";

#[test]
fn syn_4_the_link_is_found_at_the_end_of_a_page() {
    let body = format!(r#"{{"value":[{{"a":1}}],"@odata.nextLink":"{LINK}"}}"#);
    assert_eq!(next_link(body.as_bytes()), Some(LINK));
    let first = format!(r#"{{"@odata.nextLink":"{LINK}","value":[]}}"#);
    assert_eq!(next_link(first.as_bytes()), Some(LINK));
    let lookalike = format!(r#"{{"@odata.nextLink":"{LINK}","x\"@odata.nextLink":"y"}}"#);
    assert_eq!(next_link(lookalike.as_bytes()), Some(LINK));
}

#[test]
fn syn_4_what_is_no_plain_link_is_not_guessed() {
    for body in [
        r#"{"value":[]}"#,
        "",
        r#""@odata.nextLink":"x""#,
        r#"{"@odata.nextLink":null}"#,
        r#"{"@odata.nextLink":"cut sho"#,
        r#"{"@odata.nextLink":"a\u0026b"}"#,
        r#"{"@odata.nextLink":"a\"b"}"#,
        r#"{"x\"@odata.nextLink":"y"}"#,
        r#"{"contacts@odata.nextLink":"y"}"#,
    ] {
        assert_eq!(next_link(body.as_bytes()), None, "{body}");
    }
    assert_eq!(next_link(b"{\"@odata.nextLink\":\"\xff\"}"), None);
}

/// A page without a link is not searched through.
#[test]
fn syn_4_only_the_end_of_a_page_is_searched() {
    let far = format!(r#"{{"@odata.nextLink":"{LINK}","value":[{:>TAIL$}]}}"#, 7);
    assert_eq!(next_link(far.as_bytes()), None);
}

/// Texts that try to look like the member.
fn text() -> impl Strategy<Value = String> {
    let pieces = ["\"", "\\", "@odata.nextLink", ":", "\"@odata.nextLink\":\"", ",", "é", "x", "{"];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..8).prop_map(|p| p.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![text().prop_map(Value::from), Just(json!(null)), Just(json!(7))];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = text().prop_filter("no member of that name", |name| name != "@odata.nextLink");
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever stands in texts and names: what is found is the link, and nothing is found where
    /// there is none.
    #[test]
    fn syn_4_no_text_is_taken_for_a_link(
        rows in prop::collection::vec(value(), 0..4),
        link in prop::option::of("[a-z:/?$=%é]{0,20}"),
        link_first in any::<bool>(),
    ) {
        let rows = Value::from(rows);
        let body = match &link {
            Some(link) if link_first => format!(r#"{{"@odata.nextLink":"{link}","value":{rows}}}"#),
            Some(link) => format!(r#"{{"value":{rows},"@odata.nextLink":"{link}"}}"#),
            None => format!(r#"{{"value":{rows}}}"#),
        };
        prop_assert!(serde_json::from_str::<Value>(&body).is_ok());
        let found = next_link(body.as_bytes());
        prop_assert_eq!(found, link.as_deref(), "{}", body);
    }

    #[test]
    fn r_12_a_search_for_the_link_never_fails(body in prop::collection::vec(any::<u8>(), 0..99)) {
        let mut body = body;
        let _ = next_link(&body);
        body.splice(0..0, MEMBER.iter().copied());
        let _ = next_link(&body);
    }
}
