//! Behaviours of [`Mirror`](crate::storage::Mirror): progress, and the end of runs and copies.

use std::collections::BTreeMap;

use crate::model::{Rows, RunId, Table};
use crate::storage::{Claim, Pull, PullPhase, Unfinished};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, new_run, opportunities, page, run, three,
};
use crate::testkit::conformance::store::mirror::full_tables;
use crate::walk::TablePlan;

impl Site {
    /// Plans the opportunities with an estimate.
    async fn estimate(&self, claim: &Claim, run: RunId, rows: u64) {
        let plan = TablePlan { estimate: Some(rows), ..TablePlan::whole("all") };
        let step = self.stores.mirror.plan_table(claim, run, Table::Opportunities, 0, &plan);
        step.await.unwrap();
    }
}

/// SYN-2: a pull starts from nothing, now, under the id it was given.
pub async fn syn_2_a_fresh_pull_has_read_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let pull = site.begin(&claim, 1, Unfinished::Resume).await;
    let fresh = Pull {
        run: run(1),
        reader: new_run(1).reader,
        followed: new_run(1).followed,
        started_at: store.now(),
        phase: PullPhase::Reading,
        tables: Vec::new(),
        expected: BTreeMap::new(),
    };
    assert_eq!(pull, fresh);
    assert_eq!(site.scan(Table::Accounts).await, Rows::Accounts(Vec::new()));
}

/// SYN-8: between reading and the end stands the promotion.
pub async fn syn_8_ending_the_pull_leaves_it_promoting(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.store(&claim, run, three()).await;
    store.stores.mirror.finish_pull(&claim, run, &[]).await.unwrap();
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    let progress = progress.unwrap();
    assert_eq!((progress.phase, progress.finished_at), (PullPhase::Promoting, None));
}

/// SYN-8: a worker that takes over during the promotion does not read again.
pub async fn syn_8_a_run_in_promotion_is_gone_on_with(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    store.stores.mirror.finish_pull(&claim, run, &[]).await.unwrap();
    let next = store.lose(&site, &claim).await;
    let pull = site.resume(&next).await;
    assert_eq!((pull.run, pull.phase), (run, PullPhase::Promoting));
}

/// SYN-2: after a finished run the next pull starts from nothing.
pub async fn syn_2_a_finished_run_is_followed_by_a_fresh_one(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let pull = site.begin(&claim, 2, Unfinished::Resume).await;
    assert_eq!((pull.run, pull.phase, pull.tables), (run(2), PullPhase::Reading, Vec::new()));
}

/// SYN-8: a repeated end does not move the time of the last sync.
pub async fn syn_8_finishing_a_run_twice_changes_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let finished_at = store.now();
    store.advance(10);
    store.stores.mirror.finish_run(&claim, run(1)).await.unwrap();
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    assert_eq!(progress.unwrap().finished_at, Some(finished_at));
}

/// SYN-9: before the first pull there is nothing to show.
pub async fn syn_9_there_is_no_progress_before_the_first_pull(store: &StoreUnderTest) {
    let site = store.connected().await;
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    assert_eq!(progress, None);
}

/// SYN-9: progress adds up over the pages.
pub async fn syn_9_progress_counts_rows_pages_and_writes(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    site.put(&claim, &page(run, 0, three(), Some("on"))).await;
    site.put(&claim, &page(run, 1, opportunities(["o4", "o5"]), None)).await;
    let progress = site.table_progress(Table::Opportunities).await;
    assert_eq!((progress.rows, progress.written, progress.pages), (5, 2, 2));
}

/// SYN-9: in the first run the connector's estimate is all there is.
pub async fn syn_9_progress_expects_what_the_connector_estimates_at_first(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.estimate(&claim, run, 40).await;
    assert_eq!(site.table_progress(Table::Opportunities).await.expected, Some(40));
}

/// SYN-9: later runs expect what the last finished one saw, whatever the connector says.
pub async fn syn_9_progress_expects_what_the_last_run_saw(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    site.estimate(&claim, run, 40).await;
    assert_eq!(site.table_progress(Table::Opportunities).await.expected, Some(3));
}

/// SYN-9: a finished run keeps its figures until the next one starts.
pub async fn syn_9_progress_of_a_finished_run_stays(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let started_at = store.now();
    site.pull(&claim, 1, [three()]).await;
    store.advance(10);
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    let progress = progress.unwrap();
    assert_eq!((progress.run, progress.phase), (run(1), PullPhase::Finished));
    assert_eq!((progress.started_at, progress.finished_at), (started_at, Some(started_at)));
    assert_eq!(site.table_progress(Table::Opportunities).await.rows, 3);
}

/// CON-8: a purge leaves nothing of the synced copy.
pub async fn con_8_a_purge_erases_rows_runs_and_cursors(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, full_tables(store.now())).await;
    let run_id = site.start(&claim, 2).await;
    site.put(&claim, &page(run_id, 0, three(), Some("on"))).await;
    let mirror = &store.stores.mirror;
    mirror.purge(&site.workspace, site.connection).await.unwrap();
    for table in Table::ALL {
        assert!(site.scan(table).await.is_empty(), "{table} should be empty after a purge");
    }
    assert_eq!(mirror.progress(&site.workspace, site.connection).await.unwrap(), None);
    assert_eq!(mirror.stages(&site.workspace, site.connection).await.unwrap(), []);
    assert_eq!(site.presence().await, []);
    let pull = site.begin(&claim, 3, Unfinished::Resume).await;
    assert_eq!((pull.run, pull.tables), (run(3), Vec::new()));
    // Purging what is not there any more is no error.
    mirror.purge(&site.workspace, site.connection).await.unwrap();
}

/// CON-8: a purge touches one connection of one workspace.
pub async fn con_8_a_purge_leaves_other_connections_alone(store: &StoreUnderTest) {
    let sites = [("acme", 1), ("acme", 2), ("other", 1)];
    for (name, number) in sites {
        let site = store.connect(name, number).await;
        let claim = site.claim().await;
        site.pull(&claim, 1, [three()]).await;
        store.stores.due.complete(&claim, None).await.unwrap();
    }
    let purged = store.connect("acme", 1).await;
    store.stores.mirror.purge(&purged.workspace, purged.connection).await.unwrap();
    for (name, number) in sites {
        let site = store.connect(name, number).await;
        let left = if (name, number) == ("acme", 1) { 0 } else { 3 };
        assert_eq!(site.scan(Table::Opportunities).await.len(), left, "{name} {number}");
    }
}
