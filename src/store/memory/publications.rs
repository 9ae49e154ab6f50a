//! The ledger of publications.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::{
    ConnectionId, Publication, PublicationId, PublicationState, Receipt, WorkspaceId,
};
use crate::storage::{Claim, Publications, PublishRequest};
use crate::store::memory::{MemoryStore, State, at_most};

#[derive(Default)]
pub(super) struct Held {
    ledger: BTreeMap<(WorkspaceId, PublicationId), Publication>,
}

#[async_trait]
impl Publications for MemoryStore {
    async fn accept(&self, request: &PublishRequest) -> Result<Publication> {
        let id = (request.key.workspace.clone(), request.key.publication());
        let mut state = self.lock();
        let held = state.publications.ledger.entry(id).or_insert_with(|| fresh(request));
        take_in(held, request);
        Ok(held.clone())
    }

    async fn by_id(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<Publication>> {
        Ok(self.lock().publications.ledger.get(&(workspace.clone(), id)).cloned())
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<PublicationId>,
        limit: u32,
    ) -> Result<Vec<Publication>> {
        let state = self.lock();
        let first = PublicationId::new(uuid::Uuid::nil());
        let start = after.map_or_else(
            || Bound::Included((workspace.clone(), first)),
            |after| Bound::Excluded((workspace.clone(), after)),
        );
        let ours = state.publications.ledger.range((start, Bound::Unbounded));
        let ours = ours.take_while(|((owner, _), _)| owner == workspace);
        let ours = ours.filter(|(_, publication)| publication.connection == connection);
        Ok(ours.take(at_most(limit)).map(|(_, publication)| publication.clone()).collect())
    }

    async fn record_create(&self, claim: &Claim, epoch: u32, at: OffsetDateTime) -> Result<()> {
        let mut state = self.lock();
        let publication = state.claimed(claim)?;
        if epoch < publication.epoch {
            return Err(Error::conflict(claim.work.to_string()));
        }
        if epoch > publication.epoch {
            publication.epoch = epoch;
            publication.receipt = None;
            publication.state = PublicationState::Waiting;
        }
        publication.create_sent_at = Some(at);
        publication.attempts += 1;
        Ok(())
    }

    async fn record_receipt(&self, claim: &Claim, receipt: &Receipt) -> Result<Publication> {
        let mut state = self.lock();
        let publication = state.claimed(claim)?;
        publication.receipt = Some(receipt.clone());
        publication.attempts = 0;
        if publication.is_pending() {
            publication.first_pending_at = publication.last_pending_at;
            publication.state = PublicationState::Waiting;
        } else {
            publication.state = PublicationState::Published;
        }
        Ok(publication.clone())
    }

    async fn set_aside(
        &self,
        claim: &Claim,
        seen: u64,
        to: &PublicationState,
    ) -> Result<Publication> {
        let mut state = self.lock();
        let publication = state.claimed(claim)?;
        if publication.document.revision <= seen {
            publication.state = to.clone();
            publication.attempts += 1;
        }
        Ok(publication.clone())
    }
}

impl State {
    /// The publication that a claim is about.
    fn claimed(&mut self, claim: &Claim) -> Result<&mut Publication> {
        let id = self.published(claim)?;
        let found = self.publications.ledger.get_mut(&id);
        found.ok_or_else(|| Error::not_found(claim.work.to_string()))
    }
}

fn fresh(request: &PublishRequest) -> Publication {
    let PublishRequest { key, connection, opportunity, document, at } = request.clone();
    Publication::new(key, connection, opportunity, document, at)
}

/// Takes a newer revision in; an older one, or the very same one, changes nothing.
fn take_in(held: &mut Publication, request: &PublishRequest) {
    let (new, known) = (&request.document, &held.document);
    let newer = new.revision > known.revision
        || (new.revision == known.revision && new.content_hash() != known.content_hash());
    if !newer {
        return;
    }
    if !held.is_pending() {
        held.first_pending_at = request.at;
    }
    held.last_pending_at = request.at;
    held.document = new.clone();
    held.connection = request.connection;
    held.opportunity = request.opportunity.clone();
    held.attempts = 0;
    // A held one goes on by itself once its connection works.
    if !matches!(held.state, PublicationState::Held { .. }) {
        held.state = PublicationState::Waiting;
    }
}
