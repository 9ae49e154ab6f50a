//! The publisher against a CRM that loses, delays and refuses, and users who interfere.

mod timeline;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use time::macros::datetime;

use self::timeline::{Fault, Timeline};
use super::*;
use crate::clock::Randomness;
use crate::connector::NoteIdentity;
use crate::documents::delivery::NOTE_TEXT;
use crate::host::{SealingKey, StaticKeys};
use crate::model::{
    Connection, ConnectionId, CrmKind, DealDetails, Decided, Decision, DocumentId, EmailAddress,
    Identity, MemberId, NoteRefusal, OpportunityId, OrganisationId, OwnerMatch, RecordId,
    RevisionStamp, UserId,
};
use crate::seal::{SealPlace, Sealer};
use crate::storage::WorkKind;
use crate::store::MemoryStore;
use crate::testkit::ManualClock;

const LEASE: Duration = Duration::from_secs(60);

/// A workspace with one deal, a publisher, and the CRM's timeline.
struct House {
    clock: Arc<ManualClock>,
    stores: Stores,
    publisher: Publisher,
    crm: Timeline,
    workspace: WorkspaceId,
    connection: ConnectionId,
    deal: DealId,
}

impl House {
    async fn new() -> Self {
        Self::with(NoteIdentity::ClientChosen, PublishOptions::default()).await
    }

    async fn with(identity: NoteIdentity, options: PublishOptions) -> Self {
        let clock = Arc::new(ManualClock::new(datetime!(2026-02-01 09:00 UTC)));
        let stores = Stores::all(Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock))));
        let workspace = WorkspaceId::new("acme").unwrap();
        let connection = connection(&workspace);
        stores.connections.connect(&connection, &sealed()).await.unwrap();
        let pull = Work { workspace: workspace.clone(), item: WorkItem::Pull(connection.id) };
        stores.due.schedule(&pull, clock.now()).await.unwrap();
        let claim = stores.due.claim(WorkKind::Pull, 1, LEASE).await.unwrap().pop().unwrap();
        let opportunity = OpportunityId::new("o1").unwrap();
        let decision = Decision::Create(details());
        let decided = Decided { opportunity: opportunity.clone(), name: None, decision };
        stores.deals.apply(&claim, &[decided]).await.unwrap();
        stores.due.complete(&claim, None).await.unwrap();
        let deal = DealId::derive(&workspace, connection.id, &opportunity);
        let publisher = Publisher::new(stores.clone(), Arc::<ManualClock>::clone(&clock), options);
        let crm = Timeline::new(Arc::clone(&clock), identity);
        Self { clock, stores, publisher, crm, workspace, connection: connection.id, deal }
    }

    async fn publish(&self, revision: u64) -> Option<OffsetDateTime> {
        let target = PublishTarget::Deal(self.deal);
        match self.publisher.publish(&self.workspace, target, document(revision)).await.unwrap() {
            Published::Accepted { due_at, .. } => due_at,
            Published::Declined(why) => panic!("declined: {why}"),
        }
    }

    /// Does what is due now, as a scheduler would; `None` when the worker died or nothing was due.
    async fn work(&self) -> Option<Result<Sent>> {
        let claim = self.stores.due.claim(WorkKind::Publish, 1, LEASE).await.unwrap().pop()?;
        let publication = self.publication().await;
        let sent = self.publisher.send(&claim, &self.crm, &publication).now_or_never()?;
        let next = match &sent {
            Ok(sent) => sent.next,
            Err(_) => Some(self.clock.now() + Duration::from_secs(60)),
        };
        self.stores.due.complete(&claim, next).await.unwrap();
        Some(sent)
    }

    /// Lets a minute and a second pass, then works.
    async fn minute(&self) -> Option<Result<Sent>> {
        self.clock.advance(time::Duration::seconds(61));
        self.work().await
    }

    /// Works until nothing is due any more.
    async fn settle(&self) {
        for _ in 0..200 {
            if self.stores.due.next_due().await.unwrap().is_none() {
                return;
            }
            let _ = self.minute().await;
        }
        panic!("it never settled");
    }

    async fn publication(&self) -> Publication {
        let mut all =
            self.stores.publications.list(&self.workspace, self.connection, None, 9).await.unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// The activity feed in words, the oldest line first.
    async fn feed(&self) -> Vec<String> {
        let feed = self.stores.feed.entries(&self.workspace, self.connection, None, 200);
        let mut lines: Vec<String> =
            feed.await.unwrap().iter().map(|entry| entry.event.to_string()).collect();
        lines.reverse();
        lines
    }

    /// The revisions that stand in the CRM.
    fn standing(&self) -> Vec<Option<u64>> {
        self.crm.state().notes.values().map(|note| note.stamp.map(|stamp| stamp.revision)).collect()
    }
}

