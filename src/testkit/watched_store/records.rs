//! Connections, deals and the activity feed, passing by the watch.

use async_trait::async_trait;

use crate::error::Result;
use crate::model::query::{DealPage, DealQuery, Scope};
use crate::model::{
    ChangeSeq, Connection, ConnectionChange, ConnectionId, Deal, DealChange, DealId, Decided,
    FeedEntry, NewFeedEntry, OpportunityId, Skipped, WorkspaceId,
};
use crate::seal::Sealed;
use crate::storage::{Applied, Claim, Connections, Deals, Feed, Handshake, TokenVersion};
use crate::testkit::watched_store::WatchedStore;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Connections for WatchedStore {
    async fn open_handshake(&self, handshake: &Handshake) -> Result<()> {
        self.write("open_handshake", self.inner.connections.open_handshake(handshake)).await
    }

    async fn take_handshake(&self, state_hash: &[u8; 32]) -> Result<Option<Handshake>> {
        self.write("take_handshake", self.inner.connections.take_handshake(state_hash)).await
    }

    async fn handshakes(&self, workspace: &WorkspaceId) -> Result<Vec<Handshake>> {
        self.read("handshakes", self.inner.connections.handshakes(workspace)).await
    }

    async fn connect(&self, connection: &Connection, tokens: &Sealed) -> Result<Connection> {
        self.write("connect", self.inner.connections.connect(connection, tokens)).await
    }

    async fn connections(&self, workspace: &WorkspaceId) -> Result<Vec<Connection>> {
        self.read("connections", self.inner.connections.connections(workspace)).await
    }

    async fn change(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        revision: u64,
        change: &ConnectionChange,
    ) -> Result<Connection> {
        self.write("change", self.inner.connections.change(workspace, connection, revision, change))
            .await
    }

    async fn tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<(Sealed, TokenVersion)>> {
        self.read("tokens", self.inner.connections.tokens(workspace, connection)).await
    }

    async fn swap_tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        expected: TokenVersion,
        tokens: &Sealed,
    ) -> Result<Option<TokenVersion>> {
        self.write(
            "swap_tokens",
            self.inner.connections.swap_tokens(workspace, connection, expected, tokens),
        )
        .await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Deals for WatchedStore {
    async fn by_id(&self, workspace: &WorkspaceId, ids: &[DealId]) -> Result<Vec<Deal>> {
        self.read("by_id", self.inner.deals.by_id(workspace, ids)).await
    }

    async fn list(&self, scope: &Scope, after: Option<DealId>, limit: u32) -> Result<Vec<Deal>> {
        self.read("list", self.inner.deals.list(scope, after, limit)).await
    }

    async fn find(&self, query: &DealQuery) -> Result<DealPage> {
        self.read("find", self.inner.deals.find(query)).await
    }

    async fn apply(&self, claim: &Claim, decisions: &[Decided]) -> Result<Applied> {
        self.claimed("apply", claim, self.inner.deals.apply(claim, decisions)).await
    }

    async fn changes(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: ChangeSeq,
        limit: u32,
    ) -> Result<Vec<DealChange>> {
        self.read("changes", self.inner.deals.changes(workspace, connection, after, limit)).await
    }

    async fn skipped(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Skipped>> {
        self.read("skipped", self.inner.deals.skipped(workspace, connection, after, limit)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Feed for WatchedStore {
    async fn append(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        entries: &[NewFeedEntry],
        followed: Option<ChangeSeq>,
    ) -> Result<()> {
        self.write("append", self.inner.feed.append(workspace, connection, entries, followed)).await
    }

    async fn followed(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<ChangeSeq> {
        self.read("followed", self.inner.feed.followed(workspace, connection)).await
    }

    async fn entries(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FeedEntry>> {
        self.read("entries", self.inner.feed.entries(workspace, connection, before, limit)).await
    }
}
