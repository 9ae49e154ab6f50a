//! Throttle deadlines.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{CrmKind, RecordId, WorkspaceId};

/// Throttle deadlines, shared by every worker that acts as the same CRM user.
#[async_trait]
pub trait Gates: fmt::Debug + Send + Sync {
    /// Holds every request of that CRM user back until `until`, unless it is already held longer.
    async fn hold(&self, key: &GateKey, until: OffsetDateTime) -> Result<()>;

    /// Until when requests of that CRM user are held back, when they are.
    async fn held_until(&self, key: &GateKey) -> Result<Option<OffsetDateTime>>;
}

/// Which CRM user's budget a throttle is about: an org and the user that we act as in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a key")]
pub struct GateKey {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Which CRM.
    pub kind: CrmKind,
    /// The org's address.
    pub address: String,
    /// The CRM user.
    pub user: RecordId,
}
