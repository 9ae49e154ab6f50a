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

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use url::Url;

use crate::connector::{Callback, SignIn, SignedIn, Tokens};
use crate::connectors::Connectors;
use crate::error::{Error, Result};
use crate::model::{
    Connection, ConnectionChange, ConnectionId, CrmKind, FeedEvent, Health, Identity, MemberId,
    NewFeedEntry, OrganisationId, Publication, PublicationState, RecordId, WorkspaceId, hex,
};
use crate::rules::{Debounce, publication_due_at};
use crate::seal::SealPlace;
use crate::storage::{Handshake, Stores, Work, WorkItem};
use crate::vault::{self, LentVault};

/// How long a sign-in may take (CON-2). Entra's own code lives as long.
const HANDSHAKE_LIFE: Duration = Duration::from_secs(600);

/// How often a change is tried again after somebody else was first. Each loss means that another
/// writer got its change in, so many in a row mean that something else is wrong.
const MAX_LOST_RACES: u32 = 20;

/// Publications looked through in one step: each carries its document.
const LEDGER_PAGE: u32 = 20;

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
    stores: Stores,
    connectors: Arc<Connectors>,
    debounce: Debounce,
}

impl Connect {
    pub(crate) const fn new(
        stores: Stores,
        connectors: Arc<Connectors>,
        debounce: Debounce,
    ) -> Self {
        Self { stores, connectors, debounce }
    }

    /// Starts a sign-in (CON-2).
    pub(crate) async fn begin(&self, request: ConnectRequest) -> Result<ConnectStarted> {
        let provider = self.connectors.provider(&request.kind)?;
        let sign_in = SignIn {
            address: provider.parse_address(&request.address)?,
            state: self.secret()?,
            verifier: self.secret()?,
            login_hint: request.login_hint,
        };
        let authorization = provider.authorize(&sign_in)?;
        let started_at = self.connectors.context().clock.now();
        let state_hash = hash(sign_in.state.expose_secret());
        let verifier = self.connectors.sealer().seal(
            verifier_place(&request.workspace, &hex(&state_hash)),
            sign_in.verifier.expose_secret().as_bytes(),
        )?;
        let handshake = Handshake {
            state_hash,
            workspace: request.workspace,
            member: request.member,
            kind: request.kind,
            address: sign_in.address,
            verifier,
            admin_consent: authorization.admin_consent.as_ref().map(ToString::to_string),
            started_at,
            expires_at: started_at + HANDSHAKE_LIFE,
        };
        self.stores.connections.open_handshake(&handshake).await?;
        Ok(ConnectStarted {
            url: authorization.url,
            admin_consent: authorization.admin_consent,
            expires_at: handshake.expires_at,
        })
    }

