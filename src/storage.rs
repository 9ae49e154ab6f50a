//! What a store must offer: eight small roles, each of which a host may play itself.
//!
//! [`Stores`] holds one `Arc` per role, so that a host can keep, say, its own deals and use our
//! mirror. The stores shipped with this crate play every role.
//!
//! # Contract of every role
//! * **One method, one atomic step.** It happens wholly or not at all, durably before the future
//!   resolves. No caller needs a transaction over two calls. Dropping the future leaves either
//!   state, never a mixture.
//! * **Only its own rows.** Each method takes a workspace or a connection and touches only rows of
//!   it. [`Due`] and [`Gates`] are the exception: they hold no customer data.
//! * **Fencing.** A method that takes a [`Claim`] refuses with
//!   [`Error::StaleClaim`](crate::Error::StaleClaim), writing nothing, once it has seen a newer
//!   token for that work, or, where it holds the claims itself, once the claim is not the current
//!   one. A role kept apart from [`Due`] must remember the highest token it has seen per work.
//! * **Repeating** a step with the same input changes nothing and reports the same.
//! * Times are UTC. Lists are bounded by the `limit` given.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::{
    AccountQuery, Accounts, ContactQuery, Contacts, Opportunities, OpportunityQuery, Scope, Totals,
    TotalsQuery,
};
use crate::model::{
    Candidate, ChangeSeq, Connection, ConnectionChange, ConnectionId, CrmKind, Deal, DealChange,
    DealId, Decided, Document, FeedEntry, MemberId, NewFeedEntry, NoteKey, OpportunityId,
    Publication, PublicationId, PublicationState, Receipt, RecordId, Rows, RunId, Skipped, Stage,
    Table, WorkspaceId,
};
use crate::seal::Sealed;
use crate::walk::{Chain, ChainCursor, CompletenessProof};

pub(crate) mod fallback;

/// One store per role.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::store::MemoryStore;
/// use fluint_crm::storage::Stores;
/// use fluint_crm::SystemClock;
///
/// let stores = Stores::all(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// # let _ = stores;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stores {
    /// Connections, sign-ins and sealed tokens.
    pub connections: Arc<dyn Connections>,
    /// Deals.
    pub deals: Arc<dyn Deals>,
    /// Work that is due.
    pub due: Arc<dyn Due>,
    /// The activity feed.
    pub feed: Arc<dyn Feed>,
    /// Throttle deadlines.
    pub gates: Arc<dyn Gates>,
    /// The synced copy.
    pub mirror: Arc<dyn Mirror>,
    /// The ledger of publications.
    pub publications: Arc<dyn Publications>,
    /// Questions over the synced copy.
    pub query: Arc<dyn Query>,
}

/// A store that plays every role.
pub trait Store:
    Connections + Deals + Due + Feed + Gates + Mirror + Publications + Query + 'static
{
}

impl<S> Store for S where
    S: Connections + Deals + Due + Feed + Gates + Mirror + Publications + Query + 'static
{
}

impl Stores {
    /// Lets one store play every role.
    #[must_use]
    pub fn all<S: Store>(store: Arc<S>) -> Self {
        Self {
            connections: Arc::<S>::clone(&store),
            deals: Arc::<S>::clone(&store),
            due: Arc::<S>::clone(&store),
            feed: Arc::<S>::clone(&store),
            gates: Arc::<S>::clone(&store),
            mirror: Arc::<S>::clone(&store),
            publications: Arc::<S>::clone(&store),
            query: store,
        }
    }
}

/// Connections, sign-ins under way, and sealed tokens.
#[async_trait]
pub trait Connections: fmt::Debug + Send + Sync {
    /// Remembers a sign-in under way.
    async fn open_handshake(&self, handshake: &Handshake) -> Result<()>;

    /// Takes a sign-in away, so that it can be answered once: the second call gets `None`.
    ///
    /// The sign-in is found by the hash of its `state` alone; the caller compares workspace,
    /// member and age.
    async fn take_handshake(&self, state_hash: &[u8; 32]) -> Result<Option<Handshake>>;

    /// The sign-ins of a workspace that nobody has answered, the newest first, expired ones too.
    async fn handshakes(&self, workspace: &WorkspaceId) -> Result<Vec<Handshake>>;

