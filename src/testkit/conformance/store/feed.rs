//! Behaviours of [`Feed`](crate::storage::Feed).

use time::{Duration, OffsetDateTime};

use crate::model::{
    ChangeSeq, DocumentId, FeedEntry, FeedEvent, NewFeedEntry, NoteRefusal, SkipReason, SyncCounts,
    Table, WithheldReason,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, opportunity_id, run, stage_id, twenty_at_once,
};

/// A line whose number can be told from its event.
fn line(key: &str, number: usize, at: OffsetDateTime) -> NewFeedEntry {
    let event = FeedEvent::FilterChanged { stages: number };
    NewFeedEntry { key: key.to_owned(), at, event }
}

fn number(entry: &FeedEntry) -> usize {
    match entry.event {
        FeedEvent::FilterChanged { stages } => stages,
        _ => panic!("not a line of this behaviour: {entry:?}"),
    }
}

impl Site {
    async fn append(&self, entries: &[NewFeedEntry], followed: Option<u64>) {
        let followed = followed.map(ChangeSeq::new);
        let feed = &self.stores.feed;
        feed.append(&self.workspace, self.connection, entries, followed).await.unwrap();
    }

    async fn entries(&self) -> Vec<FeedEntry> {
        self.stores.feed.entries(&self.workspace, self.connection, None, 1_000).await.unwrap()
    }

    async fn numbers(&self) -> Vec<usize> {
        self.entries().await.iter().map(number).collect()
    }

    async fn followed(&self) -> u64 {
        self.stores.feed.followed(&self.workspace, self.connection).await.unwrap().as_u64()
    }
}

/// ACT-1: a feed starts empty.
pub async fn act_1_a_feed_starts_empty(store: &StoreUnderTest) {
    let site = store.connected().await;
    assert_eq!((site.entries().await, site.followed().await), (Vec::new(), 0));
}

/// ACT-1: the newest line comes first, whatever the times say.
pub async fn act_1_the_newest_line_comes_first(store: &StoreUnderTest) {
    let site = store.connected().await;
    let (now, before) = (store.now(), store.now() - Duration::hours(1));
    site.append(&[line("a", 1, now), line("b", 2, before)], None).await;
    site.append(&[line("c", 3, before)], None).await;
    assert_eq!(site.numbers().await, [3, 2, 1]);
    let entries = site.entries().await;
    assert!(entries.is_sorted_by(|one, next| one.seq > next.seq), "places should fall");
    assert_eq!((entries[1].at, entries[2].at), (before, now));
}

/// ACT-1: a line whose key is there is left out; the others of the step are added.
pub async fn dea_7_a_key_is_added_once(store: &StoreUnderTest) {
    let site = store.connected().await;
    let now = store.now();
    site.append(&[line("a", 1, now), line("b", 2, now)], None).await;
    site.append(&[line("b", 9, now), line("c", 3, now), line("a", 9, now)], None).await;
    site.append(&[line("d", 4, now), line("d", 9, now)], None).await;
    assert_eq!(site.numbers().await, [4, 3, 2, 1]);
}

/// DEA-7: of twenty workers that tell the same thing at once, one line is left.
pub async fn dea_7_a_key_is_added_once_by_twenty_at_once(store: &StoreUnderTest) {
    let site = store.connected().await;
    let now = store.now();
    twenty_at_once(|_| {
        let site = site.clone();
        async move { site.append(&[line("a", 1, now), line("b", 2, now)], None).await }
    })
    .await;
    assert_eq!(site.numbers().await, [2, 1]);
}

/// ACT-1: older lines come page by page.
pub async fn act_1_lines_come_in_pages(store: &StoreUnderTest) {
    let site = store.connected().await;
    let lines: Vec<_> = (1..=5).map(|n| line(&format!("key {n}"), n, store.now())).collect();
    site.append(&lines, None).await;
    let (mut before, mut found) = (None, Vec::new());
    for expected in [2, 2, 1, 0] {
        let feed = &store.stores.feed;
        let page = feed.entries(&site.workspace, site.connection, before, 2).await.unwrap();
        assert_eq!(page.len(), expected);
        before = page.last().map(|entry| entry.seq).or(before);
        found.extend(page.iter().map(number));
    }
    assert_eq!(found, [5, 4, 3, 2, 1]);
}

