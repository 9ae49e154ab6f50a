//! Behaviours of [`Mirror`](crate::storage::Mirror): rows found, gone and put back, and what drifted.

use std::borrow::Cow;

use time::Duration;

use crate::error::Error;
use crate::model::{
    Account, Opportunity, OpportunityStatus, Presence, Record, RecordId, RowVersion, Rows, RunId,
    Table, WithheldReason,
};
use crate::storage::{
    Approval, Claim, MirrorPage, NewSweep, Settled, StageChoice, Sweep, SweepDecision,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, account, assert_invalid, assert_stale, opportunities, opportunity, page, proof, record,
    run, stage, three, whole,
};
use crate::testkit::conformance::store::mirror::summary;

impl Site {
    /// Missing opportunities that may be asked for.
    async fn askable(&self) -> Vec<String> {
        let mirror = &self.stores.mirror;
        let rows =
            mirror.missing(&self.workspace, self.connection, Table::Opportunities, None, 100);
        rows.await.unwrap().into_iter().map(|row| row.id.to_string()).collect()
    }

    /// Reads three opportunities, and in a second run only the first; stays in that run.
    async fn miss_two(&self, claim: &Claim) -> RunId {
        self.pull(claim, 1, [three()]).await;
        self.read_again(claim, 2, opportunities(["o1"])).await
    }

    async fn read_again(&self, claim: &Claim, number: u128, rows: Rows) -> RunId {
        let run = self.start(claim, number).await;
        self.store(claim, run, rows).await;
        let proofs = [proof(run, Table::Opportunities)];
        self.stores.mirror.finish_pull(claim, run, &proofs).await.unwrap();
        run
    }

    async fn settle(&self, claim: &Claim, run: RunId, found: Rows, gone: &[&str]) {
        let gone = gone.iter().map(|id| record(id)).collect();
        let settled = Settled { found, absent: Vec::new(), gone };
        self.stores.mirror.settle(claim, run, &settled).await.unwrap();
    }

    async fn decide(&self, run: RunId, decision: SweepDecision) -> Result<u64, Error> {
        let mirror = &self.stores.mirror;
        mirror.decide_sweep(&self.workspace, self.connection, run, decision).await
    }

    async fn gone(&self) -> Vec<String> {
        let mirror = &self.stores.mirror;
        let found = mirror.candidates(&self.workspace, self.connection, None, 100).await.unwrap();
        let gone = found.into_iter().filter(|one| matches!(one.presence, Presence::Gone { .. }));
        gone.map(|one| one.opportunity.id.to_string()).collect()
    }
}

fn withheld(run: RunId) -> NewSweep {
    let reason = WithheldReason::TooManyMissing { missing: 2, allowed: 1 };
    NewSweep { run, table: Table::Opportunities, missing: 2, withheld: Some(reason), used: None }
}

/// A sweep as a store that kept it now gives it back.
fn kept(new: &NewSweep, store: &StoreUnderTest) -> Sweep {
    let NewSweep { run, table, missing, withheld, .. } = *new;
    Sweep { run, table, at: store.now(), missing, withheld, approval: None }
}

/// SYN-7: missing rows come in the order of their ids, page by page, with the time since when.
pub async fn syn_7_missing_rows_come_in_pages(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.miss_two(&claim).await;
    let mirror = &store.stores.mirror;
    let list = async |after: Option<RecordId>| {
        let (workspace, id) = (&site.workspace, site.connection);
        mirror.missing(workspace, id, Table::Opportunities, after.as_ref(), 1).await.unwrap()
    };
    let first = list(None).await;
    assert_eq!((first.len(), first[0].id.clone()), (1, record("o2")));
    assert_eq!(first[0].since, store.now());
    let second = list(Some(record("o2"))).await;
    assert_eq!(second[0].id, record("o3"));
    assert_eq!(list(Some(record("o3"))).await, []);
}

/// SYN-7: a row that is found by its id is stored and missing no more.
pub async fn syn_7_a_row_that_is_found_is_missing_no_more(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.miss_two(&claim).await;
    let mut found = Opportunity { version: RowVersion::new(2), ..opportunity("o2") };
    found.name = Some("found".to_owned());
    site.settle(&claim, run, Opportunity::batch(vec![found.clone()]), &[]).await;
    assert_eq!(site.askable().await, ["o3"]);
    let Rows::Opportunities(rows) = site.scan(Table::Opportunities).await else { panic!() };
    assert_eq!(rows[1], found);
}