pub(super) fn connection(workspace: &WorkspaceId) -> Connection {
    let organisation = OrganisationId::new("org").unwrap();
    Connection::new(
        ConnectionId::new(uuid::Uuid::from_u128(7)),
        workspace.clone(),
        CrmKind::new("plain"),
        "https://org.test".to_owned(),
        Identity::new(organisation, RecordId::new("u1").unwrap()),
        MemberId::new("m1").unwrap(),
        datetime!(2026-02-01 09:00 UTC),
    )
}

pub(super) fn sealed() -> crate::seal::Sealed {
    let keys = StaticKeys::new(SealingKey::new("k", [1; 32]).unwrap(), Vec::new());
    let sealer = Sealer::new(Arc::new(keys), Arc::new(Randomness::seeded(1)));
    sealer.seal(SealPlace { workspace: "acme", owner: "c", field: "tokens" }, b"x").unwrap()
}

pub(super) fn details() -> DealDetails {
    let email = EmailAddress::new("ada@acme.test").unwrap();
    let owner = OwnerMatch::new(MemberId::new("m1").unwrap(), UserId::new("u1").unwrap(), email);
    DealDetails::new("Renewal".to_owned(), owner)
}

fn document(revision: u64) -> Document {
    Document::new(
        DocumentId::new("plan").unwrap(),
        "Account plan".to_owned(),
        format!("<p>Revision {revision}</p>"),
        revision,
        datetime!(2026-02-01 09:00 UTC),
    )
}

#[tokio::test]
async fn doc_1_a_document_becomes_a_note() {
    let house = House::new().await;
    house.publish(1).await;
    let sent = house.minute().await.unwrap().unwrap();
    assert_eq!(sent, Sent { state: PublicationState::Published, next: None });
    let notes = house.crm.state().notes.clone();
    let note = notes.values().next().unwrap();
    assert_eq!(note.draft.subject, "Account plan");
    assert_eq!(note.draft.text, "Synced from Fluint. Open the attachment to view the document.");
    assert_eq!(note.draft.text, NOTE_TEXT);
    assert_eq!(note.draft.attachment.file_name, "Account plan.html");
    assert_eq!(house.feed().await, ["Document published: Account plan (revision 1)"]);
}

#[tokio::test]
async fn doc_2_a_later_revision_updates_the_same_note() {
    let house = House::new().await;
    house.publish(1).await;
    house.minute().await.unwrap().unwrap();
    house.publish(2).await;
    house.minute().await.unwrap().unwrap();
    assert_eq!(house.standing(), [Some(2)]);
    assert_eq!(house.crm.state().calls, ["create", "update"]);
    assert_eq!(house.feed().await[1], "Document updated: Account plan (revision 2)");
}

