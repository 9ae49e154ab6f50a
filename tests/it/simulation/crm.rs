//! A CRM over the living org: small pages, several chains for a table, and all kinds of trouble.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fluint_crm::connector::{
    Authorization, Callback, Capabilities, ChainRequest, ConnectorContext, CrmConnector,
    CrmProvider, Lookup, NoteIdentity, PageStream, PlanRequest, SignIn, SignedIn, TokenVault,
    Tokens,
};
use fluint_crm::model::{
    Account, Connection, Contact, CrmKind, Currency, Identity, NoteDraft, NoteHandle, NoteKey,
    NoteWrite, Opportunity, OpportunityId, OrganisationId, RecordId, RemoteNote, Stage,
    StageAssignment, Table, User,
};
use fluint_crm::storage::GateKey;
use fluint_crm::walk::{Notice, Page, ResumeToken, TablePlan, TimeRange};
use fluint_crm::{Error, Result};
use futures_util::{StreamExt, stream};
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use crate::simulation::org::{Kept, Living};
use crate::simulation::world::{Spoil, World};
use crate::support::PlainCrm;

pub(crate) const KIND: CrmKind = CrmKind::new("living");

/// The CRM's side; its notes are those of the plain CRM.
#[derive(Clone, Debug)]
pub(crate) struct LivingCrm {
    pub(crate) world: Arc<World>,
    pub(crate) notes: PlainCrm,
}

/// One connection's line to it.
#[derive(Debug)]
struct Line {
    crm: LivingCrm,
    context: ConnectorContext,
    gate: GateKey,
    vault: Arc<dyn TokenVault>,
}

/// Whose eyes a request is answered for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Eyes(String);

impl Eyes {
    /// The clerk never sees about a quarter of the rows.
    fn see<R>(&self, id: &RecordId, kept: &Kept<R>) -> bool {
        let sum: u32 = id.as_str().bytes().map(u32::from).sum();
        !kept.hidden && (self.0 != "clerk" || !sum.is_multiple_of(4))
    }
}

/// Where a row stands in the order of its chain: ranges go by time, a whole table by id alone.
type Place = (i64, String);

fn place<R>(range: TimeRange, id: &RecordId, kept: &Kept<R>) -> Place {
    let at = if range == TimeRange::ALL { 0 } else { kept.created.unix_timestamp() };
    (at, id.as_str().to_owned())
}

fn token((at, id): &Place) -> ResumeToken {
    ResumeToken::new(format!("{at}/{id}"))
}

fn read_token(token: &ResumeToken) -> Place {
    let (at, id) = token.as_str().split_once('/').unwrap();
    (at.parse().unwrap(), id.to_owned())
}

/// Sources of a table that has several: which part of how many.
fn is_of_source(source: &str, id: &RecordId) -> bool {
    match source.split_once('#') {
        Some((_, part)) => {
            let sum: usize = id.as_str().bytes().map(usize::from).sum();
            sum % 2 == part.parse::<usize>().unwrap()
        }
        None => true,
    }
}

/// The longest throttle that a connector waits out itself.
const PATIENCE: time::Duration = time::Duration::minutes(15);

fn unavailable(retry_at: Option<OffsetDateTime>) -> Error {
    Error::Unavailable { operation: "ask the org".into(), retry_at, source: None }
}

impl Line {
    fn world(&self) -> &World {
        &self.crm.world
    }

    async fn wait(&self, seconds: time::Duration) {
        let until = self.context.clock.now() + seconds;
        self.context.clock.sleep_until(until).await;
    }

    /// Waits out the throttles of the user, as every connector must.
    async fn pass_gate(&self) -> Result<()> {
        loop {
            let now = self.context.clock.now();
            match self.context.gates.held_until(&self.gate).await? {
                Some(until) if until - now > PATIENCE => {
                    return Err(Error::RateLimited { retry_at: until });
                }
                Some(until) if until > now => self.context.clock.sleep_until(until).await,
                _ => return Ok(()),
            }
        }
    }

    /// Sends a request: waits for its turn, meets faults, and says for whom it is answered.
    async fn request(&self, what: &str, from_cursor: bool) -> Result<Eyes> {
        let world = self.world();
        loop {
            self.pass_gate().await?;
            if world.dice.happens(0.5) {
                self.wait(world.dice.seconds(0, 3)).await;
            }
            let tokens = self.vault.load().await?;
            let eyes =
                tokens.tokens.access.expose_secret().trim_start_matches("marker-").to_owned();
            world.book.note(self.context.clock.now(), &eyes, what);
            if !world.is_rough() {
                return Ok(Eyes(eyes));
            }
            match world.dice.below(1000) {
                0..3 => {
                    world.book.count("throttles");
                    let until = self.context.clock.now() + world.dice.seconds(1, 1500);
                    self.context.gates.hold(&self.gate, until).await?;
                }
                3..20 => {
                    world.book.count("transient faults");
                    self.wait(world.dice.seconds(1, 40)).await;
                }
                20..23 => {
                    world.book.count("outages");
                    let later = self.context.clock.now() + world.dice.seconds(30, 600);
                    return Err(unavailable(world.dice.happens(0.3).then_some(later)));
                }
                23..25 => {
                    world.book.count("truncated bodies");
                    return Err(Error::unexpected("ask the org", "the body ended in its middle"));
                }
                25..32 if from_cursor => {
                    world.book.count("stale cursors");
                    return Err(Error::invalid_input("page token", "it is not taken any more"));
                }
                32 => {
                    world.book.count("dead sign-ins");
                    let reason = "Please sign in again.".into();
                    return Err(Error::Unauthenticated { reason, source: None });
                }
                _ => return Ok(Eyes(eyes)),
            }
        }
    }

