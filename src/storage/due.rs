//! Work that is due, and claims on it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::{ConnectionId, PublicationId, WorkspaceId};

/// Work that is due, claimed by one worker at a time.
///
/// Lease time belongs to the store: the database's clock where workers share one, the injected
/// clock elsewhere.
#[async_trait]
pub trait Due: fmt::Debug + Send + Sync {
    /// Makes a work item due at `at`, or earlier if it already is. An item that is claimed at the
    /// moment becomes due again then, whatever [`complete`](Due::complete) says later.
    async fn schedule(&self, work: &Work, at: OffsetDateTime) -> Result<()>;

    /// Claims up to `limit` items of one kind that are due and not under a valid lease, the longest
    /// overdue first. Each gets a token larger than any that the item had before.
    async fn claim(&self, kind: WorkKind, limit: u32, lease: Duration) -> Result<Vec<Claim>>;

    /// Lengthens a lease from now on.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim) when somebody else holds it now.
    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<()>;

    /// Gives an item back: due again at `next`, or never when `None` (an earlier
    /// [`schedule`](Due::schedule) during the claim still counts).
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim) when somebody else holds it now.
    async fn complete(&self, claim: &Claim, next: Option<OffsetDateTime>) -> Result<()>;

    /// When the next item is due (or its lease ends); `None` when there is none.
    async fn next_due(&self) -> Result<Option<OffsetDateTime>>;
}

/// An item of work. A pull never blocks a publication: they are items of their own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart and build it")]
pub struct Work {
    /// The workspace it is done for.
    pub workspace: WorkspaceId,
    /// What is to be done.
    pub item: WorkItem,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkItem {
    /// Send a publication.
    Publish(PublicationId),
    /// Pull a connection.
    Pull(ConnectionId),
}

/// A kind of work. Each is claimed apart, so that long pulls never keep short publications waiting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkKind {
    /// Sending a publication.
    Publish,
    /// Pulling a connection.
    Pull,
}

impl WorkItem {
    /// The kind of work it is.
    #[must_use]
    pub const fn kind(&self) -> WorkKind {
        match self {
            Self::Publish(_) => WorkKind::Publish,
            Self::Pull(_) => WorkKind::Pull,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            WorkItem::Publish(id) => write!(f, "publication {id}"),
            WorkItem::Pull(id) => write!(f, "pull of connection {id}"),
        }
    }
}

/// The right to do one item of work, until its lease ends or somebody newer holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart and build it")]
pub struct Claim {
    /// The work.
    pub work: Work,
    /// Grows with every claim of the item; a write with an older one is refused.
    pub token: u64,
    /// When the work became due (UTC).
    pub due_at: OffsetDateTime,
    /// When it was claimed (UTC, by the store's clock).
    pub claimed_at: OffsetDateTime,
    /// When the lease ends (UTC, by the store's clock).
    pub expires_at: OffsetDateTime,
}

impl Claim {
    /// The connection that is to be pulled.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the claim is about other work.
    pub fn connection(&self) -> Result<ConnectionId> {
        match self.work.item {
            WorkItem::Pull(connection) => Ok(connection),
            WorkItem::Publish(_) => {
                Err(Error::invalid_input("claim", "it is not about pulling a connection"))
            }
        }
    }

    /// The publication that is to be sent.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the claim is about other work.
    pub fn publication(&self) -> Result<PublicationId> {
        match self.work.item {
            WorkItem::Publish(publication) => Ok(publication),
            WorkItem::Pull(_) => {
                Err(Error::invalid_input("claim", "it is not about sending a publication"))
            }
        }
    }
}
