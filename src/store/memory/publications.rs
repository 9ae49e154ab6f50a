//! The ledger of publications.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::model::{ConnectionId, Publication, PublicationId, Receipt, Unsettled, WorkspaceId};
use crate::storage::{Claim, Publications, PublishRequest, SetAside, steps};
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
        let ledger = &mut state.publications.ledger;
        let next = steps::accept(ledger.get(&id).cloned(), request);
        ledger.insert(id, next.clone());
        Ok(next)
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

    async fn record_sending(&self, claim: &Claim, epoch: u32, write: Unsettled) -> Result<()> {
        let mut state = self.lock();
        let held = state.claimed(claim)?;
        *held = steps::record_sending(held.clone(), epoch, write)?;
        Ok(())
    }

    async fn record_receipt(
        &self,
        claim: &Claim,
        receipt: &Receipt,
        unsettled: Option<Unsettled>,
    ) -> Result<Publication> {
        let mut state = self.lock();
        let held = state.claimed(claim)?;
        *held = steps::record_receipt(held.clone(), receipt.clone(), unsettled);
        Ok(held.clone())
    }

    async fn set_aside(&self, claim: &Claim, aside: &SetAside) -> Result<Publication> {
        let mut state = self.lock();
        let held = state.claimed(claim)?;
        *held = steps::set_aside(held.clone(), aside);
        Ok(held.clone())
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
