//! Documents to Notes over the wire: lost answers, refusals, users who delete and replace.

use fluint_crm::documents::{PublishTarget, Published};
use fluint_crm::model::{
    AccountId, Connection, Deal, DealId, FeedEvent, NoteRefusal, OpportunityId, PublicationId,
    PublicationState, PublishDeclined,
};
use fluint_crm::testkit::{Cell, Fault, Place};
use time::Duration;
use uuid::Uuid;

use crate::dynamics::bench::{Bench, document_of, small_org, workspace};

struct World {
    bench: Bench,
    connection: Connection,
    deals: Vec<Deal>,
    organisation: Uuid,
}

async fn world() -> World {
    let org = small_org();
    let built = org.builder.build();
    let organisation = built.organization();
    let bench = Bench::new(built).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let mut deals = Vec::new();
    for id in org.deals {
        deals.push(bench.deal(&connection, id).await);
    }
    World { bench, connection, deals, organisation }
}

impl World {
    /// Works on what is due, now and later, until nothing is left but the next sync.
    async fn settle(&self) {
        self.bench.clock.advance(Duration::seconds(61));
        for _ in 0..12 {
            self.bench.run().await;
            self.bench.clock.advance(Duration::seconds(61));
        }
    }

    async fn publish(&self, document: &str, revision: u64) -> PublicationId {
        self.bench.publish(&self.deals[0], document, revision).await
    }

    /// Publishes a revision of several megabytes.
    async fn publish_large(&self, document: &str, revision: u64) -> PublicationId {
        let crm = &self.bench.crm;
        let mut document = document_of(document, revision, crm.now());
        document.html =
            format!("{}{}", document.html, "<p>words and more words</p>".repeat(200_000));
        let target = PublishTarget::Deal(self.deals[0].id);
        match crm.publish(&workspace(), target, document).await.unwrap() {
            Published::Accepted { publication, .. } => publication,
            other => panic!("{other:?}"),
        }
    }

    async fn state(&self, id: PublicationId) -> PublicationState {
        self.bench.publication(id).await.state
    }

    fn notes(&self) -> Vec<Uuid> {
        self.bench.fake.dataverse().ids("annotation")
    }

    /// The page that a user would open.
    async fn page(&self, id: PublicationId) -> String {
        let publication = self.bench.publication(id).await;
        let note = self.bench.crm.read_note(&workspace(), &publication).await.unwrap();
        String::from_utf8(note.expect("it is there").attachment.expect("a file").bytes).unwrap()
    }

    async fn told(&self, wanted: fn(&FeedEvent) -> bool) -> usize {
        self.bench.feed(&self.connection).await.iter().filter(|event| wanted(event)).count()
    }
}

#[tokio::test]
async fn doc_2_a_lost_answer_to_the_create_makes_one_note() {
    for (fault, times) in [
        (Fault::AnswerLost, 1),
        (Fault::AnswerLost, 5),
        (Fault::Reset, 1),
        (Fault::Reset, 12),
        (Fault::BadGateway, 2),
        (Fault::TruncatedBody, 1),
        (Fault::TooManyRequests { retry_after: Some("30".to_owned()) }, 1),
        (Fault::ExpiredToken, 1),
    ] {
        let world = world().await;
        let dataverse = world.bench.fake.dataverse();
        dataverse.plant_times(Place::next_to("annotations"), fault.clone(), times);
        let id = world.publish("plan", 1).await;
        world.settle().await;
        assert_eq!(world.state(id).await, PublicationState::Published, "{fault:?} x {times}");
        assert_eq!(world.notes().len(), 1, "{fault:?} x {times}");
        let published = world.told(|event| matches!(event, FeedEvent::NotePublished { .. })).await;
        assert_eq!(published, 1, "{fault:?} x {times}: ACT-1");
        // The next revision finds the same one.
        world.publish("plan", 2).await;
        world.settle().await;
        assert_eq!(world.notes().len(), 1, "{fault:?} x {times}");
        assert!(world.page(id).await.contains("Revision <strong>2</strong>"), "{fault:?}");
    }
}

