//! The mirrored rows of one connection.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use time::OffsetDateTime;

use crate::model::{
    Account, AssignedStage, AssignmentState, Candidate, Contact, Currency, CurrencyRole,
    Opportunity, OpportunityId, OpportunityStatus, OwnerRef, Presence, Record, RecordId, RowChange,
    Rows, RunId, Stage, StageAssignment, StageId, Table, User,
};
use crate::rules::{stage_change, without_stage};
use crate::storage::{MissingRow, StageChoice, fallback};
use crate::store::memory::at_most;

mod held;

use held::{Held, HeldRow};
pub(super) use held::{Put, Sight, Tell};

/// One typed map per table.
#[derive(Default)]
pub(super) struct MirroredRows {
    users: Held<User>,
    accounts: Held<Account>,
    contacts: Held<Contact>,
    opportunities: Held<Opportunity>,
    stages: Held<Stage>,
    assignments: Held<StageAssignment>,
    /// The assignments of each opportunity; one that moved away may still be listed.
    assigned: BTreeMap<OpportunityId, BTreeSet<RecordId>>,
    currencies: Held<Currency>,
    /// The last stamp that was given out.
    stamps: u64,
}

/// Does the same in whichever table is meant: `in_table!(self, table, see(id))`.
macro_rules! in_table {
    ($rows:expr, $table:expr, $($call:tt)+) => {
        match $table {
            Table::Users => $rows.users.$($call)+,
            Table::Accounts => $rows.accounts.$($call)+,
            Table::Contacts => $rows.contacts.$($call)+,
            Table::Opportunities => $rows.opportunities.$($call)+,
            Table::Stages => $rows.stages.$($call)+,
            Table::StageAssignments => $rows.assignments.$($call)+,
            Table::Currencies => $rows.currencies.$($call)+,
        }
    };
}

impl MirroredRows {
    /// A stamp that no row has yet.
    pub(super) const fn stamp(&mut self) -> u64 {
        self.stamps += 1;
        self.stamps
    }

    /// Writes the rows whose version is not the stored one.
    pub(super) fn put(&mut self, rows: Rows, absent: &[&str], stamp: u64, tell: Tell) -> Put {
        let source = rows.table();
        let mut put = match (rows, tell) {
            (Rows::StageAssignments(rows), Tell::Changes) => {
                let mut all = Put::default();
                for row in rows {
                    all.add(self.put_assignment(row, absent, stamp));
                }
                all
            }
            (rows, _) => self.put_in_table(rows, absent, stamp),
        };
        let changes = std::mem::take(&mut put.changes).into_iter();
        put.changes = changes.filter_map(|change| self.as_told(source, change)).collect();
        put
    }

    /// The stage on an opportunity's own row counts only where no assignment says more.
    fn as_told(&self, source: Table, change: RowChange) -> Option<RowChange> {
        let says_more = || self.best_assignment(&change.id.clone().into()).is_some();
        if source == Table::Opportunities && says_more() {
            without_stage(change)
        } else {
            Some(change)
        }
    }

    /// Writes an assignment, and tells whom it moved.
    fn put_assignment(&mut self, row: StageAssignment, absent: &[&str], stamp: u64) -> Put {
        let held = self.assignments.0.get(&row.id).map(|held| held.row.opportunity.clone());
        let of: BTreeSet<_> = held.into_iter().chain([row.opportunity.clone()]).collect();
        let before: Vec<_> = of.iter().map(|id| self.told_stage(id)).collect();
        let mut put = self.put_in_table(Rows::StageAssignments(vec![row]), absent, stamp);
        put.changes = of
            .iter()
            .zip(before)
            .filter_map(|(id, before)| {
                let held = self.opportunities.0.get(&id.clone().into())?;
                let held = Some(&held.row).filter(|_| !held.is_gone())?;
                let after = self.told_stage(id);
                let stages =
                    (before.as_ref().map(StageId::as_str), after.as_ref().map(StageId::as_str));
                stage_change(id, held.name.as_deref(), held.account(), stages)
            })
            .collect();
        put
    }

    /// The stage that an opportunity is said to be at.
    fn told_stage(&self, id: &OpportunityId) -> Option<StageId> {
        let best = self.best_assignment(id).map(|best| best.stage.clone());
        let held = || self.opportunities.0.get(&id.clone().into());
        best.or_else(|| held()?.row.record_stage.stage.clone())
    }

