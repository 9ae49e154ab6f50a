//! What an org lets in as notes, and documents sent once more because somebody asks.

use fluint_crm::documents::Published;
use fluint_crm::model::{
    DocumentId, FeedEvent, NoteRefusal, OpportunityId, PublicationId, PublicationState, WorkspaceId,
};
use fluint_crm::storage::{Listed, PublishRequest, Resend, Work, WorkItem};
use fluint_crm::testkit::Cell;
use fluint_crm::{Error, Remedy};
use time::Duration;
use uuid::Uuid;

use crate::dynamics::bench::{document_of, workspace};
use crate::dynamics::notes::{World, world};

/// Settings of the org's, each with a value that lets no document in and one that does.
fn policies() -> [(&'static str, Cell, Cell); 4] {
    let text = |text: &str| Cell::from(text);
    [
        ("blockedattachments", text("exe;html"), text("exe")),
        ("blockedmimetypes", text("text/html"), Cell::Null),
        ("allowedmimetypes", text("image/png"), text("image/png;text/html")),
        ("maxuploadfilesize", Cell::from(64), Cell::from(5_242_880)),
    ]
}

impl World {
    fn set(&self, column: &str, value: Cell) {
        let dataverse = self.bench.fake.dataverse();
        assert!(dataverse.update("organization", self.organisation, column, value));
    }

    async fn sync(&self) {
        self.bench.synced(&self.connection).await;
    }

    async fn republish(&self, id: PublicationId) {
        let published = self.bench.crm.republish(&workspace(), id).await.unwrap();
        let Published::Accepted { publication, due_at: Some(_) } = published else {
            panic!("{published:?}")
        };
        assert_eq!(publication, id);
        self.settle().await;
    }
}

#[tokio::test]
async fn doc_6_what_the_org_is_known_to_refuse_is_not_sent_and_goes_out_once_it_changes() {
    for (column, refusing, taking) in policies() {
        let world = world().await;
        world.set(column, refusing);
        world.sync().await;
        let asked = world.bench.fake.dataverse().requests("annotations");
        let id = world.publish("plan", 1).await;
        world.settle().await;
        let state = world.state(id).await;
        assert!(
            matches!(
                state,
                PublicationState::Parked {
                    refusal: NoteRefusal::TypeBlocked | NoteRefusal::TooLarge { limit: Some(48) }
                }
            ),
            "{column}: {state:?}"
        );
        assert_eq!(world.bench.fake.dataverse().requests("annotations"), asked, "{column}");
        // Syncs that find nothing changed leave it alone.
        world.sync().await;
        assert_eq!(world.state(id).await, state);
        world.set(column, taking);
        world.sync().await;
        world.settle().await;
        assert_eq!(world.state(id).await, PublicationState::Published, "{column}");
        assert_eq!(world.notes().len(), 1);
        assert_eq!(world.told(|event| matches!(event, FeedEvent::NoteRefused { .. })).await, 1);
    }
}

#[tokio::test]
async fn doc_6_settings_that_changed_since_the_last_sync_count_at_once() {
    for (column, refusing, taking) in policies() {
        let world = world().await;
        world.set(column, refusing);
        world.sync().await;
        world.set(column, taking);
        let id = world.publish("plan", 1).await;
        world.settle().await;
        assert_eq!(world.state(id).await, PublicationState::Published, "{column}");
    }
}

#[tokio::test]
async fn doc_6_a_privilege_that_was_granted_starts_refused_documents_again() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    dataverse.withhold_privilege("prvCreateNote");
    world.sync().await;
    let id = world.publish("plan", 1).await;
    world.settle().await;
    assert!(matches!(world.state(id).await, PublicationState::Parked { .. }));
    world.sync().await;
    assert!(matches!(world.state(id).await, PublicationState::Parked { .. }));
    dataverse.grant_privilege("prvCreateNote");
    world.sync().await;
    world.settle().await;
    assert_eq!(world.state(id).await, PublicationState::Published);
}

#[tokio::test]
async fn doc_7_republishing_brings_back_what_a_user_deleted_or_replaced() {
    let world = world().await;
    let dataverse = world.bench.fake.dataverse();
    let id = world.publish("plan", 1).await;
    world.settle().await;
    let first = world.notes()[0];
    let asked = dataverse.requests("annotations");
    world.republish(id).await;
    assert_eq!(world.notes(), [first], "once more into the same one");
    assert!(dataverse.requests("annotations") > asked);
    // "PGI+TWluZTwvYj4=" is a page of the user's own.
    assert!(dataverse.update("annotation", first, "documentbody", "PGI+TWluZTwvYj4="));
    world.republish(id).await;
    assert!(world.page(id).await.contains("Revision <strong>1</strong>"));
    assert!(dataverse.delete("annotation", first));
    world.republish(id).await;
    assert_eq!(world.notes().len(), 1);
    assert_ne!(world.notes()[0], first, "a fresh one");
    assert!(world.page(id).await.contains("Revision <strong>1</strong>"));
    let asked = dataverse.requests("annotations");
    world.settle().await;
    assert_eq!(dataverse.requests("annotations"), asked, "once");
}

