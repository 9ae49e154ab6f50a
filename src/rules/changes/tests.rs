use super::*;
use crate::model::{ContactId, CurrencyId, OpportunityId, RecordId, RowVersion, StageId, UserId};

fn opportunity() -> Opportunity {
    let mut found = Opportunity::new(OpportunityId::new("o1").unwrap());
    found.name = Some("Looms".to_owned());
    found.account = Some(AccountId::new("a1").unwrap());
    found
}

fn fields(change: Option<RowChange>) -> Vec<(ChangedField, Option<String>, Option<String>)> {
    let Some(RowChange { kind: RowChangeKind::Changed(fields), .. }) = change else {
        panic!("{change:?} should be a change of fields")
    };
    fields.into_iter().map(|one| (one.field, one.from, one.to)).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn acc_1_what_differs_is_told_with_what_it_was() {
    let before = opportunity();
    let mut after = opportunity();
    after.value = Some("1700.50".parse().unwrap());
    after.status = OpportunityStatus::Won;
    after.owner = Some(OwnerRef::User(UserId::new("u1").unwrap()));
    after.close_date = Some(time::macros::date!(2026 - 02 - 01));
    after.currency = Some(CurrencyId::new("c1").unwrap());
    let change = Tracked::change(Some(&before), Some(&after)).unwrap();
    assert_eq!((change.table, change.id.as_str()), (Table::Opportunities, "o1"));
    assert_eq!(change.name.as_deref(), Some("Looms"));
    assert_eq!(change.account.as_ref().map(AccountId::as_str), Some("a1"));
    assert_eq!(
        fields(Some(change)),
        [
            (ChangedField::Status, some("open"), some("won")),
            (ChangedField::Value, None, some("1700.5")),
            (ChangedField::Currency, None, some("c1")),
            (ChangedField::CloseDate, None, some("2026-02-01")),
            (ChangedField::Owner, None, some("u1")),
        ]
    );
}

#[test]
fn acc_1_a_row_that_says_the_same_has_not_changed() {
    let before = opportunity();
    let mut after = opportunity();
    after.version = RowVersion::new(7);
    after.modified_at = Some(time::OffsetDateTime::UNIX_EPOCH);
    assert_eq!(Tracked::change(Some(&before), Some(&after)), None);
    assert_eq!(<Opportunity as Tracked>::change(None, None), None);
}

#[test]
fn acc_1_rows_come_and_go_with_name_and_account() {
    let row = opportunity();
    for (change, kind) in [
        (Tracked::change(None, Some(&row)), RowChangeKind::Added),
        (Tracked::change(Some(&row), None), RowChangeKind::Gone),
    ] {
        let change = change.unwrap();
        assert_eq!((change.kind, change.name), (kind, some("Looms")));
        assert_eq!(change.account, row.account);
    }
}

#[test]
fn acc_1_who_left_an_account_is_told_with_the_one_before() {
    let mut before = Contact::new(ContactId::new("c1").unwrap());
    before.parent = Some(CustomerRef::Account(AccountId::new("a1").unwrap()));
    let after = Contact::new(before.id.clone());
    let change = Tracked::change(Some(&before), Some(&after)).unwrap();
    assert_eq!(change.account.as_ref().map(AccountId::as_str), Some("a1"));
    assert_eq!(fields(Some(change)), [(ChangedField::Account, some("a1"), None)]);
}

#[test]
fn acc_1_long_values_are_cut_and_what_differs_beyond_is_not_told() {
    let mut before = Account::new(AccountId::new("a1").unwrap());
    before.name = Some("é".repeat(120));
    let mut after = before.clone();
    after.name = Some(format!("{}x", "é".repeat(120)));
    assert_eq!(Tracked::change(Some(&before), Some(&after)), None);
    after.name = Some(format!("x{}", "é".repeat(120)));
    let change = Tracked::change(Some(&before), Some(&after));
    let [(ChangedField::Name, Some(from), Some(to))] = &fields(change)[..] else { panic!() };
    assert_eq!((from.len(), to.len()), (200, 199));
}

fn stage(from: &str, to: &str) -> Option<RowChange> {
    let of = OpportunityId::new("o1").unwrap();
    stage_change(&of, Some("Renewal"), None, (Some(from), Some(to)))
}

#[test]
fn acc_1_a_stage_that_moved_is_its_opportunitys_change() {
    let change = stage("s1", "s2").unwrap();
    assert_eq!((change.table, change.id.as_str()), (Table::Opportunities, "o1"));
    assert_eq!(change.name.as_deref(), Some("Renewal"));
    assert_eq!(fields(Some(change)), [(ChangedField::Stage, some("s1"), some("s2"))]);
    assert_eq!(stage("s1", "s1"), None);
    let (id, of) = (RecordId::new("b1").unwrap(), OpportunityId::new("o1").unwrap());
    let assignment = StageAssignment::new(id, of.clone(), StageId::new("s1").unwrap());
    assert_eq!(assignment.places(), Some(&of));
    assert_eq!(Tracked::change(None, Some(&assignment)), None, "the store tells it");
}

#[test]
fn acc_1_two_changes_of_one_sync_are_told_as_one() {
    let stage = |from, to| stage(from, to).unwrap();
    let merged = merge_changes(stage("s1", "s2"), stage("s2", "s3"));
    assert_eq!(fields(merged), [(ChangedField::Stage, some("s1"), some("s3"))]);
    assert_eq!(merge_changes(stage("s1", "s2"), stage("s2", "s1")), None, "there and back");

    let row = opportunity();
    let added = || Tracked::change(None, Some(&row)).unwrap();
    let gone = || Tracked::change(Some(&row), None).unwrap();
    assert_eq!(merge_changes(added(), gone()), None);
    assert_eq!(merge_changes(added(), stage("s1", "s2")).unwrap().kind, RowChangeKind::Added);
    assert_eq!(merge_changes(stage("s1", "s2"), gone()).unwrap().kind, RowChangeKind::Gone);
    assert_eq!(merge_changes(gone(), stage("s1", "s2")).unwrap().kind, RowChangeKind::Gone);
}

#[test]
fn acc_1_the_stage_on_the_row_is_left_out_where_a_better_source_is_known() {
    let before = opportunity();
    let mut after = opportunity();
    after.record_stage.stage = Some(StageId::new("s1").unwrap());
    let change = Tracked::change(Some(&before), Some(&after)).unwrap();
    assert_eq!(without_stage(change), None);
    after.probability = Some(50);
    let change = Tracked::change(Some(&before), Some(&after)).unwrap();
    assert_eq!(fields(without_stage(change)), [(ChangedField::Probability, None, some("50"))]);
}
