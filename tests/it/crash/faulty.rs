//! Stores that break their contract, to prove that the sweep and the oracle can fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fluint_crm::Result;
use fluint_crm::model::{
    ChangeSeq, ConnectionId, FeedEntry, NewFeedEntry, Publication, PublicationId, Receipt,
    Unsettled, WorkspaceId,
};
use fluint_crm::storage::{
    Claim, Due, Feed, Publications, PublishRequest, SetAside, Stores, Work, WorkKind,
};
use time::OffsetDateTime;

/// The newest token handed out for each item of work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(Arc<Mutex<BTreeMap<Work, u64>>>);

impl Tokens {
    pub(crate) fn newest(&self, work: &Work) -> u64 {
        self.0.lock().unwrap().get(work).copied().unwrap_or_default()
    }

    /// The claim as if it were the newest.
    fn forge(&self, claim: &Claim) -> Claim {
        Claim { token: self.newest(&claim.work), ..claim.clone() }
    }
}

/// Remembers every token handed out.
#[derive(Debug)]
pub(crate) struct ClaimLog {
    inner: Arc<dyn Due>,
    tokens: Tokens,
}

impl ClaimLog {
    pub(crate) fn watch(stores: &mut Stores) -> Tokens {
        let tokens = Tokens::default();
        stores.due = Arc::new(Self { inner: Arc::clone(&stores.due), tokens: tokens.clone() });
        tokens
    }
}

#[async_trait]
impl Due for ClaimLog {
    async fn schedule(&self, work: &Work, at: OffsetDateTime) -> Result<()> {
        self.inner.schedule(work, at).await
    }

    async fn claim(&self, kind: WorkKind, limit: u32, lease: Duration) -> Result<Vec<Claim>> {
        let claims = self.inner.claim(kind, limit, lease).await?;
        let mut tokens = self.tokens.0.lock().unwrap();
        tokens.extend(claims.iter().map(|claim| (claim.work.clone(), claim.token)));
        Ok(claims)
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<()> {
        self.inner.extend(claim, lease).await
    }

    async fn complete(&self, claim: &Claim, next: Option<OffsetDateTime>) -> Result<()> {
        self.inner.complete(claim, next).await
    }

    async fn next_due(&self) -> Result<Option<OffsetDateTime>> {
        self.inner.next_due().await
    }
}

/// A ledger that takes writes under claims that somebody newer holds.
#[derive(Debug)]
pub(crate) struct UnfencedLedger {
    pub(crate) inner: Arc<dyn Publications>,
    pub(crate) tokens: Tokens,
}

#[async_trait]
impl Publications for UnfencedLedger {
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
        self.inner.record_sending(&self.tokens.forge(claim), epoch, write).await
    }

    async fn record_receipt(
        &self,
        claim: &Claim,
        receipt: &Receipt,
        unsettled: Option<Unsettled>,
    ) -> Result<Publication> {
        self.inner.record_receipt(&self.tokens.forge(claim), receipt, unsettled).await
    }

    async fn set_aside(&self, claim: &Claim, aside: &SetAside) -> Result<Publication> {
        self.inner.set_aside(&self.tokens.forge(claim), aside).await
    }
}

/// A feed that forgets the keys of its lines, and so takes each line anew.
#[derive(Debug)]
pub(crate) struct ForgetfulFeed {
    pub(crate) inner: Arc<dyn Feed>,
    pub(crate) lines: AtomicU64,
}

#[async_trait]
impl Feed for ForgetfulFeed {
    async fn append(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        entries: &[NewFeedEntry],
        followed: Option<ChangeSeq>,
    ) -> Result<()> {
        let fresh = |entry: &NewFeedEntry| NewFeedEntry {
            key: format!("line {}", self.lines.fetch_add(1, Ordering::Relaxed)),
            ..entry.clone()
        };
        let entries: Vec<_> = entries.iter().map(fresh).collect();
        self.inner.append(workspace, connection, &entries, followed).await
    }

    async fn followed(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<ChangeSeq> {
        self.inner.followed(workspace, connection).await
    }

    async fn entries(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FeedEntry>> {
        self.inner.entries(workspace, connection, before, limit).await
    }
}