#[tokio::test]
async fn doc_3_only_the_newest_revision_is_sent_once_edits_pause() {
    let house = House::new().await;
    let first = house.clock.now();
    assert_eq!(house.publish(1).await, Some(first + Duration::from_secs(60)));
    for revision in 2..=30 {
        house.clock.advance(time::Duration::seconds(30));
        let due = house.publish(revision).await.unwrap();
        assert!(due <= first + Duration::from_secs(600).max(Duration::from_secs(60)));
    }
    house.clock.advance(time::Duration::seconds(1));
    let early = house.work().await.unwrap().unwrap();
    assert_eq!(
        early.next,
        Some(first + Duration::from_secs(600)),
        "it was due a minute after the first"
    );
    house.work().await.unwrap().unwrap();
    assert_eq!(house.standing(), [Some(30)]);
    assert_eq!(house.crm.state().calls, ["create"]);
}

#[tokio::test]
async fn doc_2_publishing_the_same_or_an_older_revision_changes_nothing() {
    let house = House::new().await;
    house.publish(2).await;
    house.minute().await.unwrap().unwrap();
    assert_eq!(house.publish(2).await, None);
    assert_eq!(house.publish(1).await, None);
    assert!(house.minute().await.is_none());
    assert_eq!(house.standing(), [Some(2)]);
}

#[tokio::test]
async fn doc_4_accounts_and_unknown_deals_are_declined() {
    let house = House::new().await;
    let account = PublishTarget::Account(AccountId::new("a1").unwrap());
    let stranger = PublishTarget::Deal(DealId::new(uuid::Uuid::from_u128(1)));
    let other = WorkspaceId::new("other").unwrap();
    for (workspace, target, why) in [
        (&house.workspace, account, PublishDeclined::AccountOnly),
        (&house.workspace, stranger, PublishDeclined::DealNotConnected),
        (&other, PublishTarget::Deal(house.deal), PublishDeclined::DealNotConnected),
    ] {
        let published = house.publisher.publish(workspace, target, document(1)).await.unwrap();
        assert_eq!(published, Published::Declined(why));
    }
}

#[tokio::test]
async fn doc_4_an_unhealthy_connection_holds_and_later_sends() {
    let house = House::new().await;
    house.publish(1).await;
    house.clock.advance(time::Duration::seconds(61));
    let due = &house.stores.due;
    let claim = due.claim(WorkKind::Publish, 1, LEASE).await.unwrap().pop().unwrap();
    for _ in 0..2 {
        let publication = house.publication().await;
        let why = "Please sign in again.".to_owned();
        let sent = house.publisher.hold(&claim, &publication, why.clone()).await.unwrap();
        assert_eq!(sent, Sent { state: PublicationState::Held { why }, next: None });
    }
    assert_eq!(house.feed().await, ["Document waits: Please sign in again."]);
    let publication = house.publication().await;
    let sent = house.publisher.send(&claim, &house.crm, &publication).await.unwrap();
    assert_eq!(sent.state, PublicationState::Published);
}

#[tokio::test]
async fn doc_4_a_lost_sign_in_holds_and_comes_out_as_the_error() {
    let house = House::new().await;
    house.publish(1).await;
    house.crm.fail_with([Fault::SignedOut]);
    let error = house.minute().await.unwrap().unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect);
    assert!(matches!(house.publication().await.state, PublicationState::Held { .. }));
    house.minute().await.unwrap().unwrap();
    assert_eq!(house.standing(), [Some(1)]);
}

#[tokio::test]
async fn doc_6_a_refusal_parks_until_a_new_revision() {
    let house = House::new().await;
    house.publish(1).await;
    house.crm.fail_with([Fault::Refused(NoteRefusal::TypeBlocked)]);
    let sent = house.minute().await.unwrap().unwrap();
    let refusal = NoteRefusal::TypeBlocked;
    assert_eq!(sent, Sent { state: PublicationState::Parked { refusal }, next: None });
    assert_eq!(
        house.feed().await,
        ["Document not published: your CRM does not allow HTML attachments"]
    );
    assert_eq!(house.publish(1).await, None, "a parked revision does not start itself again");
    house.publish(2).await;
    house.minute().await.unwrap().unwrap();
    assert_eq!(house.standing(), [Some(2)]);
}

