//! The ledger of publications, passing by the watch.

use async_trait::async_trait;

use crate::error::Result;
use crate::model::{ConnectionId, Publication, PublicationId, Receipt, Unsettled, WorkspaceId};
use crate::storage::{Claim, Publications, PublishRequest, SetAside};
use crate::testkit::watched_store::WatchedStore;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Publications for WatchedStore {
    async fn accept(&self, request: &PublishRequest) -> Result<Publication> {
        self.write("accept", self.inner.publications.accept(request)).await
    }

    async fn by_id(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<Publication>> {
        self.read("by_id", self.inner.publications.by_id(workspace, id)).await
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<PublicationId>,
        limit: u32,
    ) -> Result<Vec<Publication>> {
        self.read("list", self.inner.publications.list(workspace, connection, after, limit)).await
    }

    async fn record_sending(&self, claim: &Claim, epoch: u32, write: Unsettled) -> Result<()> {
        let written = self.inner.publications.record_sending(claim, epoch, write);
        self.claimed("record_sending", claim, written).await
    }

    async fn record_receipt(
        &self,
        claim: &Claim,
        receipt: &Receipt,
        unsettled: Option<Unsettled>,
    ) -> Result<Publication> {
        let written = self.inner.publications.record_receipt(claim, receipt, unsettled);
        self.claimed("record_receipt", claim, written).await
    }

    async fn set_aside(&self, claim: &Claim, aside: &SetAside) -> Result<Publication> {
        self.claimed("set_aside", claim, self.inner.publications.set_aside(claim, aside)).await
    }
}
