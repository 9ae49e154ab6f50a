//! The mirrored rows of one connection.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use time::OffsetDateTime;

use crate::model::{
    Account, AssignedStage, AssignmentState, Candidate, Contact, Currency, CurrencyRole,
    Opportunity, OpportunityId, OpportunityStatus, OwnerRef, Presence, Record, RecordId,
    RowVersion, Rows, Stage, StageAssignment, StageId, Table, User,
};
use crate::storage::{PageWritten, StageChoice, TableSummary, fallback};
use crate::store::memory::at_most;

/// One typed map per table, and what every row has in common beside them.
#[derive(Default)]
pub(super) struct MirroredRows {
    users: BTreeMap<RecordId, User>,
    accounts: BTreeMap<RecordId, Account>,
    contacts: BTreeMap<RecordId, Contact>,
    opportunities: BTreeMap<RecordId, Opportunity>,
    stages: BTreeMap<RecordId, Stage>,
    assignments: BTreeMap<RecordId, StageAssignment>,
    /// The assignments of each opportunity; one that moved away may still be listed.
    assigned: BTreeMap<OpportunityId, BTreeSet<RecordId>>,
    currencies: BTreeMap<RecordId, Currency>,
    marks: Marks,
}

/// Version and presence of every row, whatever its type.
type Marks = BTreeMap<Table, BTreeMap<RecordId, Mark>>;

struct Mark {
    version: RowVersion,
    presence: Presence,
}

impl MirroredRows {
    /// Writes the rows whose version is not the stored one.
    pub(super) fn put(&mut self, rows: &Rows) -> PageWritten {
        let marks = &mut self.marks;
        match rows {
            Rows::Users(rows) => put(rows, &mut self.users, marks),
            Rows::Accounts(rows) => put(rows, &mut self.accounts, marks),
            Rows::Contacts(rows) => put(rows, &mut self.contacts, marks),
            Rows::Opportunities(rows) => put(rows, &mut self.opportunities, marks),
            Rows::Stages(rows) => put(rows, &mut self.stages, marks),
            Rows::StageAssignments(rows) => {
                for row in rows {
                    let listed = self.assigned.entry(row.opportunity.clone()).or_default();
                    listed.insert(row.id.clone());
                }
                put(rows, &mut self.assignments, marks)
            }
            Rows::Currencies(rows) => put(rows, &mut self.currencies, marks),
        }
    }

    /// Notes that a row was seen, if it is held.
    pub(super) fn see(&mut self, table: Table, id: &RecordId) {
        if let Some(mark) = self.marks.get_mut(&table).and_then(|marks| marks.get_mut(id)) {
            mark.presence = Presence::Seen;
        }
    }

    /// Marks the rows of a table missing that are not among those seen; counts the new ones.
    pub(super) fn miss(
        &mut self,
        table: Table,
        seen: &BTreeSet<RecordId>,
        since: OffsetDateTime,
    ) -> u64 {
        let mut newly_missing = 0;
        for (id, mark) in self.marks.get_mut(&table).into_iter().flatten() {
            if mark.presence == Presence::Seen && !seen.contains(id) {
                mark.presence = Presence::Missing { since };
                newly_missing += 1;
            }
        }
        newly_missing
    }

    /// Counts the rows of a table by presence.
    pub(super) fn summary(&self, table: Table, seen: u64, newly_missing: u64) -> TableSummary {
        let (mut present, mut missing) = (0, 0);
        for mark in self.marks.get(&table).into_iter().flat_map(BTreeMap::values) {
            match mark.presence {
                Presence::Seen => present += 1,
                Presence::Missing { .. } => missing += 1,
            }
        }
        TableSummary { table, seen, present, missing, newly_missing }
    }

    /// Rows of one table in the order of their ids.
    pub(super) fn scan(&self, table: Table, after: Option<&RecordId>, limit: u32) -> Rows {
        match table {
            Table::Users => scan(&self.users, after, limit),
            Table::Accounts => scan(&self.accounts, after, limit),
            Table::Contacts => scan(&self.contacts, after, limit),
            Table::Opportunities => scan(&self.opportunities, after, limit),
            Table::Stages => scan(&self.stages, after, limit),
            Table::StageAssignments => scan(&self.assignments, after, limit),
            Table::Currencies => scan(&self.currencies, after, limit),
        }
    }

    /// Opportunities in the order of their ids, joined.
    pub(super) fn candidates(&self, after: Option<&OpportunityId>, limit: u32) -> Vec<Candidate> {
        let after = after.map(|id| RecordId::from(id.clone()));
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let opportunities = self.opportunities.range((start, Bound::Unbounded));
        opportunities.take(at_most(limit)).map(|(_, found)| self.candidate(found)).collect()
    }

