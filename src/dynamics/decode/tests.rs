use super::*;
use proptest::prelude::*;

use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::dynamics::wire::WireRow;
use crate::model::{Opportunity, Record};

const ONE: &str = "0a1b2c3d-1111-2222-3333-444455556666";

/// A row with every column that is asked for, all of them null but some.
fn full(columns: &[&str], but: &serde_json::Value) -> serde_json::Value {
    let mut row: serde_json::Map<_, _> =
        columns.iter().map(|column| ((*column).to_owned(), serde_json::Value::Null)).collect();
    row.extend(but.as_object().unwrap().clone());
    row.into()
}

fn opportunity(but: &serde_json::Value) -> serde_json::Value {
    let columns = <<Opportunities as Source>::Wire<'static> as WireRow<'static>>::COLUMNS;
    let mut row = full(columns, but);
    if row["opportunityid"].is_null() {
        row["opportunityid"] = ONE.into();
    }
    row
}

fn decode(body: &str) -> Decoded<Opportunity> {
    let page = page(&Opportunities, body.as_bytes()).unwrap();
    assert_agree(body);
    page
}

/// The quick way gives up, or says what the careful one says.
#[track_caller]
fn assert_agree(body: &str) {
    if let Ok(quick) = quick(&Opportunities, body) {
        let careful = careful(&Opportunities, body).unwrap();
        assert_eq!(format!("{quick:?}"), format!("{careful:?}"), "{body}");
    }
}

fn of_rows(rows: &[serde_json::Value]) -> Decoded<Opportunity> {
    decode(&serde_json::json!({ "value": rows }).to_string())
}

