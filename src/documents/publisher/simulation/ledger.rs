//! The ledger at the end of a slow line, which canaries can spoil.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::documents::publisher::simulation::weather::{Nature, Spoil};
use crate::error::Result;
use crate::model::{ConnectionId, Publication, PublicationId, Receipt, Unsettled, WorkspaceId};
use crate::storage::{Claim, Publications, PublishRequest, SetAside, Work};

/// The newest token handed out for each item of work.
pub(super) type Tokens = Arc<Mutex<BTreeMap<Work, u64>>>;

#[derive(Debug)]
pub(super) struct SlowLedger {
    pub(super) inner: Arc<dyn Publications>,
    pub(super) nature: Arc<Nature>,
    pub(super) tokens: Tokens,
}

impl SlowLedger {
    /// The claim as it is, or as it would be if nobody looked at tokens.
    fn claim(&self, claim: &Claim) -> Claim {
        let mut claim = claim.clone();
        if self.nature.spoil == Spoil::NoFencing {
            claim.token = self.tokens.lock().unwrap()[&claim.work];
        }
        claim
    }
}

#[async_trait]
impl Publications for SlowLedger {
    async fn accept(&self, request: &PublishRequest) -> Result<Publication> {
        self.inner.accept(request).await
    }

    async fn by_id(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<Publication>> {
        self.inner.by_id(workspace, id).await
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<PublicationId>,
        limit: u32,
    ) -> Result<Vec<Publication>> {
        self.inner.list(workspace, connection, after, limit).await
    }

    async fn record_sending(&self, claim: &Claim, epoch: u32, write: Unsettled) -> Result<()> {
        self.nature.pause().await;
        let done = self.inner.record_sending(&self.claim(claim), epoch, write).await;
        self.nature.pause().await;
        done
    }

    async fn record_receipt(
        &self,
        claim: &Claim,
        receipt: &Receipt,
        unsettled: Option<Unsettled>,
    ) -> Result<Publication> {
        self.nature.pause().await;
        let mut receipt = receipt.clone();
        if self.nature.spoil == Spoil::DirtyFlag {
            let id = claim.publication()?;
            if let Some(held) = self.inner.by_id(&claim.work.workspace, id).await? {
                receipt.stamp = held.stamp();
            }
        }
        let done = self.inner.record_receipt(&self.claim(claim), &receipt, unsettled).await;
        self.nature.pause().await;
        done
    }

    async fn set_aside(&self, claim: &Claim, aside: &SetAside) -> Result<Publication> {
        self.nature.pause().await;
        let done = self.inner.set_aside(&self.claim(claim), aside).await;
        self.nature.pause().await;
        done
    }
}