#[tokio::test]
async fn doc_2_a_create_that_lands_later_makes_no_second_note() {
    for landings in [1, 5] {
        let world = world().await;
        let dataverse = world.bench.fake.dataverse();
        dataverse.plant_times(Place::next_to("annotations"), Fault::LandsLater, landings);
        let id = world.publish("plan", 1).await;
        world.bench.run_after(Duration::seconds(61)).await;
        world.publish("plan", 2).await;
        dataverse.land();
        world.settle().await;
        dataverse.land();
        world.settle().await;
        assert_eq!(world.notes().len(), 1);
        assert_eq!(world.state(id).await, PublicationState::Published);
        assert!(world.page(id).await.contains("Revision <strong>2</strong>"));
    }
}

#[tokio::test]
async fn doc_2_an_update_whose_answer_is_lost_leaves_the_newest_revision() {
    for fault in [Fault::AnswerLost, Fault::LandsLater, Fault::Reset] {
        let world = world().await;
        let dataverse = world.bench.fake.dataverse();
        let id = world.publish("plan", 1).await;
        world.settle().await;
        dataverse.plant_times(Place::next_to("annotations"), fault.clone(), 5);
        world.publish("plan", 2).await;
        world.bench.run_after(Duration::seconds(61)).await;
        world.publish("plan", 3).await;
        world.settle().await;
        dataverse.land();
        assert_eq!(world.notes().len(), 1, "{fault:?}");
        assert!(world.page(id).await.contains("Revision <strong>3</strong>"), "{fault:?}");
        assert_eq!(world.state(id).await, PublicationState::Published);
    }
}

#[tokio::test]
async fn doc_6_a_blocked_extension_parks_that_document_and_blocks_no_other() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    assert!(dataverse.update("organization", world.organisation, "blockedattachments", "exe;html"));
    let id = world.publish("plan", 1).await;
    world.settle().await;
    let parked = PublicationState::Parked { refusal: NoteRefusal::TypeBlocked };
    assert_eq!(world.state(id).await, parked);
    assert_eq!(world.told(|event| matches!(event, FeedEvent::NoteRefused { .. })).await, 1);
    let asked = dataverse.requests("annotations");
    world.settle().await;
    assert_eq!(dataverse.requests("annotations"), asked, "a parked one is left alone");
    assert_eq!(world.bench.run().await.publications.len(), 0);
    // The administrator allows it. Others go out at once, this one with its next revision.
    assert!(dataverse.update("organization", world.organisation, "blockedattachments", "exe"));
    let other = world.publish("minutes", 1).await;
    world.settle().await;
    assert_eq!(world.state(other).await, PublicationState::Published);
    assert_eq!(world.state(id).await, parked);
    world.publish("plan", 2).await;
    world.settle().await;
    assert_eq!(world.state(id).await, PublicationState::Published);
    assert_eq!(world.notes().len(), 2);
}

#[tokio::test]
async fn doc_6_a_document_larger_than_the_org_allows_is_parked_with_that_reason() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    assert!(dataverse.update("organization", world.organisation, "maxuploadfilesize", 64));
    let id = world.publish("plan", 1).await;
    world.settle().await;
    let state = world.state(id).await;
    let is_too_large =
        matches!(&state, PublicationState::Parked { refusal: NoteRefusal::TooLarge { .. } });
    assert!(is_too_large, "{state:?}");
    assert!(world.notes().is_empty());
}

#[tokio::test]
async fn doc_6_a_missing_privilege_parks_and_names_it() {
    let world = world().await;
    world.bench.fake.dataverse().withhold_privilege("prvCreateNote");
    let id = world.publish("plan", 1).await;
    world.settle().await;
    let refusal = NoteRefusal::NotAllowed { privilege: Some("prvCreateNote".to_owned()) };
    assert_eq!(world.state(id).await, PublicationState::Parked { refusal });
}

