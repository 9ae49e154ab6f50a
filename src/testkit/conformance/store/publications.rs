//! Behaviours of [`Publications`](crate::storage::Publications): the ledger of notes.

use uuid::Uuid;

use crate::error::Error;
use crate::model::{
    ConnectionId, DealId, Document, DocumentId, NoteHandle, NoteKey, NoteRefusal, OrganisationId,
    Publication, PublicationId, PublicationState, Receipt, RevisionStamp, Unsettled,
    UnsettledWrite,
};
use crate::storage::{Claim, PublishRequest, Resend, SetAside, Work, WorkItem, WorkKind};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    LEASE, assert_stale, opportunity_id, record, twenty_at_once, workspace,
};

fn note_key(workspace_name: &str, document: &str) -> NoteKey {
    NoteKey {
        workspace: workspace(workspace_name),
        organisation: OrganisationId::new("org").unwrap(),
        deal: DealId::new(Uuid::from_u128(5)),
        document: DocumentId::new(document).unwrap(),
    }
}

fn connection(number: u128) -> ConnectionId {
    ConnectionId::new(Uuid::from_u128(number))
}

/// A receipt for a revision of a publication.
fn receipt(publication: &Publication, note: &str, at: time::OffsetDateTime) -> Receipt {
    let handle = NoteHandle {
        id: record(note),
        version: Some("W/\"1\"".to_owned()),
        opportunity: Some(opportunity_id("o1")),
    };
    Receipt { handle, stamp: publication.stamp(), at }
}

fn create(until: time::OffsetDateTime) -> Unsettled {
    Unsettled { write: UnsettledWrite::Create, until }
}

/// A decision about revision 1.
fn aside(state: PublicationState) -> SetAside {
    SetAside { seen: 1, state, next_try_at: None }
}

fn parked() -> PublicationState {
    PublicationState::Parked { refusal: NoteRefusal::TooLarge { limit: Some(5) } }
}

impl StoreUnderTest {
    /// Document `d` of `acme` at a revision, published now.
    fn request(&self, revision: u64) -> PublishRequest {
        let key = note_key("acme", "d");
        let (title, html) = ("Plan".to_owned(), format!("<p>Grüße {revision}</p>"));
        let mut document = Document::new(key.document.clone(), title, html, revision, self.now());
        document.author = Some("Ada".to_owned());
        let opportunity = opportunity_id("o1");
        PublishRequest {
            key,
            connection: connection(1),
            opportunity,
            document,
            at: self.now(),
            resend: Resend::No,
        }
    }

    async fn accept(&self, request: &PublishRequest) -> Publication {
        self.stores.publications.accept(request).await.unwrap()
    }

    /// Takes revision 1 in and claims its publication.
    async fn publishing(&self) -> (Publication, Claim) {
        let publication = self.accept(&self.request(1)).await;
        let claim = self.claim_publication(&publication).await;
        (publication, claim)
    }

    async fn claim_publication(&self, publication: &Publication) -> Claim {
        let item = WorkItem::Publish(publication.key.publication());
        let work = Work { workspace: publication.key.workspace.clone(), item };
        self.stores.due.schedule(&work, self.now()).await.unwrap();
        let claims = self.stores.due.claim(WorkKind::Publish, 100, LEASE).await.unwrap();
        let ours = claims.into_iter().find(|claim| claim.work == work);
        ours.expect("the publication should be due")
    }

    /// Lets another worker take a claim over.
    async fn take_over(&self, publication: &Publication, lost: &Claim) -> Claim {
        self.clock.set(lost.expires_at);
        self.claim_publication(publication).await
    }

    /// The publication of document `d` of `acme` as it stands.
    async fn held(&self) -> Publication {
        let (workspace, id) = (workspace("acme"), note_key("acme", "d").publication());
        let found = self.stores.publications.by_id(&workspace, id).await.unwrap();
        found.expect("the publication should be in the ledger")
    }

    async fn prove(&self, claim: &Claim, publication: &Publication, note: &str) -> Publication {
        let receipt = receipt(publication, note, self.now());
        self.stores.publications.record_receipt(claim, &receipt, None).await.unwrap()
    }
}

