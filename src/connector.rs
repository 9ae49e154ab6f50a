//! What a CRM must offer: the contract between this crate and its connectors.
//!
//! A [`CrmProvider`] knows one *kind* of CRM: it reads an address, starts and finishes the sign-in,
//! and opens a [`CrmConnector`] for one connection. Nothing above these traits knows a vendor, so
//! adding a CRM adds a provider and changes nothing else.
//!
//! Reading is by *chains*: a table is read as one or more chains of pages, each with its own
//! cursor. The connector only says where a chain and a table end; [`Walk`] checks the claims and is
//! the only one that can make a [`CompletenessProof`], without which no row is ever called missing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;

use crate::error::{Error, Result};
use crate::model::{
    Account, Connection, ConnectionId, Contact, CrmKind, Currency, Identity, NoteDraft, NoteHandle,
    NoteKey, NoteWrite, Opportunity, OpportunityId, Outcome, RecordId, RemoteNote, Rows, Stage,
    StageAssignment, Table, User, WorkspaceId,
};

/// Pages of one table, in the order in which they were read.
pub type PageStream<'a, R> = BoxStream<'a, Result<Page<R>>>;

/// One connection's line to its CRM: typed reads and note writes.
///
/// # Contract
/// * **Streams.** Each fetcher starts from a list of cursors: an empty list reads the table from
///   the start; cursors of an earlier run go on where they point. Pages of one chain come in
///   order; pages of several chains may mix. The last page of a chain says
///   [`Position::ChainEnd`], the last page of the table [`Position::TableEnd`] (which ends its
///   chain, too). A page may be empty. After `TableEnd`, or an error, the stream ends.
/// * **Ids.** A row whose id cannot be read must be counted in [`Page::unreadable`]; it must not be
///   dropped in silence. A row of which only some column cannot be read is delivered with what is
///   known and a [`Notice`].
/// * **Every chain from the start.** `chain.of` is the same on every page of a run.
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
    /// The connection does not work; [`Error::remedy`] says who has to act.
    async fn check(&self) -> Result<Identity>;

    /// Reads the users.
    fn users(&self, from: &[ChainCursor]) -> PageStream<'_, User>;

    /// Reads the accounts.
    fn accounts(&self, from: &[ChainCursor]) -> PageStream<'_, Account>;

    /// Reads the contacts.
    fn contacts(&self, from: &[ChainCursor]) -> PageStream<'_, Contact>;

    /// Reads the open opportunities.
    fn opportunities(&self, from: &[ChainCursor]) -> PageStream<'_, Opportunity>;

    /// Reads the stages of every active sales process.
    fn stages(&self, from: &[ChainCursor]) -> PageStream<'_, Stage>;

    /// Reads which stage each opportunity is at, where the CRM keeps that apart from the record.
    /// Ends at once, with an empty page, where it does not.
    fn stage_assignments(&self, from: &[ChainCursor]) -> PageStream<'_, StageAssignment>;

    /// Reads the currencies, the base currency marked.
    fn currencies(&self, from: &[ChainCursor]) -> PageStream<'_, Currency>;

    /// Asks for records by id, whatever their state: one answer per id, in the order of `ids`.
    ///
    /// [`Presence`](Lookup::Hidden) must be told apart as well as the CRM can: what cannot be told
    /// apart from hidden is hidden, never gone.
    ///
    /// # Errors
    /// The CRM could not be asked.
    async fn lookup(&self, table: Table, ids: &[RecordId]) -> Result<Vec<Lookup>>;

    /// Creates the note with `key` and `epoch`; must not make a second one where
    /// [`Capabilities::note_identity`] is [`NoteIdentity::ClientChosen`].
    ///
    /// # Errors
    /// The connection or the service as a whole does not work.
    async fn create_note(&self, key: &NoteKey, epoch: u32, draft: &NoteDraft) -> Result<NoteWrite>;

    /// Updates a note, if its version is still the one in `handle`.
    ///
    /// # Errors
    /// The connection or the service as a whole does not work.
    async fn update_note(&self, handle: &NoteHandle, draft: &NoteDraft) -> Result<NoteWrite>;

    /// Reads the note with `key` and `epoch` back, with its attachment.
    ///
    /// # Errors
    /// The connection or the service as a whole does not work.
    async fn find_note(&self, key: &NoteKey, epoch: u32) -> Result<Option<RemoteNote>>;

    /// The page of an opportunity in the CRM, for a person to open.
    fn opportunity_url(&self, opportunity: &OpportunityId) -> Option<Url>;
}