    fn candidate(&self, opportunity: &Opportunity) -> Candidate {
        let mut candidate = Candidate::new(opportunity.clone());
        candidate.presence = self.presence(Table::Opportunities, &opportunity.id.clone().into());
        if let Some(OwnerRef::User(user)) = &opportunity.owner {
            candidate.owner = find(&self.users, user);
        }
        candidate.assignments = self.assigned(&opportunity.id).collect();
        let record_stage = opportunity.record_stage.stage.as_ref();
        candidate.record_stage = record_stage.and_then(|stage| find(&self.stages, stage));
        let account = opportunity.account().and_then(|id| find(&self.accounts, id));
        candidate.account_name = account.and_then(|account| account.name);
        let contact = opportunity.contact().and_then(|id| find(&self.contacts, id));
        candidate.contact_name = contact.and_then(|contact| contact.name);
        let currency = opportunity.currency.as_ref();
        candidate.currency = currency.and_then(|id| find(&self.currencies, id));
        let base = self.currencies.values().find(|currency| currency.role == CurrencyRole::Base);
        candidate.base_currency = base.cloned();
        candidate
    }

    fn assigned(&self, opportunity: &OpportunityId) -> impl Iterator<Item = AssignedStage> {
        let listed = self.assigned.get(opportunity).into_iter().flatten();
        let of_it = listed.filter_map(|id| self.assignments.get(id));
        of_it.filter(move |found| found.opportunity == *opportunity).map(|found| AssignedStage {
            assignment: found.clone(),
            stage: find(&self.stages, &found.stage),
            presence: self.presence(Table::StageAssignments, &found.id),
        })
    }

    fn presence(&self, table: Table, id: &RecordId) -> Presence {
        let mark = self.marks.get(&table).and_then(|marks| marks.get(id));
        mark.map_or(Presence::Seen, |mark| mark.presence)
    }

    /// Every stage with its number of open opportunities, in the order of a list of choices.
    pub(super) fn stages(&self) -> Vec<StageChoice> {
        let mut open: BTreeMap<StageId, u64> = BTreeMap::new();
        let opportunities = self.opportunities.values();
        for found in opportunities.filter(|found| found.status == OpportunityStatus::Open) {
            if let Some(stage) = self.stage_of(found) {
                *open.entry(stage).or_default() += 1;
            }
        }
        let stages = self.stages.values().map(|stage| StageChoice {
            stage: stage.clone(),
            open_opportunities: open.get(&stage.id).copied().unwrap_or_default(),
        });
        let mut stages: Vec<_> = stages.collect();
        stages.sort_by_cached_key(|choice| place_among_choices(&choice.stage));
        stages
    }

    /// The stage by the best source known: the newest active assignment, else the record.
    fn stage_of(&self, opportunity: &Opportunity) -> Option<StageId> {
        let active = self.assigned(&opportunity.id).filter(|found| {
            found.assignment.state == AssignmentState::Active && found.presence == Presence::Seen
        });
        let newest = active.map(|found| found.assignment).reduce(|newest, other| {
            if fallback::is_newer(&other, &newest) { other } else { newest }
        });
        newest.map(|newest| newest.stage).or_else(|| opportunity.record_stage.stage.clone())
    }
}

/// Sorts by process position, process name, position, name, id; what is unknown comes last.
fn place_among_choices(stage: &Stage) -> impl Ord + use<> {
    fn last<T>(value: Option<T>) -> (bool, Option<T>) {
        (value.is_none(), value)
    }
    let process = stage.process.as_ref();
    (
        last(process.and_then(|process| process.position)),
        last(process.and_then(|process| process.name.clone())),
        last(stage.position),
        last(stage.name.clone()),
        stage.id.clone(),
    )
}

fn put<R: Record>(rows: &[R], held: &mut BTreeMap<RecordId, R>, marks: &mut Marks) -> PageWritten {
    let marks = marks.entry(R::TABLE).or_default();
    let mut written = PageWritten::default();
    for row in rows {
        let id = row.record_id();
        let mark = Mark { version: row.version(), presence: Presence::Seen };
        match marks.insert(id.clone(), mark) {
            Some(known) if known.version == row.version() => {
                written.unchanged += 1;
                continue;
            }
            Some(_) => written.updated += 1,
            None => written.inserted += 1,
        }
        held.insert(id, row.clone());
    }
    written
}

fn scan<R: Record>(held: &BTreeMap<RecordId, R>, after: Option<&RecordId>, limit: u32) -> Rows {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let rows = held.range::<RecordId, _>((start, Bound::Unbounded));
    R::batch(rows.take(at_most(limit)).map(|(_, row)| row.clone()).collect())
}

fn find<R: Record>(held: &BTreeMap<RecordId, R>, id: &(impl Clone + Into<RecordId>)) -> Option<R> {
    held.get(&id.clone().into()).cloned()
}