    /// Stores a connection with its sealed tokens, replacing the one with its id, and makes its
    /// pull due at once. Token versions go on counting where they were.
    ///
    /// Where [`Due`] is played by somebody else, the caller schedules the pull itself.
    async fn connect(&self, connection: &Connection, tokens: &Sealed) -> Result<()>;

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
    /// The org's canonical address.
    pub address: String,
    /// The PKCE code verifier, sealed.
    pub verifier: Sealed,
    /// Where an administrator can approve the app, when there is such a page.
    pub admin_consent: Option<String>,
    /// When it was started (UTC).
    pub started_at: OffsetDateTime,
    /// When it ends (UTC).
    pub expires_at: OffsetDateTime,
}

/// The version of a connection's stored tokens; counts up with every replacement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenVersion(pub u64);

/// The synced copy of the CRM's tables.
#[async_trait]
pub trait Mirror: fmt::Debug + Send + Sync {
    /// Starts a pull, or goes on with the connection's unfinished one.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn start_pull(&self, claim: &Claim, fresh: RunId) -> Result<Pull>;

    /// Forgets what an unfinished pull has read of one table (cursors and what was seen, not the
    /// rows), so that the table is read again from its start.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn restart_table(&self, claim: &Claim, run: RunId, table: Table) -> Result<()>;

    /// Stores a page: its rows, which ids were seen, and the chain's cursor.
    ///
    /// A row whose version is the stored one is not written. A row that was missing is missing no
    /// more. A page that was stored before in the same run (same table, chain and place) is stored
    /// again without effect.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn apply_page(&self, claim: &Claim, page: &MirrorPage) -> Result<PageWritten>;

    /// Ends the reading part of a pull: rows of the proved tables that the run did not see are
    /// marked missing (they stay as they are), everything else is left alone.
    ///
    /// Calling it again for a run that was already ended reports the same.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn finish_pull(
        &self,
        claim: &Claim,
        run: RunId,
        proofs: &[CompletenessProof],
    ) -> Result<Vec<TableSummary>>;

    /// Ends a run whose opportunities were all decided about: from now on answers are as of now.
    /// What was kept to resume the run is dropped. Calling it again has no effect.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn finish_run(&self, claim: &Claim, run: RunId) -> Result<()>;

    /// The newest run of a connection, finished or not, for a settings page to poll.
    async fn progress(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<PullProgress>>;

    /// Opportunities in the order of their ids, from after `after`, joined with what deciding
    /// about them needs.
    async fn candidates(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Candidate>>;

    /// The stages of a connection, for the choices of a filter: by process position, process name,
    /// position, name, id; what is unknown comes last.
    async fn stages(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<StageChoice>>;

    /// Erases the mirrored rows, runs and cursors of a connection. Deals and the ledger of
    /// publications stay.
    async fn purge(&self, workspace: &WorkspaceId, connection: ConnectionId) -> Result<()>;
}

/// A stage that a filter may name.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct StageChoice {
    /// The stage.
    pub stage: Stage,
    /// How many open opportunities have it as the stage of their newest active assignment, or on
    /// the record where there is no assignment.
    pub open_opportunities: u64,
}

/// An unfinished or fresh pull.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Pull {
    /// The run.
    pub run: RunId,
    /// When it started (UTC).
    pub started_at: OffsetDateTime,
    /// How far it came.
    pub phase: PullPhase,
    /// How far each table was read; a table that is not listed was not begun.
    pub tables: Vec<TableCursors>,
}

/// How far a run came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PullPhase {
    /// Ended.
    Finished,
    /// Reading is over; opportunities are being decided about.
    Promoting,
    /// Reading tables.
    Reading,
}

/// How far a table was read in a run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct TableCursors {
    /// The table.
    pub table: Table,
    /// Its chains, in the order of their index.
    pub chains: Vec<ChainCursor>,
    /// Pages stored so far; the next page's place counts on from here.
    pub pages: u64,
}

