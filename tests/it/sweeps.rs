//! What becomes of rows that vanished: asked for by id, judged, swept on proof, approved, undone.

use fluint_crm::model::{
    Connection, DealState, FeedEvent, Opportunity, OpportunityStatus, Outcome, RecordId,
    RowVersion, Rows, RunId, Table, WithheldReason,
};
use fluint_crm::storage::Sweep;
use fluint_crm::{Budget, Error, Result, SyncReport};
use time::Duration;

use crate::support::{Failure, Host, host, opportunity, user, workspace};

/// An org where Ada owns so many opportunities, all of them deals.
async fn org(opportunities: usize) -> (Host, Connection) {
    let host = host();
    {
        let mut state = host.plain.state();
        state.users = vec![user("u1", "ada@contoso.com")];
        state.opportunities =
            (0..opportunities).map(|n| opportunity(&format!("o{n:05}"), "u1")).collect();
    }
    let connection = host.connect().await;
    synced(&host, &connection).await;
    (host, connection)
}

async fn sync(host: &Host, connection: &Connection) -> Result<SyncReport> {
    host.clock.advance(Duration::minutes(1));
    host.crm.sync_now(&workspace(), connection.id).await.unwrap();
    let report = host.crm.run_due(&Budget::default()).await.unwrap();
    report.syncs.into_iter().next_back().expect("a sync was due").outcome
}

async fn synced(host: &Host, connection: &Connection) -> SyncReport {
    sync(host, connection).await.unwrap()
}

/// Deletes the first so many opportunities in the CRM.
fn delete(host: &Host, rows: usize) {
    let mut state = host.plain.state();
    let deleted: Vec<Opportunity> = state.opportunities.drain(..rows).collect();
    state.gone.extend(deleted.into_iter().map(|row| RecordId::from(row.id)));
}

async fn ended(host: &Host, connection: &Connection, outcome: Outcome) -> usize {
    let (mut after, mut ended) = (None, 0);
    loop {
        let deals = host.crm.deals(&workspace(), connection.id, after, 500).await.unwrap();
        let Some(last) = deals.last() else { return ended };
        after = Some(last.id);
        ended += deals.iter().filter(|deal| deal.state == DealState::Ended(outcome)).count();
    }
}

async fn sweep(host: &Host, connection: &Connection) -> Sweep {
    let sweeps = host.crm.sweeps(&workspace(), connection.id).await.unwrap();
    sweeps.into_iter().find(|sweep| sweep.table == Table::Opportunities).expect("a sweep")
}

async fn told(host: &Host, connection: &Connection) -> Vec<FeedEvent> {
    let feed = host.crm.feed(&workspace(), connection.id, None, 200).await.unwrap();
    let events = feed.into_iter().map(|entry| entry.event);
    let about_sweeps = |event: &FeedEvent| {
        matches!(event, FeedEvent::RowsGone { .. } | FeedEvent::SweepWithheld { .. })
    };
    events.filter(about_sweeps).collect()
}

async fn approve(host: &Host, connection: &Connection, run: RunId) -> Result<u64> {
    host.crm.approve_sweep(&workspace(), connection.id, run, Table::Opportunities).await
}

#[tokio::test]
async fn r_18_dea_5_rows_that_are_gone_end_their_deals() {
    let (host, connection) = org(12).await;
    delete(&host, 3);
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_stopped, report.counts.rows_missing), (3, 0));
    assert_eq!(ended(&host, &connection, Outcome::Deleted).await, 3);
    let gone = FeedEvent::RowsGone { run: report.run, table: Table::Opportunities, rows: 3 };
    assert_eq!(told(&host, &connection).await, [gone]);
    // One list, then one by one.
    assert_eq!(
        host.plain.state().lookups,
        [
            (Table::Opportunities, 3),
            (Table::Opportunities, 1),
            (Table::Opportunities, 1),
            (Table::Opportunities, 1),
        ]
    );
    synced(&host, &connection).await;
    assert_eq!(host.plain.state().lookups.len(), 4, "what is gone is not asked for again");
    assert_eq!(told(&host, &connection).await.len(), 1);
}

#[tokio::test]
async fn r_17_a_quarter_end_is_no_shrinkage() {
    let (host, connection) = org(100).await;
    {
        let mut state = host.plain.state();
        state.closed = state.opportunities.drain(..60).collect();
        for row in &mut state.closed {
            row.status = OpportunityStatus::Won;
            row.version = RowVersion::new(1);
        }
    }
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_stopped, report.counts.rows_missing), (60, 0));
    assert_eq!(ended(&host, &connection, Outcome::Won).await, 60);
    assert_eq!(told(&host, &connection).await, []);
    synced(&host, &connection).await;
    assert_eq!(host.plain.state().lookups.len(), 1, "one list, once");
}

