//! Behaviours of [`Due`](crate::storage::Due): scheduling, claims, leases.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::model::{ConnectionId, PublicationId};
use crate::storage::{Claim, Work, WorkItem, WorkKind};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    LEASE, assert_stale, twenty_at_once, workspace,
};

fn work(number: u128) -> Work {
    let connection = ConnectionId::new(Uuid::from_u128(number));
    Work { workspace: workspace("acme"), item: WorkItem::Pull(connection) }
}

/// The same number as [`work`], but a publication.
fn publication(number: u128) -> Work {
    let item = WorkItem::Publish(PublicationId::new(Uuid::from_u128(number)));
    Work { workspace: workspace("acme"), item }
}

impl StoreUnderTest {
    async fn schedule(&self, work: &Work, at: OffsetDateTime) {
        self.stores.due.schedule(work, at).await.unwrap();
    }

    async fn claims(&self) -> Vec<Claim> {
        let mut claims = self.claims_of(WorkKind::Pull).await;
        claims.extend(self.claims_of(WorkKind::Publish).await);
        claims
    }

    async fn claims_of(&self, kind: WorkKind) -> Vec<Claim> {
        self.stores.due.claim(kind, 100, LEASE).await.unwrap()
    }

    /// Makes an item due now and claims it.
    async fn claimed(&self) -> Claim {
        self.schedule(&work(1), self.now()).await;
        self.only().await
    }

    /// Claims, expecting one item to be due.
    async fn only(&self) -> Claim {
        let mut claims = self.claims().await;
        assert_eq!(claims.len(), 1, "one item should be due: {claims:?}");
        claims.remove(0)
    }

    async fn complete(&self, claim: &Claim, next: Option<OffsetDateTime>) {
        self.stores.due.complete(claim, next).await.unwrap();
    }

    fn later(&self, seconds: i64) -> OffsetDateTime {
        self.now() + Duration::seconds(seconds)
    }
}

/// HOST-3: where nothing was scheduled, nothing is due.
pub async fn host_3_nothing_is_due_at_first(store: &StoreUnderTest) {
    assert_eq!(store.claims().await, []);
    assert_eq!(store.stores.due.next_due().await.unwrap(), None);
}

/// HOST-3: an item is due at its time, and not before.
pub async fn host_3_work_is_due_at_its_time(store: &StoreUnderTest) {
    let at = store.later(10);
    store.schedule(&work(1), at).await;
    store.advance(9);
    assert_eq!(store.claims().await, []);
    store.advance(1);
    let claim = store.only().await;
    assert_eq!((claim.work, claim.due_at), (work(1), at));
}

/// HOST-3: a scheduler learns when to come back.
pub async fn host_3_the_next_due_time_is_the_earliest(store: &StoreUnderTest) {
    let start = store.now();
    for (number, seconds) in [(1, 30), (2, 10), (3, 20)] {
        store.schedule(&work(number), start + Duration::seconds(seconds)).await;
    }
    let next = store.stores.due.next_due().await.unwrap();
    assert_eq!(next, Some(start + Duration::seconds(10)));
}

/// HOST-3: scheduling makes an item due earlier, never later.
pub async fn host_3_scheduling_again_never_delays(store: &StoreUnderTest) {
    let (soon, late) = (store.later(10), store.later(100));
    store.schedule(&work(1), late).await;
    store.schedule(&work(1), soon).await;
    store.schedule(&work(1), late).await;
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(soon));
    store.advance(10);
    let claim = store.only().await;
    assert_eq!(claim.due_at, soon);
    store.complete(&claim, None).await;
    store.advance(1_000);
    assert_eq!(store.claims().await, [], "one item should be claimed once");
}

/// HOST-3: nobody gets an item under a valid lease.
pub async fn host_3_a_claimed_item_is_not_claimed_again(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    assert_eq!(claim.expires_at, store.now() + LEASE);
    store.advance(59);
    assert_eq!(store.claims().await, []);
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(claim.expires_at));
}

/// HOST-3: as soon as a lease has ended, the item can be claimed by another worker.
pub async fn host_3_an_ended_lease_frees_the_item(store: &StoreUnderTest) {
    let lost = store.claimed().await;
    store.clock.set(lost.expires_at);
    let claim = store.only().await;
    assert_eq!((&claim.work, claim.due_at), (&lost.work, lost.due_at));
    assert!(claim.token > lost.token, "{} should be above {}", claim.token, lost.token);
}