/// DEA-5: an opportunity that was won is not missed by later reads of the open ones.
pub async fn dea_5_a_closed_opportunity_is_not_missed_again(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.miss_two(&claim).await;
    let mut won = Opportunity { version: RowVersion::new(2), ..opportunity("o2") };
    won.status = OpportunityStatus::Won;
    site.settle(&claim, run, Opportunity::batch(vec![won]), &["o3"]).await;
    store.stores.mirror.finish_run(&claim, run).await.unwrap();
    let summaries = site.pull(&claim, 3, [opportunities(["o1"])]).await;
    let summary = summary(&summaries, Table::Opportunities);
    assert_eq!((summary.newly_missing, summary.missing, summary.present), (0, 0, 1));
}

/// a row that is gone stays a candidate, says so, and is in no answer.
pub async fn r_18_a_row_that_is_gone_is_in_no_answer(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.miss_two(&claim).await;
    site.settle(&claim, run, opportunities([]), &["o2"]).await;
    assert_eq!((site.gone().await, site.askable().await), (vec!["o2".into()], vec!["o3".into()]));
    assert_eq!(site.scan(Table::Opportunities).await, opportunities(["o1", "o3"]));
    let (query, ids) = (&store.stores.query, [record("o2"), record("o3")]);
    let rows = query.rows(&site.workspace, site.connection, Table::Opportunities, &ids);
    assert_eq!(rows.await.unwrap(), opportunities(["o3"]));
    let presence = site.presence().await;
    assert_eq!(presence[1], ("o2".to_owned(), Some(store.now())));
}

/// only a missing row can be called gone.
pub async fn r_18_a_row_that_is_there_is_never_called_gone(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.miss_two(&claim).await;
    site.settle(&claim, run, opportunities([]), &["o1", "unknown"]).await;
    assert_eq!(site.gone().await, [""; 0]);
}

/// a row that was gone and is seen again is there, though its version is the same.
pub async fn r_18_a_row_that_comes_back_is_there_again(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.miss_two(&claim).await;
    site.settle(&claim, run, opportunities([]), &["o2", "o3"]).await;
    store.stores.mirror.finish_run(&claim, run).await.unwrap();
    let run = site.start(&claim, 3).await;
    let page = MirrorPage { also_seen: vec![record("o3")], ..whole(run, opportunities(["o2"])) };
    site.put(&claim, &page).await;
    assert_eq!((site.gone().await, site.askable().await), (vec![], vec![]));
}

/// what a run has swept can be put back, once; nobody sweeps it again before it is seen.
pub async fn r_18_a_sweep_is_undone(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let swept = site.miss_two(&claim).await;
    site.settle(&claim, swept, opportunities([]), &["o2"]).await;
    store.stores.mirror.finish_run(&claim, swept).await.unwrap();
    store.advance(60);
    assert_eq!(site.decide(swept, SweepDecision::Undo).await.unwrap(), 1);
    assert_eq!(site.scan(Table::Opportunities).await, three());
    assert_eq!((site.gone().await, site.askable().await), (vec![], vec!["o3".into()]));
    assert!(matches!(site.decide(swept, SweepDecision::Undo).await, Err(Error::NotFound { .. })));
    // Seen, and missed again, it is like any other.
    let run = site.read_again(&claim, 3, three()).await;
    store.stores.mirror.finish_run(&claim, run).await.unwrap();
    site.read_again(&claim, 4, opportunities(["o1"])).await;
    assert_eq!(site.askable().await, ["o2", "o3"]);
}

/// after thirty days a row that is gone is forgotten with the end of the next run.
pub async fn r_18_after_thirty_days_nothing_can_be_undone(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let swept = site.miss_two(&claim).await;
    site.settle(&claim, swept, opportunities([]), &["o2"]).await;
    store.stores.mirror.finish_run(&claim, swept).await.unwrap();
    store.clock.advance(Duration::days(30) + Duration::seconds(1));
    site.pull(&claim, 3, [opportunities(["o1", "o3"])]).await;
    assert!(matches!(site.decide(swept, SweepDecision::Undo).await, Err(Error::NotFound { .. })));
    assert_eq!(site.gone().await, [""; 0]);
}

/// a withheld sweep is kept table by table, and the next run's takes its place.
pub async fn r_17_the_newest_sweep_of_a_table_is_kept(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.miss_two(&claim).await;
    let mirror = &store.stores.mirror;
    let sweep = withheld(run);
    mirror.record_sweep(&claim, &sweep).await.unwrap();
    let accounts = NewSweep { table: Table::Accounts, withheld: None, ..sweep.clone() };
    mirror.record_sweep(&claim, &accounts).await.unwrap();
    let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
    assert_eq!(found, [kept(&accounts, store), kept(&sweep, store)]);
    mirror.finish_run(&claim, run).await.unwrap();
    let next = site.read_again(&claim, 3, opportunities(["o1"])).await;
    let newer = NewSweep { missing: 9, ..withheld(next) };
    mirror.record_sweep(&claim, &newer).await.unwrap();
    let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
    assert_eq!(found, [kept(&accounts, store), kept(&newer, store)]);
}