/// A page on its way into the mirror.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct MirrorPage {
    /// The run.
    pub run: RunId,
    /// The chain.
    pub chain: Chain,
    /// The page's place among all pages of its table in this run, from 0.
    pub seq: u64,
    /// The rows; they name the table.
    pub rows: Rows,
    /// Ids that were seen though their row is not to be written, because it could not be decoded.
    pub also_seen: Vec<RecordId>,
    /// Where the chain goes on.
    pub cursor: ChainCursor,
    /// How many rows the table may have in all, for progress.
    pub estimate: Option<u64>,
}

/// What storing a page did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct PageWritten {
    /// New rows.
    pub inserted: u64,
    /// Changed rows.
    pub updated: u64,
    /// Rows that were the same and not written.
    pub unchanged: u64,
}

/// What a pull did to one table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct TableSummary {
    /// The table.
    pub table: Table,
    /// Rows seen in this run.
    pub seen: u64,
    /// Rows held that are not missing, after the run.
    pub present: u64,
    /// Rows marked missing, after the run.
    pub missing: u64,
    /// Rows that this run found missing for the first time.
    pub newly_missing: u64,
}

/// How far a run has come, as a settings page polls it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct PullProgress {
    /// The run.
    pub run: RunId,
    /// When it started (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended (UTC).
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// How far it came.
    pub phase: PullPhase,
    /// The tables begun so far.
    pub tables: Vec<TableProgress>,
}

/// How far a table was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct TableProgress {
    /// The table.
    pub table: Table,
    /// Rows read.
    pub rows: u64,
    /// Rows written because they were new or changed.
    pub written: u64,
    /// Pages read.
    pub pages: u64,
    /// Rows expected in all: the last finished run's count, else the connector's estimate.
    pub expected: Option<u64>,
}

/// Deals, the reasons why opportunities are none, and the change feed of both.
///
/// A host with its own deal table either plays this role on it, or follows
/// [`changes`](Deals::changes).
#[async_trait]
pub trait Deals: fmt::Debug + Send + Sync {
    /// Deals of a workspace by id; ids that are not there are left out.
    async fn by_id(&self, workspace: &WorkspaceId, ids: &[DealId]) -> Result<Vec<Deal>>;

    /// Deals of a connection in the order of their ids, from after `after`.
    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<DealId>,
        limit: u32,
    ) -> Result<Vec<Deal>>;

    /// Applies decisions: deals, the list of skipped opportunities, and one change entry for each
    /// thing that really changed, in one step.
    ///
    /// * `Create` makes the deal or, where it is already there, updates it and makes it live.
    /// * `Update` replaces the details and makes the deal live; `Stop` and `End` change its state
    ///   alone. For a deal that is not there they do nothing.
    /// * `Skip` lists the opportunity, keeping `since` while the reason stays the same. Every other
    ///   decision takes it off the list; `Unchanged` does so too.
    /// * What is already so is not written and makes no entry.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn apply(&self, claim: &Claim, decisions: &[Decided]) -> Result<Applied>;

    /// The change feed of a connection, from after `after`, in order. At least once: whoever
    /// follows it remembers the last `seq` it has dealt with.
    async fn changes(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: ChangeSeq,
        limit: u32,
    ) -> Result<Vec<DealChange>>;

    /// The opportunities that are no deal at the moment, in the order of their ids, from after
    /// `after`.
    async fn skipped(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Skipped>>;
}

/// What applying decisions really changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Applied {
    /// Deals made.
    pub created: u64,
    /// Deals updated or resumed.
    pub updated: u64,
    /// Deals that stopped receiving updates or ended.
    pub stopped: u64,
    /// Opportunities skipped, for a new reason or an old one.
    pub skipped: u64,
}

/// The activity feed.
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

/// The ledger of publications: which document stands where, and what still has to be sent.
///
/// It is keyed by [`NoteKey`] and survives disconnecting and purging.
#[async_trait]
pub trait Publications: fmt::Debug + Send + Sync {
    /// Takes a revision in and hands back the publication.
    ///
    /// A new key makes a fresh publication. A higher revision, or the same revision with other
    /// content, replaces the document, starts a parked one again, and moves it to `connection` and
    /// `opportunity`. A lower revision, or the very same one, changes nothing.
    async fn accept(&self, request: &PublishRequest) -> Result<Publication>;

