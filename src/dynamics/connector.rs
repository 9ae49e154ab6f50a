//! The connector: each method hands over to the room that knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use crate::connector::{
    Capabilities, ChainRequest, CrmConnector, Fence, Lookup, NoteIdentity, NoteParts, PageStream,
    PlanRequest, Split, StageModel,
};
use crate::dynamics::call::Call;
use crate::dynamics::decode::Source;
use crate::dynamics::error::Failure;
use crate::dynamics::lookup::{lookup, lookup_among};
use crate::dynamics::notes;
use crate::dynamics::paging::{Given, failed, read_chain, stale_cursor, unreadable};
use crate::dynamics::parts::ConnectorParts;
use crate::dynamics::plan::{Unreadable, Words, whole};
use crate::dynamics::preflight::preflight;
use crate::dynamics::processes::{Processes, active_processes, json, whole_list};
use crate::dynamics::ranges::{how_many, in_ranges};
use crate::dynamics::rights::connected;
use crate::dynamics::stages::{Instances, instance_tables};
use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::contacts::Contacts;
use crate::dynamics::tables::currencies::Currencies;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::dynamics::tables::stages::Stages;
use crate::dynamics::tables::users::Users;
use crate::dynamics::web_api::WebApi;
use crate::error::Result;
use crate::intake::Intake;
use crate::model::{
    Account, Contact, Currency, CurrencyId, Identity, NoteDraft, NoteHandle, NoteKey, NoteWrite,
    Opportunity, OpportunityId, Preflight, RecordId, RemoteNote, Stage, StageAssignment, Table,
    User,
};
use crate::walk::{Notice, TablePlan};

/// One connection's line to Dataverse.
#[derive(Debug)]
pub(crate) struct DynamicsConnector {
    api: Arc<WebApi>,
    intake: Arc<Intake>,
    split: Split,
    /// The tenant that the user signed in at; the Web API does not tell it.
    tenant: Option<String>,
}

impl DynamicsConnector {
    pub(crate) fn new(parts: &ConnectorParts) -> Self {
        let tenant = parts.connection.identity.tenant.clone();
        let (intake, split) = (Arc::clone(&parts.context.intake), parts.context.split);
        Self { api: Arc::new(WebApi::new(parts)), intake, split, tenant }
    }

    fn read<S: Source>(&self, chain: &ChainRequest, source: S) -> PageStream<'_, S::Row> {
        read_chain(&self.api, &self.intake, source, chain, Given::default())
    }

    async fn in_ranges<S: Source>(&self, source: &S, request: &PlanRequest) -> Result<TablePlan> {
        let ranges = how_many(self.split, request.expected, self.api.width());
        in_ranges(&self.api, source, &Words::Table, request, ranges).await
    }

    /// Plans the instance tables of all processes; the only one of its kind may be read in ranges.
    async fn plan_assignments(&self, request: &PlanRequest) -> Result<TablePlan> {
        let tables = instance_tables(&self.api).await?;
        match tables.as_slice() {
            [words @ Words::Instances { process, set }] => {
                let source = Instances::of(process.clone(), set.clone());
                let ranges = how_many(self.split, request.expected, self.api.width());
                in_ranges(&self.api, &source, words, request, ranges).await
            }
            tables => Ok(whole(tables)),
        }
    }
}