    fn read<'a, R: Living>(&'a self, chain: &ChainRequest) -> PageStream<'a, R> {
        let start = (chain.plan.clone(), chain.from.clone(), true);
        let pages = stream::unfold(Some(start), move |state| async move {
            let (plan, from, first) = state?;
            let resumed = first && from.is_some();
            let page = self.page::<R>(&plan.source, plan.range, from.as_ref(), resumed).await;
            let next = match &page {
                Ok(Page { resume: Some(token), .. }) => Some((plan, Some(token.clone()), false)),
                _ => None,
            };
            Some((page, next))
        });
        pages.boxed()
    }

    async fn page<R: Living>(
        &self,
        source: &str,
        range: TimeRange,
        from: Option<&ResumeToken>,
        resumed: bool,
    ) -> Result<Page<R>> {
        let world = self.world();
        world.live_a_little();
        let eyes = self.request(R::TABLE.as_str(), resumed).await?;
        let after = from.map(read_token);
        let mut rows: Vec<(Place, R)> = {
            let org = world.org.lock().unwrap();
            let listed = R::shelf(&org).iter().filter(|(id, kept)| {
                let from = range.from.is_none_or(|from| kept.created >= from);
                let until = range.until.is_none_or(|until| kept.created < until);
                from && until
                    && is_of_source(source, id)
                    && kept.row.is_listed()
                    && eyes.see(id, kept)
            });
            listed.map(|(id, kept)| (place(range, id, kept), kept.row.clone())).collect()
        };
        rows.retain(|(place, _)| after.as_ref().is_none_or(|after| place > after));
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let more = rows.len() > world.page_size;
        rows.truncate(world.page_size);
        if self.crm.world.spoil == Spoil::EndsEarly && more && world.dice.happens(0.2) {
            return Ok(Page::last(rows.into_iter().map(|(_, row)| row).collect()));
        }
        // A service may say that there is more and then have nothing.
        let goes_on = more || (!rows.is_empty() && world.dice.happens(0.05));
        let resume = rows.last().filter(|_| goes_on).map(|(place, _)| token(place));
        let page = Page { resume, ..Page::last(rows.into_iter().map(|(_, row)| row).collect()) };
        Ok(self.damage(page))
    }

    /// Rows, and whole sources, that cannot be read this once.
    fn damage<R: Living>(&self, mut page: Page<R>) -> Page<R> {
        let world = self.world();
        if !world.is_rough() || page.rows.is_empty() {
            return page;
        }
        match world.dice.below(400) {
            0 => {
                world.book.count("unreadable rows");
                page.rows.pop();
                page.unreadable = 1;
            }
            1 => {
                world.book.count("incomplete rows");
                if let Some(row) = page.rows.pop() {
                    let detail = "a column was odd".to_owned();
                    page.notices.push(Notice::RowIncomplete { id: row.record_id(), detail });
                }
            }
            2 => {
                world.book.count("unreadable sources");
                let (origin, detail) = (R::TABLE.as_str().to_owned(), "refused".to_owned());
                let notices = vec![Notice::SourceUnreadable { origin, detail }];
                page = Page { notices, ..Page::last(Vec::new()) };
            }
            _ => {}
        }
        page
    }

    fn look_up<R: Living>(&self, eyes: &Eyes, ids: &[RecordId]) -> Vec<Lookup> {
        let org = self.world().org.lock().unwrap();
        let one = |id: &RecordId| match R::shelf(&org).get(id) {
            Some(kept) if eyes.see(id, kept) => Lookup::present(R::batch(vec![kept.row.clone()])),
            Some(_) if self.crm.world.spoil == Spoil::CallsHiddenGone => Lookup::Gone,
            // As in a real one: a list does not tell gone from hidden.
            None if ids.len() == 1 => Lookup::Gone,
            _ => Lookup::Hidden,
        };
        ids.iter().map(one).collect()
    }
}

