//! Whom the members of a workspace have been e-mailing, as the host knows it.

use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{EmailAddress, MemberId, WorkspaceId};

/// Tells whom a workspace has been e-mailing. The CRM's own e-mail activities are not synced.
///
/// # Example
/// ```
/// use async_trait::async_trait;
/// use fluint_crm::host::{Engaged, Engagement};
/// use fluint_crm::model::{EmailAddress, WorkspaceId};
/// use time::OffsetDateTime;
///
/// /// The host's own index of mailboxes.
/// #[derive(Debug)]
/// struct Mailboxes(Vec<(WorkspaceId, Engaged)>);
///
/// #[async_trait]
/// impl Engagement for Mailboxes {
///     async fn contacted(
///         &self,
///         workspace: &WorkspaceId,
///         addresses: &[EmailAddress],
///         since: OffsetDateTime,
///     ) -> fluint_crm::Result<Vec<Engaged>> {
///         let asked = |one: &Engaged| addresses.contains(&one.address) && one.last_at >= since;
///         let ours = self.0.iter().filter(|(owner, _)| owner == workspace);
///         Ok(ours.map(|(_, one)| one.clone()).filter(asked).collect())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fluint_crm::Result<()> {
/// let acme = WorkspaceId::new("acme")?;
/// let eve = EmailAddress::new("eve@contoso.com")?;
/// let last_at = OffsetDateTime::UNIX_EPOCH;
/// let mail = Engaged { address: eve.clone(), last_at, last_by: None, messages: 3 };
/// let mailboxes = Mailboxes(vec![(acme.clone(), mail)]);
/// // However the CRM writes the address, it is the same one.
/// let asked = [EmailAddress::new(" Eve@Contoso.com")?];
/// assert_eq!(mailboxes.contacted(&acme, &asked, last_at).await?[0].address, eve);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Engagement: fmt::Debug + Send + Sync {
    /// One record for each of these addresses, 200 at most, that the workspace's members have
    /// exchanged messages with at `since` (UTC) or later. Other addresses are left out.
    ///
    /// Addresses compare as [`EmailAddress`] does: ASCII case and surrounding space do not matter.
    ///
    /// # Errors
    /// The question that needed it fails with this error.
    async fn contacted(
        &self,
        workspace: &WorkspaceId,
        addresses: &[EmailAddress],
        since: OffsetDateTime,
    ) -> Result<Vec<Engaged>>;
}

/// E-mail contact with one address.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "hosts build it")]
pub struct Engaged {
    /// The address outside.
    pub address: EmailAddress,
    /// When the last message was sent or received (UTC).
    pub last_at: OffsetDateTime,
    /// The member who was in contact last.
    pub last_by: Option<MemberId>,
    /// How many messages were exchanged since the time asked for.
    pub messages: u64,
}
