//! Driving the work: the loop, shutting down, several connections at once.

use std::sync::Arc;

use fluint_crm::model::Table;
use fluint_crm::{Budget, Remedy};
use time::Duration;
use tokio::sync::Notify;

use crate::support::{Failure, host, opportunity, user, workspace};

#[tokio::test]
async fn host_3_the_loop_syncs_when_it_is_due_and_ends_when_told() {
    let host = host();
    host.plain.state().users = vec![user("u1", "ada@contoso.com")];
    host.plain.state().opportunities = vec![opportunity("o1", "u1")];
    let connection = host.connect().await;
    let stop = Arc::new(Notify::new());
    let (crm, told) = (host.crm.clone(), Arc::clone(&stop));
    let running = tokio::spawn(async move { crm.run(&Budget::default(), told.notified()).await });
    let finished = || async {
        let progress = host.crm.progress(&workspace(), connection.id).await.unwrap();
        progress.and_then(|progress| progress.finished_at)
    };
    while finished().await.is_none() {
        tokio::task::yield_now().await;
    }
    let first = finished().await;
    // A day later the next sync has long been due.
    host.clock.advance(Duration::days(1));
    while finished().await == first {
        tokio::task::yield_now().await;
    }
    stop.notify_one();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn syn_10_shutting_down_gives_the_work_back_at_once() {
    let host = host();
    host.plain.state().users = vec![user("u1", "ada@contoso.com")];
    host.plain.state().opportunities = vec![opportunity("o1", "u1")];
    host.connect().await;
    host.plain.state().fail = Some((Table::Contacts, 0, Failure::NeverAnswers));
    let stop = Arc::new(Notify::new());
    let (crm, told) = (host.crm.clone(), Arc::clone(&stop));
    let running = tokio::spawn(async move { crm.run(&Budget::default(), told.notified()).await });
    while !host.plain.state().pages.contains(&Table::Opportunities) {
        tokio::task::yield_now().await;
    }
    stop.notify_one();
    running.await.unwrap().unwrap();
    // Nobody waits for the lease: the clock has not moved.
    host.plain.state().fail = None;
    host.plain.state().pages.clear();
    let report = host.crm.run_due(&Budget::default()).await.unwrap();
    assert_eq!(report.syncs[0].outcome.as_ref().unwrap().counts.deals_created, 1);
    assert!(!host.plain.state().pages.contains(&Table::Opportunities), "cursors are kept");
}

#[tokio::test]
async fn r_27_a_sync_that_hangs_does_not_keep_another_connection_waiting() {
    let host = host();
    host.plain.state().users = vec![user("u1", "ada@contoso.com")];
    let slow = host.connect().await;
    host.plain.state().organisation = "org-2".into();
    let quick = host.connect().await;
    // The first connection's organisation no longer fits: its sync fails, the other's succeeds.
    let report = host.crm.run_due(&Budget::default()).await.unwrap();
    let outcome = |id| report.syncs.iter().find(|sync| sync.connection == id).unwrap();
    assert_eq!(outcome(slow.id).outcome.as_ref().unwrap_err().remedy(), Remedy::Reconnect);
    assert!(outcome(quick.id).outcome.is_ok());
}
