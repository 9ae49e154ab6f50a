//! What a CRM must offer: the contract between this crate and its connectors.
//!
//! A [`CrmProvider`] knows one *kind* of CRM: it reads an address, starts and finishes the sign-in,
//! and opens a [`CrmConnector`] for one connection. Nothing above these traits knows a vendor, so
//! adding a CRM adds a provider and changes nothing else.

pub(crate) mod sign_in;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::SecretString;
use time::OffsetDateTime;
use url::Url;

use crate::clock::{Clock, Randomness};
use crate::error::Result;
use crate::host::Observer;
use crate::intake::Intake;
use crate::model::{
    Account, Connection, ConnectionId, Contact, CrmKind, Currency, Identity, NoteDraft, NoteHandle,
    NoteKey, NoteWrite, Opportunity, OpportunityId, Preflight, RecordId, RemoteNote, Rows, Stage,
    StageAssignment, Table, User,
};
use crate::storage::{Gates, TokenVersion};
use crate::walk::{ChainPlan, Page, ResumeToken, TablePlan};

pub use sign_in::{
    Authorization, Callback, CallbackKind, OrgDirectory, OrgDiscovery, OrgListing, SignIn, SignedIn,
};

/// Pages of one table, in the order in which they were read.
pub type PageStream<'a, R> = BoxStream<'a, Result<Page<R>>>;

/// One connection's line to its CRM: typed reads and note writes.
///
/// # Contract
/// * **Plans.** [`plan`](CrmConnector::plan) fixes the chains that a table is read in; the plan is
///   kept with the run and handed back, chain by chain, also to another process. Chains that share
///   a source must cover it without gap or overlap.
/// * **Streams.** Each fetcher reads one chain of a plan, from its start or from where an earlier
///   run came to, and gives its pages in order. A page without
///   [`resume`](Page::resume) is the chain's last; after it, or an error, the stream ends. A page
///   may be empty. A chain whose plan is not understood, or whose place is not taken any more, is
///   [`Error::InvalidInput`](crate::Error::InvalidInput): the table is then planned and read anew.
/// * **Ids.** A row whose id cannot be read must be counted in [`Page::unreadable`]; it must not be
///   dropped in silence. A row of which only some column cannot be read is delivered with what is
///   known and a [`Notice`](crate::walk::Notice). A field that the CRM did not send at all belongs
///   into [`Page::absent`].
/// * **Memory.** A connector that reads big pages reserves their bytes from
///   [`ConnectorContext::intake`] and hands the reservation on with the page.
/// * **Waiting.** The connector itself waits out throttles and retries transient faults within its
///   budget; an error that comes out is meant for the caller. It shares throttles between all
///   calls of the same CRM user.
/// * **Writes.** A write whose answer was lost is [`NoteWrite::Unknown`], never an error and never
///   re-sent blindly. Refusals that concern only this note are [`NoteWrite::Refused`]; an error
///   means the connection or the service as a whole.
/// * **Dropping** any future or stream at any await is the same as a crash there: nothing lasting
///   is left behind but what the CRM was already asked to write.
///
/// A connector need not cache, count, or remember anything between calls.
#[async_trait]
pub trait CrmConnector: fmt::Debug + Send + Sync {
    /// What this CRM can do.
    fn capabilities(&self) -> Capabilities;

    /// Asks the CRM who we are; the cheapest proof that the connection works.
    ///
    /// # Errors
    /// The connection does not work; [`Error::remedy`](crate::Error::remedy) says who has to act.
    async fn check(&self) -> Result<Identity>;

    /// Looks at what the connected user may do, in few requests. A connector that cannot tell keeps
    /// the default, which checks nothing but who is connected.
    ///
    /// # Errors
    /// The connection does not work as a whole. That one table is refused is a failed check.
    async fn preflight(&self) -> Result<Preflight> {
        Ok(Preflight::new(self.check().await?, Vec::new()))
    }

    /// How many rows the CRM says each table has: estimates for progress and plans, never a proof.
    /// A table that is not listed is not known.
    ///
    /// # Errors
    /// The connection does not work. That the CRM does not tell is no error.
    async fn counts(&self) -> Result<BTreeMap<Table, u64>> {
        Ok(BTreeMap::new())
    }

