//! A CRM over the living org: what every connector and every provider must offer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fluint_crm::Result;
use fluint_crm::connector::{
    Authorization, Callback, Capabilities, ChainRequest, ConnectorContext, CrmConnector,
    CrmProvider, Fence, Lookup, NoteIdentity, NoteParts, PageStream, PlanRequest, SignIn, SignedIn,
    TokenVault, Tokens,
};
use fluint_crm::model::{
    Account, Connection, Contact, CrmKind, Currency, Identity, NoteDraft, NoteHandle, NoteKey,
    NoteWrite, Opportunity, OpportunityId, OrganisationId, RecordId, RemoteNote, Stage,
    StageAssignment, Table, User,
};
use fluint_crm::storage::GateKey;
use fluint_crm::walk::TablePlan;
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use crate::simulation::world::{Spoil, World};
use crate::support::PlainCrm;

mod line;
mod reading;

use line::{Eyes, Line};

pub(crate) const KIND: CrmKind = CrmKind::new("living");

/// The CRM's side; its notes are those of the plain CRM.
#[derive(Clone, Debug)]
pub(crate) struct LivingCrm {
    pub(crate) world: Arc<World>,
    pub(crate) notes: PlainCrm,
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

    async fn create_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        draft: &NoteDraft,
        _send_by: OffsetDateTime,
    ) -> Result<NoteWrite> {
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

    async fn update_note(
        &self,
        handle: &NoteHandle,
        draft: &NoteDraft,
        _fence: Fence<'_>,
    ) -> Result<NoteWrite> {
        self.request("update note", false).await?;
        self.crm.notes.state().timeline.update(handle, draft)
    }

    async fn find_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        _parts: NoteParts,
    ) -> Result<Option<RemoteNote>> {
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

    async fn authorize(&self, _: &ConnectorContext, request: &SignIn) -> Result<Authorization> {
        let mut url = Url::parse("https://living.example/authorize").unwrap();
        url.query_pairs_mut().append_pair("state", request.state.expose_secret());
        Ok(Authorization { url, admin_consent: None, tenant: None })
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
