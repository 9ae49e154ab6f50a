//! Throttle deadlines.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::CrmKind;

/// Throttle deadlines, shared by every worker that acts as the same CRM user.
///
/// # Errors
/// Every method fails with [`Error::Store`](crate::Error::Store) when the step could not be done;
/// then nothing of it was. A method that can fail otherwise says so.
#[async_trait]
pub trait Gates: fmt::Debug + Send + Sync {
    /// Holds every request of that CRM user back until `until`, unless it is already held longer.
    async fn hold(&self, key: &GateKey, until: OffsetDateTime) -> Result<()>;

    /// Until when requests of that CRM user are held back, when they are.
    async fn held_until(&self, key: &GateKey) -> Result<Option<OffsetDateTime>>;
}

/// Whose budget a throttle is about: whatever the CRM counts requests by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a key")]
pub struct GateKey {
    /// Which CRM.
    pub kind: CrmKind,
    /// The budget in the connector's own words. Dataverse counts by org and user, so two workspaces
    /// that act as one user share it; Salesforce counts by org, HubSpot by app and portal.
    pub scope: String,
}
