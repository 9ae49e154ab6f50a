//! The definitions of business process flows that may run on an opportunity.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dynamics::call::Call;
use crate::dynamics::decode::{BodyFault, not_json};
use crate::dynamics::error::Failure;
use crate::dynamics::paging::check_link;
use crate::dynamics::plan::Unreadable;
use crate::dynamics::web_api::WebApi;
use crate::error::{Error, Result};
use crate::http::transport::Response;
use crate::model::ProcessId;

/// Active definitions; those on leads go on to opportunities.
const QUERY: &str = "$select=workflowid,name,uniquename,primaryentity,processorder\
                     &$filter=category eq 4 and type eq 1 and statecode eq 1\
                     &$orderby=workflowid";

/// Pages followed in a list that fits on one.
const MAX_LIST_PAGES: u32 = 50;

/// A business process flow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    pub(crate) name: Option<String>,
    /// The logical name of the table that holds its instances.
    pub(crate) table: String,
    /// On which table it starts.
    pub(crate) starts_on: StartsOn,
    /// Its place among the others.
    pub(crate) order: Option<i32>,
}

/// The table on which a process starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StartsOn {
    Lead,
    Opportunity,
}

/// The processes, or why they cannot be known.
#[derive(Debug)]
pub(crate) enum Processes {
    Known(Vec<Process>),
    /// The user may not read them.
    Hidden(Unreadable),
}

/// Reads the active processes on opportunities and leads, in the order of their tables' names.
pub(crate) async fn active_processes(api: &WebApi) -> Result<Processes> {
    let operation = "read the sales processes";
    let definitions: Vec<Definition> = match whole_list(api, operation, "workflows", QUERY).await {
        Ok(definitions) => definitions,
        Err(Failure::Refused(refusal)) if refusal.concerns_one_table() => {
            return Ok(Processes::Hidden(Unreadable {
                origin: "workflow".to_owned(),
                detail: refusal.into_error(operation, api.now()).to_string(),
            }));
        }
        Err(failure) => return Err(failure.into_error(operation, api.now())),
    };
    let mut processes: Vec<Process> = definitions.into_iter().filter_map(process).collect();
    processes.sort_by(|left, right| (&left.table, &left.id).cmp(&(&right.table, &right.id)));
    Ok(Processes::Known(processes))
}

/// Reads a small table to its end. Even a page without rows may lead to one with rows.
pub(crate) async fn whole_list<T: DeserializeOwned>(
    api: &WebApi,
    operation: &'static str,
    set: &str,
    query: &str,
) -> Result<Vec<T>, Failure> {
    let mut url = api.endpoints().web_api(&format!("{set}?{query}")).map_err(Failure::Stopped)?;
    let mut rows = Vec::new();
    for _ in 0..MAX_LIST_PAGES {
        let response = api.send(&Call::read(operation, url)).await?;
        let list: List<T> = json(&response, operation).map_err(Failure::Stopped)?;
        rows.extend(list.value);
        let Some(link) = list.next_link else { return Ok(rows) };
        url = check_link(api.endpoints(), set, &link).map_err(Failure::Stopped)?;
    }
    Err(Failure::Stopped(Error::unexpected(operation, "a short list without an end")))
}

/// Reads a small body as a whole.
pub(crate) fn json<T: DeserializeOwned>(response: &Response, operation: &'static str) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|cause| match not_json(cause) {
        BodyFault::Unexpected { detail, source } => {
            Error::UnexpectedResponse { operation: operation.into(), detail, source }
        }
        BodyFault::Refused(refusal) => Error::unexpected(operation, refusal.label()),
    })
}

#[derive(Deserialize)]
struct List<T> {
    value: Vec<T>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

#[derive(Deserialize)]
struct Definition {
    workflowid: Uuid,
    name: Option<String>,
    uniquename: Option<String>,
    primaryentity: Option<String>,
    processorder: Option<i32>,
}

fn process(definition: Definition) -> Option<Process> {
    let starts_on = match definition.primaryentity.as_deref()? {
        "lead" => StartsOn::Lead,
        "opportunity" => StartsOn::Opportunity,
        _ => return None,
    };
    Some(Process {
        id: ProcessId::new(definition.workflowid.hyphenated().to_string()).ok()?,
        name: definition.name,
        table: definition.uniquename.unwrap_or_default().to_ascii_lowercase(),
        starts_on,
        order: definition.processorder,
    })
}