/// DOC-1: a new key makes a fresh publication, waiting.
pub async fn doc_1_a_new_key_makes_a_fresh_publication(store: &StoreUnderTest) {
    let request = store.request(1);
    let publication = store.accept(&request).await;
    let PublishRequest { key, connection, opportunity, document, at, .. } = request;
    assert_eq!(publication, Publication::new(key, connection, opportunity, document, at));
    assert_eq!(store.held().await, publication);
}

/// DOC-2: the very same revision changes nothing, though it comes later or by another way.
pub async fn doc_2_the_very_same_revision_changes_nothing(store: &StoreUnderTest) {
    let request = store.request(1);
    let first = store.accept(&request).await;
    store.advance(10);
    let again = PublishRequest { at: store.now(), connection: connection(2), ..request };
    assert_eq!(store.accept(&again).await, first);
    assert_eq!(store.held().await, first);
}

/// DOC-2: a lower revision changes nothing.
pub async fn doc_2_a_lower_revision_changes_nothing(store: &StoreUnderTest) {
    let first = store.accept(&store.request(5)).await;
    store.advance(10);
    assert_eq!(store.accept(&store.request(4)).await, first);
}

/// DOC-3: a higher revision replaces the document; the oldest one not sent keeps its time.
pub async fn doc_3_a_higher_revision_replaces_the_document(store: &StoreUnderTest) {
    let started = store.now();
    store.accept(&store.request(1)).await;
    store.advance(10);
    let request = store.request(2);
    let publication = store.accept(&request).await;
    assert_eq!(publication.document, request.document);
    assert_eq!(publication.first_pending_at, started);
    assert_eq!(publication.last_pending_at, store.now());
    assert_eq!(store.held().await, publication);
}

/// DOC-2: the same revision with other content replaces the document too.
pub async fn doc_2_the_same_revision_with_other_content_replaces_it(store: &StoreUnderTest) {
    store.accept(&store.request(1)).await;
    let mut request = store.request(1);
    request.document.title = "Another title".to_owned();
    assert_eq!(store.accept(&request).await.document, request.document);
}

/// DOC-2: a newer revision moves the publication to where the deal is now.
pub async fn doc_2_a_newer_revision_moves_connection_and_opportunity(store: &StoreUnderTest) {
    store.accept(&store.request(1)).await;
    let mut request = store.request(2);
    request.connection = connection(2);
    request.opportunity = opportunity_id("o2");
    let moved = store.accept(&request).await;
    assert_eq!((moved.connection, &moved.opportunity), (connection(2), &opportunity_id("o2")));
}

/// DOC-2: of revisions that come all at once, the highest is left.
pub async fn doc_2_the_highest_of_twenty_revisions_at_once_is_left(store: &StoreUnderTest) {
    let requests: Vec<_> = (0..20).map(|number| store.request(1 + (number * 7) % 20)).collect();
    twenty_at_once(|number| {
        let (stores, request) = (store.stores.clone(), requests[number as usize].clone());
        async move { stores.publications.accept(&request).await.unwrap() }
    })
    .await;
    assert_eq!(store.held().await.document.revision, 20);
}

/// a new revision starts a parked publication again.
pub async fn r_25_a_new_revision_starts_a_parked_one_again(store: &StoreUnderTest) {
    let (_, claim) = store.publishing().await;
    store.stores.publications.set_aside(&claim, &aside(parked())).await.unwrap();
    let publication = store.accept(&store.request(2)).await;
    assert_eq!(publication.state, PublicationState::Waiting);
}

/// the same revision again leaves it parked.
pub async fn r_25_the_same_revision_leaves_it_parked(store: &StoreUnderTest) {
    let (_, claim) = store.publishing().await;
    store.stores.publications.set_aside(&claim, &aside(parked())).await.unwrap();
    assert_eq!(store.accept(&store.request(1)).await.state, parked());
}

/// DOC-3: after a revision was sent, the next one starts a new time, and waits.
pub async fn doc_3_a_revision_after_a_receipt_waits_anew(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    let sent = store.prove(&claim, &publication, "n1").await;
    store.advance(3_600);
    let next = store.accept(&store.request(2)).await;
    assert_eq!((next.first_pending_at, next.last_pending_at), (store.now(), store.now()));
    assert_eq!(next.state, PublicationState::Waiting);
    assert_eq!(next.receipt, sent.receipt, "what is proved stays proved");
}