#[tokio::test]
async fn doc_7_a_note_deleted_in_the_crm_comes_back_only_with_a_newer_revision() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    let id = world.publish("plan", 1).await;
    world.settle().await;
    let first = world.notes()[0];
    assert!(dataverse.delete("annotation", first));
    // The same revision again, syncs, restarts of work: it stays deleted.
    world.publish("plan", 1).await;
    world.settle().await;
    world.bench.synced(&world.connection).await;
    world.settle().await;
    assert!(world.notes().is_empty(), "a retry resurrects nothing");
    world.publish("plan", 2).await;
    world.settle().await;
    let notes = world.notes();
    assert_eq!(notes.len(), 1);
    assert_ne!(notes[0], first, "a fresh Note");
    assert!(world.page(id).await.contains("Revision <strong>2</strong>"));
}

/// DOC-7: while a create may still land, a deleted note is not made anew under another id.
#[tokio::test]
async fn doc_7_a_note_deleted_right_after_a_lost_create_is_made_anew_only_after_the_drain() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    dataverse.plant(Place::next_to("annotations"), Fault::LandsLater);
    let id = world.publish("plan", 1).await;
    world.bench.run_after(Duration::seconds(61)).await;
    assert!(world.notes().is_empty(), "the create is on its way");
    world.bench.run_after(Duration::seconds(61)).await;
    assert_eq!(world.notes().len(), 1, "a second one was faster");
    assert!(dataverse.delete("annotation", world.notes()[0]));
    world.publish("plan", 2).await;
    world.bench.run_after(Duration::seconds(61)).await;
    assert!(world.notes().is_empty(), "the old create might still land");
    dataverse.land();
    world.bench.run_after(Duration::minutes(5)).await;
    assert_eq!(world.notes().len(), 1);
    assert!(world.page(id).await.contains("Revision <strong>2</strong>"));
}

/// DOC-7: a note that comes back with an older revision, after a CRM user deleted the newer one, is
/// brought up to date though nobody publishes again.
#[tokio::test]
async fn doc_7_a_late_create_that_brings_an_old_revision_back_is_noticed() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    dataverse.plant(Place::next_to("annotations"), Fault::LandsLater);
    let id = world.publish("plan", 1).await;
    world.bench.run_after(Duration::seconds(61)).await;
    world.publish("plan", 2).await;
    world.bench.run_after(Duration::seconds(61)).await;
    assert_eq!(world.state(id).await, PublicationState::Published);
    assert!(dataverse.delete("annotation", world.notes()[0]));
    dataverse.land();
    assert!(world.page(id).await.contains("Revision <strong>1</strong>"));
    world.settle().await;
    assert!(world.page(id).await.contains("Revision <strong>2</strong>"));
    assert_eq!(world.bench.publication(id).await.unsettled, None);
}

/// DOC-6: a document above four megabytes goes up in blocks, and is updated in place.
#[tokio::test]
async fn doc_6_a_large_document_goes_up_in_blocks_and_is_updated_in_place() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    assert!(dataverse.update("organization", world.organisation, "maxuploadfilesize", 20_000_000));
    let id = world.publish_large("plan", 1).await;
    world.settle().await;
    assert_eq!(world.state(id).await, PublicationState::Published);
    assert!(world.page(id).await.contains("Revision <strong>1</strong>"));
    let note = world.notes();
    world.publish_large("plan", 2).await;
    world.settle().await;
    world.publish("plan", 3).await;
    world.settle().await;
    assert_eq!(world.notes(), note);
    assert!(world.page(id).await.contains("Revision <strong>3</strong>"));
    world.publish_large("plan", 4).await;
    world.settle().await;
    let page = world.page(id).await;
    assert!(page.contains("Revision <strong>4</strong>") && page.len() > 4_000_000);
    assert_eq!(world.notes(), note);
}