/// an approval is for one run's sweep, and only for one that may be approved.
pub async fn r_17_an_approval_is_for_one_run(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let swept = site.miss_two(&claim).await;
    let mirror = &store.stores.mirror;
    mirror.record_sweep(&claim, &withheld(swept)).await.unwrap();
    let (approve, told_at) = (SweepDecision::Approve(Table::Opportunities), store.now());
    let other = site.decide(run(9), approve).await;
    assert!(matches!(other, Err(Error::NotFound { .. })), "{other:?}");
    let other = site.decide(swept, SweepDecision::Approve(Table::Users)).await;
    assert!(matches!(other, Err(Error::NotFound { .. })), "{other:?}");
    store.advance(5);
    assert_eq!(site.decide(swept, approve).await.unwrap(), 2);
    let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
    let approval = Approval { at: store.now(), until: told_at };
    assert_eq!(found[0].approval, Some(approval));
    let empty = WithheldReason::NothingSeen { known: 3 };
    let never = NewSweep { withheld: Some(empty), ..withheld(swept) };
    mirror.record_sweep(&claim, &never).await.unwrap();
    assert_invalid(site.decide(swept, approve).await);
}

/// an approval that is given while the next run looks already is left to the run after it; it
/// is about the rows that the person was told of.
pub async fn r_17_an_approval_is_used_up_by_the_run_that_knew_it(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let swept = site.miss_two(&claim).await;
    let mirror = &store.stores.mirror;
    mirror.record_sweep(&claim, &withheld(swept)).await.unwrap();
    let told_at = store.now();
    mirror.finish_run(&claim, swept).await.unwrap();
    store.advance(5);
    // The next run has looked for an approval, found none, and only then it is given.
    let next = site.read_again(&claim, 3, opportunities(["o1"])).await;
    site.decide(swept, SweepDecision::Approve(Table::Opportunities)).await.unwrap();
    let approval = Approval { at: store.now(), until: told_at };
    store.advance(5);
    mirror.record_sweep(&claim, &withheld(next)).await.unwrap();
    let approval_of = async || {
        let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
        (found[0].run, found[0].approval)
    };
    assert_eq!(approval_of().await, (next, Some(approval)));
    // Whoever takes it into account uses it up.
    let used = NewSweep { used: Some(approval), ..withheld(next) };
    mirror.record_sweep(&claim, &used).await.unwrap();
    assert_eq!(approval_of().await, (next, None));
}

/// approved once more, for a newer run, it is about the newer rows, too.
pub async fn r_17_a_newer_approval_reaches_further(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let swept = site.miss_two(&claim).await;
    let mirror = &store.stores.mirror;
    let approve = SweepDecision::Approve(Table::Opportunities);
    mirror.record_sweep(&claim, &withheld(swept)).await.unwrap();
    site.decide(swept, approve).await.unwrap();
    store.advance(5);
    mirror.record_sweep(&claim, &withheld(swept)).await.unwrap();
    store.advance(5);
    let told_at = mirror.sweeps(&site.workspace, site.connection).await.unwrap()[0].at;
    site.decide(swept, approve).await.unwrap();
    let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
    assert_eq!(found[0].approval, Some(Approval { at: store.now(), until: told_at }));
    // Nothing is left to approve once nothing is withheld.
    let nothing = NewSweep { missing: 0, withheld: None, ..withheld(swept) };
    mirror.record_sweep(&claim, &nothing).await.unwrap();
    let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
    assert_eq!(found[0].approval, None);
}

/// under a lost claim nothing is settled or recorded.
pub async fn r_26_a_stale_claim_cannot_settle_or_record(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    let run = site.miss_two(&lost).await;
    store.lose(&site, &lost).await;
    let mirror = &store.stores.mirror;
    let (found, gone) = (opportunities([]), vec![record("o2")]);
    let settled = Settled { found, absent: Vec::new(), gone };
    assert_stale(mirror.settle(&lost, run, &settled).await);
    assert_stale(mirror.record_sweep(&lost, &withheld(run)).await);
    assert_eq!(site.gone().await, [""; 0]);
}

/// OLL-4: a decision reaches its own workspace and connection alone.
pub async fn oll_4_a_decision_about_a_sweep_stays_in_its_workspace(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.miss_two(&claim).await;
    site.settle(&claim, run, opportunities([]), &["o2"]).await;
    let other = store.connect("other", 1).await;
    assert!(matches!(other.decide(run, SweepDecision::Undo).await, Err(Error::NotFound { .. })));
    assert_eq!(site.gone().await, ["o2"]);
}