/// One kind of CRM: addresses, sign-in, and opening connectors.
///
/// # Contract
/// * [`parse_address`](CrmProvider::parse_address) and [`authorize`](CrmProvider::authorize) do no
///   I/O. An address that they refuse opens no socket.
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
    /// [`Error::InvalidInput`] with a sentence for the person who typed it.
    fn parse_address(&self, input: &str) -> Result<String>;

    /// Builds the URL to send the browser to.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] or [`Error::Config`]; nothing was sent.
    fn authorize(&self, request: &SignIn) -> Result<Authorization>;

    /// Redeems the callback's code and asks the CRM who signed in.
    ///
    /// # Errors
    /// The sign-in did not work; [`Error::remedy`] says who has to act.
    async fn finish(&self, request: &SignIn, callback: &Callback) -> Result<SignedIn>;

    /// Opens the connector of a stored connection.
    ///
    /// # Errors
    /// [`Error::Config`] when the connection's address is not usable; nothing was sent.
    fn open(
        &self,
        connection: &Connection,
        tokens: Arc<dyn TokenVault>,
    ) -> Result<Arc<dyn CrmConnector>>;
}

/// A sign-in under way: what the provider needs again when the browser comes back.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates take it apart")]
pub struct SignIn {
    /// The org's canonical address.
    pub address: String,
    /// The value that the provider must send as `state`.
    pub state: SecretString,
    /// The PKCE code verifier.
    pub verifier: SecretString,
    /// An e-mail address to prefill, when the host knows one.
    pub login_hint: Option<String>,
}

/// Where to send the browser.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates build it")]
pub struct Authorization {
    /// The CRM's sign-in page.
    pub url: Url,
    /// Where an administrator can approve the app for everybody, when there is such a page.
    pub admin_consent: Option<Url>,
}

/// The query parameters of the redirect back to the host.
///
/// `Debug` prints the names only: the code is a secret.
#[derive(Clone, Default)]
pub struct Callback(BTreeMap<String, SecretString>);

impl Callback {
    /// Takes the parameters as decoded pairs; of a repeated name the first counts.
    pub fn new<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            parameters.entry(name.into()).or_insert_with(|| SecretString::from(value.into()));
        }
        Self(parameters)
    }

    /// Takes the parameters from the URL that the browser asked for.
    #[must_use]
    pub fn from_url(url: &Url) -> Self {
        Self::new(url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())))
    }

    /// The value of a parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        use secrecy::ExposeSecret;
        self.0.get(name).map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a finished sign-in brought.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates build it")]
pub struct SignedIn {
    /// Who the CRM says we are.
    pub identity: Identity,
    /// The tokens, not yet sealed.
    pub tokens: Tokens,
    /// The org's address as the CRM confirmed it.
    pub address: String,
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

/// Keeps one connection's tokens, sealed, with a version that every replacement compares with.
///
/// # Contract
/// [`replace`](TokenVault::replace) stores durably before it returns. When somebody else was
/// first it changes nothing and hands back what stands there, so that the caller goes on with the
/// winner's tokens: a lost race is not an outage.
#[async_trait]
pub trait TokenVault: fmt::Debug + Send + Sync {
    /// Whose tokens these are; also names the CRM user that throttles are shared by.
    fn connection(&self) -> ConnectionId;

