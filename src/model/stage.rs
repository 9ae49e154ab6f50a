//! Stages of sales processes, and which stage an opportunity is at.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{OpportunityId, ProcessId, RecordId, RowVersion, StageId};

/// A stage of a sales process.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stage {
    /// The CRM's id.
    pub id: StageId,
    /// The name. Stages of different processes may share it.
    pub name: Option<String>,
    /// The process that it belongs to.
    pub process: Option<ProcessRef>,
    /// The stage's place in its process, as far as it can be known; lower comes first.
    pub position: Option<i32>,
    /// What kind of stage it is, as the CRM labels or numbers it.
    pub category: Option<String>,
    /// The CRM's version of the row.
    pub version: RowVersion,
}

impl Stage {
    /// A stage of which only the id is known.
    #[must_use]
    pub const fn new(id: StageId) -> Self {
        Self {
            id,
            name: None,
            process: None,
            position: None,
            category: None,
            version: RowVersion::new(0),
        }
    }
}

/// The process that a stage belongs to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProcessRef {
    /// The CRM's id.
    pub id: ProcessId,
    /// The name.
    pub name: Option<String>,
    /// The process's place among the others; lower comes first.
    pub position: Option<i32>,
}

impl ProcessRef {
    /// A process of which only the id is known.
    #[must_use]
    pub const fn new(id: ProcessId) -> Self {
        Self { id, name: None, position: None }
    }
}

/// An opportunity's place in one process. An opportunity may run through several.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageAssignment {
    /// The id of the CRM's own row.
    pub id: RecordId,
    /// The opportunity.
    pub opportunity: OpportunityId,
    /// The process.
    pub process: Option<ProcessId>,
    /// The stage it is at.
    pub stage: StageId,
    /// Whether the process still runs on this opportunity.
    pub state: AssignmentState,
    /// When the stage began (UTC).
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// When the CRM says the row was last changed (UTC): the newest assignment wins.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub modified_at: Option<OffsetDateTime>,
    /// Which of the CRM's own tables it was read from, for diagnosis.
    pub origin: String,
    /// The CRM's version of the row.
    pub version: RowVersion,
}

impl StageAssignment {
    /// An active assignment of which only the essentials are known.
    #[must_use]
    pub const fn new(id: RecordId, opportunity: OpportunityId, stage: StageId) -> Self {
        Self {
            id,
            opportunity,
            process: None,
            stage,
            state: AssignmentState::Active,
            since: None,
            modified_at: None,
            origin: String::new(),
            version: RowVersion::new(0),
        }
    }
}

/// Whether a process still runs on an opportunity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssignmentState {
    /// Abandoned.
    Aborted,
    /// Running.
    Active,
    /// Run to its end.
    Finished,
}

/// Where an opportunity's stage was read from, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StageSource {
    /// The newest process that runs on it.
    ActiveProcess,
    /// The newest process that ran to its end.
    FinishedProcess,
    /// A column of the opportunity itself, which may lag.
    RecordColumn,
    /// Words on the opportunity only; they never satisfy a filter.
    RecordLabel,
}

/// An opportunity's stage with its names, as far as they are known.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CurrentStage {
    /// The stage's id; `None` when only words are known.
    pub stage: Option<StageId>,
    /// The stage's name, or the words on the record.
    pub name: Option<String>,
    /// The process.
    pub process: Option<ProcessId>,
    /// The process's name.
    pub process_name: Option<String>,
    /// When the stage began (UTC).
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// Where it was read from.
    pub source: StageSource,
}

impl CurrentStage {
    /// A stage of which only id and source are known.
    #[must_use]
    pub const fn new(stage: StageId, source: StageSource) -> Self {
        Self {
            stage: Some(stage),
            name: None,
            process: None,
            process_name: None,
            since: None,
            source,
        }
    }
}

/// Which stages' opportunities become deals. Empty: every open opportunity.
///
/// # Example
/// ```
/// use fluint_crm::model::{StageFilter, StageId};
/// # fn main() -> fluint_crm::Result<()> {
/// let propose = StageId::new("b3c1")?;
/// let filter = StageFilter::new([propose.clone()]);
/// assert!(filter.contains(&propose) && !filter.is_empty());
/// // An empty filter lets every open opportunity pass.
/// assert!(StageFilter::default().is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageFilter(std::collections::BTreeSet<StageId>);

impl StageFilter {
    /// The filter that lets every open opportunity pass.
    pub const EMPTY: Self = Self(std::collections::BTreeSet::new());

    /// A filter that lets these stages pass.
    #[must_use]
    pub fn new(stages: impl IntoIterator<Item = StageId>) -> Self {
        Self(stages.into_iter().collect())
    }

    /// Whether every open opportunity passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether opportunities at this stage pass a filter that is not empty.
    #[must_use]
    pub fn contains(&self, stage: &StageId) -> bool {
        self.0.contains(stage)
    }

    /// The stages let through, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &StageId> {
        self.0.iter()
    }
}