/// DOC-2: a create is on record before it is sent.
pub async fn doc_2_a_create_is_recorded_before_it_is_sent(store: &StoreUnderTest) {
    let (_, claim) = store.publishing().await;
    let at = store.now();
    store.stores.publications.record_sending(&claim, 0, create(at)).await.unwrap();
    let held = store.held().await;
    assert_eq!((held.epoch, held.unsettled, held.attempts), (0, Some(create(at)), 0));
    assert_eq!(held.state, PublicationState::Waiting);
}

/// DOC-2: what may still land is kept with the receipt, until a later one says otherwise.
pub async fn doc_2_a_receipt_keeps_what_is_unsettled(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    let proof = receipt(&publication, "n1", store.now());
    let late = Unsettled { write: UnsettledWrite::Overwrite, until: store.now() };
    let ledger = &store.stores.publications;
    let kept = ledger.record_receipt(&claim, &proof, Some(late)).await.unwrap();
    assert_eq!((kept.unsettled, store.held().await), (Some(late), kept));
    let settled = ledger.record_receipt(&claim, &proof, None).await.unwrap();
    assert_eq!((settled.unsettled, store.held().await), (None, settled));
}

/// DOC-6: the last refusal and the time of the next attempt are kept until the note stands.
pub async fn doc_6_a_refusal_is_kept_until_the_note_stands(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    let ledger = &store.stores.publications;
    ledger.set_aside(&claim, &aside(parked())).await.unwrap();
    let next_try_at = Some(store.now());
    let waiting = SetAside { seen: 1, state: PublicationState::Waiting, next_try_at };
    let held = ledger.set_aside(&claim, &waiting).await.unwrap();
    let refusal = NoteRefusal::TooLarge { limit: Some(5) };
    assert_eq!((&held.last_refusal, held.next_try_at), (&Some(refusal), next_try_at));
    assert_eq!(store.held().await, held);
    let proved = store.prove(&claim, &publication, "n1").await;
    assert_eq!((&proved.last_refusal, proved.next_try_at), (&None, None));
    assert_eq!(store.held().await, proved);
}

/// DOC-1: a revision that stands in the CRM is sent once more when somebody asks for it.
pub async fn doc_1_a_published_revision_is_sent_again_when_asked(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    store.prove(&claim, &publication, "n1").await;
    store.advance(3_600);
    let again = PublishRequest { resend: Resend::Yes, ..store.request(1) };
    let asked = store.accept(&again).await;
    assert_eq!((asked.state.clone(), asked.is_pending()), (PublicationState::Waiting, true));
    assert_eq!(asked.last_pending_at, store.now());
    assert_eq!(store.held().await, asked);
    let proved = store.prove(&claim, &publication, "n1").await;
    assert_eq!((proved.state.clone(), proved.is_pending()), (PublicationState::Published, false));
    assert_eq!(store.held().await, proved);
}

/// DOC-7: a higher epoch starts a new life without receipt.
pub async fn doc_7_a_higher_epoch_drops_the_receipt(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    store.stores.publications.record_sending(&claim, 0, create(store.now())).await.unwrap();
    store.prove(&claim, &publication, "n1").await;
    store.accept(&store.request(2)).await;
    store.advance(10);
    let at = store.now();
    store.stores.publications.record_sending(&claim, 1, create(at)).await.unwrap();
    let held = store.held().await;
    assert_eq!((held.epoch, held.unsettled, held.receipt), (1, Some(create(at)), None));
}

/// DOC-7: another create in the same epoch keeps what is proved.
pub async fn doc_7_the_same_epoch_keeps_the_receipt(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    let proved = store.prove(&claim, &publication, "n1").await;
    store.advance(10);
    store.stores.publications.record_sending(&claim, 0, create(store.now())).await.unwrap();
    let held = store.held().await;
    assert_eq!((held.receipt, held.unsettled), (proved.receipt, Some(create(store.now()))));
}

/// DOC-7: an epoch that is over does not come back.
pub async fn doc_7_a_lower_epoch_is_refused(store: &StoreUnderTest) {
    let (_, claim) = store.publishing().await;
    store.stores.publications.record_sending(&claim, 2, create(store.now())).await.unwrap();
    let before = store.held().await;
    store.advance(10);
    let refused = store.stores.publications.record_sending(&claim, 1, create(store.now())).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(store.held().await, before);
}

