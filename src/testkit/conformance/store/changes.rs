//! Behaviours of [`Mirror`](crate::storage::Mirror) and
//! [`Query::row_changes`](crate::storage::Query::row_changes): what syncs found changed.

use crate::model::query::{Changes, ChangesQuery, Found};
use crate::model::{
    Account, AccountId, AssignmentState, ChangedField, Contact, CustomerRef, FieldChange,
    FoundChange, Opportunity, OpportunityStatus, Record, RowChangeKind, RowVersion, Rows,
    StageAssignment, Table,
};
use crate::storage::steps::{KEEP_RUNS, MAX_CHANGES};
use crate::storage::{Claim, Settled, SweepDecision, Unfinished};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, account, amount, assert_stale, assignment, contact, opportunities, opportunity, proof,
    record, run, stage_id, whole,
};

impl Site {
    async fn row_changes(&self) -> Changes {
        self.stores.query.row_changes(&ChangesQuery::new(self.scope())).await.unwrap()
    }

    /// What was found changed, the newest first: table, id and what happened.
    async fn told(&self) -> Vec<String> {
        self.row_changes().await.rows.iter().map(told).collect()
    }

    /// Reads only the first of some opportunities, and hears that the second is gone.
    async fn lose_one(&self, claim: &Claim, number: u128) {
        let run = self.start(claim, number).await;
        self.store(claim, run, opportunities(["o1"])).await;
        let proofs = [proof(run, Table::Opportunities)];
        self.stores.mirror.finish_pull(claim, run, &proofs).await.unwrap();
        let found = Opportunity::batch(Vec::new());
        let settled = Settled { found, absent: Vec::new(), gone: vec![record("o2")] };
        // Once more, as after a crash: it is the same.
        for _ in 0..2 {
            self.stores.mirror.settle(claim, run, &settled).await.unwrap();
        }
        self.stores.mirror.finish_run(claim, run).await.unwrap();
    }
}

fn told(found: &Found<FoundChange>) -> String {
    let change = &found.row.change;
    let what = match &change.kind {
        RowChangeKind::Added => "added".to_owned(),
        RowChangeKind::Changed(fields) => fields.iter().map(field).collect::<Vec<_>>().join(", "),
        RowChangeKind::Gone => "gone".to_owned(),
    };
    format!("{} {} {what}", change.table, change.id)
}

fn field(change: &FieldChange) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    format!("{:?} from {} to {}", change.field, text(&change.from), text(&change.to))
}

fn worth(id: &str, value: &str, version: i64) -> Opportunity {
    let mut found = Opportunity { version: RowVersion::new(version), ..opportunity(id) };
    found.value = Some(amount(value));
    found
}

fn at_stage(stage: &str, version: i64) -> Rows {
    let version = RowVersion::new(version);
    StageAssignment::batch(vec![StageAssignment { version, ..assignment("b1", "o1", stage) }])
}

/// ACC-1: what is there when a table is read for the first time has not changed.
pub async fn acc_1_what_a_first_read_finds_is_no_change(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    assert_eq!(site.row_changes().await, Changes::default());
    site.pull(&claim, 1, [opportunities(["o1", "o2"])]).await;
    assert_eq!(site.told().await, [""; 0]);
    // Another table that is read later for the first time is no news either.
    let accounts = Account::batch(vec![account("a1", "Contoso")]);
    site.pull(&claim, 2, [opportunities(["o1", "o2"]), accounts]).await;
    assert_eq!(site.told().await, [""; 0]);
    assert_eq!(site.row_changes().await.as_of, Some(store.now()));
}

