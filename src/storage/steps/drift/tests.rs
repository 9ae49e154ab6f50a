use super::*;
use crate::model::{Opportunity, OwnerRef, RowVersion, Stage};
use time::macros::{date, datetime};

fn old() -> Opportunity {
    let mut row = Opportunity::new("o1".try_into().unwrap());
    row.name = Some("Old".to_owned());
    row.owner = Some(OwnerRef::User("u1".try_into().unwrap()));
    row.value = Some("922337203685477.5807".parse().unwrap());
    row.close_date = Some(date!(2026 - 03 - 31));
    row.modified_at = Some(datetime!(2026-02-01 21:59:01 UTC));
    row.record_stage.label = Some("2-Develop".to_owned());
    row.record_stage.stage = Some("s1".try_into().unwrap());
    row.version = RowVersion::new(7);
    row
}

fn new() -> Opportunity {
    let mut row = Opportunity::new("o1".try_into().unwrap());
    row.name = Some("New".to_owned());
    row.record_stage.stage = Some("s2".try_into().unwrap());
    row.version = RowVersion::new(8);
    row
}

#[test]
fn r_21_what_did_not_come_stays_and_what_came_counts() {
    let absent = ["owner", "value", "close_date", "modified_at", "record_stage.label"];
    let kept = keep_fields(new(), &old(), &absent);
    let mut expected = old();
    expected.name = Some("New".to_owned());
    expected.record_stage.stage = Some("s2".try_into().unwrap());
    expected.version = RowVersion::new(8).provisional(&absent);
    assert_eq!(kept, expected);
}

#[test]
fn r_21_what_was_not_known_before_stays_unknown() {
    let mut row = new();
    row.value = Some("5".parse().unwrap());
    let mut before = old();
    before.value = None;
    assert_eq!(keep_fields(row, &before, &["value"]).value, None);
}

#[test]
fn r_21_without_drift_nothing_changes() {
    assert_eq!(keep_fields(new(), &old(), &[]), new());
    let unknown = ["no_such_field", "name.part"];
    let mut marked = new();
    marked.version = marked.version.provisional(&unknown);
    assert_eq!(keep_fields(new(), &old(), &unknown), marked);
}

/// A row whose part did not come is not written again and again, and written once more when the
/// part comes again.
#[test]
fn r_21_a_provisional_version_is_steady_and_nobody_elses() {
    let versions = [0, 1, 4_711_223, 1_770_000_000_000, i64::MAX].map(RowVersion::new);
    let stage = Stage::new("s1".try_into().unwrap());
    for version in versions.into_iter().chain([RowVersion::from_content(&stage)]) {
        let provisional = version.provisional(&["a", "b"]);
        assert_eq!(provisional, version.provisional(&["b", "a", "b"]));
        assert_ne!(provisional, version.provisional(&["a"]), "what is absent counts");
        assert!(provisional.as_i64() < 0);
        assert_ne!(provisional, version);
        assert_ne!(provisional.provisional(&["a"]), version);
    }
    assert_ne!(versions[0].provisional(&["a"]), versions[1].provisional(&["a"]));
}