/// a stage that is gone is no choice any more.
pub async fn r_18_a_stage_that_is_gone_is_no_choice(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let stages = |ids: &[&str]| Rows::Stages(ids.iter().map(|id| stage(id, "p")).collect());
    site.pull(&claim, 1, [stages(&["s1", "s2"])]).await;
    let run = site.start(&claim, 2).await;
    site.store(&claim, run, stages(&["s1"])).await;
    let mirror = &store.stores.mirror;
    mirror.finish_pull(&claim, run, &[proof(run, Table::Stages)]).await.unwrap();
    site.settle(&claim, run, stages(&[]), &["s2"]).await;
    let choices = mirror.stages(&site.workspace, site.connection).await.unwrap();
    let id = |choice: StageChoice| choice.stage.id.to_string();
    assert_eq!(choices.into_iter().map(id).collect::<Vec<_>>(), ["s1"]);
}

/// what did not come with a row that is found by its id stays as it was.
pub async fn r_21_a_row_that_is_found_keeps_what_did_not_come(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.miss_two(&claim).await;
    let mut won = Opportunity { version: RowVersion::new(2), ..opportunity("o2") };
    (won.status, won.name) = (OpportunityStatus::Won, None);
    let found = Opportunity::batch(vec![won]);
    let settled = Settled { found, absent: vec!["name".into()], gone: Vec::new() };
    store.stores.mirror.settle(&claim, run, &settled).await.unwrap();
    assert_eq!(site.askable().await, ["o3"]);
    let Rows::Opportunities(rows) = site.scan(Table::Opportunities).await else { panic!() };
    assert_eq!(rows[1].status, OpportunityStatus::Won);
    assert_eq!(rows[1].name.as_deref(), Some("Opportunity o2"));
    assert_eq!(rows[1].version, RowVersion::new(2).provisional(&["name"]));
}

/// of several absent fields one comes again: it is written, though the row's version is the
/// same, and the others stay.
pub async fn r_21_a_field_that_comes_back_is_written(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let drifted = |number: u64, name: Option<&str>, absent: &[&'static str]| {
        let mut row = account("a1", "Old");
        row.version = RowVersion::new(if number == 0 { 1 } else { 2 });
        row.name = name.map(str::to_owned);
        row.city = (number == 0).then(|| "Bonn".to_owned());
        let absent = absent.iter().copied().map(Cow::Borrowed).collect();
        let rows = Account::batch(vec![row]);
        MirrorPage { absent, ..page(run(1), number, rows, Some("on")) }
    };
    site.start(&claim, 1).await;
    site.put(&claim, &drifted(0, Some("Old"), &[])).await;
    site.put(&claim, &drifted(1, None, &["name", "city"])).await;
    let written = site.put(&claim, &drifted(2, Some("New"), &["city"])).await;
    assert_eq!((written.updated, written.unchanged), (1, 0));
    let Rows::Accounts(rows) = site.scan(Table::Accounts).await else { panic!() };
    assert_eq!((rows[0].name.as_deref(), rows[0].city.as_deref()), (Some("New"), Some("Bonn")));
    let written = site.put(&claim, &drifted(3, Some("New"), &["city"])).await;
    assert_eq!((written.updated, written.unchanged), (0, 1));
}

/// fields that did not come keep their old values; once they come, the row is written again.
pub async fn r_21_absent_fields_keep_what_is_stored(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let row = |version: i64, name: &str, city: Option<&str>| {
        let mut row = account("a1", name);
        row.version = RowVersion::new(version);
        row.city = city.map(str::to_owned);
        Account::batch(vec![row])
    };
    let shown = || async {
        let Rows::Accounts(rows) = site.scan(Table::Accounts).await else { panic!() };
        (rows[0].name.clone().unwrap(), rows[0].city.clone())
    };
    let run = site.start(&claim, 1).await;
    site.put(&claim, &page(run, 0, row(1, "Old", Some("Bonn")), Some("on"))).await;
    let absent = vec![Cow::Borrowed("city")];
    let drifted =
        |seq, rows| MirrorPage { absent: absent.clone(), ..page(run, seq, rows, Some("on")) };
    let written = site.put(&claim, &drifted(1, row(1, "Old", None))).await;
    assert_eq!((written.updated, written.unchanged), (0, 1), "the row itself did not change");
    let written = site.put(&claim, &drifted(2, row(2, "New", None))).await;
    assert_eq!((written.updated, shown().await), (1, ("New".into(), Some("Bonn".into()))));
    let written = site.put(&claim, &drifted(3, row(2, "New", None))).await;
    assert_eq!((written.updated, written.unchanged), (0, 1), "not written again and again");
    let written = site.put(&claim, &page(run, 4, row(2, "New", None), None)).await;
    assert_eq!((written.updated, shown().await), (1, ("New".into(), None)));
}