/// ACC-1: a later run tells what it found, with the sync, the time and the row's name.
pub async fn acc_1_a_later_run_tells_what_came_changed_and_went(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [Opportunity::batch(vec![worth("o1", "10", 1)])]).await;
    store.advance(60);
    let mut won = worth("o1", "12.50", 2);
    won.status = OpportunityStatus::Won;
    site.pull(&claim, 2, [Opportunity::batch(vec![won, worth("o2", "1", 1)])]).await;
    let expected = [
        "opportunities o1 Status from open to won, Value from 10 to 12.5",
        "opportunities o2 added",
    ];
    assert_eq!(site.told().await, expected);
    let changes = site.row_changes().await;
    let FoundChange { run: found_by, at, change } = &changes.rows[0].row;
    assert_eq!((*found_by, *at), (run(2), store.now()));
    assert_eq!(change.name.as_deref(), Some("Opportunity o1"));
    assert_eq!((changes.rows[0].connection, changes.left_off), (site.connection, 0));
}

/// ACC-1: a new version that says nothing new is no change.
pub async fn acc_1_a_new_version_alone_is_no_change(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [Opportunity::batch(vec![worth("o1", "10", 1)])]).await;
    site.pull(&claim, 2, [Opportunity::batch(vec![worth("o1", "10", 2)])]).await;
    assert_eq!(site.told().await, [""; 0]);
}

/// ACC-1: a page that is stored again, and a table that is read again in the same run, tell a change
/// once, from what it was before the run.
pub async fn acc_1_a_change_is_told_once_in_a_run(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let rows = |value, version| Opportunity::batch(vec![worth("o1", value, version)]);
    site.pull(&claim, 1, [rows("10", 1)]).await;
    let run = site.start(&claim, 2).await;
    site.put(&claim, &whole(run, rows("20", 2))).await;
    site.put(&claim, &whole(run, rows("20", 2))).await;
    assert_eq!(site.told().await, ["opportunities o1 Value from 10 to 20"]);
    site.restart(&claim, run).await;
    site.put(&claim, &whole(run, rows("30", 3))).await;
    assert_eq!(site.told().await, ["opportunities o1 Value from 10 to 30"]);
}

/// ACC-1: what a run found that was replaced belongs to the one in its place.
pub async fn acc_1_a_replaced_run_hands_its_changes_on(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let rows = |value, version| Opportunity::batch(vec![worth("o1", value, version)]);
    site.pull(&claim, 1, [rows("10", 1)]).await;
    let old = site.start(&claim, 2).await;
    site.put(&claim, &whole(old, rows("20", 2))).await;
    let fresh = site.begin(&claim, 3, Unfinished::Replace).await.run;
    let found_by = async || {
        let changes = site.row_changes().await;
        changes.rows.iter().map(|found| (found.row.run, told(found))).collect::<Vec<_>>()
    };
    let expected = |value| vec![(run(3), format!("opportunities o1 Value from 10 to {value}"))];
    assert_eq!(found_by().await, expected("20"));
    site.put(&claim, &whole(fresh, rows("30", 3))).await;
    assert_eq!(found_by().await, expected("30"));
}

/// ACC-1: a row that changed there and back within a run has not changed.
pub async fn acc_1_there_and_back_in_a_run_is_no_change(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let rows = |value, version| Opportunity::batch(vec![worth("o1", value, version)]);
    site.pull(&claim, 1, [rows("10", 1)]).await;
    let run = site.start(&claim, 2).await;
    site.put(&claim, &whole(run, rows("20", 2))).await;
    site.restart(&claim, run).await;
    site.put(&claim, &whole(run, rows("10", 3))).await;
    assert_eq!(site.told().await, [""; 0]);
}

/// ACC-1, DEA-3: a stage that moved on is told as its opportunity's change, with its name; the stage
/// on the opportunity's own row counts only where no active assignment is known.
pub async fn acc_1_a_stage_is_told_by_its_best_source(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let on_row = |id: &str, stage: &str, version| {
        let mut found = worth(id, "10", version);
        found.record_stage.stage = Some(stage_id(stage));
        found
    };
    let rows = |version, stage| {
        let rows = vec![on_row("o1", stage, version), on_row("o2", stage, version)];
        Opportunity::batch(rows)
    };
    site.pull(&claim, 1, [rows(1, "s1"), at_stage("s1", 1)]).await;
    site.pull(&claim, 2, [rows(2, "s2"), at_stage("s3", 2)]).await;
    let expected = ["opportunities o1 Stage from s1 to s3", "opportunities o2 Stage from s1 to s2"];
    assert_eq!(site.told().await, expected);
    let changes = site.row_changes().await;
    assert_eq!(changes.rows[0].row.change.name.as_deref(), Some("Opportunity o1"));
}

