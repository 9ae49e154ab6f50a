//! Behaviours of [`Mirror`](crate::storage::Mirror): what is missing, and what a run reports.

use crate::model::{Record, Table, User};
use crate::storage::{MirrorPage, TableSummary};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{opportunities, proof, record, three, whole};
use crate::testkit::conformance::store::mirror::summary;

/// what a complete read did not show is missing.
pub async fn r_16_rows_that_a_proved_run_did_not_see_are_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    assert_eq!(site.missing().await, [""; 0]);
    site.pull(&claim, 2, [opportunities(["o1", "o3"])]).await;
    assert_eq!(site.missing().await, ["o2"]);
}

/// to be missing is a mark; the row itself stays.
pub async fn r_16_a_missing_row_stays_as_it_is(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    site.pull(&claim, 2, [opportunities([])]).await;
    assert_eq!(site.missing().await, ["o1", "o2", "o3"]);
    assert_eq!(site.scan(Table::Opportunities).await, three());
}

/// a table that was proved empty without a single page is missing as a whole.
pub async fn r_16_a_proved_table_without_a_page_is_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    let proofs = [proof(run, Table::Opportunities)];
    let summaries = store.stores.mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    assert_eq!(site.missing().await, ["o1", "o2", "o3"]);
    assert_eq!(summary(&summaries, Table::Opportunities).newly_missing, 3);
}

/// without a proof, and for other tables than the proved ones, nothing is missing.
pub async fn r_16_a_table_without_proof_loses_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    site.store(&claim, run, opportunities(["o1"])).await;
    site.store(&claim, run, User::batch(Vec::new())).await;
    let proofs = [proof(run, Table::Users)];
    let summaries = store.stores.mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    assert_eq!(site.missing().await, [""; 0]);
    let newly_missing: u64 = summaries.iter().map(|summary| summary.newly_missing).sum();
    assert_eq!(newly_missing, 0);
}

/// a row whose id alone could be read was seen, though it is not written.
pub async fn r_16_a_row_that_could_not_be_decoded_counts_as_seen(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    let page =
        MirrorPage { also_seen: vec![record("o2")], ..whole(run, opportunities(["o1", "o3"])) };
    site.put(&claim, &page).await;
    let proofs = [proof(run, Table::Opportunities)];
    let summaries = store.stores.mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    assert_eq!(site.missing().await, [""; 0]);
    assert_eq!(summary(&summaries, Table::Opportunities).seen, 3);
    assert_eq!(site.scan(Table::Opportunities).await, three());
}

/// a row that comes back is there again, though its version did not change.
pub async fn r_16_a_missing_row_that_is_seen_again_is_missing_no_more(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    site.pull(&claim, 2, [opportunities(["o1"])]).await;
    let run = site.start(&claim, 3).await;
    site.store(&claim, run, opportunities(["o2"])).await;
    assert_eq!(site.missing().await, ["o3"]);
}

/// so is a row whose id alone could be read.
pub async fn r_16_a_missing_row_whose_id_is_seen_is_missing_no_more(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    site.pull(&claim, 2, [opportunities(["o1"])]).await;
    let run = site.start(&claim, 3).await;
    let page = MirrorPage { also_seen: vec![record("o2")], ..whole(run, opportunities(["o1"])) };
    site.put(&claim, &page).await;
    let proofs = [proof(run, Table::Opportunities)];
    store.stores.mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    assert_eq!(site.missing().await, ["o3"]);
}

/// SYN-7: a summary tells what is newly missing from what was missing before.
pub async fn r_16_what_is_missing_already_is_not_newly_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let second = site.pull(&claim, 2, [opportunities(["o1", "o2"])]).await;
    assert_eq!(summary(&second, Table::Opportunities).newly_missing, 1);
    let third = site.pull(&claim, 3, [opportunities(["o1"])]).await;
    let third = summary(&third, Table::Opportunities);
    assert_eq!((third.newly_missing, third.missing), (1, 2));
}

/// SYN-7: a row is missing since the first run that did not see it.
pub async fn r_16_since_when_a_row_is_missing_stays(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    store.advance(10);
    let since = store.now();
    site.pull(&claim, 2, [opportunities(["o1", "o2"])]).await;
    store.advance(10);
    site.pull(&claim, 3, [opportunities(["o1", "o2"])]).await;
    assert_eq!(site.presence().await[2], ("o3".to_owned(), Some(since)));
}

/// SYN-8: a repeated end of the reading reports the same and marks nothing else.
pub async fn syn_8_ending_a_pull_twice_reports_the_same(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    site.store(&claim, run, opportunities(["o1"])).await;
    let proofs = [proof(run, Table::Opportunities)];
    let mirror = &store.stores.mirror;
    let mut first = mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    let before = site.presence().await;
    store.advance(10);
    let mut second = mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    first.sort_by_key(|summary| summary.table);
    second.sort_by_key(|summary| summary.table);
    assert_eq!(second, first);
    assert_eq!(site.presence().await, before);
}

/// SYN-7: the guards' figures are right.
pub async fn syn_7_a_summary_counts_what_is_seen_present_and_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let summaries = site.pull(&claim, 2, [opportunities(["o1", "o4"])]).await;
    let expected = TableSummary {
        table: Table::Opportunities,
        seen: 2,
        present: 2,
        missing: 2,
        newly_missing: 2,
        proved: true,
    };
    assert_eq!(summary(&summaries, Table::Opportunities), expected);
}

/// SYN-7: a missing opportunity is still a candidate, with the time since when.
pub async fn syn_7_a_missing_candidate_says_since_when(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    store.advance(10);
    site.pull(&claim, 2, [opportunities(["o2", "o3"])]).await;
    let expected = [("o1".to_owned(), Some(store.now())), ("o2".to_owned(), None)];
    assert_eq!(site.presence().await[..2], expected);
}
