//! Connecting an org: the sign-in from the first click to a stored connection.
//!
//! *Flow.* [`Connect::begin`] remembers a sign-in under the hash of a fresh `state` and hands out
//! the URL for the browser. [`Connect::finish`] takes that sign-in away (so it is answered once),
//! lets the provider redeem the code, and stores connection, tokens and the first pull in one step.
//!
//! *Guarantees.* A callback that is forged, replayed, late, or from another workspace or member
//! sends nothing to the CRM. Killed at any point, the connection is as before or complete.
//!
//! *Assumptions.* The host calls `finish` for the member who is signed in to it, not for whoever
//! the URL names.

mod catch_up;
mod discover;
mod moved;
mod sign_ins;

use std::sync::Arc;

use time::OffsetDateTime;
use url::Url;

use crate::connector::{Callback, SignedIn, Tokens};
use crate::connectors::Connectors;
use crate::error::{Error, Result};
use crate::host::Availability;
use crate::model::{
    Connection, ConnectionChange, ConnectionId, CrmKind, FeedEvent, Health, Identity, MemberId,
    NewFeedEntry, OrganisationId, RecordId, WorkspaceId,
};
use crate::rules::{Debounce, HealthEvent, next_health};
use crate::storage::{SignInPurpose, Stores, Work, WorkItem};
use crate::vault::{self, LentVault};

pub(crate) use catch_up::{resume_publications, tell_connected, tell_filter};
pub use discover::DiscoverRequest;
pub(crate) use moved::notice_move;
pub use sign_ins::{SignInState, UnansweredSignIn};

/// How often a change is tried again after somebody else was first. Each loss means that another
/// writer got its change in, so many in a row mean that something else is wrong.
const MAX_LOST_RACES: u32 = 20;

/// Who wants to connect what.
///
/// # Example
/// ```
/// use fluint_crm::ConnectRequest;
/// use fluint_crm::model::{CrmKind, MemberId, WorkspaceId};
/// # fn main() -> fluint_crm::Result<()> {
/// let kind = CrmKind::new("dynamics");
/// let address = "https://contoso.crm4.dynamics.com/main.aspx";
/// let mut request =
///     ConnectRequest::new(WorkspaceId::new("acme")?, MemberId::new("ada")?, kind, address);
/// request.login_hint = Some("ada@contoso.com".to_owned());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The workspace that the connection will belong to.
    pub workspace: WorkspaceId,
    /// The member who connects; only this member may finish the sign-in.
    pub member: MemberId,
    /// Which CRM.
    pub kind: CrmKind,
    /// The org's address as the person typed or pasted it.
    pub address: String,
    /// An e-mail address to prefill on the CRM's sign-in page.
    pub login_hint: Option<String>,
}

impl ConnectRequest {
    /// A request without a login hint.
    pub fn new(
        workspace: WorkspaceId,
        member: MemberId,
        kind: CrmKind,
        address: impl Into<String>,
    ) -> Self {
        Self { workspace, member, kind, address: address.into(), login_hint: None }
    }
}

/// A sign-in that was started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectStarted {
    /// Where to send the browser.
    pub url: Url,
    /// Where an administrator can approve the app for everybody, when there is such a page.
    pub admin_consent: Option<Url>,
    /// When the sign-in ends unanswered (UTC).
    pub expires_at: OffsetDateTime,
}

/// What becomes of the mirror when a connection is disconnected.
///
/// Deals and the ledger of published notes stay either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the mirror is kept or not")]
pub enum MirrorFate {
    /// Kept, as of the last sync.
    Keep,
    /// Erased.
    Purge,
}

/// Starts, finishes and ends connections.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) stores: Stores,
    pub(crate) connectors: Arc<Connectors>,
    pub(crate) availability: Arc<dyn Availability>,
    pub(crate) debounce: Debounce,
}

impl Connect {
    fn now(&self) -> OffsetDateTime {
        self.connectors.context().clock.now()
    }

    /// Starts a sign-in (CON-2).
    pub(crate) async fn begin(&self, request: ConnectRequest) -> Result<ConnectStarted> {
        let ConnectRequest { workspace, member, kind, address, login_hint } = request;
        let provider = self.connectors.provider(&kind)?;
        let address = provider.parse_address(&address)?;
        self.demand_available(&workspace, &kind).await?;
        let mut sign_in = self.fresh_sign_in(address, "")?;
        sign_in.login_hint = login_hint;
        sign_in.claims = self.claims_wanted(&workspace, &kind, &sign_in.address).await?;
        let authorization = provider.authorize(self.connectors.context(), &sign_in).await?;
        let opening =
            sign_ins::Opening { workspace, member, kind, purpose: SignInPurpose::Connect };
        self.open(opening, sign_in, authorization).await
    }

    /// Finishes a sign-in (CON-3).
    pub(crate) async fn finish(
        &self,
        workspace: &WorkspaceId,
        member: &MemberId,
        callback: &Callback,
    ) -> Result<Connection> {
        let purpose = SignInPurpose::Connect;
        let (kind, sign_in) = self.answered(workspace, member, purpose, callback).await?;
        let context = self.connectors.context();
        let provider = self.connectors.provider(&kind)?;
        let signed_in = provider.finish(context, &sign_in, callback).await?;
        self.store(workspace, member, kind, signed_in).await
    }