    /// Reads the tokens.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there are none, [`Error::Store`] when the store fails,
    /// [`Error::Config`] when the key that sealed them is not there.
    async fn load(&self) -> Result<StoredTokens>;

    /// Replaces the tokens if their version is still `expected`.
    ///
    /// # Errors
    /// As [`load`](TokenVault::load).
    async fn replace(&self, expected: TokenVersion, tokens: Tokens) -> Result<Replaced>;
}

/// Tokens with the version that they are stored under.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "hosts' own vaults build it")]
pub struct StoredTokens {
    /// The tokens.
    pub tokens: Tokens,
    /// Their version.
    pub version: TokenVersion,
}

/// The version of a connection's stored tokens; counts up with every replacement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenVersion(pub u64);

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
    /// How long a write may still land after its answer was lost.
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

/// One page of a table.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates build it")]
pub struct Page<R> {
    /// The rows whose id could be read.
    pub rows: Vec<R>,
    /// Rows whose id could not be read; more than none makes the table's proof impossible.
    pub unreadable: u32,
    /// Which chain it belongs to.
    pub chain: Chain,
    /// Where to go on after it; `None` at the chain's end.
    pub resume: Option<ResumeToken>,
    /// Where it stands in the chain and the table.
    pub position: Position,
    /// How many rows the table may have in all: an estimate for progress, never a proof.
    pub estimate: Option<u64>,
    /// What went wrong without stopping the read.
    pub notices: Vec<Notice>,
}

impl<R> Page<R> {
    /// The only page of a table that is read in one go.
    #[must_use]
    pub const fn whole_table(rows: Vec<R>) -> Self {
        Self {
            rows,
            unreadable: 0,
            chain: Chain::ONLY,
            resume: None,
            position: Position::TableEnd,
            estimate: None,
            notices: Vec::new(),
        }
    }
}

/// Which of a table's chains a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates build it")]
pub struct Chain {
    /// Its place among the table's chains, from 0.
    pub index: u32,
    /// How many chains the table is read in.
    pub of: u32,
}

impl Chain {
    /// The one chain of a table that is not split.
    pub const ONLY: Self = Self { index: 0, of: 1 };
}

/// Where a page stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a page is inside, or ends a chain or the table")]
pub enum Position {
    /// The last page of its chain; other chains of the table go on.
    ChainEnd,
    /// More pages of this chain follow.
    More,
    /// The last page of its chain and of the table.
    TableEnd,
}

/// Where a chain goes on, in the connector's own words. Not a secret, not to be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResumeToken(String);

impl ResumeToken {
    /// Wraps the connector's own words.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The connector's own words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How far one chain was read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct ChainCursor {
    /// The chain.
    pub chain: Chain,
    /// Where it goes on; `None` when it was read to its end.
    pub resume: Option<ResumeToken>,
}

/// Something that went wrong without stopping a read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A row was kept with what could be read of it.
    RowIncomplete {
        /// The row.
        id: RecordId,
        /// What could not be read, as a sentence.
        detail: String,
    },
    /// One of the CRM's own tables behind this one could not be read. What was read before stays,
    /// and the table's proof is impossible.
    SourceUnreadable {
        /// The CRM's own name of it.
        origin: String,
        /// Why, as a sentence.
        detail: String,
    },
}

/// What the CRM says about one id.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Lookup {
    /// It is there, but closed.
    Closed(Outcome),
    /// It is proved to be gone.
    Gone,
    /// It may be there, but this user cannot see it.
    Hidden,
    /// It is there: one row.
    Present(Rows),
}

/// Consumes the pages of one table of one run, and proves that they were all.
///
/// # Example
/// ```
/// use fluint_crm::connector::{Page, Walk};
/// use fluint_crm::model::{Table, User, UserId};
/// # fn main() -> fluint_crm::Result<()> {
/// let mut walk = Walk::new(Table::Users, &[]);
/// walk.take(&Page::whole_table(vec![User::new(UserId::new("u1")?)]))?;
/// let proof = walk.finish().expect("the table's end was seen");
/// assert_eq!((proof.table(), proof.rows()), (Table::Users, 1));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Walk {
    table: Table,
    /// Per chain, whether its end was seen.
    chains: BTreeMap<u32, ChainState>,
    of: Option<u32>,
    table_ended: bool,
    rows: u64,
    doubt: Option<Incomplete>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ChainState {
    Ended,
    Open,
}