#[tokio::test]
async fn doc_6_republishing_tries_a_parked_document_again() {
    let world = world().await;
    world.set("blockedattachments", Cell::from("html"));
    let id = world.publish("plan", 1).await;
    world.settle().await;
    assert!(matches!(world.state(id).await, PublicationState::Parked { .. }));
    world.set("blockedattachments", Cell::Null);
    world.republish(id).await;
    assert_eq!(world.state(id).await, PublicationState::Published);
    let nobody = WorkspaceId::new("nobody").unwrap();
    let error = world.bench.crm.republish(&nobody, id).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_ne!(error.remedy(), Remedy::Retry);
}

#[tokio::test]
async fn doc_3_a_host_sees_where_a_document_stands_and_when_it_is_due() {
    let world = world().await;
    let (crm, deal) = (&world.bench.crm, world.deals[0].id);
    let plan = DocumentId::new("plan").unwrap();
    assert_eq!(crm.publication_of(&workspace(), deal, &plan).await.unwrap(), None);
    let published_at = crm.now();
    let id = world.publish("plan", 1).await;
    let status = crm.publication_of(&workspace(), deal, &plan).await.unwrap().unwrap();
    assert_eq!(status.publication.key.publication(), id);
    assert_eq!(status.due_at, Some(published_at + Duration::minutes(1)));
    world.set("blockedattachments", Cell::from("html"));
    world.settle().await;
    let status = crm.publication(&workspace(), id).await.unwrap().unwrap();
    assert_eq!(status.publication.last_refusal, Some(NoteRefusal::TypeBlocked));
    assert_eq!((status.due_at, status.publication.receipt), (None, None));
    world.set("blockedattachments", Cell::Null);
    let minutes = world.publish("minutes", 3).await;
    world.settle().await;
    let acme = workspace();
    let list = |which| crm.publications(&acme, world.connection.id, which, None, 10);
    let ids = |list: Vec<fluint_crm::documents::PublicationStatus>| {
        list.iter().map(|status| status.publication.key.publication()).collect::<Vec<_>>()
    };
    let mut all = vec![id, minutes];
    all.sort_unstable();
    assert_eq!(ids(list(Listed::All).await.unwrap()), all);
    assert_eq!(ids(list(Listed::Unpublished).await.unwrap()), [id]);
    let status = crm.publication(&workspace(), minutes).await.unwrap().unwrap();
    assert_eq!(status.publication.receipt.unwrap().stamp.revision, 3);
    assert_eq!(status.due_at, None);
}

/// A host that keeps the deals itself may move one to another opportunity.
#[tokio::test]
async fn doc_2_a_deal_that_moves_to_another_opportunity_takes_its_note_along() {
    let world = world().await;
    let (stores, dataverse) = (&world.bench.stores, world.bench.fake.dataverse());
    let id = world.publish("plan", 1).await;
    world.settle().await;
    let note = world.notes();
    let hangs_on = |opportunity: &OpportunityId| {
        let opportunity: Uuid = opportunity.as_str().parse().unwrap();
        let expected = Cell::lookup("opportunity", opportunity);
        dataverse.cell("annotation", note[0], "objectid") == Some(expected)
    };
    assert!(hangs_on(&world.deals[0].opportunity));
    let publication = world.bench.publication(id).await;
    let at = world.bench.crm.now();
    let request = PublishRequest {
        key: publication.key,
        connection: publication.connection,
        opportunity: world.deals[1].opportunity.clone(),
        document: document_of("plan", 2, at),
        at,
        resend: Resend::No,
    };
    stores.publications.accept(&request).await.unwrap();
    let work = Work { workspace: workspace(), item: WorkItem::Publish(id) };
    stores.due.schedule(&work, at + Duration::minutes(1)).await.unwrap();
    world.settle().await;
    assert_eq!(world.notes(), note, "the same note");
    assert!(hangs_on(&world.deals[1].opportunity));
    assert!(world.page(id).await.contains("Revision <strong>2</strong>"));
}