    /// Finishes a sign-in (CON-3).
    pub(crate) async fn finish(
        &self,
        workspace: &WorkspaceId,
        member: &MemberId,
        callback: &Callback,
    ) -> Result<Connection> {
        let handshake = self.answered_handshake(workspace, member, callback).await?;
        let opened = self
            .connectors
            .sealer()
            .open(verifier_place(workspace, &hex(&handshake.state_hash)), &handshake.verifier)?;
        let verifier = String::from_utf8(opened.expose_secret().clone())
            .map_err(|cause| Error::store("read a sealed sign-in", cause))?;
        let sign_in = SignIn {
            address: handshake.address,
            state: SecretString::from(callback.value("state").unwrap_or_default().to_owned()),
            verifier: SecretString::from(verifier),
            login_hint: None,
        };
        let context = self.connectors.context();
        let provider = self.connectors.provider(&handshake.kind)?;
        let signed_in = provider.finish(context, &sign_in, callback).await?;
        self.store(workspace, member, handshake.kind, signed_in).await
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

    /// Takes the sign-in that a callback answers, once, and checks that it may be answered.
    async fn answered_handshake(
        &self,
        workspace: &WorkspaceId,
        member: &MemberId,
        callback: &Callback,
    ) -> Result<Handshake> {
        let refuse = |reason: &'static str| Err(Error::invalid_input("sign-in answer", reason));
        let Some(state) = callback.value("state").filter(|state| !state.is_empty()) else {
            return refuse("It carries no state. Please start connecting again.");
        };
        let taken = self.stores.connections.take_handshake(&hash(state)).await?;
        let Some(handshake) = taken else {
            return refuse("It was used already, or never asked for. Please start again.");
        };
        if handshake.workspace != *workspace || handshake.member != *member {
            return refuse("It was started by somebody else. Please start connecting again.");
        }
        if handshake.expires_at <= self.connectors.context().clock.now() {
            return refuse("It took longer than ten minutes. Please start connecting again.");
        }
        Ok(handshake)
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
        let connection = self.stores.connections.connect(&connection, &tokens).await?;
        let pull = Work { workspace: workspace.clone(), item: WorkItem::Pull(connection.id) };
        self.stores.due.schedule(&pull, now).await?;
        tell_connected(&self.stores, &connection).await?;
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

    /// A fresh secret of 256 bits, as 64 hexadecimal digits: fit for a state and a PKCE verifier.
    fn secret(&self) -> Result<SecretString> {
        let mut bytes = [0; 32];
        self.connectors.context().randomness.fill_secret(&mut bytes)?;
        Ok(SecretString::from(hex(&bytes)))
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

/// Tells the feed about the connection. Safe to repeat: every sync does, so that a crash right
/// after connecting loses no line.
pub(crate) async fn tell_connected(stores: &Stores, connection: &Connection) -> Result<()> {
    let entry = NewFeedEntry {
        key: format!("connected/{}", connection.connected_at.unix_timestamp_nanos()),
        at: connection.connected_at,
        event: FeedEvent::Connected { address: connection.address.clone() },
    };
    stores.feed.append(&connection.workspace, connection.id, &[entry], None).await
}

/// Tells the feed which filter was set last. Safe to repeat, as [`tell_connected`].
pub(crate) async fn tell_filter(
    stores: &Stores,
    connection: &Connection,
    at: OffsetDateTime,
) -> Result<()> {
    if connection.filter_revision == 0 {
        return Ok(());
    }
    let entry = NewFeedEntry {
        key: format!("filter/{}", connection.filter_revision),
        at,
        event: FeedEvent::FilterChanged { stages: connection.filter.iter().count() },
    };
    stores.feed.append(&connection.workspace, connection.id, &[entry], None).await
}

/// Makes everything due that is held back though the connection works (CON-7). Every sync does
/// it, too, so that a crash between accepting a document and scheduling it loses nothing.
pub(crate) async fn resume_publications(
    stores: &Stores,
    connection: &Connection,
    debounce: &Debounce,
    now: OffsetDateTime,
) -> Result<()> {
    let Connection { workspace, id, .. } = connection;
    let mut after = None;
    loop {
        let page = stores.publications.list(workspace, *id, after, LEDGER_PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.publication());
        let waits = |publication: &&Publication| {
            // What waits after a failed try has its own time already.
            publication.is_pending()
                && match publication.state {
                    PublicationState::Held { .. } => true,
                    PublicationState::Waiting => publication.attempts == 0,
                    PublicationState::Parked { .. } | PublicationState::Published => false,
                }
        };
        for publication in page.iter().filter(waits) {
            let item = WorkItem::Publish(publication.key.publication());
            let work = Work { workspace: workspace.clone(), item };
            let (first, last) = (publication.first_pending_at, publication.last_pending_at);
            let due = publication_due_at(first, last, debounce);
            stores.due.schedule(&work, due.max(now)).await?;
        }
    }
}

fn verifier_place<'a>(workspace: &'a WorkspaceId, owner: &'a str) -> SealPlace<'a> {
    SealPlace { workspace: workspace.as_str(), owner, field: "verifier" }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
