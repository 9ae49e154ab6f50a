//! A CRM of plain vectors, so that everything above the connector can be tested without a vendor.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use fluint_crm::connector::{
    Authorization, Callback, Capabilities, ChainRequest, ConnectorContext, CrmConnector,
    CrmProvider, Fence, Lookup, NoteIdentity, NoteParts, PageStream, PlanRequest, SignIn, SignedIn,
    TokenVault, Tokens,
};
use fluint_crm::host::{SealingKey, StaticKeys};
use fluint_crm::model::{
    Account, Connection, Contact, CrmKind, Currency, EmailAddress, Identity, Member, MemberId,
    NoteDraft, NoteHandle, NoteKey, NoteLimits, NoteRefusal, NoteWrite, Opportunity, OpportunityId,
    OrganisationId, OwnerRef, Record, RecordId, RemoteNote, Stage, StageAssignment, Table, User,
    UserId, WorkspaceId,
};
use fluint_crm::storage::Stores;
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::ManualClock;
use fluint_crm::walk::{Notice, Page, ResumeToken, TablePlan};
use fluint_crm::{ConnectRequest, Crm, Error, Randomness, Result};
use futures_util::StreamExt;
use futures_util::stream;
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use time::macros::datetime;
use url::Url;

use crate::support::timeline::Timeline;

mod timeline;
pub(crate) mod watch;

pub(crate) const KIND: CrmKind = CrmKind::new("plain");

/// The rows of the CRM and what goes wrong with it.
#[derive(Debug, Default)]
pub(crate) struct PlainState {
    pub(crate) organisation: String,
    pub(crate) user: String,
    pub(crate) users: Vec<User>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) opportunities: Vec<Opportunity>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) assignments: Vec<StageAssignment>,
    pub(crate) currencies: Vec<Currency>,
    /// Reading this table fails after so many pages.
    pub(crate) fail: Option<(Table, usize, Failure)>,
    /// What fails once a place was not taken.
    pub(crate) fail_again: Option<(Table, usize, Failure)>,
    /// Reading this table raises a notice on its first page.
    pub(crate) notice: Option<(Table, Notice)>,
    /// Pages handed out so far, by table.
    pub(crate) pages: Vec<Table>,
    /// How often a code was redeemed.
    pub(crate) redeemed: u32,
    pub(crate) timeline: Timeline,
    pub(crate) note_refusal: Option<Failure>,
    /// What a read by id says about records that are not in the lists: gone, or a closed row. Of
    /// all others that are not there, it says hidden.
    pub(crate) gone: BTreeSet<RecordId>,
    pub(crate) closed: Vec<Opportunity>,
    /// The user's business unit, and what becomes of it once the opportunities are read.
    pub(crate) unit: Option<&'static str>,
    pub(crate) moves_to: Option<&'static str>,
    /// The CRM does not say who is connected once the opportunities are read.
    pub(crate) silent_after_reading: bool,
    /// The CRM does not say who is connected.
    pub(crate) fail_check: Option<Failure>,
    /// Fields that reads by id do not send.
    pub(crate) absent_by_id: Vec<std::borrow::Cow<'static, str>>,
    /// Reads by id fail.
    pub(crate) fail_lookups: Option<Failure>,
    /// Reads by id: the table and how many ids at once.
    pub(crate) lookups: Vec<(Table, usize)>,
    /// No note is taken in, for good.
    pub(crate) refuse_notes: bool,
    /// It compares no versions of notes.
    pub(crate) compares_no_versions: bool,
    /// What it says that it lets in as notes.
    pub(crate) note_limits: NoteLimits,
}

/// What goes wrong, as a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Unavailable,
    SignedOut,
    PlaceNotTaken,
    NeverAnswers,
}

impl Failure {
    fn error(self) -> Error {
        match self {
            Self::Unavailable | Self::NeverAnswers => {
                Error::Unavailable { operation: "read a page".into(), retry_at: None, source: None }
            }
            Self::SignedOut => Error::unauthenticated("Please sign in again."),
            Self::PlaceNotTaken => Error::invalid_input("page token", "it is not taken any more"),
        }
    }
}

/// The CRM, its provider and its connector in one.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlainCrm(Arc<Mutex<PlainState>>);

const PAGE: usize = 2;

