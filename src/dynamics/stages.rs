//! Stage assignments: every business process flow keeps its instances in a table of its own.

use serde::Deserialize;
use time::OffsetDateTime;

use crate::dynamics::call::Call;
use crate::dynamics::code::Code;
use crate::dynamics::decode::{Converted, Source};
use crate::dynamics::error::{Failure, Refusal};
use crate::dynamics::plan::{Unreadable, Words};
use crate::dynamics::processes::{Process, Processes, StartsOn, active_processes, json};
use crate::dynamics::tables::version;
use crate::dynamics::web_api::WebApi;
use crate::dynamics::wire::{Column, Guid, WireRow, wire_row};
use crate::error::Result;
use crate::model::{AssignmentState, RecordId, StageAssignment};
use crate::walk::Notice;

/// The instance tables that every environment with the Sales app has.
const STOCK: [(&str, &str); 2] = [
    ("opportunitysalesprocess", "opportunitysalesprocesses"),
    ("leadtoopportunitysalesprocess", "leadtoopportunitysalesprocesses"),
];

/// The column that holds the opportunity in the stock tables, and in a customer's own.
const STOCK_LOOKUP: &str = "_opportunityid_value";
const CUSTOM_LOOKUP: &str = "_bpf_opportunityid_value";

/// The instances of one process.
#[derive(Clone, Debug)]
pub(crate) struct Instances {
    process: Process,
    set: String,
    lookup: &'static str,
}

wire_row! {
    /// A row of an instance table; one of the two opportunity columns is asked for.
    InstanceRow<'a> {
        id: Guid<'a> = "businessprocessflowinstanceid" => Feeds["id"],
        stage: Guid<'a> = "_activestageid_value" => Feeds["stage"],
        process: Guid<'a> = "_processid_value" => Feeds["process"],
        opportunity: Guid<'a> = "_opportunityid_value" => Feeds["opportunity"],
        custom_opportunity: Guid<'a> = "_bpf_opportunityid_value" => Feeds["opportunity"],
        state: i64 = "statecode" => Feeds["state"],
        reason: i64 = "statuscode" => Feeds["state"],
        since: OffsetDateTime = "activestagestartedon" => Feeds["since"],
        modified_at: OffsetDateTime = "modifiedon" => Feeds["modified_at"],
        version: i64 = "versionnumber" => Helps["version"],
    }
}

impl Instances {
    /// The instances of a process in the table that has this name in URLs.
    pub(crate) fn of(process: Process, set: String) -> Self {
        let stock = STOCK.iter().any(|(table, _)| *table == process.table);
        let lookup = if stock { STOCK_LOOKUP } else { CUSTOM_LOOKUP };
        Self { process, set, lookup }
    }
}

/// Finds every instance table of the active processes on opportunities and leads.
pub(crate) async fn instance_tables(api: &WebApi) -> Result<Vec<Words>> {
    let processes = match active_processes(api).await? {
        Processes::Known(processes) => processes,
        Processes::Hidden(unreadable) => return Ok(vec![Words::Unreadable(unreadable)]),
    };
    let mut parts = Vec::with_capacity(processes.len());
    let mut last_table = None;
    for process in processes {
        // Definitions of one table stand side by side; a table is read once.
        if last_table.as_ref() == Some(&process.table) {
            continue;
        }
        last_table = Some(process.table.clone());
        parts.push(instance_table(api, process).await?);
    }
    Ok(parts)
}

async fn instance_table(api: &WebApi, process: Process) -> Result<Words> {
    if let Some((_, set)) = STOCK.iter().find(|(table, _)| *table == process.table) {
        return Ok(Words::Instances { set: (*set).to_owned(), process });
    }
    Ok(match set_name(api, &process.table).await? {
        Ok(set) => Words::Instances { set, process },
        Err(detail) => Words::Unreadable(Unreadable { origin: process.table, detail }),
    })
}