    /// Decides in which chains a table is read.
    ///
    /// # Errors
    /// The connection does not work. A part that cannot be read is no error: its chain says so
    /// with a [`Notice`](crate::walk::Notice).
    async fn plan(&self, request: &PlanRequest) -> Result<TablePlan>;

    /// Reads the users.
    fn users(&self, chain: &ChainRequest) -> PageStream<'_, User>;

    /// Reads the accounts.
    fn accounts(&self, chain: &ChainRequest) -> PageStream<'_, Account>;

    /// Reads the contacts.
    fn contacts(&self, chain: &ChainRequest) -> PageStream<'_, Contact>;

    /// Reads the open opportunities.
    fn opportunities(&self, chain: &ChainRequest) -> PageStream<'_, Opportunity>;

    /// Reads the stages of every active sales process.
    fn stages(&self, chain: &ChainRequest) -> PageStream<'_, Stage>;

    /// Reads which stage each opportunity is at, where the CRM keeps that apart from the record.
    ///
    /// Ends at once, with an empty page, where it does not.
    fn stage_assignments(&self, chain: &ChainRequest) -> PageStream<'_, StageAssignment>;

    /// Reads the currencies, the base currency marked.
    fn currencies(&self, chain: &ChainRequest) -> PageStream<'_, Currency>;

    /// Asks for records by id, whatever their state: one answer per id, in the order of `ids`.
    ///
    /// [`Lookup::Gone`] and [`Lookup::Hidden`] must be told apart as well as the CRM can: what cannot be told
    /// apart from hidden is hidden, never gone.
    ///
    /// # Errors
    /// The CRM could not be asked.
    async fn lookup(&self, table: Table, ids: &[RecordId]) -> Result<Vec<Lookup>>;

    /// Creates the note with `key` and `epoch`; must not make a second one where
    /// [`Capabilities::note_identity`] is [`NoteIdentity::ClientChosen`].
    ///
    /// The request that creates is begun by `send_by` (UTC) or not at all, and once: if its answer
    /// is lost, the outcome is [`NoteWrite::Unknown`].
    ///
    /// # Errors
    /// The connection or the service as a whole does not work, or `send_by` has passed.
    async fn create_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        draft: &NoteDraft,
        send_by: OffsetDateTime,
    ) -> Result<NoteWrite>;

    /// Updates a note, and moves it to the draft's opportunity if it hangs on another.
    ///
    /// # Errors
    /// The connection or the service as a whole does not work.
    async fn update_note(
        &self,
        handle: &NoteHandle,
        draft: &NoteDraft,
        fence: Fence<'_>,
    ) -> Result<NoteWrite>;

    /// Reads the note with `key` and `epoch` back.
    ///
    /// # Errors
    /// The connection or the service as a whole does not work.
    async fn find_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        parts: NoteParts,
    ) -> Result<Option<RemoteNote>>;

    /// The page of an opportunity in the CRM, for a person to open.
    fn opportunity_url(&self, opportunity: &OpportunityId) -> Option<Url>;
}

/// One kind of CRM: addresses, sign-in, and opening connectors.
///
/// # Contract
/// * [`parse_address`](CrmProvider::parse_address) does no I/O: an address that it refuses opens no
///   socket. [`authorize`](CrmProvider::authorize) sends no credential.
/// * [`finish`](CrmProvider::finish) redeems the code once. It is called at most once per sign-in;
///   dropping it loses the sign-in, never half-stores it.
#[async_trait]
pub trait CrmProvider: fmt::Debug + Send + Sync {
    /// Which CRM.
    fn kind(&self) -> CrmKind;

    /// The interval between two syncs when a connection asks for no other.
    fn default_interval(&self) -> Duration;

    /// Reads an address as a person pastes it and gives its canonical form.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) with a sentence for the person who typed it.
    fn parse_address(&self, input: &str) -> Result<String>;

    /// Builds the URL to send the browser to. May ask the org, without any credential, where its
    /// people sign in.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) when there is no such org,
    /// [`Error::NeedsAdmin`](crate::Error::NeedsAdmin) when it refuses us,
    /// [`Error::Config`](crate::Error::Config).
    async fn authorize(
        &self,
        context: &ConnectorContext,
        request: &SignIn,
    ) -> Result<Authorization>;

    /// Redeems the callback's code and asks the CRM who signed in.
    ///
    /// # Errors
    /// The sign-in did not work; [`Error::remedy`](crate::Error::remedy) says who has to act.
    async fn finish(
        &self,
        context: &ConnectorContext,
        request: &SignIn,
        callback: &Callback,
    ) -> Result<SignedIn>;