/// ACC-1, DEA-3: what counts is where the opportunity stands, whichever assignment says so: a process
/// that is new, one that ended, and not one that another has overtaken.
pub async fn acc_1_a_stage_is_told_where_the_opportunity_stands(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let process = |id, stage, state, minute: i64, version| StageAssignment {
        state,
        modified_at: Some(store.now() + time::Duration::minutes(minute)),
        version: RowVersion::new(version),
        ..assignment(id, "o1", stage)
    };
    let deal = || Opportunity::batch(vec![worth("o1", "10", 1)]);
    let (active, finished) = (AssignmentState::Active, AssignmentState::Finished);
    let run = async |number, rows: Vec<StageAssignment>| {
        site.pull(&claim, number, [deal(), StageAssignment::batch(rows)]).await;
        store.advance(60);
    };
    run(1, vec![process("b1", "s1", active, 1, 1)]).await;
    // A seller begins another process: that is where it stands.
    run(2, vec![process("b1", "s1", active, 1, 1), process("b2", "s5", active, 2, 1)]).await;
    let first = "opportunities o1 Stage from s1 to s5";
    assert_eq!(site.told().await, [first]);
    // The older one moves, to no effect.
    run(3, vec![process("b1", "s2", active, 1, 2), process("b2", "s5", active, 2, 1)]).await;
    assert_eq!(site.told().await, [first]);
    // The newer one ends: the older one still runs.
    run(4, vec![process("b1", "s2", active, 1, 2), process("b2", "s6", finished, 3, 2)]).await;
    let second = "opportunities o1 Stage from s5 to s2";
    assert_eq!(site.told().await, [second, first]);
    // Both have ended: the newest says where.
    run(5, vec![process("b1", "s2", finished, 4, 3), process("b2", "s6", finished, 3, 2)]).await;
    assert_eq!(site.told().await, [second, first]);
    run(6, vec![process("b1", "s2", AssignmentState::Aborted, 5, 4)]).await;
    assert_eq!(site.told().await[0], "opportunities o1 Stage from s2 to s6");
}

