//! What a host supplies besides storage and time: members, engagement, keys, and an ear.

mod engagement;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretBox;
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::{ConnectionId, CrmKind, Member, RunId, Table, WorkspaceId};

pub use engagement::{Engaged, Engagement};

/// Tells who the members of a workspace are.
///
/// # Example
/// ```
/// use async_trait::async_trait;
/// use fluint_crm::host::Members;
/// use fluint_crm::model::{EmailAddress, Member, MemberId, WorkspaceId};
///
/// /// The host's own table of people.
/// #[derive(Debug)]
/// struct People(Vec<(&'static str, &'static str, &'static str)>);
///
/// #[async_trait]
/// impl Members for People {
///     async fn members(&self, workspace: &WorkspaceId) -> fluint_crm::Result<Vec<Member>> {
///         let ours = self.0.iter().filter(|(owner, _, _)| *owner == workspace.as_str());
///         ours.map(|(_, id, email)| Ok(Member::new(MemberId::new(*id)?, EmailAddress::new(*email)?)))
///             .collect()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fluint_crm::Result<()> {
/// let people = People(vec![("acme", "ada", "ada@contoso.com"), ("globex", "bob", "bob@globex.com")]);
/// assert_eq!(people.members(&WorkspaceId::new("acme")?).await?.len(), 1);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Members: fmt::Debug + Send + Sync {
    /// All members of a workspace, inactive ones too. Asked once at the start of every sync.
    ///
    /// # Errors
    /// The sync fails and is tried again; it is never run against a part of the members.
    async fn members(&self, workspace: &WorkspaceId) -> Result<Vec<Member>>;
}

/// A fixed list of members, the same for every workspace: for tests and single-tenant hosts.
#[async_trait]
impl Members for Vec<Member> {
    async fn members(&self, _workspace: &WorkspaceId) -> Result<Self> {
        Ok(self.clone())
    }
}

/// The keys that seal tokens at rest.
///
/// Rotating: put the new key in front, keep the old ones until nothing is sealed with them any
/// more.
pub trait KeyRing: fmt::Debug + Send + Sync {
    /// The key that seals from now on.
    fn current(&self) -> Arc<SealingKey>;

    /// The key with an id, to open what was sealed with it.
    fn by_id(&self, id: &str) -> Option<Arc<SealingKey>>;
}

/// A key of 32 bytes with an id. `Debug` shows the id alone; the bytes are wiped on drop.
pub struct SealingKey {
    id: String,
    bytes: SecretBox<[u8; 32]>,
}

impl SealingKey {
    /// Wraps a key. The id is stored in the open beside what it seals.
    ///
    /// # Errors
    /// [`Error::Config`] when the id is empty or longer than 64 bytes.
    pub fn new(id: impl Into<String>, bytes: [u8; 32]) -> Result<Self> {
        let id = id.into();
        if id.is_empty() || id.len() > 64 {
            return Err(Error::config("sealing key", "its id must have 1 to 64 bytes"));
        }
        Ok(Self { id, bytes: SecretBox::new(Box::new(bytes)) })
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key's bytes.
    pub(crate) const fn bytes(&self) -> &SecretBox<[u8; 32]> {
        &self.bytes
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

/// A fixed list of keys: the first seals, all of them open.
#[derive(Debug)]
pub struct StaticKeys(Vec<Arc<SealingKey>>, Arc<SealingKey>);

impl StaticKeys {
    /// A ring of the key that seals and of older ones that still open.
    #[must_use]
    pub fn new(current: SealingKey, older: Vec<SealingKey>) -> Self {
        Self(older.into_iter().map(Arc::new).collect(), Arc::new(current))
    }
}

impl KeyRing for StaticKeys {
    fn current(&self) -> Arc<SealingKey> {
        Arc::clone(&self.1)
    }

    fn by_id(&self, id: &str) -> Option<Arc<SealingKey>> {
        std::iter::once(&self.1).chain(&self.0).find(|key| key.id() == id).map(Arc::clone)
    }
}

/// Says which integrations a workspace may connect: a plan, a region, a staged release.
#[async_trait]
pub trait Availability: fmt::Debug + Send + Sync {
    /// Whether the workspace may connect orgs of this kind of CRM. Asked whenever a member starts
    /// to; what is connected already goes on.
    ///
    /// # Errors
    /// Connecting fails with this error.
    async fn is_available(&self, workspace: &WorkspaceId, kind: &CrmKind) -> Result<bool>;
}

/// A host that offers every registered integration to every workspace.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AlwaysAvailable;

#[async_trait]
impl Availability for AlwaysAvailable {
    async fn is_available(&self, _workspace: &WorkspaceId, _kind: &CrmKind) -> Result<bool> {
        Ok(true)
    }
}

/// Hears of progress and of what an operator should know.
///
/// Called from the working task: it must return quickly and not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A page was stored.
    fn progress(&self, progress: &SyncProgress) {
        let _ = progress;
    }

    /// The CRM told us to wait: nothing is sent for this connection until then (UTC).
    ///
    /// Told once for each deadline, by each process that learns of it. Connections that act as the
    /// same user of the same organisation wait together, and each is told when it next asks.
    fn throttled(&self, connection: ConnectionId, until: OffsetDateTime) {
        let _ = (connection, until);
    }

    /// Something that whoever runs the host should know.
    fn operator_event(&self, event: &OperatorEvent) {
        let _ = event;
    }
}

/// An observer that hears nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoObserver;

impl Observer for NoObserver {}

/// How far a table of a running sync was read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SyncProgress {
    /// The connection.
    pub connection: ConnectionId,
    /// The run.
    pub run: RunId,
    /// The table.
    pub table: Table,
    /// Rows read so far.
    pub rows: u64,
    /// Pages read so far.
    pub pages: u64,
    /// Rows expected in all, when there is an estimate.
    pub expected: Option<u64>,
    /// Whether the table was read to its end.
    pub step: TableStep,
}

impl SyncProgress {
    /// A table of which nothing was read yet.
    #[must_use]
    pub const fn new(connection: ConnectionId, run: RunId, table: Table) -> Self {
        Self { connection, run, table, rows: 0, pages: 0, expected: None, step: TableStep::Reading }
    }
}

/// Whether a table was read to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a table is being read or was read")]
pub enum TableStep {
    /// The table was read to its end.
    Done,
    /// Pages still come.
    Reading,
}

/// Something that whoever runs the host should know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OperatorEvent {
    /// The identity provider rejected one of our own credentials.
    CredentialRejected {
        /// The credential's id.
        credential: String,
    },
    /// One of our own credentials ends in 30, 7 or one day, or has ended: each is told once.
    CredentialExpiring {
        /// The credential's id.
        credential: String,
        /// When it ends (UTC).
        expires_at: OffsetDateTime,
    },
}