/// The name of a table in URLs, or why it cannot be known.
async fn set_name(api: &WebApi, table: &str) -> Result<Result<String, String>> {
    #[derive(Deserialize)]
    struct Definition {
        #[serde(rename = "EntitySetName")]
        set: Option<String>,
    }
    if !is_identifier(table) {
        return Ok(Err("the process names no instance table".to_owned()));
    }
    let path = format!("EntityDefinitions(LogicalName='{table}')?$select=EntitySetName");
    let call = Call::read("look up a sales process", api.endpoints().web_api(&path)?);
    match api.send(&call).await {
        Ok(response) => {
            let definition: Definition = json(&response, "look up a sales process")?;
            let set = definition.set.filter(|set| is_identifier(set));
            Ok(set.ok_or_else(|| "its definition names no usable entity set".to_owned()))
        }
        Err(Failure::Refused(refusal)) if refusal.concerns_one_table() => {
            Ok(Err(refusal.into_error(call.operation.clone(), api.now()).to_string()))
        }
        Err(failure) => Err(failure.into_error(call.operation.clone(), api.now())),
    }
}

/// Whether a name from the service may stand in a path.
fn is_identifier(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Source for Instances {
    type Wire<'a> = InstanceRow<'a>;
    type Row = StageAssignment;

    fn set(&self) -> &str {
        &self.set
    }

    fn key(&self) -> &'static str {
        "businessprocessflowinstanceid"
    }

    /// Instances on nothing but a lead are none of ours.
    fn filter(&self) -> Option<String> {
        Some(format!("{} ne null", self.lookup))
    }

    fn select(&self) -> Vec<&'static str> {
        let other = if self.lookup == STOCK_LOOKUP { CUSTOM_LOOKUP } else { STOCK_LOOKUP };
        let columns = <InstanceRow<'_> as WireRow<'_>>::COLUMNS;
        columns.iter().copied().filter(|column| *column != other).collect()
    }

    fn convert(&self, wire: &InstanceRow<'_>) -> Converted<StageAssignment> {
        let opportunity = match &wire.opportunity {
            Column::Absent => &wire.custom_opportunity,
            found => found,
        };
        // Explicitly on no opportunity, or at no stage: the process has not come that far.
        if *opportunity == Column::Null || wire.stage == Column::Null {
            return Converted::Foreign;
        }
        self.assignment(wire, opportunity).into()
    }

    fn degrade(&self, refusal: &Refusal) -> Option<Vec<Notice>> {
        if self.never_reaches_opportunities(refusal) {
            return Some(Vec::new());
        }
        refusal.concerns_one_table().then(|| {
            let error = refusal.clone().into_error("read this table", OffsetDateTime::UNIX_EPOCH);
            let (origin, detail) = (self.process.table.clone(), error.to_string());
            vec![Notice::SourceUnreadable { origin, detail }]
        })
    }
}

impl Instances {
    fn assignment(
        &self,
        wire: &InstanceRow<'_>,
        opportunity: &Column<Guid<'_>>,
    ) -> Option<StageAssignment> {
        let id: RecordId = wire.id.id()?;
        let mut assignment = StageAssignment::new(id, opportunity.id()?, wire.stage.id()?);
        assignment.process = wire.process.id().or_else(|| Some(self.process.id.clone()));
        assignment.state = match (wire.state.value(), wire.reason.value()) {
            (_, Some(3)) => AssignmentState::Aborted,
            (Some(1), _) | (_, Some(2)) => AssignmentState::Finished,
            _ => AssignmentState::Active,
        };
        assignment.since = wire.since.value();
        assignment.modified_at = wire.modified_at.value();
        assignment.origin.clone_from(&self.process.table);
        assignment.version = version(wire.version, &assignment);
        Some(assignment)
    }

    /// Whether the table refuses because it has no opportunity column at all: a customer's own
    /// process that ends with the lead.
    fn never_reaches_opportunities(&self, refusal: &Refusal) -> bool {
        self.process.starts_on == StartsOn::Lead
            && self.lookup == CUSTOM_LOOKUP
            && (refusal.is(Code::UNKNOWN_COLUMN) || refusal.is(Code::UNKNOWN_SEGMENT))
            && refusal.message.contains("bpf_opportunityid")
    }
}

#[cfg(test)]
mod tests;
