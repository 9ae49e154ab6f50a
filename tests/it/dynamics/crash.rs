//! A sync whose future is dropped at any await, and whose process is gone afterwards (SYN-8).

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use fluint_crm::Budget;
use fluint_crm::model::{Deal, FeedEvent};
use fluint_crm::testkit::{Fault, Org, OrgBuilder, Place};
use time::Duration;

use crate::dynamics::bench::{Bench, member, workspace};

fn org() -> Org {
    OrgBuilder::synthetic(7, 60).build()
}

async fn fresh(path: &std::path::Path) -> Bench {
    let bench = Bench::on_file(org(), path).await;
    let sellers = (1..=10).map(|n| member(&format!("s{n}"), &format!("seller{n}@contoso.com")));
    bench.people.set(sellers.collect());
    bench
}

/// Polls a future so many times, then drops it; whether it was still running.
async fn abandon<T>(work: impl Future<Output = T>, polls: usize) -> bool {
    let mut work = pin!(work);
    let mut polled = 0;
    std::future::poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(true);
        }
        polled += 1;
        if work.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        if polled == polls {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// A deal without what differs from run to run.
fn facts(deals: Vec<Deal>) -> Vec<(String, String, String)> {
    let fact = |deal: Deal| {
        (deal.id.to_string(), format!("{:?}", deal.details), format!("{:?}", deal.state))
    };
    deals.into_iter().map(fact).collect()
}

#[tokio::test]
async fn syn_8_dea_7_a_sync_dropped_anywhere_ends_with_the_same_deals_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = fresh(&folder.path().join("undisturbed.sqlite")).await;
    let connection = undisturbed.connect().await;
    let whole = undisturbed.synced(&connection).await;
    let expected = facts(undisturbed.deals(&connection).await);
    assert_eq!(expected.len() as u64, whole.counts.deals_created);
    let (mut polls, mut interrupted) = (1, 0);
    loop {
        let path = folder.path().join(format!("{polls}.sqlite"));
        let bench = fresh(&path).await;
        // Two chains of two pages, so that a run is cut off between pages, too.
        for set in ["contacts", "opportunities", "opportunitysalesprocesses"] {
            bench.fake.dataverse().plant(Place::page(set, 1), Fault::EmptyPage);
        }
        let connection = bench.connect().await;
        let budget = Budget::default();
        if !abandon(bench.crm.run_due(&budget), polls).await {
            break;
        }
        interrupted += 1;
        // The dead worker's lease ends by itself.
        bench.clock.advance(Duration::seconds(61));
        let bench = bench.reopen(&path);
        let report = bench.run().await;
        match report.syncs.first() {
            Some(ended) => {
                let outcome = ended.outcome.as_ref().unwrap();
                assert_eq!(outcome.counts.rows_missing, 0, "after {polls} polls");
            }
            // It was dropped behind its last step.
            None => {
                let progress = bench.crm.progress(&workspace(), connection.id).await.unwrap();
                assert!(progress.unwrap().finished_at.is_some(), "after {polls} polls");
            }
        }
        assert_eq!(facts(bench.deals(&connection).await), expected, "after {polls} polls");
        assert_eq!(bench.missing(&connection).await, 0);
        let feed = bench.feed(&connection).await;
        let count = |wanted: fn(&FeedEvent) -> bool| feed.iter().filter(|e| wanted(e)).count();
        assert_eq!(count(|e| matches!(e, FeedEvent::SyncStarted { .. })), 1, "the same run");
        assert_eq!(count(|e| matches!(e, FeedEvent::SyncFinished { .. })), 1);
        assert_eq!(count(|e| matches!(e, FeedEvent::DealCreated { .. })), expected.len());
        polls += 1 + polls / 6;
    }
    assert!(interrupted >= 10, "cut off at {interrupted} places");
}