    /// The publication with an id.
    async fn by_id(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<Publication>>;

    /// The publications of a connection in the order of their ids, from after `after`.
    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<PublicationId>,
        limit: u32,
    ) -> Result<Vec<Publication>>;

    /// Records, before it is sent, that a create in `epoch` is about to be sent at `at`; counts an
    /// attempt. A higher epoch than the stored one starts a new life: the receipt is dropped.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim), or
    /// [`Error::Conflict`](crate::Error::Conflict) when `epoch` is lower than the stored one.
    async fn record_create(&self, claim: &Claim, epoch: u32, at: OffsetDateTime) -> Result<()>;

    /// Records what is proved to stand in the CRM and hands the publication back. Its state becomes
    /// published if the receipt carries the newest revision, else it goes on waiting.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn record_receipt(&self, claim: &Claim, receipt: &Receipt) -> Result<Publication>;

    /// Sets the state aside from publishing: held, parked or waiting again; counts an attempt.
    ///
    /// `seen` is the revision that the decision was made about: when a newer one has come in since,
    /// nothing is changed. Hands the publication back as it stands.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn set_aside(
        &self,
        claim: &Claim,
        seen: u64,
        state: &PublicationState,
    ) -> Result<Publication>;
}

/// A revision on its way into the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct PublishRequest {
    /// What it stands for.
    pub key: NoteKey,
    /// The connection it goes through.
    pub connection: ConnectionId,
    /// The opportunity it goes to.
    pub opportunity: OpportunityId,
    /// The revision.
    pub document: Document,
    /// When it was published (UTC).
    pub at: OffsetDateTime,
}

/// Work that is due, claimed by one worker at a time.
///
/// Lease time belongs to the store: the database's clock where workers share one, the injected
/// clock elsewhere.
#[async_trait]
pub trait Due: fmt::Debug + Send + Sync {
    /// Makes a work item due at `at`, or earlier if it already is. An item that is claimed at the
    /// moment becomes due again then, whatever [`complete`](Due::complete) says later.
    async fn schedule(&self, work: &Work, at: OffsetDateTime) -> Result<()>;

    /// Claims up to `limit` items that are due and not under a valid lease, the longest overdue
    /// first. Each gets a token larger than any that the item had before.
    async fn claim(&self, limit: u32, lease: Duration) -> Result<Vec<Claim>>;

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
    /// When the lease ends (UTC, by the store's clock).
    pub expires_at: OffsetDateTime,
}

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

/// Questions over the mirror.
///
/// Only [`scan`](Query::scan) and [`as_of`](Query::as_of) are required: the questions have a
/// fallback that scans, which every store with indexes replaces. Rows marked missing still count
/// until their absence is proved.
#[async_trait]
pub trait Query: fmt::Debug + Send + Sync {
    /// Rows of one table and connection in the order of their ids, from after `after`.
    async fn scan(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Rows>;

    /// The connections in scope with the end of their last finished sync (UTC), in the order of
    /// their ids. A connection that was never pulled is listed without one.
    async fn as_of(&self, scope: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>>;

    /// Accounts, by name and then id.
    async fn accounts(&self, query: &AccountQuery) -> Result<Accounts> {
        fallback::accounts(self, query).await
    }

    /// Contacts, by name and then id.
    async fn contacts(&self, query: &ContactQuery) -> Result<Contacts> {
        fallback::contacts(self, query).await
    }

    /// Opportunities.
    async fn opportunities(&self, query: &OpportunityQuery) -> Result<Opportunities> {
        fallback::opportunities(self, query).await
    }

    /// Totals of opportunities.
    async fn totals(&self, query: &TotalsQuery) -> Result<Totals> {
        fallback::totals(self, query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_2_the_roles_are_object_safe_and_shared_between_threads() {
        fn shared<T: Send + Sync + ?Sized>() {}
        shared::<dyn Connections>();
        shared::<dyn Deals>();
        shared::<dyn Due>();
        shared::<dyn Feed>();
        shared::<dyn Gates>();
        shared::<dyn Mirror>();
        shared::<dyn Publications>();
        shared::<dyn Query>();
    }
}
