//! Connections, sign-ins and sealed tokens.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{Connection, ConnectionChange, ConnectionId, CrmKind, MemberId, WorkspaceId};
use crate::seal::Sealed;

/// Connections, sign-ins under way, and sealed tokens.
///
/// # Errors
/// Every method fails with [`Error::Store`](crate::Error::Store) when the step could not be done;
/// then nothing of it was. A method that can fail otherwise says so.
#[async_trait]
pub trait Connections: fmt::Debug + Send + Sync {
    /// Remembers a sign-in under way, and forgets those that ended more than a day before it started.
    async fn open_handshake(&self, handshake: &Handshake) -> Result<()>;

    /// Takes a sign-in away, so that it can be answered once: the second call gets `None`.
    ///
    /// The sign-in is found by the hash of its `state` alone; the caller compares workspace,
    /// member and age.
    async fn take_handshake(&self, state_hash: &[u8; 32]) -> Result<Option<Handshake>>;

    /// The sign-ins of a workspace that nobody has answered, the newest first, expired ones too.
    async fn handshakes(&self, workspace: &WorkspaceId) -> Result<Vec<Handshake>>;

    /// Stores a connection with its sealed tokens, makes its pull due at once, and hands it back as
    /// it stands.
    ///
    /// One with its id that is there already is replaced by [`Connection::reconnected`]. Token
    /// versions go on counting where they were.
    ///
    /// Where [`Due`](crate::storage::Due) is played by somebody else, the caller schedules the pull
    /// itself.
    async fn connect(&self, connection: &Connection, tokens: &Sealed) -> Result<Connection>;

    /// The connections of a workspace, in the order of their ids.
    async fn connections(&self, workspace: &WorkspaceId) -> Result<Vec<Connection>>;

    /// Changes a connection if its revision is still `revision`, by
    /// [`ConnectionChange::apply`], and hands back the changed record.
    ///
    /// [`Health::Disconnected`](crate::model::Health::Disconnected) erases the tokens in the same
    /// step.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when somebody else was first,
    /// [`Error::NotFound`](crate::Error::NotFound) when it is not there.
    async fn change(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        revision: u64,
        change: &ConnectionChange,
    ) -> Result<Connection>;

    /// The sealed tokens of a connection; `None` when it has none (any more).
    async fn tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<(Sealed, TokenVersion)>>;

    /// Replaces the sealed tokens if their version is still `expected`; hands back the new version,
    /// or `None` when somebody else was first or the tokens are gone.
    async fn swap_tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        expected: TokenVersion,
        tokens: &Sealed,
    ) -> Result<Option<TokenVersion>>;
}

/// A sign-in under way.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "hosts' own stores take it apart and build it")]
pub struct Handshake {
    /// SHA-256 of the `state` sent to the CRM; the state itself is not kept.
    pub state_hash: [u8; 32],
    /// The workspace that wants to connect.
    pub workspace: WorkspaceId,
    /// The member who started it; only this member may finish it.
    pub member: MemberId,
    /// Which CRM.
    pub kind: CrmKind,
    /// What it is for.
    pub purpose: SignInPurpose,
    /// The canonical address of the org, or of the directory of orgs.
    pub address: String,
    /// The identity provider's tenant that it is bound to, when it is known.
    pub tenant: Option<String>,
    /// The PKCE code verifier, sealed.
    pub verifier: Sealed,
    /// Where an administrator can approve the app, when there is such a page.
    pub admin_consent: Option<String>,
    /// When it was started (UTC).
    pub started_at: OffsetDateTime,
    /// When it ends (UTC).
    pub expires_at: OffsetDateTime,
}

/// What a sign-in is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "stores match it")]
pub enum SignInPurpose {
    /// Connecting an org.
    Connect,
    /// Listing the orgs of the person.
    Discover,
}

/// The version of a connection's stored tokens; counts up with every replacement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct TokenVersion(pub u64);