    fn best_assignment(&self, opportunity: &OpportunityId) -> Option<&StageAssignment> {
        let listed = self.assigned.get(opportunity).into_iter().flatten();
        let held = listed.filter_map(|id| self.assignments.0.get(id));
        let there = held.filter(|held| !held.is_gone());
        let of_it = there.map(|held| &held.row).filter(|row| row.opportunity == *opportunity);
        let ranked = of_it.filter_map(|row| Some((fallback::rank(row)?, row)));
        ranked.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, row)| row)
    }

    fn put_in_table(&mut self, rows: Rows, absent: &[&str], stamp: u64) -> Put {
        match rows {
            Rows::Users(rows) => self.users.put(rows, absent, stamp),
            Rows::Accounts(rows) => self.accounts.put(rows, absent, stamp),
            Rows::Contacts(rows) => self.contacts.put(rows, absent, stamp),
            Rows::Opportunities(rows) => self.opportunities.put(rows, absent, stamp),
            Rows::Stages(rows) => self.stages.put(rows, absent, stamp),
            Rows::StageAssignments(rows) => {
                for row in &rows {
                    match self.assigned.get_mut(&row.opportunity) {
                        Some(listed) => {
                            listed.insert(row.id.clone());
                        }
                        None => {
                            let listed = BTreeSet::from([row.id.clone()]);
                            self.assigned.insert(row.opportunity.clone(), listed);
                        }
                    }
                }
                self.assignments.put(rows, absent, stamp)
            }
            Rows::Currencies(rows) => self.currencies.put(rows, absent, stamp),
        }
    }

    /// Notes that a row was seen.
    pub(super) fn see(&mut self, table: Table, id: &RecordId, stamp: u64) -> Sight {
        in_table!(self, table, see(id, stamp))
    }

    /// Marks the rows of a table missing that do not have the stamp; counts the new ones.
    pub(super) fn miss(&mut self, table: Table, stamp: u64, since: OffsetDateTime) -> u64 {
        match table {
            Table::Opportunities => self.opportunities.miss(stamp, since, may_be_missing),
            other => in_table!(self, other, miss(stamp, since, |_| true)),
        }
    }

    /// Counts the rows of a table that a read may show: those present and those missing.
    pub(super) fn census(&self, table: Table) -> (u64, u64) {
        match table {
            Table::Opportunities => self.opportunities.census(may_be_missing),
            other => in_table!(self, other, census(|_| true)),
        }
    }

    /// Missing rows that may be asked for, in the order of their ids.
    pub(super) fn missing(
        &self,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Vec<MissingRow> {
        in_table!(self, table, missing(after, limit))
    }

    /// Marks rows gone that are missing, and says so.
    pub(super) fn remove(
        &mut self,
        table: Table,
        ids: &[RecordId],
        since: OffsetDateTime,
        by: RunId,
    ) -> Vec<RowChange> {
        in_table!(self, table, remove(ids, since, by))
    }

    /// Puts back what a run has removed; counts it.
    pub(super) fn put_back(&mut self, by: RunId, since: OffsetDateTime) -> u64 {
        Table::ALL.into_iter().map(|table| in_table!(self, table, put_back(by, since))).sum()
    }

    /// Forgets the rows that have been gone since before `until`.
    pub(super) fn forget_gone(&mut self, until: OffsetDateTime) {
        for table in Table::ALL {
            in_table!(self, table, forget_gone(until));
        }
    }

    /// Rows of one table in the order of their ids.
    pub(super) fn scan(&self, table: Table, after: Option<&RecordId>, limit: u32) -> Rows {
        in_table!(self, table, scan(after, limit))
    }

    /// The rows of one table with these ids.
    pub(super) fn by_ids(&self, table: Table, ids: &BTreeSet<&RecordId>) -> Rows {
        in_table!(self, table, by_ids(ids))
    }

    /// Opportunities in the order of their ids, joined.
    pub(super) fn candidates(&self, after: Option<&OpportunityId>, limit: u32) -> Vec<Candidate> {
        let after = after.map(|id| RecordId::from(id.clone()));
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let opportunities = self.opportunities.0.range((start, Bound::Unbounded));
        opportunities.take(at_most(limit)).map(|(_, found)| self.candidate(found)).collect()
    }

    fn candidate(&self, held: &HeldRow<Opportunity>) -> Candidate {
        let opportunity = &held.row;
        let mut candidate = Candidate::new(opportunity.clone());
        candidate.presence = held.mark.standing.presence();
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
        let base = self.currencies.live().find(|currency| currency.role == CurrencyRole::Base);
        candidate.base_currency = base.cloned();
        candidate
    }

    fn assigned(&self, opportunity: &OpportunityId) -> impl Iterator<Item = AssignedStage> {
        let listed = self.assigned.get(opportunity).into_iter().flatten();
        let of_it = listed.filter_map(|id| self.assignments.0.get(id));
        of_it.filter(move |found| found.row.opportunity == *opportunity).map(|found| {
            AssignedStage {
                assignment: found.row.clone(),
                stage: find(&self.stages, &found.row.stage),
                presence: found.mark.standing.presence(),
            }
        })
    }

    /// Every stage with its number of open opportunities, in the order of a list of choices.
    pub(super) fn stages(&self) -> Vec<StageChoice> {
        let mut open: BTreeMap<StageId, u64> = BTreeMap::new();
        let opportunities = self.opportunities.live();
        for found in opportunities.filter(|found| found.status == OpportunityStatus::Open) {
            if let Some(stage) = self.stage_of(found) {
                *open.entry(stage).or_default() += 1;
            }
        }
        let stages = self.stages.live().map(|stage| StageChoice {
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
            if fallback::rank(&other) > fallback::rank(&newest) { other } else { newest }
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

fn may_be_missing(opportunity: &Opportunity) -> bool {
    !matches!(opportunity.status, OpportunityStatus::Won | OpportunityStatus::Lost)
}

fn find<R: Record>(held: &Held<R>, id: &(impl Clone + Into<RecordId>)) -> Option<R> {
    held.0.get(&id.clone().into()).map(|held| held.row.clone())
}