fn detail(body: &[u8]) -> String {
    match page(&Opportunities, body).unwrap_err() {
        BodyFault::Unexpected { detail, .. } => detail,
        BodyFault::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

#[test]
fn syn_4_a_page_tells_where_it_goes_on() {
    let row = opportunity(&serde_json::json!({ "name": "Deal" }));
    let body = format!(
        r#"{{"@odata.context":"x","@odata.nextLink":"https://x/?%3Ccookie","value":[{row}],"more":[1]}}"#
    );
    let page = decode(&body);
    assert_eq!(page.next_link.as_deref(), Some("https://x/?%3Ccookie"));
    assert_eq!(page.rows[0].name.as_deref(), Some("Deal"));
    assert_eq!((page.unreadable, page.notices.len()), (0, 0));
    assert_eq!(decode(r#"{"value":[]}"#).next_link, None);
}

/// R-21: the row is kept with what is known, and reported.
#[test]
fn r_21_a_column_that_cannot_be_read_costs_only_itself() {
    let row = opportunity(&serde_json::json!({
        "name": "Deal", "estimatedvalue": "much", "closeprobability": {"a": [1]}
    }));
    let page = of_rows(&[row]);
    assert_eq!(page.rows[0].name.as_deref(), Some("Deal"));
    assert_eq!(page.rows[0].value, None);
    let detail = "estimatedvalue, closeprobability could not be read".to_owned();
    let id = page.rows[0].record_id();
    assert_eq!(page.notices, [Notice::RowIncomplete { id, detail }]);
}

/// R-16: a row without a readable id is counted, never dropped in silence.
#[test]
fn r_16_a_row_without_readable_id_is_counted() {
    let good = opportunity(&serde_json::json!({}));
    let bad = opportunity(&serde_json::json!({ "opportunityid": "nobody" }));
    let page = of_rows(&[bad, good, serde_json::json!(null), serde_json::json!([1])]);
    assert_eq!((page.rows.len(), page.unreadable), (1, 3));
}

/// R-21: absent from some rows is null, absent from all of them is drift.
#[test]
fn r_21_a_column_absent_from_every_row_is_reported() {
    let row = |column: &str| {
        let mut row = opportunity(&serde_json::json!({}));
        row.as_object_mut().unwrap().remove("actualvalue");
        row.as_object_mut().unwrap().remove(column);
        row
    };
    let page = of_rows(&[row("name"), row("stageid")]);
    let column = "actualvalue".to_owned();
    assert_eq!(page.notices, [Notice::ColumnMissing { column }]);
    assert_eq!(page.absent, [""; 0], "open ones have no actual value");
    let empty = of_rows(&[]);
    assert_eq!((empty.notices, empty.absent), (vec![], vec![]));
}

fn without(columns: &[&str]) -> Decoded<Opportunity> {
    let mut row = opportunity(&serde_json::json!({}));
    row.as_object_mut().unwrap().retain(|column, _| !columns.contains(&column.as_str()));
    of_rows(&[row])
}

/// R-21: what no row tells is told as absent, so that the old values stay.
#[test]
fn r_21_fields_without_any_column_are_told() {
    assert_eq!(without(&["name", "stepname"]).absent, ["name", "record_stage.label"]);
    assert_eq!(without(&["estimatedvalue"]).absent, ["value"]);
    // One column out of several that tell the owner is enough.
    assert_eq!(without(&["_ownerid_value", "_owningteam_value"]).absent, [""; 0]);
    let owner = without(&["_ownerid_value", "_owningteam_value", "_owninguser_value"]);
    assert_eq!((owner.absent.as_slice(), owner.notices.len()), (&["owner"][..], 3));
    // The version has a stand-in, and a row without id is none.
    assert_eq!(without(&["versionnumber"]).absent, [""; 0]);
    let headless = without(&["opportunityid", "name"]);
    assert_eq!((headless.unreadable, headless.absent.len()), (1, 0));
    // A column that cannot be read is there.
    let page = of_rows(&[opportunity(&serde_json::json!({ "name": [1] }))]);
    assert_eq!((page.absent.len(), page.notices.len()), (0, 1));
}

/// The quick way is the usual one: also with annotations that come and go, an order of columns that
/// changes, and columns that cannot be read.
#[test]
fn syn_4_usual_pages_are_read_the_quick_way() {
    let table = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname";
    let one = opportunity(&serde_json::json!({ "name": "D\"é", table: "team", "new": [1] }));
    let other = opportunity(&serde_json::json!({ "closeprobability": "7", "createdon": "?" }));
    let members = other.as_object().unwrap().iter().rev();
    let members: Vec<_> = members.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let body = format!(r#"{{"value":[{one}, {{{}}},{one}]}}"#, members.join(","));
    let page = quick(&Opportunities, &body).unwrap().unwrap();
    assert_eq!((page.rows.len(), page.notices.len()), (3, 1));
    assert_eq!(page.rows[0], page.rows[2]);
    assert_eq!(page.rows[1].probability, Some(7));
    assert_agree(&body);
}

/// More names than anybody writes are read all the same.
#[test]
fn r_12_a_row_of_very_many_names_is_read() {
    let names: Vec<String> = (0..1_000).map(|n| format!("\"new_{n}\":{n},")).collect();
    let row = opportunity(&serde_json::json!({ "name": "Deal" })).to_string();
    let row = format!("{{{}{}", names.concat(), &row[1..]);
    let page = decode(&format!(r#"{{"value":[{row},{row}]}}"#));
    assert_eq!(page.rows[1].name.as_deref(), Some("Deal"));
    assert!(
        page.notices.is_empty() && quick(&Opportunities, &format!("{{\"value\":[{row}]}}")).is_ok()
    );
}

#[test]
fn r_4_a_200_whose_body_holds_an_error_is_an_error() {
    let body = br#"{"error":{"code":"0x80040216","message":"An unexpected error"}}"#;
    let BodyFault::Refused(refusal) = page(&Opportunities, body).unwrap_err() else {
        panic!("taken for a page");
    };
    assert_eq!(refusal.label(), "0x80040216");
    let cut_short = br#"{"value":[],"error":{"code":"0x80044151","message":"SQL timeout"}}"#;
    assert!(matches!(page(&Opportunities, cut_short), Err(BodyFault::Refused(_))));
}

#[test]
fn r_12_hostile_bodies_are_typed_errors() {
    let deep = format!("{}1{}", "{\"a\":".repeat(129), "}".repeat(129));
    for (body, expected) in [
        (b"<html>maintenance</html>".to_vec(), "no such JSON (line 1, column 1)"),
        (Vec::new(), "no such JSON (line 1, column 0)"),
        (vec![b'['; 1_000_000], "no such JSON (line 1, column 0)"),
        (br#"{"value":[NaN]}"#.to_vec(), "no such JSON (line 1, column 11)"),
        (br#"{"value":{}}"#.to_vec(), "no such JSON (line 1, column 9)"),
        (br#"{"value":[]} {"value":[]}"#.to_vec(), "no such JSON (line 1, column 14)"),
        (br#"{"value":[{"opportunityid":"#.to_vec(), "no such JSON (line 1, column 27)"),
        (b"{}".to_vec(), "no list of rows"),
        (deep.into_bytes(), "no list of rows"),
        (b"\xff\xfe".to_vec(), "a body that is not UTF-8"),
    ] {
        assert_eq!(detail(&body), expected);
        if let Ok(text) = std::str::from_utf8(&body) {
            assert_agree(text);
        }
    }
}

/// R-12: a page of very many tiny rows does not grow beyond what was asked for.
#[test]
fn r_12_more_rows_than_were_asked_for_are_no_page() {
    let rows = |count: usize| {
        let row = r#"{"opportunityid":"00000000-0000-0000-0000-000000000001"}"#;
        format!(r#"{{"value":[{}]}}"#, vec![row; count].join(","))
    };
    assert_eq!(page(&Opportunities, rows(5_000).as_bytes()).unwrap().rows.len(), 5_000);
    assert_eq!(detail(rows(5_001).as_bytes()), "more rows than were asked for");
}

/// R-12: numbers beyond reason and lone surrogates spoil their column, not the page.
#[test]
fn r_12_hostile_columns_spoil_only_themselves() {
    let row = opportunity(&serde_json::json!({})).to_string();
    let row = row
        .replace(r#""estimatedvalue":null"#, r#""estimatedvalue":1e400"#)
        .replace(r#""name":null"#, r#""name":"\ud800""#)
        .replace(
            r#""stepname":null"#,
            &format!("\"stepname\":{}1{}", "[".repeat(129), "]".repeat(129)),
        );
    let page = decode(&format!(r#"{{"value":[{row}]}}"#));
    assert_eq!(page.rows.len(), 1);
    let [Notice::RowIncomplete { detail, .. }] = page.notices.as_slice() else {
        panic!("{:?}", page.notices);
    };
    assert_eq!(detail, "name, stepname, estimatedvalue could not be read");
}

#[test]
fn syn_6_a_row_without_version_gets_one_from_its_content() {
    let columns = <<Accounts as Source>::Wire<'static> as WireRow<'static>>::COLUMNS;
    let account = |name: &str| {
        let row = full(columns, &serde_json::json!({ "accountid": ONE, "name": name }));
        let body = serde_json::json!({ "value": [row] }).to_string();
        page(&Accounts, body.as_bytes()).unwrap().rows.remove(0).version
    };
    assert_eq!(account("Contoso"), account("Contoso"));
    assert_ne!(account("Contoso"), account("Fabrikam"));
}

/// What a column may hold, and what it should not.
const VALUES: &[&str] = &[
    "null",
    "0",
    "1",
    "-0",
    "7.5",
    "2.0",
    "1e3",
    "1e400",
    "9007199254740993",
    "-1",
    "922337203685477.5807",
    "9999999999999999999",
    "18446744073709551616",
    "true",
    "false",
    "\"\"",
    "\"text\"",
    "\"a\\\"b\\u00e9\"",
    "\"\\ud800\"",
    "\"7\"",
    "\"\\u0037\"",
    "\"12.3400\"",
    "\"account\"",
    "\"contact\"",
    "\"systemuser\"",
    "\"team\"",
    "\"{0A1B2C3D-1111-2222-3333-444455556666}\"",
    "\"0a1b2c3d-1111-2222-3333-444455556666\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"2026-02-01\"",
    "\"2026-02-01T21:59:01Z\"",
    "\"2026-02-01T23:59:01.5+02:00\"",
    "[]",
    "[[1],{\"a\":2}]",
    "{}",
    "{\"opportunityid\":1}",
];

/// Names that a row may have beside its columns.
const NAMES: &[&str] = &[
    "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
    "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
    "@odata.etag",
    "new_field",
    "n\\u0061me",
    "value",
];

/// Mostly what the quick way can read, whether it fits its column or not.
fn any_row() -> impl Strategy<Value = String> {
    let columns = <<Opportunities as Source>::Wire<'static> as WireRow<'static>>::COLUMNS;
    let names = prop::sample::select([columns, columns, NAMES].concat());
    let numbers = ["statecode", "statuscode", "closeprobability", "estimatedvalue", "actualvalue"];
    let some = |fits: fn(&str) -> bool| {
        let some = VALUES.iter().copied().filter(|value| fits(value) && !value.contains("ud800"));
        prop::sample::select(some.collect::<Vec<_>>())
    };
    let member = prop_oneof![
        30 => (names.clone(), some(|value| value.starts_with(['"', 'n']))),
        10 => (prop::sample::select(numbers.to_vec()), some(|value| value.parse::<i64>().is_ok())),
        1 => (names, prop::sample::select(VALUES)),
    ];
    let member = member.prop_map(|(name, value)| format!("\"{name}\": {value}"));
    let row =
        (any::<bool>(), prop::collection::vec(member, 0..12)).prop_map(|(id, mut members)| {
            members.extend(id.then(|| format!("\"opportunityid\":\"{ONE}\"")));
            format!("{{{}}}", members.join(","))
        });
    prop_oneof![40 => row, 1 => prop::sample::select(VALUES).prop_map(str::to_owned)]
}

proptest! {
    /// R-12, R-21: whatever stands in a page, one row costs only itself, and both ways agree.
    #[test]
    fn r_12_both_ways_over_a_page_agree(rows in prop::collection::vec(any_row(), 0..6)) {
        let body = format!(r#"{{"value":[{}],"@odata.nextLink":"x"}}"#, rows.join(","));
        let page = decode(&body);
        let counted = page.rows.len() + usize::try_from(page.unreadable).unwrap();
        prop_assert_eq!(counted, rows.len());
    }

    #[test]
    fn r_12_a_page_cut_short_anywhere_is_a_typed_error(
        rows in prop::collection::vec(any_row(), 1..4), at in 0_usize..100,
    ) {
        let body = format!(r#"{{"value":[{}],"@odata.nextLink":"x"}}"#, rows.join(","));
        let cut = body.len() * at / 100;
        assert_agree(&body[..cut]);
        let short = detail(&body.as_bytes()[..cut]);
        prop_assert!(short.starts_with("no such JSON"), "{}", short);
    }
}