/// ACT-1: every kind of event comes back as it went in.
pub async fn act_1_events_are_kept_whole(store: &StoreUnderTest) {
    let site = store.connected().await;
    let mut counts = SyncCounts::default();
    (counts.rows_read, counts.skipped) = (1_000_000, 3);
    let name = Some("Grüße \u{1f4bc}".to_owned());
    let reason = SkipReason::OutsideFilter { stage: stage_id("s1"), name: name.clone() };
    let document = DocumentId::new("doc 1").unwrap();
    let events = [
        FeedEvent::Disconnected,
        FeedEvent::OpportunitySkipped { opportunity: opportunity_id("o1"), name, reason },
        FeedEvent::SyncFinished { run: run(1), counts, took: Duration::milliseconds(90_500) },
        FeedEvent::SweepWithheld {
            run: run(1),
            table: Table::StageAssignments,
            missing: 7,
            reason: WithheldReason::TooManyMissing { missing: 7, allowed: 1 },
        },
        FeedEvent::RowsGone { run: run(1), table: Table::Contacts, rows: 2 },
        FeedEvent::NoteRefused { document, refusal: NoteRefusal::TooLarge { limit: Some(42) } },
    ];
    let entries = events.iter().enumerate().map(|(number, event)| NewFeedEntry {
        key: format!("key {number}"),
        at: store.now(),
        event: event.clone(),
    });
    site.append(&entries.collect::<Vec<_>>(), None).await;
    let mut found: Vec<_> = site.entries().await.into_iter().map(|entry| entry.event).collect();
    found.reverse();
    assert_eq!(found, events);
}

/// HOST-7: how far the deals were followed is stored with the lines.
pub async fn host_7_how_far_deals_were_followed_is_remembered(store: &StoreUnderTest) {
    let site = store.connected().await;
    site.append(&[line("a", 1, store.now())], Some(7)).await;
    assert_eq!(site.followed().await, 7);
    site.append(&[], Some(9)).await;
    assert_eq!(site.followed().await, 9);
}

/// HOST-7: a step that did not follow the deals leaves that as it was.
pub async fn host_7_a_step_that_follows_nothing_keeps_the_place(store: &StoreUnderTest) {
    let site = store.connected().await;
    site.append(&[], Some(7)).await;
    site.append(&[line("a", 1, store.now())], None).await;
    assert_eq!(site.followed().await, 7);
}

/// HOST-7: a repeated step, all of whose lines are there, changes nothing.
pub async fn host_7_a_repeated_step_changes_nothing(store: &StoreUnderTest) {
    let site = store.connected().await;
    let lines = [line("a", 1, store.now()), line("b", 2, store.now())];
    site.append(&lines, Some(7)).await;
    let before = site.entries().await;
    store.advance(10);
    site.append(&lines, Some(7)).await;
    assert_eq!((site.entries().await, site.followed().await), (before, 7));
}

/// OLL-4: keys, lines and places of connections and workspaces keep apart.
pub async fn oll_4_feeds_keep_apart(store: &StoreUnderTest) {
    let site = store.connected().await;
    let others = [store.connect("acme", 2).await, store.connect("other", 1).await];
    site.append(&[line("a", 1, store.now())], Some(7)).await;
    for other in &others {
        assert_eq!((other.entries().await, other.followed().await), (Vec::new(), 0));
        other.append(&[line("a", 2, store.now())], Some(1)).await;
        assert_eq!(other.numbers().await, [2], "the key of another feed should not count");
    }
    assert_eq!((site.numbers().await, site.followed().await), (vec![1], 7));
}
