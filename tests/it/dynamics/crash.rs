//! A sync whose future is dropped at any await, and whose process is gone afterwards (SYN-8).

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use fluint_crm::Budget;
use fluint_crm::documents::{PublishTarget, Published};
use fluint_crm::model::{Deal, FeedEvent, PublicationId, PublicationState};
use fluint_crm::testkit::{Fault, Org, OrgBuilder, Place};
use time::Duration;

use crate::dynamics::bench::{Bench, document_of, member, small_org, workspace};

fn org() -> Org {
    OrgBuilder::synthetic(7, 60).build()
}

async fn fresh(path: &std::path::Path) -> Bench {
    let bench = Bench::on_file(org(), path).await;
    let sellers = (1..=10).map(|n| member(&format!("s{n}"), &format!("seller{n}@contoso.com")));
    bench.people.set(sellers.collect());
    bench.fake.dataverse().withhold_privilege("prvCreateNote");
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
        if !bench.drive(abandon(bench.crm.run_due(&budget), polls)).await {
            break;
        }
        interrupted += 1;
        // The dead worker's lease ends by itself.
        bench.clock.advance(Duration::seconds(61));
        let bench = bench.reopen(&path);
        let progress = bench.crm.progress(&workspace(), connection.id).await.unwrap();
        let was_finished = progress.is_some_and(|progress| progress.finished_at.is_some());
        let report = bench.run().await;
        // Dropped behind its last step, the work may be given back already, or be done once more.
        assert!(was_finished || report.syncs.len() == 1, "after {polls} polls it goes on");
        for ended in &report.syncs {
            let outcome = ended.outcome.as_ref().unwrap();
            assert_eq!(outcome.counts.rows_missing, 0, "after {polls} polls");
        }
        let runs = report.syncs.len() + usize::from(was_finished);
        assert_eq!(facts(bench.deals(&connection).await), expected, "after {polls} polls");
        assert_eq!(bench.missing(&connection).await, 0);
        let feed = bench.feed(&connection).await;
        let count = |wanted: fn(&FeedEvent) -> bool| feed.iter().filter(|e| wanted(e)).count();
        assert_eq!(count(|e| matches!(e, FeedEvent::SyncStarted { .. })), runs, "the same run");
        assert_eq!(count(|e| matches!(e, FeedEvent::SyncFinished { .. })), runs);
        assert_eq!(count(|e| matches!(e, FeedEvent::DealCreated { .. })), expected.len());
        let limited = count(|e| matches!(e, FeedEvent::AccessLimited { .. }));
        assert_eq!(limited, 1, "after {polls} polls");
        polls += 1 + polls / 6;
    }
    assert!(interrupted >= 10, "cut off at {interrupted} places");
}

/// Publishes so many words.
async fn publish(bench: &Bench, deal: &Deal, words: usize) -> PublicationId {
    let mut document = document_of("plan", 1, bench.crm.now());
    document.html.push_str(&format!("<p>{}</p>", "words ".repeat(words)));
    let target = PublishTarget::Deal(deal.id);
    match bench.crm.publish(&workspace(), target, document).await.unwrap() {
        Published::Accepted { publication, .. } => publication,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn doc_2_a_publication_dropped_anywhere_becomes_one_note_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (lost, place) = (Some(Fault::AnswerLost), Place::next_to("annotations"));
    let (blocks, commit) = (550_000, Place::next_to("CommitAnnotationBlocksUpload"));
    for (what, words, fault, place) in [
        ("clean", 1, None, place.clone()),
        ("lost", 1, lost.clone(), place.clone()),
        ("in blocks", blocks, None, place),
        ("in blocks, lost", blocks, lost, commit),
    ] {
        let (mut polls, mut interrupted) = (1, 0);
        loop {
            let path = folder.path().join(format!("{what}{polls}.sqlite"));
            let org = small_org();
            let built = org.builder.build();
            let organisation = built.organization();
            let bench = Bench::on_file(built, &path).await;
            let limit = 20_000_000;
            let dataverse = bench.fake.dataverse();
            assert!(dataverse.update("organization", organisation, "maxuploadfilesize", limit));
            let connection = bench.connect().await;
            bench.synced(&connection).await;
            let deal = bench.deal(&connection, org.deals[0]).await;
            let id = publish(&bench, &deal, words).await;
            bench.clock.advance(Duration::seconds(61));
            if let Some(fault) = &fault {
                bench.fake.dataverse().plant(place.clone(), fault.clone());
            }
            let budget = Budget::default();
            let cut_off = bench.drive(abandon(bench.crm.run_due(&budget), polls)).await;
            bench.clock.advance(Duration::seconds(61));
            let bench = bench.reopen(&path);
            // An upload that was under way gets five minutes to land, and so does the next one.
            for _ in 0..16 {
                bench.run_after(Duration::seconds(61)).await;
            }
            let notes = bench.fake.dataverse().ids("annotation");
            assert_eq!(notes.len(), 1, "{what}: after {polls} polls");
            let state = bench.publication(id).await.state;
            assert_eq!(state, PublicationState::Published, "{what}: after {polls} polls");
            bench.publish(&deal, "plan", 2).await;
            bench.run_after(Duration::seconds(61)).await;
            assert_eq!(bench.fake.dataverse().ids("annotation"), notes, "{what}: {polls} polls");
            let feed = bench.feed(&connection).await;
            let told = |event: &&FeedEvent| matches!(event, FeedEvent::NotePublished { .. });
            assert_eq!(feed.iter().filter(told).count(), 1, "{what}: after {polls} polls");
            if !cut_off || polls > 60 {
                break;
            }
            interrupted += 1;
            polls += 1 + polls / if words == 1 { 8 } else { 3 };
        }
        assert!(interrupted >= 5, "{what}: cut off at {interrupted} places");
    }
}