#[async_trait]
impl CrmConnector for DynamicsConnector {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new();
        capabilities.note_identity = NoteIdentity::ClientChosen;
        capabilities.stages = StageModel::Assignments;
        // The service ends a request after two minutes at the latest; the rest is margin.
        capabilities.write_drain = Duration::from_secs(5 * 60);
        capabilities
    }

    async fn check(&self) -> Result<Identity> {
        Ok(connected(&self.api, self.tenant.clone()).await?.identity)
    }

    async fn preflight(&self) -> Result<Preflight> {
        let connected = connected(&self.api, self.tenant.clone()).await?;
        preflight(&self.api, connected, self.counts()).await
    }

    async fn counts(&self) -> Result<BTreeMap<Table, u64>> {
        total_counts(&self.api).await
    }

    async fn plan(&self, request: &PlanRequest) -> Result<TablePlan> {
        let plan = match request.table {
            Table::Users => self.in_ranges(&Users, request).await?,
            Table::Accounts => self.in_ranges(&Accounts, request).await?,
            Table::Contacts => self.in_ranges(&Contacts, request).await?,
            Table::Opportunities => self.in_ranges(&Opportunities, request).await?,
            Table::Stages => whole(&stages(&self.api).await?),
            Table::StageAssignments => self.plan_assignments(request).await?,
            Table::Currencies => whole(&[currencies(&self.api).await?]),
        };
        Ok(TablePlan { estimate: request.expected, ..plan })
    }

    fn users(&self, chain: &ChainRequest) -> PageStream<'_, User> {
        self.read(chain, Users)
    }

    fn accounts(&self, chain: &ChainRequest) -> PageStream<'_, Account> {
        self.read(chain, Accounts)
    }

    fn contacts(&self, chain: &ChainRequest) -> PageStream<'_, Contact> {
        self.read(chain, Contacts)
    }

    fn opportunities(&self, chain: &ChainRequest) -> PageStream<'_, Opportunity> {
        self.read(chain, Opportunities)
    }

    fn stages(&self, chain: &ChainRequest) -> PageStream<'_, Stage> {
        match Words::of(&chain.plan) {
            Ok(Words::Stages { processes }) => self.read(chain, Stages::of(processes)),
            Ok(Words::Unreadable(table)) => unreadable(table.into()),
            Ok(_) => failed(stale_cursor()),
            Err(error) => failed(error),
        }
    }

    fn stage_assignments(&self, chain: &ChainRequest) -> PageStream<'_, StageAssignment> {
        match Words::of(&chain.plan) {
            Ok(Words::Instances { process, set }) => self.read(chain, Instances::of(process, set)),
            Ok(Words::Unreadable(table)) => unreadable(table.into()),
            Ok(_) => failed(stale_cursor()),
            Err(error) => failed(error),
        }
    }

    fn currencies(&self, chain: &ChainRequest) -> PageStream<'_, Currency> {
        match Words::of(&chain.plan) {
            Ok(Words::Currencies { base, hidden }) => {
                // Without the base currency no row tells its role; what was known of it stays.
                let absent: &[&str] = if base.is_none() { &["role"] } else { &[] };
                let notices = hidden.map(Notice::from).into_iter().collect();
                let given = Given { notices, absent };
                read_chain(&self.api, &self.intake, Currencies { base }, chain, given)
            }
            Ok(_) => failed(stale_cursor()),
            Err(error) => failed(error),
        }
    }

    async fn lookup(&self, table: Table, ids: &[RecordId]) -> Result<Vec<Lookup>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        match table {
            Table::Users => lookup(&self.api, &Users, ids).await,
            Table::Accounts => lookup(&self.api, &Accounts, ids).await,
            Table::Contacts => lookup(&self.api, &Contacts, ids).await,
            Table::Opportunities => lookup(&self.api, &Opportunities, ids).await,
            Table::Currencies => {
                let base = base_currency(&self.api).await?.unwrap_or_default();
                lookup(&self.api, &Currencies { base }, ids).await
            }
            Table::Stages => lookup(&self.api, &any_stages(&self.api).await?, ids).await,
            Table::StageAssignments => {
                let tables = instance_tables(&self.api).await?.into_iter();
                let tables: Vec<_> = tables.map(instances).collect();
                lookup_among(&self.api, &tables, ids).await
            }
        }
    }

    async fn create_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        draft: &NoteDraft,
        send_by: OffsetDateTime,
    ) -> Result<NoteWrite> {
        notes::create(&self.api, key, epoch, draft, send_by).await
    }

    async fn update_note(
        &self,
        handle: &NoteHandle,
        draft: &NoteDraft,
        fence: Fence<'_>,
    ) -> Result<NoteWrite> {
        notes::update(&self.api, handle, draft, fence).await
    }

    async fn find_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        parts: NoteParts,
    ) -> Result<Option<RemoteNote>> {
        notes::find(&self.api, key, epoch, parts).await
    }

    fn opportunity_url(&self, opportunity: &OpportunityId) -> Option<Url> {
        self.api.endpoints().record_url("opportunity", opportunity.as_str())
    }
}

