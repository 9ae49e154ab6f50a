use super::*;
use proptest::prelude::*;
use time::format_description::well_known::Rfc3339;
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};

use crate::model::Amount;

fn read<T: for<'a> Scalar<'a> + PartialEq + fmt::Debug>(json: &str) -> Column<T> {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    let column = Column::read(&raw);
    // Right from a page the answer is the same, or there is none.
    if let Ok(quick) = serde_json::from_str::<Quickly<T>>(json) {
        assert_eq!(quick.0, column, "{json}");
    }
    column
}

/// `serde_json::from_str` wants a type that it may keep.
struct Quickly<T>(Column<T>);

impl<'de, T: Scalar<'de>> Deserialize<'de> for Quickly<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Column::deserialize(json).map(Self)
    }
}

fn text(json: &str) -> Option<String> {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    Column::<Cow<'_, str>>::read(&raw).text()
}

fn id(json: &str) -> Option<String> {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    Column::<Guid<'_>>::read(&raw).id()
}

#[test]
fn r_12_money_is_exact_to_its_last_digit() {
    for (json, expected) in [
        ("9007199254740993", "9007199254740993"),
        ("922337203685477.5807", "922337203685477.5807"),
        ("-922337203685477.5807", "-922337203685477.5807"),
        ("20000.0000", "20000"),
        ("0.0001", "0.0001"),
        ("1.5e3", "1500"),
        ("\"12.3400\"", "12.34"),
    ] {
        let amount = read::<Amount>(json).value().map(|amount| amount.to_string());
        assert_eq!(amount.as_deref(), Some(expected), "{json}");
    }
    for json in ["1e400", "true", "\"NaN\"", "[]", "{}", "\"\""] {
        assert_eq!(read::<Amount>(json), Column::Unreadable, "{json}");
    }
}

#[test]
fn r_21_null_absent_and_unreadable_are_told_apart() {
    assert_eq!(read::<i64>("null"), Column::Null);
    assert_eq!(read::<i64>("7"), Column::Value(7));
    assert_eq!(read::<i64>("\"9223372036854775807\""), Column::Value(i64::MAX));
    for json in ["7.5", "7.0", "\"\\u0037\"", "18446744073709551616", "true", "[7]"] {
        assert_eq!(read::<i64>(json), Column::Unreadable, "{json}");
    }
    assert_eq!(read::<i64>("-0"), Column::Value(0));
    assert_eq!(read::<bool>("true"), Column::Value(true));
    assert_eq!(read::<bool>("1"), Column::Unreadable);
    assert_eq!(Column::<i64>::default(), Column::Absent);
}

#[test]
fn syn_1_both_forms_of_a_date_are_read() {
    for (json, expected) in [
        ("\"2026-02-01\"", date!(2026 - 02 - 01)),
        ("\"2026-02-01T00:00:00Z\"", date!(2026 - 02 - 01)),
        // Midnight in Berlin, Auckland in summer, New York, Hawaii.
        ("\"2026-01-31T23:00:00Z\"", date!(2026 - 02 - 01)),
        ("\"2026-01-31T11:00:00Z\"", date!(2026 - 02 - 01)),
        ("\"2026-02-01T05:00:00Z\"", date!(2026 - 02 - 01)),
        ("\"2026-02-01T10:00:00Z\"", date!(2026 - 02 - 01)),
    ] {
        assert_eq!(read::<Date>(json), Column::Value(expected), "{json}");
    }
    for json in ["\"2026-02-30\"", "\"01.02.2026\"", "20260201", "\"9999-12-31T23:00:00Z\""] {
        assert_eq!(read::<Date>(json), Column::Unreadable, "{json}");
    }
}

#[test]
fn syn_1_times_are_utc() {
    let expected = datetime!(2026-02-01 21:59:01 UTC);
    for json in ["\"2026-02-01T21:59:01Z\"", "\"2026-02-01T23:59:01+02:00\""] {
        assert_eq!(read::<OffsetDateTime>(json), Column::Value(expected));
    }
    assert_eq!(read::<OffsetDateTime>("\"yesterday\""), Column::Unreadable);
}

#[test]
fn syn_1_guids_are_spelled_in_one_way() {
    let expected = "0a1b2c3d-1111-2222-3333-444455556666";
    for json in [
        "\"0a1b2c3d-1111-2222-3333-444455556666\"",
        "\"0A1B2C3D-1111-2222-3333-444455556666\"",
        "\"{0A1B2C3D-1111-2222-3333-444455556666}\"",
    ] {
        assert_eq!(id(json).as_deref(), Some(expected), "{json}");
    }
    let nobody = RawValue::from_string("\"nobody\"".to_owned()).unwrap();
    assert_eq!(Column::<Guid<'_>>::read(&nobody), Column::Unreadable);
    let nil = "\"00000000-0000-0000-0000-000000000000\"";
    assert_eq!(id(nil), None);
}

#[test]
fn r_12_text_is_unescaped_and_lone_surrogates_are_unreadable() {
    assert_eq!(text(r#""plain""#).as_deref(), Some("plain"));
    assert_eq!(text(r#""a\"b\u00e9\ud83d\ude00""#).as_deref(), Some("a\"bé😀"));
    assert_eq!(text(r#""\ud800""#), None);
    assert_eq!(text("\"\""), None);
    assert_eq!(text("7"), None);
}

/// The one form that the service writes is read without a parser; the answers are a parser's.
#[test]
fn syn_1_times_are_checked_like_a_parser_does() {
    for text in [
        "2026-02-29T00:00:00Z",
        "2028-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-00T00:00:00Z",
        "2026-02-01T24:00:00Z",
        "2026-02-01T23:60:00Z",
        "2016-12-31T23:59:60Z",
        "2026-02-01 00:00:00Z",
        "2026-02-01T00:00:00z",
        "2026-02-01T00:00:00.5Z",
        "2026-02-01T00:00:00",
        "+026-02-01T00:00:00Z",
        "1753-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-02-01T0\u{664}:00:00Z",
    ] {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok();
        assert_eq!(read::<OffsetDateTime>(&format!("\"{text}\"")).value(), parsed, "{text}");
    }
}

proptest! {
    #[test]
    fn r_12_every_type_says_the_same_of_a_value_both_ways(
        json in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,12})?([eE][-+]?[0-9]{1,3})?|true|false|null|\
            \\[[0-9]?\\]|\\{\\}|\"[-+.0-9TZ:a-f{}]{0,36}\"|\"(\\\\u00[0-7][0-9a-f]|\\\\\"|[0-9]){0,8}\""
    ) {
        read::<i64>(&json);
        read::<bool>(&json);
        read::<Amount>(&json);
        let raw = RawValue::from_string(json.clone()).unwrap();
        if let Ok(quick) = serde_json::from_str::<Quickly<Guid<'_>>>(&json) {
            prop_assert_eq!(quick.0, Column::read(&raw));
        }
        if let Ok(quick) = serde_json::from_str::<Quickly<Cow<'_, str>>>(&json) {
            prop_assert_eq!(quick.0, Column::read(&raw));
        }
        read::<Date>(&json);
        read::<OffsetDateTime>(&json);
    }
}