impl Walk {
    /// Starts a walk, or goes on with one from the cursors that a store kept of it.
    #[must_use]
    pub fn new(table: Table, from: &[ChainCursor]) -> Self {
        let chains = from
            .iter()
            .map(|cursor| {
                let state =
                    if cursor.resume.is_some() { ChainState::Open } else { ChainState::Ended };
                (cursor.chain.index, state)
            })
            .collect();
        let of = from.first().map(|cursor| cursor.chain.of);
        Self { table, chains, of, table_ended: false, rows: 0, doubt: None }
    }

    /// Takes the next page.
    ///
    /// # Errors
    /// [`Error::UnexpectedResponse`] when the page contradicts an earlier one: the connector broke
    /// its contract, and nothing of the page should be stored.
    pub fn take<R>(&mut self, page: &Page<R>) -> Result<()> {
        let broken = |detail: &str| Err(Error::unexpected(format!("read {}", self.table), detail));
        let Chain { index, of } = page.chain;
        if index >= of || self.of.is_some_and(|known| known != of) {
            return broken("the number of chains changed during the read");
        }
        if self.table_ended || self.chains.get(&index) == Some(&ChainState::Ended) {
            return broken("a page came after the end of its chain");
        }
        if (page.position == Position::More) != page.resume.is_some() {
            return broken("a page goes on without saying where, or ends and goes on");
        }
        self.of = Some(of);
        let state =
            if page.position == Position::More { ChainState::Open } else { ChainState::Ended };
        self.chains.insert(index, state);
        self.table_ended = page.position == Position::TableEnd;
        self.rows += page.rows.len() as u64;
        if page.unreadable > 0 {
            self.doubt = Some(Incomplete::UnreadableRow);
        }
        for notice in &page.notices {
            if let Notice::SourceUnreadable { origin, .. } = notice {
                self.doubt = Some(Incomplete::SourceUnreadable { origin: origin.clone() });
            }
        }
        Ok(())
    }

    /// Ends the walk: with a proof when every chain and the table were read to their end, and
    /// every row's id could be read.
    ///
    /// # Errors
    /// What is missing for a proof.
    pub fn finish(self) -> Result<CompletenessProof, Incomplete> {
        if let Some(doubt) = self.doubt {
            return Err(doubt);
        }
        let every_chain = self.of.is_some_and(|of| {
            (0..of).all(|index| self.chains.get(&index) == Some(&ChainState::Ended))
        });
        if !(self.table_ended && every_chain) {
            return Err(Incomplete::EndNotSeen);
        }
        Ok(CompletenessProof { table: self.table, rows: self.rows })
    }
}

/// Proof that every row of a table, as far as this user may see it, was read in one run.
///
/// Only [`Walk`] makes one. A store calls rows missing only against it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompletenessProof {
    table: Table,
    rows: u64,
}

impl CompletenessProof {
    /// The table that was read.
    #[must_use]
    pub const fn table(&self) -> Table {
        self.table
    }

    /// How many rows this walk itself took; a resumed walk counts from where it went on.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

/// Why a walk proves nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Incomplete {
    /// The end of a chain or of the table was not seen.
    #[error("the end of the table was not seen")]
    EndNotSeen,
    /// One of the CRM's own tables behind this one could not be read.
    #[error("{origin} could not be read")]
    SourceUnreadable {
        /// The CRM's own name of it.
        origin: String,
    },
    /// A row's id could not be read.
    #[error("the id of a row could not be read")]
    UnreadableRow,
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

#[cfg(test)]
mod tests;
