//! `processstages` of the active business process flows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::dynamics::decode::{Converted, Source};
use crate::dynamics::lookup::ById;
use crate::dynamics::processes::Process;
use crate::dynamics::wire::{Column, Guid, wire_row};
use crate::model::{ProcessId, ProcessRef, RowVersion, Stage};

/// The stages of a list of processes.
#[derive(Clone, Debug)]
pub(crate) struct Stages {
    processes: BTreeMap<ProcessId, Process>,
    scope: Scope,
}

/// Which stages are ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    /// Those that are asked for by id, also when their process was switched off.
    Any,
    /// Those of the listed processes.
    Listed,
}

wire_row! {
    /// A row of `processstages`.
    StageRow<'a> {
        id: Guid<'a> = "processstageid" => Feeds["id"],
        name: Cow<'a, str> = "stagename" => Feeds["name"],
        category: i64 = "stagecategory" => Feeds["category", "position"],
        process: Guid<'a> = "_processid_value" => Feeds["process"],
    }
}

impl Stages {
    /// The stages of these processes.
    pub(crate) fn of(processes: Vec<Process>) -> Self {
        let by_id = |process: Process| (process.id.clone(), process);
        let processes = processes.into_iter().map(by_id).collect();
        Self { processes, scope: Scope::Listed }
    }

    /// Any stages, for reading by id; the processes lend their names.
    pub(crate) fn any(processes: Vec<Process>) -> Self {
        Self { scope: Scope::Any, ..Self::of(processes) }
    }

    fn stage(&self, wire: &StageRow<'_>) -> Option<Stage> {
        let process: Option<ProcessId> = wire.process.id();
        let mut stage = Stage::new(wire.id.id()?);
        stage.name = wire.name.text();
        stage.position = wire.category.value().and_then(|category| i32::try_from(category).ok());
        stage.category =
            wire.category.value().map(|category| category_label(category).into_owned());
        stage.process = process.map(|id| self.process(id));
        Some(stage)
    }

    fn process(&self, id: ProcessId) -> ProcessRef {
        let known = self.processes.get(&id);
        let mut process = ProcessRef::new(id);
        process.name = known.and_then(|known| known.name.clone());
        process.position = known.and_then(|known| known.order);
        process
    }
}

impl Source for Stages {
    type Wire<'a> = StageRow<'a>;
    type Row = Stage;

    fn set(&self) -> &'static str {
        "processstages"
    }

    fn key(&self) -> &'static str {
        "processstageid"
    }

    /// The table also holds the steps of cloud flows, so the processes are always named.
    fn filter(&self) -> Option<String> {
        let one_of = self.processes.keys().map(|id| format!("_processid_value eq {id}"));
        Some(one_of.collect::<Vec<_>>().join(" or "))
    }

    fn convert(&self, wire: &StageRow<'_>) -> Converted<Stage> {
        if self.scope == Scope::Listed
            && let Column::Value(_) = &wire.process
            && wire.process.id().is_none_or(|id| !self.processes.contains_key(&id))
        {
            return Converted::Foreign;
        }
        self.stage(wire).into()
    }

    /// Numbers the stages of each process by category, then name: the service keeps no order, and
    /// all stages of an environment fit on one page (30 a process, ten processes a table).
    fn finish(&self, rows: &mut [Stage]) {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|left, right| place(&rows[*left]).cmp(&place(&rows[*right])));
        let mut next: BTreeMap<Option<ProcessId>, i32> = BTreeMap::new();
        for index in order {
            let stage = &mut rows[index];
            let process = stage.process.as_ref().map(|process| process.id.clone());
            let position = next.entry(process).or_insert(0);
            stage.position = (self.scope == Scope::Listed).then_some(*position);
            *position += 1;
            // The service's own version counts neither the position nor the process's name.
            stage.version = RowVersion::new(0);
            stage.version = RowVersion::from_content(stage);
        }
    }
}

impl ById for Stages {
    /// A stage by itself has no place among its neighbours, and a process that was switched off lends
    /// it no name any more.
    fn unknown(&self, stage: &Stage) -> Vec<&'static str> {
        let process = stage.process.as_ref().map(|process| &process.id);
        match process.is_some_and(|id| !self.processes.contains_key(id)) {
            true => vec!["position", "process.name", "process.position"],
            false => vec!["position"],
        }
    }
}

fn place(stage: &Stage) -> (i32, Option<&str>, &str) {
    (stage.position.unwrap_or(i32::MAX), stage.name.as_deref(), stage.id.as_str())
}

/// The words of the categories that every environment has; a customer's own stay numbers.
fn category_label(category: i64) -> Cow<'static, str> {
    match category {
        0 => "Qualify".into(),
        1 => "Develop".into(),
        2 => "Propose".into(),
        3 => "Close".into(),
        4 => "Identify".into(),
        5 => "Research".into(),
        6 => "Resolve".into(),
        7 => "Approval".into(),
        other => other.to_string().into(),
    }
}