#[tokio::test]
async fn r_17_too_many_are_withheld_until_a_person_approves_once() {
    let (host, connection) = org(100).await;
    delete(&host, 20);
    let withheld = synced(&host, &connection).await;
    assert_eq!((withheld.counts.rows_missing, withheld.counts.deals_stopped), (20, 0));
    let reason = WithheldReason::TooManyMissing { missing: 20, allowed: 10 };
    let first = sweep(&host, &connection).await;
    assert_eq!((first.run, first.missing, first.withheld), (withheld.run, 20, Some(reason)));
    // Another sync changes nothing, and is not told again; but the approval is for its run now.
    let second = synced(&host, &connection).await;
    assert_eq!(told(&host, &connection).await.len(), 1);
    let error = approve(&host, &connection, withheld.run).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert_eq!(approve(&host, &connection, second.run).await.unwrap(), 20);
    // What vanishes after the approval is not covered by it.
    delete(&host, 15);
    let third = synced(&host, &connection).await;
    assert_eq!((third.counts.deals_stopped, third.counts.rows_missing), (20, 15));
    assert_eq!(ended(&host, &connection, Outcome::Deleted).await, 20);
    let error = approve(&host, &connection, second.run).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "one shot: {error:?}");
    let fourth = synced(&host, &connection).await;
    assert_eq!((fourth.counts.deals_stopped, fourth.counts.rows_missing), (0, 15));
}

#[tokio::test]
async fn r_17_an_empty_answer_can_not_even_be_approved() {
    let (host, connection) = org(3).await;
    delete(&host, 3);
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.rows_missing, report.counts.deals_stopped), (3, 0));
    let withheld = sweep(&host, &connection).await.withheld;
    assert_eq!(withheld, Some(WithheldReason::NothingSeen { known: 3 }));
    let error = approve(&host, &connection, report.run).await.unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
}

#[tokio::test]
async fn r_18_one_hidden_row_withholds_everything() {
    let (host, connection) = org(30).await;
    delete(&host, 5);
    host.plain.state().gone.pop_last();
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.rows_missing, report.counts.deals_stopped), (5, 0));
    let withheld = sweep(&host, &connection).await.withheld;
    assert_eq!(withheld, Some(WithheldReason::Hidden { hidden: 1 }));
    let error = approve(&host, &connection, report.run).await.unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    // Once it can be seen, the others go.
    let shown = opportunity("o00004", "u1");
    host.plain.state().opportunities.push(shown);
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.rows_missing, report.counts.deals_stopped), (0, 4));
    assert_eq!(sweep(&host, &connection).await.withheld, None);
}

#[tokio::test]
async fn r_18_of_many_each_is_read_by_itself_over_several_runs() {
    let (host, connection) = org(6_100).await;
    delete(&host, 600);
    let first = synced(&host, &connection).await;
    assert_eq!((first.counts.deals_stopped, first.counts.rows_missing), (500, 100));
    let second = synced(&host, &connection).await;
    assert_eq!((second.counts.deals_stopped, second.counts.rows_missing), (100, 0));
    let singles = host.plain.state().lookups.iter().filter(|(_, ids)| *ids == 1).count();
    assert_eq!(singles, 600, "never from a list");
}

#[tokio::test]
async fn r_18_an_approved_sweep_of_many_reads_a_sample() {
    let (host, connection) = org(1_000).await;
    delete(&host, 700);
    let withheld = synced(&host, &connection).await;
    assert_eq!(withheld.counts.rows_missing, 700);
    assert_eq!(approve(&host, &connection, withheld.run).await.unwrap(), 700);
    host.plain.state().lookups.clear();
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_stopped, report.counts.rows_missing), (700, 0));
    let singles = host.plain.state().lookups.iter().filter(|(_, ids)| *ids == 1).count();
    assert_eq!(singles, 50);
}

#[tokio::test]
async fn r_18_an_approval_sweeps_nothing_that_no_list_has_asked_for() {
    let (host, connection) = org(1_000).await;
    delete(&host, 700);
    let withheld = synced(&host, &connection).await;
    approve(&host, &connection, withheld.run).await.unwrap();
    host.plain.state().fail_lookups = Some(Failure::PlaceNotTaken);
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_stopped, report.counts.rows_missing), (0, 700));
    assert!(sweep(&host, &connection).await.withheld.is_some());
    // The run could not ask, so the approval waits for one that can.
    host.plain.state().fail_lookups = None;
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_stopped, report.counts.rows_missing), (700, 0));
}