/// DOC-2: what becomes of an upload is found out: it landed, it never did, or it lands later.
#[tokio::test]
async fn doc_2_an_upload_whose_answer_is_lost_leaves_the_newest_revision() {
    for fault in [Fault::AnswerLost, Fault::Reset, Fault::LandsLater, Fault::BadGateway] {
        let world = world().await;
        let dataverse = world.bench.fake.dataverse();
        let limit = 20_000_000;
        assert!(dataverse.update("organization", world.organisation, "maxuploadfilesize", limit));
        let id = world.publish_large("plan", 1).await;
        dataverse.plant(Place::next_to("CommitAnnotationBlocksUpload"), fault.clone());
        world.bench.run_after(Duration::seconds(61)).await;
        // A small revision comes in while the upload may still land: it has to wait.
        world.publish("plan", 2).await;
        world.bench.run_after(Duration::seconds(61)).await;
        dataverse.land();
        world.settle().await;
        assert_eq!(world.notes().len(), 1, "{fault:?}");
        assert!(world.page(id).await.contains("Revision <strong>2</strong>"), "{fault:?}");
        assert_eq!(world.state(id).await, PublicationState::Published, "{fault:?}");
    }
}

/// DOC-2: a table that compares no versions takes recorded writes instead, still into one note.
#[tokio::test]
async fn doc_2_a_table_that_compares_no_versions_is_written_with_a_record_ahead() {
    let world = world().await;
    world.bench.fake.dataverse().compare_no_versions();
    let id = world.publish("plan", 1).await;
    world.settle().await;
    world.publish("plan", 2).await;
    world.settle().await;
    assert_eq!(world.notes().len(), 1);
    assert!(world.page(id).await.contains("Revision <strong>2</strong>"));
    assert_eq!(world.state(id).await, PublicationState::Published);
}

#[tokio::test]
async fn doc_7_an_attachment_replaced_by_a_user_is_overwritten_and_the_feed_says_so() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    let id = world.publish("plan", 1).await;
    world.settle().await;
    let note = world.notes()[0];
    // "PGI+TWluZTwvYj4=" is a page of the user's own.
    assert!(dataverse.update("annotation", note, "documentbody", "PGI+TWluZTwvYj4="));
    world.publish("plan", 2).await;
    world.settle().await;
    assert_eq!(world.notes(), [note]);
    assert!(world.page(id).await.contains("Revision <strong>2</strong>"));
    assert_eq!(world.told(|event| matches!(event, FeedEvent::NoteOverwritten { .. })).await, 1);
    // A mere touch by a plug-in is not an edit.
    assert!(dataverse.update("annotation", note, "modifiedby", Cell::Null));
    world.publish("plan", 3).await;
    world.settle().await;
    assert!(world.page(id).await.contains("Revision <strong>3</strong>"));
    assert_eq!(world.told(|event| matches!(event, FeedEvent::NoteOverwritten { .. })).await, 1);
}

#[tokio::test]
async fn doc_4_what_is_not_on_a_connected_deal_is_declined_with_that_reason() {
    let world = world().await;
    let crm = &world.bench.crm;
    let document = document_of("plan", 1, crm.now());
    let account = PublishTarget::Account(AccountId::new("a1").unwrap());
    let declined = crm.publish(&workspace(), account, document.clone()).await.unwrap();
    assert_eq!(declined, Published::Declined(PublishDeclined::AccountOnly));
    let unknown = OpportunityId::new("nobody").unwrap();
    let deal = DealId::derive(&workspace(), world.connection.id, &unknown);
    let declined = crm.publish(&workspace(), PublishTarget::Deal(deal), document).await.unwrap();
    assert_eq!(declined, Published::Declined(PublishDeclined::DealNotConnected));
    world.settle().await;
    assert_eq!(world.bench.fake.dataverse().requests("annotations"), 0);
}

#[tokio::test]
async fn doc_1_a_note_for_an_opportunity_that_was_deleted_is_parked() {
    let world = world().await;
    let opportunity: Uuid = world.deals[0].opportunity.as_str().parse().unwrap();
    assert!(world.bench.fake.dataverse().delete("opportunity", opportunity));
    let id = world.publish("plan", 1).await;
    world.settle().await;
    let refusal = NoteRefusal::OpportunityGone;
    assert_eq!(world.state(id).await, PublicationState::Parked { refusal });
    let other = world.bench.publish(&world.deals[1], "plan", 1).await;
    world.settle().await;
    assert_eq!(world.state(other).await, PublicationState::Published);
}