/// How many rows the service counted in each table, at some time of the last day, whatever the user
/// may read. 0 often means that it has not counted yet, so it says nothing.
async fn total_counts(api: &WebApi) -> Result<BTreeMap<Table, u64>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Counted {
        entity_record_count_collection: Counts,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Counts {
        keys: Vec<String>,
        values: Vec<u64>,
    }
    const TABLES: [(&str, Table); 4] = [
        ("systemuser", Table::Users),
        ("account", Table::Accounts),
        ("contact", Table::Contacts),
        ("opportunity", Table::Opportunities),
    ];
    let operation = "count the rows";
    let names = TABLES.map(|(name, _)| format!("%22{name}%22")).join(",");
    let path = format!("RetrieveTotalRecordCount(EntityNames=@p1)?@p1=%5B{names}%5D");
    let call = Call::read(operation, api.endpoints().web_api(&path)?);
    let response = match api.send(&call).await {
        Ok(response) => response,
        Err(Failure::Refused(_)) => return Ok(BTreeMap::new()),
        Err(failure) => return Err(failure.into_error(operation, api.now())),
    };
    // A count is worth no failed sync, so an answer of another shape counts as none.
    let counted = json::<Counted>(&response, operation).map(|it| it.entity_record_count_collection);
    let counted = counted.into_iter().flat_map(|counts| counts.keys.into_iter().zip(counts.values));
    let table = |(name, rows): (String, u64)| {
        let (_, table) = TABLES.into_iter().find(|(known, _)| *known == name)?;
        (rows > 0).then_some((table, rows))
    };
    Ok(counted.filter_map(table).collect())
}

async fn stages(api: &WebApi) -> Result<Vec<Words>> {
    Ok(match active_processes(api).await? {
        Processes::Known(processes) if processes.is_empty() => Vec::new(),
        Processes::Known(processes) => vec![Words::Stages { processes }],
        Processes::Hidden(table) => vec![Words::Unreadable(table)],
    })
}

/// The source behind a chain's words; `None` when it cannot be read.
fn instances(words: Words) -> Option<Instances> {
    match words {
        Words::Instances { process, set } => Some(Instances::of(process, set)),
        Words::Currencies { .. } | Words::Stages { .. } | Words::Table | Words::Unreadable(_) => {
            None
        }
    }
}

async fn any_stages(api: &WebApi) -> Result<Stages> {
    Ok(match active_processes(api).await? {
        Processes::Known(processes) => Stages::any(processes),
        Processes::Hidden(_) => Stages::any(Vec::new()),
    })
}

async fn currencies(api: &WebApi) -> Result<Words> {
    Ok(match base_currency(api).await? {
        Ok(base) => Words::Currencies { base, hidden: None },
        Err(hidden) => Words::Currencies { base: None, hidden: Some(hidden) },
    })
}

/// The environment's base currency, or what to say when the user may not read it.
async fn base_currency(api: &WebApi) -> Result<Result<Option<CurrencyId>, Unreadable>> {
    #[derive(Deserialize)]
    struct Organisation {
        #[serde(rename = "_basecurrencyid_value")]
        base: Option<Uuid>,
    }
    let operation = "read the base currency";
    let query = "$select=_basecurrencyid_value";
    match whole_list::<Organisation>(api, operation, "organizations", query).await {
        Ok(found) => {
            let base = found.into_iter().find_map(|organisation| organisation.base);
            Ok(Ok(base.and_then(|id| CurrencyId::new(id.hyphenated().to_string()).ok())))
        }
        Err(Failure::Refused(refusal)) if refusal.concerns_one_table() => {
            let error = refusal.into_error(operation, api.now());
            let (origin, detail) = ("organization".to_owned(), error.to_string());
            Ok(Err(Unreadable { origin, detail }))
        }
        Err(failure) => Err(failure.into_error(operation, api.now())),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod with_fake;
