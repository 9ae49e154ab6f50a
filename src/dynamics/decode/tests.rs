use super::*;
use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::model::Opportunity;

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
    page(&Opportunities, body.as_bytes()).unwrap()
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
    assert_eq!(of_rows(&[]).notices, []);
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
    }
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