#[async_trait]
impl CrmConnector for Line {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new();
        capabilities.note_identity = NoteIdentity::ClientChosen;
        capabilities
    }

    async fn check(&self) -> Result<Identity> {
        let Eyes(user) = self.request("check", false).await?;
        Ok(Identity::new(OrganisationId::new("org-1")?, RecordId::new(user)?))
    }

    async fn plan(&self, request: &PlanRequest) -> Result<TablePlan> {
        let (name, dice) = (request.table.as_str(), &self.world().dice);
        if request.table == Table::StageAssignments {
            return Ok(TablePlan::sources([format!("{name}#0"), format!("{name}#1")]));
        }
        if request.attempt > 0 || dice.happens(0.4) {
            return Ok(TablePlan::whole(name));
        }
        let begin = self.context.clock.now() - time::Duration::seconds(60_000_000);
        let mut bounds: Vec<_> =
            (0..=dice.below(3)).map(|_| begin + dice.seconds(1, 60_000_000)).collect();
        bounds.sort_unstable();
        bounds.dedup();
        Ok(TablePlan::ranges(name, &bounds))
    }

    fn users(&self, chain: &ChainRequest) -> PageStream<'_, User> {
        self.read(chain)
    }

    fn accounts(&self, chain: &ChainRequest) -> PageStream<'_, Account> {
        self.read(chain)
    }

    fn contacts(&self, chain: &ChainRequest) -> PageStream<'_, Contact> {
        self.read(chain)
    }

    fn opportunities(&self, chain: &ChainRequest) -> PageStream<'_, Opportunity> {
        self.read(chain)
    }

    fn stages(&self, chain: &ChainRequest) -> PageStream<'_, Stage> {
        self.read(chain)
    }

    fn stage_assignments(&self, chain: &ChainRequest) -> PageStream<'_, StageAssignment> {
        self.read(chain)
    }

    fn currencies(&self, chain: &ChainRequest) -> PageStream<'_, Currency> {
        self.read(chain)
    }

    async fn lookup(&self, table: Table, ids: &[RecordId]) -> Result<Vec<Lookup>> {
        self.world().live_a_little();
        let eyes = self.request("lookup", false).await?;
        self.world().book.count(if ids.len() == 1 { "single reads" } else { "lists of ids" });
        Ok(match table {
            Table::Users => self.look_up::<User>(&eyes, ids),
            Table::Accounts => self.look_up::<Account>(&eyes, ids),
            Table::Contacts => self.look_up::<Contact>(&eyes, ids),
            Table::Opportunities => self.look_up::<Opportunity>(&eyes, ids),
            Table::Stages => self.look_up::<Stage>(&eyes, ids),
            Table::StageAssignments => self.look_up::<StageAssignment>(&eyes, ids),
            Table::Currencies => self.look_up::<Currency>(&eyes, ids),
            other => panic!("a table that the org does not know: {other}"),
        })
    }

    async fn create_note(&self, key: &NoteKey, epoch: u32, draft: &NoteDraft) -> Result<NoteWrite> {
        self.request("create note", false).await?;
        let id = key.note_id(epoch).to_string();
        let lost = self.world().is_rough() && self.world().dice.happens(0.3);
        let arrives = !lost || self.world().dice.happens(0.5);
        let written =
            arrives.then(|| self.crm.notes.state().timeline.create(&id, draft)).transpose()?;
        let Some(written) = written.filter(|_| !lost) else {
            self.world().book.count("answers lost");
            if self.crm.world.spoil == Spoil::SendsAgain {
                let other = Uuid::from_u128(self.world().dice.number()).to_string();
                return self.crm.notes.state().timeline.create(&other, draft);
            }
            return Ok(NoteWrite::Unknown);
        };
        Ok(written)
    }

    async fn update_note(&self, handle: &NoteHandle, draft: &NoteDraft) -> Result<NoteWrite> {
        self.request("update note", false).await?;
        self.crm.notes.state().timeline.update(handle, draft)
    }

    async fn find_note(&self, key: &NoteKey, epoch: u32) -> Result<Option<RemoteNote>> {
        self.request("find note", false).await?;
        self.crm.notes.state().timeline.find(&key.note_id(epoch).to_string())
    }

    fn opportunity_url(&self, _: &OpportunityId) -> Option<Url> {
        None
    }
}

#[async_trait]
impl CrmProvider for LivingCrm {
    fn kind(&self) -> CrmKind {
        KIND
    }

    fn default_interval(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn parse_address(&self, input: &str) -> Result<String> {
        Ok(input.trim().to_owned())
    }

    fn authorize(&self, request: &SignIn) -> Result<Authorization> {
        let mut url = Url::parse("https://living.example/authorize").unwrap();
        url.query_pairs_mut().append_pair("state", request.state.expose_secret());
        Ok(Authorization { url, admin_consent: None })
    }

    /// The code names who signs in.
    async fn finish(
        &self,
        _: &ConnectorContext,
        request: &SignIn,
        callback: &Callback,
    ) -> Result<SignedIn> {
        let user = callback.value("code").unwrap_or("admin");
        Ok(SignedIn {
            identity: Identity::new(OrganisationId::new("org-1")?, RecordId::new(user)?),
            tokens: Tokens {
                access: format!("marker-{user}").into(),
                expires_at: None,
                refresh: None,
            },
            address: request.address.clone(),
        })
    }

    fn open(
        &self,
        context: &ConnectorContext,
        connection: &Connection,
        vault: Arc<dyn TokenVault>,
    ) -> Result<Arc<dyn CrmConnector>> {
        let (crm, context) = (self.clone(), context.clone());
        Ok(Arc::new(Line { crm, context, gate: GateKey::of(connection), vault }))
    }
}
