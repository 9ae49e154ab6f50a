//! Behaviours of [`Mirror`](crate::storage::Mirror): rows found, gone and put back, and what drifted.

use std::borrow::Cow;

use time::Duration;

use crate::error::Error;
use crate::model::{
    Account, Opportunity, OpportunityStatus, Presence, Record, RecordId, RowVersion, Rows, RunId,
    Table, WithheldReason,
};
use crate::storage::{Claim, MirrorPage, Settled, StageChoice, Sweep, SweepDecision};
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
        self.stores.mirror.settle(claim, run, &Settled { found, gone }).await.unwrap();
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

fn withheld(run: RunId, store: &StoreUnderTest) -> Sweep {
    Sweep {
        run,
        table: Table::Opportunities,
        at: store.now(),
        missing: 2,
        withheld: Some(WithheldReason::TooManyMissing { missing: 2, allowed: 1 }),
        approved_at: None,
    }
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
    let sweep = withheld(run, store);
    mirror.record_sweep(&claim, &sweep).await.unwrap();
    let accounts = Sweep { table: Table::Accounts, withheld: None, ..sweep.clone() };
    mirror.record_sweep(&claim, &accounts).await.unwrap();
    let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
    assert_eq!(found, [accounts.clone(), sweep]);
    mirror.finish_run(&claim, run).await.unwrap();
    let next = site.read_again(&claim, 3, opportunities(["o1"])).await;
    let newer = Sweep { missing: 9, ..withheld(next, store) };
    mirror.record_sweep(&claim, &newer).await.unwrap();
    let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
    assert_eq!(found, [accounts, newer]);
}

/// an approval is for one run's sweep, and only for one that may be approved.
pub async fn r_17_an_approval_is_for_one_run(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let swept = site.miss_two(&claim).await;
    let mirror = &store.stores.mirror;
    mirror.record_sweep(&claim, &withheld(swept, store)).await.unwrap();
    let approve = SweepDecision::Approve(Table::Opportunities);
    let other = site.decide(run(9), approve).await;
    assert!(matches!(other, Err(Error::NotFound { .. })), "{other:?}");
    let other = site.decide(swept, SweepDecision::Approve(Table::Users)).await;
    assert!(matches!(other, Err(Error::NotFound { .. })), "{other:?}");
    store.advance(5);
    assert_eq!(site.decide(swept, approve).await.unwrap(), 2);
    let found = mirror.sweeps(&site.workspace, site.connection).await.unwrap();
    assert_eq!(found[0].approved_at, Some(store.now()));
    let empty = WithheldReason::NothingSeen { known: 3 };
    let never = Sweep { withheld: Some(empty), ..withheld(swept, store) };
    mirror.record_sweep(&claim, &never).await.unwrap();
    assert_invalid(site.decide(swept, approve).await);
}

/// under a lost claim nothing is settled or recorded.
pub async fn r_26_a_stale_claim_cannot_settle_or_record(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    let run = site.miss_two(&lost).await;
    store.lose(&site, &lost).await;
    let mirror = &store.stores.mirror;
    let settled = Settled { found: opportunities([]), gone: vec![record("o2")] };
    assert_stale(mirror.settle(&lost, run, &settled).await);
    assert_stale(mirror.record_sweep(&lost, &withheld(run, store)).await);
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