/// DOC-1: a receipt of the newest revision publishes it.
pub async fn doc_1_a_receipt_of_the_newest_revision_publishes_it(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    let proof = receipt(&publication, "n1", store.now());
    let published = store.stores.publications.record_receipt(&claim, &proof, None).await.unwrap();
    assert_eq!(published.state, PublicationState::Published);
    assert_eq!(published.receipt, Some(proof));
    assert_eq!(store.held().await, published);
}

/// DOC-3: a receipt of an older revision does not hide the newer one.
pub async fn doc_3_a_receipt_of_an_older_revision_goes_on_waiting(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    store.accept(&store.request(2)).await;
    let proved = store.prove(&claim, &publication, "n1").await;
    assert_eq!(proved.state, PublicationState::Waiting);
    assert!(proved.is_pending(), "revision 2 should still be pending");
    assert_eq!(proved.receipt.map(|receipt| receipt.stamp.revision), Some(1));
    assert_eq!(proved.document.revision, 2);
}

/// DOC-3: the same revision with other content that came in between is still pending.
pub async fn doc_3_a_receipt_of_other_content_goes_on_waiting(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    let mut request = store.request(1);
    request.document.html = "<p>other</p>".to_owned();
    store.accept(&request).await;
    let proved = store.prove(&claim, &publication, "n1").await;
    assert_eq!(proved.state, PublicationState::Waiting);
}

/// DOC-2: a repeated receipt changes nothing.
pub async fn doc_2_a_receipt_recorded_twice_is_recorded_once(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    let proof = receipt(&publication, "n1", store.now());
    let first = store.stores.publications.record_receipt(&claim, &proof, None).await.unwrap();
    store.advance(10);
    let second = store.stores.publications.record_receipt(&claim, &proof, None).await.unwrap();
    assert_eq!(second, first);
}

/// DOC-1: a later receipt replaces the earlier one.
pub async fn doc_2_a_later_receipt_replaces_the_earlier(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    store.prove(&claim, &publication, "n1").await;
    let second = store.accept(&store.request(2)).await;
    let proved = store.prove(&claim, &second, "n1").await;
    assert_eq!(proved.state, PublicationState::Published);
    let stamp = RevisionStamp { revision: 2, content: second.document.content_hash() };
    assert_eq!(proved.receipt.map(|receipt| receipt.stamp), Some(stamp));
}

/// DOC-4: a state set aside is kept, and counts an attempt.
pub async fn doc_4_a_publication_is_set_aside(store: &StoreUnderTest) {
    let (_, claim) = store.publishing().await;
    let states = [
        PublicationState::Held { why: "the customer has to sign in again".to_owned() },
        PublicationState::Waiting,
        parked(),
    ];
    for (number, state) in states.iter().enumerate() {
        let aside =
            store.stores.publications.set_aside(&claim, &aside(state.clone())).await.unwrap();
        assert_eq!(aside.state, *state);
        assert_eq!(aside.attempts as usize, number + 1);
        assert_eq!(store.held().await, aside);
    }
}

/// DOC-6: a decision about an older revision does not touch a newer one.
pub async fn doc_6_a_newer_revision_is_not_set_aside(store: &StoreUnderTest) {
    let (_, claim) = store.publishing().await;
    let newer = store.accept(&store.request(2)).await;
    let aside = store.stores.publications.set_aside(&claim, &aside(parked())).await.unwrap();
    assert_eq!(aside, newer);
    assert_eq!(store.held().await, newer);
}

/// DOC-2: a receipt ends the count of attempts that did not end well.
pub async fn doc_2_a_receipt_starts_the_attempts_again(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    let waiting = PublicationState::Waiting;
    store.stores.publications.set_aside(&claim, &aside(waiting)).await.unwrap();
    assert_eq!(store.prove(&claim, &publication, "n1").await.attempts, 0);
}

/// under a lost claim no create is recorded.
pub async fn r_26_a_stale_claim_cannot_record_a_create(store: &StoreUnderTest) {
    let (publication, lost) = store.publishing().await;
    store.take_over(&publication, &lost).await;
    assert_stale(store.stores.publications.record_sending(&lost, 1, create(store.now())).await);
    assert_eq!(store.held().await, publication);
}

