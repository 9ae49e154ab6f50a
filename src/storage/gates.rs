//! Throttle deadlines.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{Connection, CrmKind};

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

impl GateKey {
    /// The budget that a connection draws on: its organisation's and user's, whichever workspace
    /// acts as that user.
    ///
    /// # Example
    /// ```
    /// # use fluint_crm::model::{Connection, ConnectionId, CrmKind, Identity, MemberId};
    /// # use fluint_crm::model::{OrganisationId, RecordId, WorkspaceId};
    /// use fluint_crm::storage::GateKey;
    ///
    /// # fn main() -> fluint_crm::Result<()> {
    /// # let connection = |workspace: &str, user: &str| {
    /// #     let identity = Identity::new(OrganisationId::new("org")?, RecordId::new(user)?);
    /// #     fluint_crm::Result::Ok(Connection::new(
    /// #         ConnectionId::new(uuid::Uuid::nil()),
    /// #         WorkspaceId::new(workspace)?,
    /// #         CrmKind::new("dynamics"),
    /// #         "https://contoso.crm4.dynamics.com".to_owned(),
    /// #         identity,
    /// #         MemberId::new("ada")?,
    /// #         time::OffsetDateTime::UNIX_EPOCH,
    /// #     ))
    /// # };
    /// let (ours, theirs) = (connection("acme", "ada")?, connection("globex", "ada")?);
    /// assert_eq!(GateKey::of(&ours), GateKey::of(&theirs));
    /// assert_ne!(GateKey::of(&ours), GateKey::of(&connection("acme", "bob")?));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
        let identity = &connection.identity;
        Self {
            kind: connection.kind.clone(),
            scope: format!("{}/{}", identity.organisation, identity.user),
        }
    }
}
