//! The ledger of publications, passing by the watch.

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{
    ConnectionId, Publication, PublicationId, PublicationState, Receipt, WorkspaceId,
};
use crate::storage::{Claim, Publications, PublishRequest};
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

    async fn record_create(&self, claim: &Claim, epoch: u32, at: OffsetDateTime) -> Result<()> {
        self.claimed(
            "record_create",
            claim,
            self.inner.publications.record_create(claim, epoch, at),
        )
        .await
    }

    async fn record_receipt(&self, claim: &Claim, receipt: &Receipt) -> Result<Publication> {
        self.claimed(
            "record_receipt",
            claim,
            self.inner.publications.record_receipt(claim, receipt),
        )
        .await
    }

    async fn set_aside(
        &self,
        claim: &Claim,
        seen: u64,
        state: &PublicationState,
    ) -> Result<Publication> {
        self.claimed("set_aside", claim, self.inner.publications.set_aside(claim, seen, state))
            .await
    }
}
