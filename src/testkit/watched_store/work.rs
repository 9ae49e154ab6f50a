//! Due work and throttle deadlines, passing by the watch.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::storage::{Claim, Due, GateKey, Gates, Work, WorkKind};
use crate::testkit::watched_store::WatchedStore;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Due for WatchedStore {
    async fn schedule(&self, work: &Work, at: OffsetDateTime) -> Result<()> {
        self.write("schedule", self.inner.due.schedule(work, at)).await
    }

    async fn claim(&self, kind: WorkKind, limit: u32, lease: Duration) -> Result<Vec<Claim>> {
        self.write("claim", self.inner.due.claim(kind, limit, lease)).await
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<()> {
        self.claimed("extend", claim, self.inner.due.extend(claim, lease)).await
    }

    async fn complete(&self, claim: &Claim, next: Option<OffsetDateTime>) -> Result<()> {
        self.claimed("complete", claim, self.inner.due.complete(claim, next)).await
    }

    async fn next_due(&self) -> Result<Option<OffsetDateTime>> {
        self.read("next_due", self.inner.due.next_due()).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Gates for WatchedStore {
    async fn hold(&self, key: &GateKey, until: OffsetDateTime) -> Result<()> {
        self.write("hold", self.inner.gates.hold(key, until)).await
    }

    async fn held_until(&self, key: &GateKey) -> Result<Option<OffsetDateTime>> {
        self.read("held_until", self.inner.gates.held_until(key)).await
    }
}