    /// Reads what comes back from the page of [`Authorization::admin_consent`]: `Ok` when the
    /// administrator approved the app. It proves nothing; a sign-in has to.
    ///
    /// # Errors
    /// What the administrator did instead, as for a sign-in.
    fn read_admin_consent(&self, callback: &Callback) -> Result<()> {
        match callback.value("error") {
            None => Ok(()),
            Some(_) => Err(crate::error::Error::NeedsAdmin {
                reason: "The administrator did not approve the app.".into(),
                link: None,
                source: None,
            }),
        }
    }

    /// The directory of orgs, where the CRM has one.
    fn discovery(&self) -> Option<&dyn OrgDiscovery> {
        None
    }

    /// Opens the connector of a stored connection.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) when the connection's address is not usable; nothing was sent.
    fn open(
        &self,
        context: &ConnectorContext,
        connection: &Connection,
        tokens: Arc<dyn TokenVault>,
    ) -> Result<Arc<dyn CrmConnector>>;
}

/// What the crate lends to providers and connectors, so that none of them reads a clock or keeps
/// state of its own.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests of other crates build it")]
pub struct ConnectorContext {
    /// Tells the time and waits.
    pub clock: Arc<dyn Clock>,
    /// Draws jitter and ids.
    pub randomness: Arc<Randomness>,
    /// Throttle deadlines shared with the other workers.
    pub gates: Arc<dyn Gates>,
    /// Hears what an operator should know.
    pub observer: Arc<dyn Observer>,
    /// Bounds the bytes of pages in flight.
    pub intake: Arc<Intake>,
    /// In how many chains a table may be read.
    pub split: Split,
}

/// In how many chains a big table is read at once, where the CRM allows it.
///
/// A chain waits for each page before it can ask for the next, so more chains read a table faster;
/// they also use up the connected user's own request budget faster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_enums, reason = "off, a number, or the crate's choice")]
pub enum Split {
    /// One for small tables, up to four for those that warrant it.
    #[default]
    Automatic,
    /// So many for every table that has more than a page, as far as the CRM's own hint allows; at
    /// most eight.
    Fixed(NonZeroU32),
    /// One.
    Off,
}

/// A table to plan, and what is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests of other crates build it")]
pub struct PlanRequest {
    /// The table.
    pub table: Table,
    /// About how many rows it has, when anybody knows.
    pub expected: Option<u64>,
    /// When some of its rows were created (UTC): a sample of the synced copy, empty at first.
    pub created: Vec<OffsetDateTime>,
    /// How often the table was begun in this run, from 0. After a failure the plainest plan is
    /// best.
    pub attempt: u32,
}

/// One chain to read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates take it apart")]
pub struct ChainRequest {
    /// Which rows.
    pub plan: ChainPlan,
    /// Where an earlier run came to; `None` reads from the start.
    pub from: Option<ResumeToken>,
}

/// The tokens of a connection. `Debug` shows none of them.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates build it")]
pub struct Tokens {
    /// Sent with every call to the CRM.
    pub access: SecretString,
    /// When the access token ends (UTC); `None` when the CRM does not say.
    pub expires_at: Option<OffsetDateTime>,
    /// Fetches the next access token; `None` when the CRM gave none.
    pub refresh: Option<SecretString>,
}

/// Keeps one connection's tokens, sealed, with a version that every change compares with.
///
/// # Contract
/// * [`reserve`](TokenVault::reserve) and [`replace`](TokenVault::replace) store durably before
///   they return. When somebody else was first they change nothing and hand back what stands
///   there, so that the caller goes on with the winner's tokens: a lost race is not an outage.
/// * **One refresh.** Whoever exchanges the refresh token reserves the tokens first, for longer
///   than an exchange can take; the others see
///   [`refreshing_until`](StoredTokens::refreshing_until) and wait for the answer. A reservation
///   whose holder died ends by itself.
#[async_trait]
pub trait TokenVault: fmt::Debug + Send + Sync {
    /// Whose tokens these are; also names the CRM user that throttles are shared by.
    fn connection(&self) -> ConnectionId;