/// HOST-3: the longest overdue is claimed first, and no more than asked for.
pub async fn host_3_the_longest_overdue_comes_first(store: &StoreUnderTest) {
    let start = store.now();
    for (number, seconds) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        store.schedule(&work(number), start + Duration::seconds(seconds)).await;
    }
    store.advance(30);
    let mut first = store.stores.due.claim(WorkKind::Pull, 2, LEASE).await.unwrap();
    first.sort_by_key(|claim| claim.due_at);
    let first: Vec<_> = first.into_iter().map(|claim| claim.work).collect();
    assert_eq!(first, [work(2), work(3)]);
    assert_eq!(store.only().await.work, work(1));
}

/// HOST-3: each kind of work is claimed apart, so that none keeps the other waiting.
pub async fn host_3_each_kind_of_work_is_claimed_apart(store: &StoreUnderTest) {
    store.schedule(&work(1), store.now()).await;
    store.schedule(&publication(1), store.now()).await;
    for (kind, expected) in [(WorkKind::Publish, publication(1)), (WorkKind::Pull, work(1))] {
        let claimed: Vec<_> = store.claims_of(kind).await.into_iter().map(|c| c.work).collect();
        assert_eq!(claimed, [expected]);
    }
}

/// HOST-3: twenty workers at once share twenty items, each item once.
pub async fn host_3_twenty_workers_share_the_work(store: &StoreUnderTest) {
    for number in 0..20 {
        store.schedule(&work(number), store.now()).await;
    }
    let claims = twenty_at_once(|_| {
        let stores = store.stores.clone();
        async move { stores.due.claim(WorkKind::Pull, 3, LEASE).await.unwrap() }
    });
    let mut claimed: Vec<_> = claims.await.into_iter().flatten().map(|claim| claim.work).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, (0..20).map(work).collect::<Vec<_>>());
}

/// HOST-3: tokens grow with every claim, through completion and idle times too.
pub async fn host_3_tokens_grow_with_every_claim(store: &StoreUnderTest) {
    let mut last = 0;
    for _ in 0..4 {
        let claim = store.claimed().await;
        assert!(claim.token > last, "{} should be above {last}", claim.token);
        last = claim.token;
        store.complete(&claim, None).await;
        store.advance(3_600);
    }
}

/// HOST-3: a longer lease counts from now.
pub async fn host_3_an_extended_lease_keeps_the_item(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    store.advance(50);
    store.stores.due.extend(&claim, LEASE).await.unwrap();
    store.advance(59);
    assert_eq!(store.claims().await, []);
    store.advance(1);
    assert!(store.only().await.token > claim.token);
}

/// HOST-3: a lease that ran out while nobody else came can still be lengthened.
pub async fn host_3_an_ended_lease_that_nobody_took_can_be_extended(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    store.advance(600);
    store.stores.due.extend(&claim, LEASE).await.unwrap();
    assert_eq!(store.claims().await, []);
}

/// who lost a claim cannot lengthen it, nor shorten the new one.
pub async fn r_26_a_stale_claim_cannot_extend(store: &StoreUnderTest) {
    let lost = store.claimed().await;
    store.clock.set(lost.expires_at);
    let current = store.only().await;
    assert_stale(store.stores.due.extend(&lost, std::time::Duration::from_secs(1)).await);
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(current.expires_at));
}

/// who lost a claim cannot give the item back.
pub async fn r_26_a_stale_claim_cannot_complete(store: &StoreUnderTest) {
    let lost = store.claimed().await;
    store.clock.set(lost.expires_at);
    let current = store.only().await;
    assert_stale(store.stores.due.complete(&lost, Some(store.now())).await);
    assert_eq!(store.claims().await, [], "the current claim should still hold");
    store.complete(&current, None).await;
    assert_eq!(store.stores.due.next_due().await.unwrap(), None);
}