/// ACC-1: the changes of an account are its own, its contacts' and its opportunities'.
pub async fn acc_1_changes_are_found_by_account(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let (one, other) = (AccountId::new("a1").unwrap(), AccountId::new("a2").unwrap());
    let tables = |version: i64, name: &str| {
        let version = RowVersion::new(version);
        let renamed = |id| Account { version, ..account(id, name) };
        let person = |id, of: &AccountId| Contact {
            version,
            parent: Some(CustomerRef::Account(of.clone())),
            ..contact(id, name)
        };
        let mut deal = Opportunity { version, ..opportunity("o1") };
        (deal.name, deal.account) = (Some(name.to_owned()), Some(one.clone()));
        [
            Account::batch(vec![renamed("a1"), renamed("a2")]),
            Contact::batch(vec![person("c1", &one), person("c2", &other)]),
            Opportunity::batch(vec![deal]),
        ]
    };
    site.pull(&claim, 1, tables(1, "before")).await;
    store.advance(60);
    site.pull(&claim, 2, tables(2, "after")).await;
    let of = async |account: &AccountId| {
        let mut query = ChangesQuery::new(site.scope());
        query.account = Some(account.clone());
        let found = store.stores.query.row_changes(&query).await.unwrap();
        found.rows.iter().map(|found| found.row.change.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(&one).await, ["a1", "c1", "o1"]);
    assert_eq!(of(&other).await, ["a2", "c2"]);
    assert_eq!(of(&AccountId::new("a3").unwrap()).await, [""; 0]);
}

/// ACC-1: a row that moved to another account is told with the one that it belongs to now, and says
/// where it came from.
pub async fn acc_1_a_row_that_moved_says_where_from(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let rows = |account: &str, version| {
        let mut found = worth("o1", "10", version);
        found.account = Some(AccountId::new(account).unwrap());
        Opportunity::batch(vec![found])
    };
    site.pull(&claim, 1, [rows("a1", 1)]).await;
    site.pull(&claim, 2, [rows("a2", 2)]).await;
    assert_eq!(site.told().await, ["opportunities o1 Account from a1 to a2"]);
    let changes = site.row_changes().await;
    let account = changes.rows[0].row.change.account.as_ref();
    assert_eq!(account.map(AccountId::as_str), Some("a2"));
}

/// ACC-1: the newest change comes first, and no more come than were asked for.
pub async fn acc_1_the_newest_changes_come_first(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    for (number, value) in [(1, "10"), (2, "20"), (3, "30")] {
        store.advance(60);
        let version = i64::try_from(number).unwrap();
        site.pull(&claim, number, [Opportunity::batch(vec![worth("o1", value, version)])]).await;
    }
    let newest = "opportunities o1 Value from 20 to 30";
    assert_eq!(site.told().await, [newest, "opportunities o1 Value from 10 to 20"]);
    let mut query = ChangesQuery::new(site.scope());
    query.limit = 1;
    let found = store.stores.query.row_changes(&query).await.unwrap();
    assert_eq!(found.rows.iter().map(told).collect::<Vec<_>>(), [newest]);
}

/// ACC-1, R-18: a row that is gone is told once, with its name; one that comes back is new; and what
/// was said of a sweep that is undone is taken back.
pub async fn acc_1_what_is_gone_is_told_until_it_is_put_back(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [opportunities(["o1", "o2"])]).await;
    store.advance(60);
    site.lose_one(&claim, 2).await;
    assert_eq!(site.told().await, ["opportunities o2 gone"]);
    let changes = site.row_changes().await;
    assert_eq!(changes.rows[0].row.change.name.as_deref(), Some("Opportunity o2"));

    store.advance(60);
    site.pull(&claim, 3, [opportunities(["o1", "o2"])]).await;
    assert_eq!(site.told().await, ["opportunities o2 added", "opportunities o2 gone"]);

    store.advance(60);
    site.lose_one(&claim, 4).await;
    let (workspace, connection) = (&site.workspace, site.connection);
    let undo = store.stores.mirror.decide_sweep(workspace, connection, run(4), SweepDecision::Undo);
    assert_eq!(undo.await.unwrap(), 1);
    assert_eq!(site.told().await, ["opportunities o2 added", "opportunities o2 gone"]);
}

/// ACC-1: changes are kept for the last runs that found any; runs that found none do not count.
pub async fn acc_1_changes_of_the_last_runs_are_kept(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let kept = i64::try_from(KEEP_RUNS).unwrap();
    let mut number = 0;
    let mut pull = async |version: i64| {
        number += 1;
        store.advance(1);
        let rows = Opportunity::batch(vec![worth("o1", &version.to_string(), version)]);
        site.pull(&claim, number, [rows]).await;
    };
    for version in 0..=kept {
        pull(version).await;
        pull(version).await;
    }
    let told = site.told().await;
    assert_eq!(told.len(), KEEP_RUNS);
    assert_eq!(told.last().unwrap(), "opportunities o1 Value from 0 to 1");
    pull(kept + 1).await;
    let told = site.told().await;
    assert_eq!(told.len(), KEEP_RUNS);
    assert_eq!(told.last().unwrap(), "opportunities o1 Value from 1 to 2");
    assert_eq!(told[0], format!("opportunities o1 Value from {kept} to {}", kept + 1));
}