    /// Reads the tokens.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`](crate::Error::Unauthenticated) when there are none, [`Error::Store`](crate::Error::Store) when the store fails,
    /// [`Error::Config`](crate::Error::Config) when the key that sealed them is not there, or they
    /// are another connection's.
    async fn load(&self) -> Result<StoredTokens>;

    /// Writes down that the caller exchanges these tokens for fresh ones until then (UTC), if their
    /// version is still the one that was read.
    ///
    /// # Errors
    /// As [`load`](TokenVault::load).
    async fn reserve(&self, stored: &StoredTokens, until: OffsetDateTime) -> Result<Replaced>;

    /// Replaces the tokens, and ends a reservation, if their version is still `expected`.
    ///
    /// # Errors
    /// As [`load`](TokenVault::load).
    async fn replace(&self, expected: TokenVersion, tokens: &Tokens) -> Result<Replaced>;
}

/// Tokens with the version that they are stored under.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "hosts' own vaults build it")]
pub struct StoredTokens {
    /// The tokens.
    pub tokens: Tokens,
    /// Their version.
    pub version: TokenVersion,
    /// Until when (UTC) somebody may be exchanging them for fresh ones.
    pub refreshing_until: Option<OffsetDateTime>,
}

/// What became of a replacement.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a compare-and-swap has two ends")]
pub enum Replaced {
    /// Somebody else was first; here is what stands there.
    Lost(StoredTokens),
    /// Stored under this version.
    Stored(TokenVersion),
}

/// What a CRM can do; code above asks here instead of asking which CRM it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// How notes are told apart, or whether there are any.
    pub note_identity: NoteIdentity,
    /// Where the stage of an opportunity is kept.
    pub stages: StageModel,
    /// How long after it was recorded a write may still land, at most: the minute in which it must
    /// be begun, and the time that it may be on its way. Workers' clocks may differ by as much as
    /// is left of it.
    pub write_drain: Duration,
}

impl Capabilities {
    /// No notes, stages on the record, a drain of five minutes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            note_identity: NoteIdentity::None,
            stages: StageModel::OnRecord,
            write_drain: Duration::from_secs(300),
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
}

/// What keeps a late update from undoing a newer one.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the CRM does, or we do")]
pub enum Fence<'a> {
    /// We do: the write is recorded right before it is sent, and nothing else is written until it
    /// must have landed. For what the CRM cannot tie to a version.
    Recorded(&'a dyn WriteAhead),
    /// The CRM does: it writes only if the note's version is still the handle's.
    Version,
}

/// Records that a write is about to be sent.
#[async_trait]
pub trait WriteAhead: fmt::Debug + Send + Sync {
    /// Records it durably; gives the time (UTC) after which the request that writes must not be
    /// begun any more. To be awaited right before that request, which is sent once.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim) when another worker has taken over,
    /// [`Error::Store`](crate::Error::Store). Nothing must be written then.
    async fn record(&self) -> Result<OffsetDateTime>;
}

/// How much of a note is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "with its file or without")]
pub enum NoteParts {
    /// What it is; of its attachment only what it carries.
    Head,
    /// All of it, with the attachment.
    Whole,
}

/// How a CRM tells notes apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NoteIdentity {
    /// The client chooses the id, so a repeated create makes no second note.
    ClientChosen,
    /// It takes no notes.
    None,
    /// The CRM chooses the id; a note is found again by searching. Two at once are possible.
    Search,
}

/// Where a CRM keeps the stage of an opportunity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StageModel {
    /// In tables of their own, by process.
    Assignments,
    /// On the opportunity.
    OnRecord,
}

/// What the CRM says about one id.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Lookup {
    /// It is proved to be gone.
    Gone,
    /// It may be there, but this user cannot see it.
    Hidden,
    /// It is there, whatever its state.
    Present {
        /// The one row.
        row: Rows,
        /// Its fields, by the model's names, of which the CRM told nothing: what the mirror holds of
        /// them stays, as with [`Page::absent`].
        absent: Vec<Cow<'static, str>>,
    },
}

impl Lookup {
    /// It is there, and all of its fields are known.
    #[must_use]
    pub const fn present(row: Rows) -> Self {
        Self::Present { row, absent: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_1_the_traits_are_object_safe_and_shared_between_threads() {
        fn shared<T: Send + Sync + ?Sized>() {}
        shared::<dyn CrmConnector>();
        shared::<dyn CrmProvider>();
        shared::<dyn TokenVault>();
    }
}