impl PlainCrm {
    pub(crate) fn state(&self) -> MutexGuard<'_, PlainState> {
        self.0.lock().unwrap()
    }

    fn read<R: Record>(&self, rows: Vec<R>, chain: &ChainRequest) -> PageStream<'_, R> {
        let start = chain.from.as_ref().map_or(0, |token| token.as_str().parse::<usize>().unwrap());
        let pages = rows.len().div_ceil(PAGE).max(1);
        let read_page = move |index: usize| {
            let rows: Vec<R> = rows.iter().skip(index * PAGE).take(PAGE).cloned().collect();
            self.page(index, pages, rows)
        };
        let from_start = start;
        stream::iter(from_start..pages).then(read_page).boxed()
    }

    fn page<R: Record>(
        &self,
        index: usize,
        pages: usize,
        rows: Vec<R>,
    ) -> futures_util::future::BoxFuture<'static, Result<Page<R>>> {
        let mut state = self.state();
        state.pages.push(R::TABLE);
        if let Some((table, after, failure)) = state.fail
            && table == R::TABLE
            && index >= after
        {
            if matches!(failure, Failure::PlaceNotTaken) {
                state.fail = state.fail_again.take();
            }
            return Box::pin(async move {
                if matches!(failure, Failure::NeverAnswers) {
                    std::future::pending::<()>().await;
                }
                Err(failure.error())
            });
        }
        let notices = match &state.notice {
            Some((table, notice)) if *table == R::TABLE && index == 0 => vec![notice.clone()],
            _ => vec![],
        };
        let last = index + 1 == pages;
        if R::TABLE == Table::Opportunities && last {
            state.unit = state.moves_to.take().or(state.unit);
            if std::mem::take(&mut state.silent_after_reading) {
                state.fail_check = Some(Failure::Unavailable);
            }
        }
        let resume = (!last).then(|| ResumeToken::new((index + 1).to_string()));
        let page = Page { resume, notices, ..Page::last(rows) };
        Box::pin(async move { Ok(page) })
    }
}

#[async_trait]
impl CrmConnector for PlainCrm {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new();
        capabilities.note_identity = NoteIdentity::ClientChosen;
        capabilities
    }

    async fn check(&self) -> Result<Identity> {
        let state = self.state();
        if let Some(failure) = state.fail_check {
            return Err(failure.error());
        }
        let mut identity = Identity::new(
            OrganisationId::new(state.organisation.clone())?,
            RecordId::new(state.user.clone())?,
        );
        identity.unit = state.unit.map(RecordId::new).transpose()?;
        Ok(identity)
    }

    async fn plan(&self, request: &PlanRequest) -> Result<TablePlan> {
        Ok(TablePlan::whole(request.table.as_str()))
    }

    fn users(&self, chain: &ChainRequest) -> PageStream<'_, User> {
        let rows = self.state().users.clone();
        self.read(rows, chain)
    }

    fn accounts(&self, chain: &ChainRequest) -> PageStream<'_, Account> {
        let rows = self.state().accounts.clone();
        self.read(rows, chain)
    }

    fn contacts(&self, chain: &ChainRequest) -> PageStream<'_, Contact> {
        let rows = self.state().contacts.clone();
        self.read(rows, chain)
    }

    fn opportunities(&self, chain: &ChainRequest) -> PageStream<'_, Opportunity> {
        let rows = self.state().opportunities.clone();
        self.read(rows, chain)
    }

    fn stages(&self, chain: &ChainRequest) -> PageStream<'_, Stage> {
        let rows = self.state().stages.clone();
        self.read(rows, chain)
    }

    fn stage_assignments(&self, chain: &ChainRequest) -> PageStream<'_, StageAssignment> {
        let rows = self.state().assignments.clone();
        self.read(rows, chain)
    }

    fn currencies(&self, chain: &ChainRequest) -> PageStream<'_, Currency> {
        let rows = self.state().currencies.clone();
        self.read(rows, chain)
    }

    async fn lookup(&self, table: Table, ids: &[RecordId]) -> Result<Vec<Lookup>> {
        let mut state = self.state();
        state.lookups.push((table, ids.len()));
        if let Some(failure) = state.fail_lookups {
            return Err(failure.error());
        }
        let found = |id: &RecordId| {
            let rows = state.opportunities.iter().chain(&state.closed);
            let row =
                rows.filter(|_| table == Table::Opportunities).find(|row| row.record_id() == *id);
            match row {
                Some(row) => {
                    let row = Opportunity::batch(vec![row.clone()]);
                    Lookup::Present { row, absent: state.absent_by_id.clone() }
                }
                // As in a real one: a list does not tell gone from hidden.
                None if ids.len() == 1 && state.gone.contains(id) => Lookup::Gone,
                None => Lookup::Hidden,
            }
        };
        Ok(ids.iter().map(found).collect())
    }

    async fn note_limits(&self) -> Result<NoteLimits> {
        Ok(self.state().note_limits)
    }

    async fn create_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        draft: &NoteDraft,
        _send_by: OffsetDateTime,
    ) -> Result<NoteWrite> {
        let mut state = self.state();
        if let Some(failure) = state.note_refusal {
            return Err(failure.error());
        }
        if state.refuse_notes {
            return Ok(NoteWrite::Refused(NoteRefusal::TypeBlocked));
        }
        state.timeline.create(&key.note_id(epoch).to_string(), draft)
    }

    async fn update_note(
        &self,
        handle: &NoteHandle,
        draft: &NoteDraft,
        fence: Fence<'_>,
    ) -> Result<NoteWrite> {
        let compares = !self.state().compares_no_versions;
        match fence {
            Fence::Version if compares => {}
            Fence::Recorded(ahead) if !compares => drop(ahead.record().await?),
            _ => return Ok(NoteWrite::CannotFence),
        }
        let mut state = self.state();
        if state.refuse_notes {
            return Ok(NoteWrite::Refused(NoteRefusal::TypeBlocked));
        }
        state.timeline.update(handle, draft)
    }

    async fn find_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        _parts: NoteParts,
    ) -> Result<Option<RemoteNote>> {
        self.state().timeline.find(&key.note_id(epoch).to_string())
    }

    fn opportunity_url(&self, opportunity: &OpportunityId) -> Option<Url> {
        Url::parse("https://plain.example/").unwrap().join(opportunity.as_str()).ok()
    }
}