#[tokio::test]
async fn doc_2_a_lost_answer_is_found_again_and_told_once() {
    for fault in [Fault::LostAfter, Fault::LostBefore, Fault::CrashAfter, Fault::CrashBefore] {
        let house = House::new().await;
        house.publish(1).await;
        house.crm.fail_with([fault.clone()]);
        let _ = house.minute().await;
        house.settle().await;
        assert_eq!(house.standing(), [Some(1)], "{fault:?}");
        assert_eq!(house.publication().await.state, PublicationState::Published);
        assert_eq!(
            house.feed().await,
            ["Document published: Account plan (revision 1)"],
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn doc_2_a_create_that_lands_late_makes_no_second_note() {
    let house = House::new().await;
    house.publish(1).await;
    house.crm.fail_with([Fault::Late(Duration::from_secs(200))]);
    let _ = house.minute().await;
    house.publish(2).await;
    house.settle().await;
    house.clock.advance(time::Duration::minutes(10));
    assert_eq!(house.standing(), [Some(2)]);
    assert_eq!(house.crm.state().notes.len(), 1);
}

#[tokio::test]
async fn doc_2_where_the_crm_chooses_ids_a_lost_create_gets_time_to_land() {
    let house = House::with(NoteIdentity::Search, PublishOptions::default()).await;
    house.publish(1).await;
    house.crm.fail_with([Fault::LostBefore]);
    house.minute().await.unwrap().unwrap();
    let until = house.publication().await.unsettled.unwrap().until;
    let sent = house.minute().await.unwrap().unwrap();
    assert_eq!(sent.next, Some(until));
    assert_eq!(house.crm.state().calls, ["create", "find", "find"]);
    house.settle().await;
    assert_eq!(house.standing(), [Some(1)]);
}

#[tokio::test]
async fn doc_7_a_plug_ins_touch_is_no_edit() {
    let house = House::new().await;
    house.publish(1).await;
    house.minute().await.unwrap().unwrap();
    house.crm.state().touch();
    house.publish(2).await;
    house.minute().await.unwrap().unwrap();
    assert_eq!(house.standing(), [Some(2)]);
    assert_eq!(house.feed().await.len(), 2);
}

#[tokio::test]
async fn doc_7_a_replaced_attachment_is_overwritten_and_the_feed_says_so() {
    let house = House::new().await;
    house.publish(1).await;
    house.minute().await.unwrap().unwrap();
    house.crm.state().replace_attachment();
    house.publish(2).await;
    house.minute().await.unwrap().unwrap();
    assert_eq!(house.standing(), [Some(2)]);
    assert_eq!(
        house.feed().await[1..],
        [
            "The attachment of Account plan had been replaced in the CRM; revision 2 overwrote it",
            "Document updated: Account plan (revision 2)"
        ]
    );
}

#[tokio::test]
async fn doc_7_a_deleted_note_stays_deleted_until_a_newer_revision() {
    let house = House::new().await;
    house.publish(1).await;
    house.minute().await.unwrap().unwrap();
    house.crm.state().notes.clear();
    assert_eq!(house.publish(1).await, None);
    assert!(house.minute().await.is_none());
    assert!(house.standing().is_empty());

    house.publish(2).await;
    house.minute().await.unwrap().unwrap();
    assert_eq!(house.standing(), [Some(2)], "no request for the old note can land any more");
    assert_eq!(house.publication().await.epoch, 1);
    assert_eq!(house.feed().await[1], "Document published: Account plan (revision 2)");
}

#[tokio::test]
async fn doc_7_the_policy_can_leave_deleted_notes_alone() {
    let options =
        PublishOptions { deleted_note: DeletedNote::LeaveDeleted, ..PublishOptions::default() };
    let house = House::with(NoteIdentity::ClientChosen, options).await;
    house.publish(1).await;
    house.minute().await.unwrap().unwrap();
    house.crm.state().notes.clear();
    house.publish(2).await;
    house.settle().await;
    assert!(house.standing().is_empty());
    assert!(matches!(house.publication().await.state, PublicationState::Parked { .. }));
}

#[tokio::test]
async fn doc_2_a_newer_revision_in_the_crm_is_never_overwritten() {
    let house = House::new().await;
    house.publish(1).await;
    house.minute().await.unwrap().unwrap();
    house.crm.state().touch();
    for note in house.crm.state().notes.values_mut() {
        note.stamp = note.stamp.map(|stamp| RevisionStamp { revision: 9, ..stamp });
    }
    house.publish(2).await;
    let sent = house.minute().await.unwrap().unwrap();
    assert_eq!(sent, Sent { state: PublicationState::Published, next: None });
    assert_eq!(house.standing(), [Some(9)]);
    assert_eq!(house.publish(3).await, None, "revision 9 stands there");
}

#[tokio::test]
async fn doc_2_a_stale_claim_writes_nothing_to_the_ledger() {
    let house = House::new().await;
    house.publish(1).await;
    house.clock.advance(time::Duration::seconds(61));
    let due = &house.stores.due;
    let old = due.claim(WorkKind::Publish, 1, LEASE).await.unwrap().pop().unwrap();
    house.clock.advance(time::Duration::seconds(61));
    due.claim(WorkKind::Publish, 1, LEASE).await.unwrap().pop().unwrap();
    let publication = house.publication().await;
    let error = house.publisher.send(&old, &house.crm, &publication).await.unwrap_err();
    assert!(matches!(error, Error::StaleClaim { .. }));
    assert!(house.crm.state().calls.is_empty(), "nothing was sent");
    assert_eq!(house.publication().await, publication);
}

#[tokio::test]
async fn doc_2_a_crm_without_notes_parks() {
    let house = House::with(NoteIdentity::None, PublishOptions::default()).await;
    house.publish(1).await;
    let sent = house.minute().await.unwrap().unwrap();
    assert!(matches!(sent.state, PublicationState::Parked { .. }));
    assert!(house.crm.state().calls.is_empty());
}

/// DOC-2, DOC-7: whatever is lost, late, refused, crashed, touched, replaced or deleted, in any
/// order: never two notes, never an older revision over a newer one (the timeline itself panics),
/// and in the end the newest revision stands, told once.
#[tokio::test]
async fn doc_2_no_sequence_of_faults_makes_a_second_note() {
    for seed in 0..400 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let house = House::new().await;
        let mut revision = 0;
        for _ in 0..40 {
            match chance.u8(0..10) {
                0..3 => {
                    revision += 1;
                    house.publish(revision).await;
                }
                3 => house.crm.state().touch(),
                4 => house.crm.state().replace_attachment(),
                5 if chance.u8(0..4) == 0 => house.crm.state().notes.clear(),
                _ => {}
            }
            let fault = any_fault(&mut chance);
            house.crm.fail_with(fault);
            let _ = house.minute().await;
            assert!(house.crm.state().notes.len() <= 1, "two notes with seed {seed}");
        }
        house.crm.fail_with([]);
        revision += 1;
        house.publish(revision).await;
        house.settle().await;
        house.clock.advance(time::Duration::hours(1));
        assert_eq!(house.standing(), [Some(revision)], "seed {seed}");
        let told = format!("(revision {revision})");
        let lines = house.feed().await;
        assert_eq!(lines.iter().filter(|line| line.ends_with(&told)).count(), 1, "seed {seed}");
    }
}

fn any_fault(chance: &mut fastrand::Rng) -> Option<Fault> {
    Some(match chance.u8(0..14) {
        0 => Fault::CrashAfter,
        1 => Fault::CrashBefore,
        2 => Fault::LostAfter,
        3 => Fault::LostBefore,
        4 => Fault::Late(Duration::from_secs(chance.u64(1..300))),
        5 => Fault::Unavailable,
        6 => Fault::SignedOut,
        _ => return None,
    })
}