    /// Connects with tokens that the host got by a sign-in of its own.
    pub(crate) async fn adopt(
        &self,
        request: ConnectRequest,
        tokens: Tokens,
    ) -> Result<Connection> {
        let ConnectRequest { workspace, member, kind, address, .. } = request;
        let context = self.connectors.context();
        let provider = self.connectors.provider(&kind)?;
        let address = provider.parse_address(&address)?;
        self.demand_available(&workspace, &kind).await?;
        // Nothing is known of the org but its address until it was asked who the tokens belong to.
        // Its throttle is the address's own, so that no other customer waits for it.
        let nobody = Identity::new(OrganisationId::new(&address)?, RecordId::new("unknown")?);
        let unknown = ConnectionId::derive(&workspace, kind.as_str(), &nobody.organisation);
        let probe = Connection::new(
            unknown,
            workspace.clone(),
            kind.clone(),
            address.clone(),
            nobody,
            member.clone(),
            context.clock.now(),
        );
        let vault = LentVault::new(unknown, vault::copy(&tokens));
        let identity = provider.open(context, &probe, Arc::new(vault))?.check().await?;
        self.store(&workspace, &member, kind, SignedIn { identity, tokens, address }).await
    }

    /// Refuses to connect where the host does not offer it (CON-7).
    async fn demand_available(&self, workspace: &WorkspaceId, kind: &CrmKind) -> Result<()> {
        if self.availability.is_available(workspace, kind).await? {
            return Ok(());
        }
        let reason = "This integration is not enabled for your workspace. Please contact support.";
        Err(Error::invalid_input("integration", reason))
    }

    /// What the identity provider wants to see proved when this org is connected again.
    async fn claims_wanted(
        &self,
        workspace: &WorkspaceId,
        kind: &CrmKind,
        address: &str,
    ) -> Result<Option<String>> {
        let connections = self.stores.connections.connections(workspace).await?;
        let before = connections.into_iter().find(|c| c.kind == *kind && c.address == address);
        Ok(match before.map(|connection| connection.health) {
            Some(Health::NeedsReconnect { claims, .. }) => claims,
            _ => None,
        })
    }

    /// Stores a finished sign-in: as the workspace's connection to that org, or as a new one.
    async fn store(
        &self,
        workspace: &WorkspaceId,
        member: &MemberId,
        kind: CrmKind,
        signed_in: SignedIn,
    ) -> Result<Connection> {
        let context = self.connectors.context();
        let now = context.clock.now();
        let organisation = &signed_in.identity.organisation;
        let connection = Connection::new(
            ConnectionId::derive(workspace, kind.as_str(), organisation),
            workspace.clone(),
            kind,
            signed_in.address,
            signed_in.identity,
            member.clone(),
            now,
        );
        let sealer = self.connectors.sealer();
        let tokens = vault::seal(sealer, workspace, connection.id, &signed_in.tokens)?;
        let before = self.stores.connections.connections(workspace).await?;
        let before = before.into_iter().find(|before| before.id == connection.id);
        let connection = self.stores.connections.connect(&connection, &tokens).await?;
        let pull = Work { workspace: workspace.clone(), item: WorkItem::Pull(connection.id) };
        self.stores.due.schedule(&pull, now).await?;
        tell_connected(&self.stores, &connection).await?;
        if let Some(before) = before.filter(|before| before.address != connection.address) {
            moved::tell_changed(&self.stores, &connection, &before.address, now).await?;
        }
        resume_publications(&self.stores, &connection, &self.debounce, now).await?;
        Ok(connection)
    }

    /// Disconnects: stops work, erases the tokens, keeps or erases the mirror (CON-8).
    pub(crate) async fn disconnect(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        mirror: MirrorFate,
    ) -> Result<()> {
        let erased = ConnectionChange::Health(Health::Disconnected);
        let changed = change(&self.stores, workspace, id, &erased).await?;
        self.connectors.forget(id);
        if mirror == MirrorFate::Purge {
            self.stores.mirror.purge(workspace, id).await?;
        }
        let entry = NewFeedEntry {
            // Once for each time that it was connected: the user may have to disconnect again,
            // after a crash, for the mirror to be erased.
            key: format!("disconnected/{}", changed.connected_at.unix_timestamp_nanos()),
            at: self.connectors.context().clock.now(),
            event: FeedEvent::Disconnected,
        };
        self.stores.feed.append(workspace, id, &[entry], None).await
    }
}

/// A connection of a workspace by its id.
pub(crate) async fn find(
    stores: &Stores,
    workspace: &WorkspaceId,
    id: ConnectionId,
) -> Result<Connection> {
    let connections = stores.connections.connections(workspace).await?;
    connections
        .into_iter()
        .find(|connection| connection.id == id)
        .ok_or_else(|| Error::not_found(format!("connection {id}")))
}

/// Moves a connection's health on after an event, from whatever state it is in by then.
pub(crate) async fn change_health(
    stores: &Stores,
    workspace: &WorkspaceId,
    id: ConnectionId,
    event: &HealthEvent,
) -> Result<Connection> {
    let mut lost = 0;
    loop {
        let now = find(stores, workspace, id).await?;
        let health = next_health(&now.health, event);
        if health == now.health {
            return Ok(now);
        }
        let moved = ConnectionChange::Health(health);
        match stores.connections.change(workspace, id, now.revision, &moved).await {
            Err(Error::Conflict { .. }) if lost < MAX_LOST_RACES => lost += 1,
            outcome => return outcome,
        }
    }
}

/// Changes a connection whatever else changes on it at the same time.
pub(crate) async fn change(
    stores: &Stores,
    workspace: &WorkspaceId,
    id: ConnectionId,
    change: &ConnectionChange,
) -> Result<Connection> {
    let mut lost = 0;
    loop {
        let revision = find(stores, workspace, id).await?.revision;
        match stores.connections.change(workspace, id, revision, change).await {
            Err(Error::Conflict { .. }) if lost < MAX_LOST_RACES => lost += 1,
            outcome => return outcome,
        }
    }
}
