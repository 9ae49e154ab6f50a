//! The connector: each method hands over to the room that knows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::connector::{Capabilities, CrmConnector, Lookup, NoteIdentity, PageStream, StageModel};
use crate::dynamics::error::Failure;
use crate::dynamics::lookup::{lookup, lookup_among};
use crate::dynamics::notes;
use crate::dynamics::paging::{Plan, read_table};
use crate::dynamics::parts::ConnectorParts;
use crate::dynamics::processes::{Processes, active_processes, json, whole_list};
use crate::dynamics::stages::instance_tables;
use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::contacts::Contacts;
use crate::dynamics::tables::currencies::Currencies;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::dynamics::tables::stages::Stages;
use crate::dynamics::tables::users::Users;
use crate::dynamics::web_api::WebApi;
use crate::error::Result;
use crate::model::{
    Account, Contact, Currency, CurrencyId, Identity, NoteDraft, NoteHandle, NoteKey, NoteWrite,
    Opportunity, OpportunityId, OrganisationId, RecordId, RemoteNote, Stage, StageAssignment,
    Table, User,
};
use crate::walk::{ChainCursor, Notice};

/// One connection's line to Dataverse.
#[derive(Debug)]
pub(crate) struct DynamicsConnector {
    api: Arc<WebApi>,
    /// The tenant that the user signed in at; the Web API does not tell it.
    tenant: Option<String>,
}

impl DynamicsConnector {
    pub(crate) fn new(parts: &ConnectorParts) -> Self {
        let tenant = parts.connection.identity.tenant.clone();
        Self { api: Arc::new(WebApi::new(parts)), tenant }
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
        who_am_i(&self.api, self.tenant.clone()).await
    }

    fn users(&self, from: &[ChainCursor]) -> PageStream<'_, User> {
        read_table(&self.api, from, |_| async { Ok(Plan::one(Users)) }.boxed())
    }

    fn accounts(&self, from: &[ChainCursor]) -> PageStream<'_, Account> {
        read_table(&self.api, from, |_| async { Ok(Plan::one(Accounts)) }.boxed())
    }

    fn contacts(&self, from: &[ChainCursor]) -> PageStream<'_, Contact> {
        read_table(&self.api, from, |_| async { Ok(Plan::one(Contacts)) }.boxed())
    }

    fn opportunities(&self, from: &[ChainCursor]) -> PageStream<'_, Opportunity> {
        read_table(&self.api, from, |_| async { Ok(Plan::one(Opportunities)) }.boxed())
    }

    fn stages(&self, from: &[ChainCursor]) -> PageStream<'_, Stage> {
        read_table(&self.api, from, |api| async move { stages(&api).await }.boxed())
    }

    fn stage_assignments(&self, from: &[ChainCursor]) -> PageStream<'_, StageAssignment> {
        read_table(&self.api, from, |api| instance_tables(api).boxed())
    }

    fn currencies(&self, from: &[ChainCursor]) -> PageStream<'_, Currency> {
        read_table(&self.api, from, |api| async move { currencies(&api).await }.boxed())
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
                let plan = instance_tables(Arc::clone(&self.api)).await?;
                lookup_among(&self.api, &plan, ids).await
            }
        }
    }

    async fn create_note(&self, key: &NoteKey, epoch: u32, draft: &NoteDraft) -> Result<NoteWrite> {
        notes::create(&self.api, key, epoch, draft).await
    }

    async fn update_note(&self, handle: &NoteHandle, draft: &NoteDraft) -> Result<NoteWrite> {
        notes::update(&self.api, handle, draft).await
    }

    async fn find_note(&self, key: &NoteKey, epoch: u32) -> Result<Option<RemoteNote>> {
        notes::find(&self.api, key, epoch).await
    }

    fn opportunity_url(&self, opportunity: &OpportunityId) -> Option<Url> {
        self.api.endpoints().record_url("opportunity", opportunity.as_str())
    }
}

/// Asks who we are.
pub(crate) async fn who_am_i(api: &WebApi, tenant: Option<String>) -> Result<Identity> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WhoAmI {
        business_unit_id: Uuid,
        user_id: Uuid,
        organization_id: Uuid,
    }
    let operation = "ask who is connected";
    let response = api.read(operation, "WhoAmI").await?;
    let who: WhoAmI = json(&response, operation)?;
    let organisation = OrganisationId::new(who.organization_id.hyphenated().to_string())?;
    let user = RecordId::new(who.user_id.hyphenated().to_string())?;
    let mut identity = Identity::new(organisation, user);
    identity.unit = Some(RecordId::new(who.business_unit_id.hyphenated().to_string())?);
    identity.tenant = tenant;
    Ok(identity)
}

async fn stages(api: &WebApi) -> Result<Plan<Stages>> {
    Ok(match active_processes(api).await? {
        Processes::Known(processes) if processes.is_empty() => {
            Plan { parts: Vec::new(), notices: Vec::new() }
        }
        Processes::Known(processes) => Plan::one(Stages::of(processes)),
        Processes::Hidden(notice) => Plan::nothing(notice),
    })
}

async fn any_stages(api: &WebApi) -> Result<Stages> {
    Ok(match active_processes(api).await? {
        Processes::Known(processes) => Stages::any(processes),
        Processes::Hidden(_) => Stages::any(Vec::new()),
    })
}

async fn currencies(api: &WebApi) -> Result<Plan<Currencies>> {
    Ok(match base_currency(api).await? {
        Ok(base) => Plan::one(Currencies { base }),
        Err(notice) => Plan { notices: vec![notice], ..Plan::one(Currencies { base: None }) },
    })
}

/// The environment's base currency, or what to say when the user may not read it.
async fn base_currency(api: &WebApi) -> Result<Result<Option<CurrencyId>, Notice>> {
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
            Ok(Err(Notice::SourceUnreadable { origin, detail }))
        }
        Err(failure) => Err(failure.into_error(operation, api.now())),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod with_fake;