/// a claim that the store never gave is no claim.
pub async fn r_26_a_claim_that_was_never_given_is_refused(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    let forged = Claim { token: claim.token + 1, ..claim.clone() };
    assert_stale(store.stores.due.extend(&forged, LEASE).await);
    assert_stale(store.stores.due.complete(&forged, None).await);
    let elsewhere = Claim { work: work(9), ..claim.clone() };
    assert_stale(store.stores.due.complete(&elsewhere, None).await);
    store.complete(&claim, None).await;
}

/// HOST-3: an item given back is due when its worker says.
pub async fn host_3_completed_work_is_due_at_its_next_time(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    let next = store.later(3_600);
    store.complete(&claim, Some(next)).await;
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(next));
    store.advance(3_599);
    assert_eq!(store.claims().await, []);
    store.advance(1);
    assert_eq!(store.only().await.due_at, next);
}

/// HOST-3: an item without a next time rests until it is scheduled.
pub async fn host_3_completed_work_without_a_next_time_rests(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    store.complete(&claim, None).await;
    store.advance(86_400);
    assert_eq!(store.claims().await, []);
    assert_eq!(store.stores.due.next_due().await.unwrap(), None);
    store.schedule(&work(1), store.now()).await;
    assert!(store.only().await.token > claim.token);
}

/// HOST-3: an item may be given back after its lease, as long as nobody else came.
pub async fn host_3_work_can_be_completed_after_its_lease(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    store.advance(600);
    store.complete(&claim, None).await;
    assert_eq!(store.claims().await, []);
}

/// HOST-3: to complete twice is to complete once.
pub async fn host_3_completing_twice_changes_nothing(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    let next = store.later(600);
    store.complete(&claim, Some(next)).await;
    store.complete(&claim, Some(next)).await;
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(next));
    let sooner = store.later(60);
    store.schedule(&work(1), sooner).await;
    store.complete(&claim, Some(next)).await;
    let due = store.stores.due.next_due().await.unwrap();
    assert_eq!(due, Some(sooner), "what was scheduled in between should not be lost");
}

/// HOST-3: what is scheduled during a claim is not lost, though the worker says never again.
pub async fn host_3_a_schedule_during_a_claim_outlives_never(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    let at = store.later(30);
    store.schedule(&work(1), at).await;
    assert_eq!(store.claims().await, [], "the claim should go on");
    store.complete(&claim, None).await;
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(at));
}

/// HOST-3: nor does it give way to a later next time.
pub async fn host_3_a_schedule_during_a_claim_outlives_a_later_time(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    let at = store.later(30);
    store.schedule(&work(1), store.later(45)).await;
    store.schedule(&work(1), at).await;
    store.complete(&claim, Some(store.later(600))).await;
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(at));
}

/// HOST-3: an earlier next time stands before a schedule during the claim.
pub async fn host_3_an_earlier_next_time_comes_before_a_schedule(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    let next = store.later(30);
    store.schedule(&work(1), store.later(600)).await;
    store.complete(&claim, Some(next)).await;
    assert_eq!(store.stores.due.next_due().await.unwrap(), Some(next));
}

/// HOST-3: what is scheduled after a lease ended, but before the item was given back, is not lost.
pub async fn host_3_a_schedule_after_the_lease_is_not_lost(store: &StoreUnderTest) {
    let claim = store.claimed().await;
    store.advance(600);
    store.schedule(&work(1), store.now()).await;
    store.complete(&claim, None).await;
    assert_eq!(store.only().await.work, work(1));
}

/// HOST-3: a pull and a publication are items of their own.
pub async fn host_3_a_pull_and_a_publication_are_apart(store: &StoreUnderTest) {
    let pull = store.claimed().await;
    store.schedule(&publication(1), store.now()).await;
    let publish = store.only().await;
    assert_eq!(publish.work, publication(1));
    store.complete(&pull, None).await;
    assert_eq!(store.claims().await, [], "the publication should still be held");
    store.complete(&publish, None).await;
}

/// OLL-4: the same item of two workspaces is two items.
pub async fn oll_4_work_of_two_workspaces_is_apart(store: &StoreUnderTest) {
    let ours = store.claimed().await;
    let theirs = Work { workspace: workspace("other"), ..work(1) };
    store.schedule(&theirs, store.now()).await;
    let claim = store.only().await;
    assert_eq!(claim.work, theirs);
    store.complete(&claim, None).await;
    store.stores.due.extend(&ours, LEASE).await.unwrap();
}