#[async_trait]
impl CrmProvider for PlainCrm {
    fn kind(&self) -> CrmKind {
        KIND
    }

    fn default_interval(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn parse_address(&self, input: &str) -> Result<String> {
        Ok(input.trim().to_owned())
    }

    async fn authorize(
        &self,
        _context: &ConnectorContext,
        request: &SignIn,
    ) -> Result<Authorization> {
        let mut url = Url::parse("https://plain.example/authorize").unwrap();
        url.query_pairs_mut().append_pair("state", request.state.expose_secret());
        let admin_consent = Url::parse("https://plain.example/admin").ok();
        Ok(Authorization { url, admin_consent, tenant: None })
    }

    async fn finish(
        &self,
        _context: &ConnectorContext,
        request: &SignIn,
        _callback: &Callback,
    ) -> Result<SignedIn> {
        self.state().redeemed += 1;
        Ok(SignedIn {
            identity: self.check().await?,
            tokens: Tokens {
                access: "marker-access".to_owned().into(),
                expires_at: None,
                refresh: Some("marker-refresh".to_owned().into()),
            },
            address: request.address.clone(),
        })
    }

    fn open(
        &self,
        _context: &ConnectorContext,
        _connection: &Connection,
        _tokens: Arc<dyn TokenVault>,
    ) -> Result<Arc<dyn CrmConnector>> {
        Ok(Arc::new(self.clone()))
    }
}

/// A host with one workspace, its members, a memory store and a clock moved by hand.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) crm: Crm,
    pub(crate) plain: PlainCrm,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) stores: Stores,
}

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

pub(crate) fn ada() -> MemberId {
    MemberId::new("ada").unwrap()
}

pub(crate) fn host() -> Host {
    let clock = Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC)));
    let stores = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)));
    host_on(stores, clock, PlainCrm::default())
}

pub(crate) fn host_on(stores: Stores, clock: Arc<ManualClock>, plain: PlainCrm) -> Host {
    watch::watch_secrets();
    {
        let mut state = plain.state();
        if state.organisation.is_empty() {
            state.organisation = "org-1".into();
            state.user = "u-admin".into();
        }
    }
    let members = vec![member("ada", "ada@contoso.com")];
    let crm = Crm::builder(stores.clone(), Arc::new(members), keys())
        .provider(plain.clone())
        .clock(Arc::clone(&clock) as _)
        .randomness(Randomness::seeded(1))
        .build()
        .unwrap();
    Host { crm, plain, clock, stores }
}

pub(crate) fn keys() -> Arc<StaticKeys> {
    Arc::new(StaticKeys::new(SealingKey::new("k1", [7; 32]).unwrap(), vec![]))
}

pub(crate) fn member(id: &str, email: &str) -> Member {
    Member::new(MemberId::new(id).unwrap(), EmailAddress::new(email).unwrap())
}

impl Host {
    /// Walks through the sign-in.
    pub(crate) async fn connect(&self) -> Connection {
        let callback = self.begin().await;
        self.crm.finish_connect(&workspace(), &ada(), &callback).await.unwrap()
    }

    /// Starts a sign-in and gives the callback of a user who agrees.
    pub(crate) async fn begin(&self) -> Callback {
        let request = ConnectRequest::new(workspace(), ada(), KIND, "plain.example");
        let started = self.crm.begin_connect(request).await.unwrap();
        let state = started.url.query_pairs().next().unwrap().1.into_owned();
        Callback::new([("state", state), ("code", "marker-code".to_owned())])
    }
}

pub(crate) fn user(id: &str, email: &str) -> User {
    let mut user = User::new(UserId::new(id).unwrap());
    user.email = EmailAddress::new(email).ok();
    user
}

pub(crate) fn opportunity(id: &str, owner: &str) -> Opportunity {
    let mut opportunity = Opportunity::new(OpportunityId::new(id).unwrap());
    opportunity.name = Some(format!("Deal {id}"));
    opportunity.owner = Some(OwnerRef::User(UserId::new(owner).unwrap()));
    opportunity
}
