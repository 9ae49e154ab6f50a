//! The activity feed.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::{ChangeSeq, ConnectionId, FeedEntry, NewFeedEntry, WorkspaceId};

/// The activity feed.
///
/// # Errors
/// Every method fails with [`Error::Store`](crate::Error::Store) when the step could not be done;
/// then nothing of it was. A method that can fail otherwise says so.
#[async_trait]
pub trait Feed: fmt::Debug + Send + Sync {
    /// Adds lines in the given order, leaving out those whose key is there already, and remembers
    /// how far the deals' change feed was followed.
    async fn append(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        entries: &[NewFeedEntry],
        followed: Option<ChangeSeq>,
    ) -> Result<()>;

    /// How far the deals' change feed was followed; 0 at first.
    async fn followed(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<ChangeSeq>;

    /// The lines before `before` (all when `None`), the newest first.
    async fn entries(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FeedEntry>>;
}