/// ACC-1: of a run that finds very many changes some are kept, and the others are counted.
pub async fn acc_1_a_flood_of_changes_is_kept_in_part(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let rows = |version: i64| {
        let ids = 0..MAX_CHANGES + 3;
        let rows = ids.map(|id| worth(&format!("o{id:04}"), &version.to_string(), version));
        Opportunity::batch(rows.collect())
    };
    site.pull(&claim, 1, [rows(1)]).await;
    site.pull(&claim, 2, [rows(2)]).await;
    assert_eq!(site.row_changes().await.left_off, 3);
    let mut query = ChangesQuery::new(site.scope());
    query.limit = u32::MAX;
    let found = store.stores.query.row_changes(&query).await.unwrap();
    assert_eq!(found.rows.len(), 200, "an answer has its limit");
}

/// CON-8: erasing the synced copy erases what changed in it.
pub async fn con_8_purging_erases_the_changes(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [opportunities(["o1"])]).await;
    site.pull(&claim, 2, [opportunities(["o1", "o2"])]).await;
    assert_eq!(site.told().await, ["opportunities o2 added"]);
    store.stores.mirror.purge(&site.workspace, site.connection).await.unwrap();
    assert_eq!(site.row_changes().await, Changes::default());
    site.pull(&claim, 3, [opportunities(["o1", "o2"])]).await;
    assert_eq!(site.told().await, [""; 0], "it is read for the first time again");
}

/// what a lost claim has seen changed is not recorded.
pub async fn r_26_a_stale_claim_records_no_change(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    site.pull(&lost, 1, [opportunities(["o1"])]).await;
    let run = site.start(&lost, 2).await;
    site.plan(&lost, run, Table::Opportunities).await;
    store.lose(&site, &lost).await;
    let page = whole(run, opportunities(["o1", "o2"]));
    assert_stale(store.stores.mirror.apply_page(&lost, page).await);
    assert_eq!(site.told().await, [""; 0]);
}

/// OLL-4: changes of the same connection, run and row ids in two workspaces keep apart.
pub async fn oll_4_changes_of_two_workspaces_keep_apart(store: &StoreUnderTest) {
    let site = store.connected().await;
    let claim = site.claim().await;
    let other = store.connect("other", 1).await;
    let others = other.claim().await;
    let mut deal = opportunity("o2");
    deal.account = Some(AccountId::new("a1").unwrap());
    site.pull(&claim, 1, [opportunities(["o1"])]).await;
    other.pull(&others, 1, [opportunities(["o1"])]).await;
    site.pull(&claim, 2, [Opportunity::batch(vec![deal])]).await;
    assert_eq!(site.told().await, ["opportunities o2 added"]);
    assert_eq!(other.told().await, [""; 0]);
    let mut query = ChangesQuery::new(other.scope());
    query.account = Some(AccountId::new("a1").unwrap());
    assert_eq!(store.stores.query.row_changes(&query).await.unwrap().rows, []);
    // And purging one leaves the other.
    other.pull(&others, 2, [opportunities(["o1", "o9"])]).await;
    store.stores.mirror.purge(&site.workspace, site.connection).await.unwrap();
    assert_eq!(other.told().await, ["opportunities o9 added"]);
    assert_eq!(site.told().await, [""; 0]);
}

/// ACC-1: fields that did not come have not changed.
pub async fn r_21_absent_fields_are_no_change(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [Opportunity::batch(vec![worth("o1", "10", 1)])]).await;
    let run = site.start(&claim, 2).await;
    let mut page = whole(run, opportunities(["o1"]));
    page.absent = vec!["value".into()];
    if let Rows::Opportunities(rows) = &mut page.rows {
        rows[0].version = RowVersion::new(2);
        rows[0].probability = Some(50);
    }
    site.put(&claim, &page).await;
    let changes = site.row_changes().await;
    let RowChangeKind::Changed(fields) = &changes.rows[0].row.change.kind else { panic!() };
    assert_eq!(fields.iter().map(|one| one.field).collect::<Vec<_>>(), [ChangedField::Probability]);
}