#[tokio::test]
async fn r_18_a_sweep_can_be_undone_for_thirty_days() {
    let (host, connection) = org(12).await;
    delete(&host, 2);
    let swept = synced(&host, &connection).await;
    assert_eq!(ended(&host, &connection, Outcome::Deleted).await, 2);
    host.clock.advance(Duration::days(29));
    let undo = host.crm.undo_sweep(&workspace(), connection.id, swept.run).await;
    assert_eq!(undo.unwrap(), 2);
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_updated, report.counts.rows_missing), (2, 2));
    assert_eq!(ended(&host, &connection, Outcome::Deleted).await, 0);
    // Nobody sweeps them again before they were seen.
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_stopped, report.counts.rows_missing), (0, 2));
    let again = host.crm.undo_sweep(&workspace(), connection.id, swept.run).await.unwrap_err();
    assert!(matches!(again, Error::NotFound { .. }), "{again:?}");
}

#[tokio::test]
async fn r_18_after_thirty_days_a_row_that_is_gone_is_forgotten() {
    let (host, connection) = org(12).await;
    delete(&host, 2);
    let swept = synced(&host, &connection).await;
    host.clock.advance(Duration::days(31));
    synced(&host, &connection).await;
    let undo = host.crm.undo_sweep(&workspace(), connection.id, swept.run).await.unwrap_err();
    assert!(matches!(undo, Error::NotFound { .. }), "{undo:?}");
    assert_eq!(ended(&host, &connection, Outcome::Deleted).await, 2, "the deals stay");
}

#[tokio::test]
async fn syn_7_syn_8_an_outage_while_asking_goes_on_later() {
    let (host, connection) = org(12).await;
    delete(&host, 2);
    host.plain.state().fail_lookups = Some(Failure::Unavailable);
    let pages = host.plain.state().pages.len();
    assert!(sync(&host, &connection).await.is_err());
    let read = host.plain.state().pages.len();
    assert!(read > pages);
    host.plain.state().fail_lookups = None;
    let report = synced(&host, &connection).await;
    assert_eq!(report.counts.deals_stopped, 2);
    assert_eq!(host.plain.state().pages.len(), read, "no table is read again");
}

#[tokio::test]
async fn syn_7_a_crm_that_refuses_to_be_asked_stops_no_sync() {
    let (host, connection) = org(12).await;
    delete(&host, 2);
    host.plain.state().fail_lookups = Some(Failure::PlaceNotTaken);
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_stopped, report.counts.rows_missing), (0, 2));
}

#[tokio::test]
async fn r_19_another_user_asks_for_nothing() {
    let (host, connection) = org(12).await;
    delete(&host, 2);
    host.plain.state().user = "somebody-else".into();
    let report = synced(&host, &connection).await;
    assert_eq!(report.counts.deals_stopped, 0);
    assert!(host.plain.state().lookups.is_empty());
}

/// A run that one user has read and another one ends asks nothing with the other's eyes.
#[tokio::test]
async fn r_19_a_run_that_another_user_ends_asks_for_nothing() {
    let (host, connection) = org(12).await;
    delete(&host, 2);
    host.plain.state().fail_lookups = Some(Failure::Unavailable);
    assert!(sync(&host, &connection).await.is_err());
    host.plain.state().fail_lookups = None;
    host.plain.state().lookups.clear();
    host.plain.state().user = "somebody-else".into();
    let report = synced(&host, &connection).await;
    assert_eq!((report.counts.deals_stopped, report.counts.rows_missing), (0, 2));
    assert!(host.plain.state().lookups.is_empty());
    // The same user again: nothing was forgotten.
    host.plain.state().user = "u-admin".into();
    assert_eq!(synced(&host, &connection).await.counts.deals_stopped, 2);
}

/// a column that drifted away clears nothing, also where a row is found by its id.
#[tokio::test]
async fn r_21_a_row_found_by_its_id_keeps_what_did_not_come() {
    let (host, connection) = org(12).await;
    {
        let mut state = host.plain.state();
        let mut won = state.opportunities.remove(0);
        (won.status, won.name, won.version) = (OpportunityStatus::Won, None, RowVersion::new(1));
        state.closed = vec![won];
        state.absent_by_id = vec!["name".into()];
    }
    synced(&host, &connection).await;
    let (workspace, id, table) = (workspace(), connection.id, Table::Opportunities);
    let rows = host.stores.query.scan(&workspace, id, table, None, 1).await.unwrap();
    let Rows::Opportunities(rows) = rows else { panic!("{rows:?}") };
    assert_eq!(rows[0].status, OpportunityStatus::Won);
    assert_eq!(rows[0].name.as_deref(), Some("Deal o00000"));
}