/// under a lost claim no receipt is recorded.
pub async fn r_26_a_stale_claim_cannot_record_a_receipt(store: &StoreUnderTest) {
    let (publication, lost) = store.publishing().await;
    let current = store.take_over(&publication, &lost).await;
    let proof = receipt(&publication, "late", store.now());
    assert_stale(store.stores.publications.record_receipt(&lost, &proof, None).await);
    assert_eq!(store.held().await, publication);
    let proved = store.prove(&current, &publication, "n1").await;
    assert_eq!(proved.state, PublicationState::Published);
}

/// under a lost claim nothing is set aside.
pub async fn r_26_a_stale_claim_cannot_set_aside(store: &StoreUnderTest) {
    let (publication, lost) = store.publishing().await;
    store.take_over(&publication, &lost).await;
    assert_stale(store.stores.publications.set_aside(&lost, &aside(parked())).await);
    assert_eq!(store.held().await, publication);
}

/// a lease that ran out while nobody else came still counts.
pub async fn r_26_a_receipt_after_the_lease_counts_while_nobody_came(store: &StoreUnderTest) {
    let (publication, claim) = store.publishing().await;
    store.advance(600);
    let proved = store.prove(&claim, &publication, "n1").await;
    assert_eq!(proved.state, PublicationState::Published);
}

/// CON-8: the ledger outlives the mirror, so that no document gets a second note.
pub async fn con_8_the_ledger_survives_a_purge(store: &StoreUnderTest) {
    let site = store.connected().await;
    let (publication, claim) = store.publishing().await;
    assert_eq!(publication.connection, site.connection);
    let proved = store.prove(&claim, &publication, "n1").await;
    store.stores.mirror.purge(&site.workspace, site.connection).await.unwrap();
    assert_eq!(store.held().await, proved);
}

/// DOC-2: publications of a connection come in pages, in the order of their ids.
pub async fn publications_come_in_pages_in_the_order_of_their_ids(store: &StoreUnderTest) {
    let mut expected = Vec::new();
    for number in 0..7 {
        let mut request = store.request(1);
        request.key = note_key("acme", &format!("d{number}"));
        request.connection = connection(if number == 6 { 2 } else { 1 });
        let id = store.accept(&request).await.key.publication();
        if number < 6 {
            expected.push(id);
        }
    }
    expected.sort_unstable();
    let (mut after, mut found): (_, Vec<PublicationId>) = (None, Vec::new());
    for count in [4, 2, 0] {
        let ledger = &store.stores.publications;
        let page = ledger.list(&workspace("acme"), connection(1), after, 4).await.unwrap();
        assert_eq!(page.len(), count);
        after = page.last().map(|found| found.key.publication()).or(after);
        found.extend(page.iter().map(|publication| publication.key.publication()));
    }
    assert_eq!(found, expected);
}

/// OLL-4: a publication is found in its own workspace alone.
pub async fn oll_4_publications_of_two_workspaces_keep_apart(store: &StoreUnderTest) {
    let ours = store.accept(&store.request(1)).await;
    let (other, ledger) = (workspace("other"), &store.stores.publications);
    assert_eq!(ledger.by_id(&other, ours.key.publication()).await.unwrap(), None);
    assert_eq!(ledger.list(&other, connection(1), None, 10).await.unwrap(), []);
    let mut request = store.request(3);
    request.key = note_key("other", "d");
    store.accept(&request).await;
    assert_eq!(store.held().await, ours);
    assert_eq!(ledger.list(&other, connection(1), None, 10).await.unwrap().len(), 1);
}

/// OLL-4: a claim of one workspace does not reach the publication of another.
pub async fn oll_4_a_claim_reaches_its_own_workspace_alone(store: &StoreUnderTest) {
    let (publication, _) = store.publishing().await;
    let item = WorkItem::Publish(publication.key.publication());
    let work = Work { workspace: workspace("other"), item };
    store.stores.due.schedule(&work, store.now()).await.unwrap();
    let claims = store.stores.due.claim(WorkKind::Publish, 10, LEASE).await.unwrap();
    let stranger = claims.iter().find(|claim| claim.work == work).unwrap();
    let proof = receipt(&publication, "stolen", store.now());
    let refused = store.stores.publications.record_receipt(stranger, &proof, None).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(store.held().await, publication);
}
