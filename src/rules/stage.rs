//! Which stage an opportunity is at, and where that is known from (SYN-1).

use time::OffsetDateTime;

use crate::model::{
    AssignedStage, AssignmentState, Candidate, CurrentStage, Presence, ProcessId, RecordId, Stage,
    StageId, StageSource,
};

/// The stage of a candidate by the best source there is; `None` when nothing names one.
///
/// In this order, the newest row winning within each: running processes, finished ones, then
/// processes that the last pull no longer saw, then the record's own column, then its words.
/// A process that is not seen any more keeps the stage and the source it had, because a column that
/// lags would be a step back. Abandoned processes never count.
#[must_use]
pub fn current_stage(candidate: &Candidate) -> Option<CurrentStage> {
    from_assignments(&candidate.assignments)
        .or_else(|| from_column(candidate))
        .or_else(|| from_label(candidate))
}

/// How far an assignment is trusted, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    MissingFinished,
    MissingActive,
    SeenFinished,
    SeenActive,
}

impl Standing {
    /// `None` for an abandoned process, and for an assignment that is gone.
    const fn of(assigned: &AssignedStage) -> Option<Self> {
        match (assigned.presence, assigned.assignment.state) {
            (_, AssignmentState::Aborted) | (Presence::Gone { .. }, _) => None,
            (Presence::Seen, AssignmentState::Active) => Some(Self::SeenActive),
            (Presence::Seen, AssignmentState::Finished) => Some(Self::SeenFinished),
            (Presence::Missing { .. }, AssignmentState::Active) => Some(Self::MissingActive),
            (Presence::Missing { .. }, AssignmentState::Finished) => Some(Self::MissingFinished),
        }
    }

    const fn source(self) -> StageSource {
        match self {
            Self::SeenActive | Self::MissingActive => StageSource::ActiveProcess,
            Self::SeenFinished | Self::MissingFinished => StageSource::FinishedProcess,
        }
    }
}

fn from_assignments(assignments: &[AssignedStage]) -> Option<CurrentStage> {
    let (standing, best) = assignments
        .iter()
        .filter_map(|assigned| Some((Standing::of(assigned)?, assigned)))
        .max_by(|(left, a), (right, b)| (left, age(a)).cmp(&(right, age(b))))?;
    let assignment = &best.assignment;
    let mut stage = named(
        &assignment.stage,
        best.stage.as_ref(),
        assignment.process.as_ref(),
        standing.source(),
    );
    stage.since = assignment.since;
    Some(stage)
}

/// What orders assignments, newest last; the id makes it a total order, so that the order of the
/// rows never decides.
fn age(assigned: &AssignedStage) -> (Option<OffsetDateTime>, Option<OffsetDateTime>, &RecordId) {
    let assignment = &assigned.assignment;
    (assignment.modified_at, assignment.since, &assignment.id)
}

fn from_column(candidate: &Candidate) -> Option<CurrentStage> {
    let column = &candidate.opportunity.record_stage;
    let id = column.stage.as_ref()?;
    let known = candidate.record_stage.as_ref();
    Some(named(id, known, column.process.as_ref(), StageSource::RecordColumn))
}

fn from_label(candidate: &Candidate) -> Option<CurrentStage> {
    let label = candidate.opportunity.record_stage.label.as_deref()?.trim();
    (!label.is_empty()).then(|| CurrentStage {
        stage: None,
        name: Some(label.to_owned()),
        process: None,
        process_name: None,
        since: None,
        source: StageSource::RecordLabel,
    })
}

/// A stage with the names that the mirror knows.
///
/// The stage's own process wins over the one that the row names: it is the one that the choices of
/// a filter are grouped by.
fn named(
    id: &StageId,
    known: Option<&Stage>,
    process: Option<&ProcessId>,
    source: StageSource,
) -> CurrentStage {
    let known = known.filter(|stage| stage.id == *id);
    let of_stage = known.and_then(|stage| stage.process.as_ref());
    CurrentStage {
        stage: Some(id.clone()),
        name: known.and_then(|stage| stage.name.clone()),
        process: of_stage.map(|process| &process.id).or(process).cloned(),
        process_name: of_stage.and_then(|process| process.name.clone()),
        since: None,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Opportunity, OpportunityId, ProcessRef, StageAssignment};
    use proptest::prelude::*;
    use time::Duration;

    fn at(minute: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    fn stage_id(name: &str) -> StageId {
        StageId::new(name).unwrap()
    }

    fn assigned(
        id: &str,
        stage: &str,
        state: AssignmentState,
        presence: Presence,
    ) -> AssignedStage {
        let opportunity = OpportunityId::new("o").unwrap();
        let id = RecordId::new(id).unwrap();
        let mut assignment = StageAssignment::new(id, opportunity, stage_id(stage));
        assignment.state = state;
        AssignedStage { assignment, stage: None, presence }
    }

    fn candidate(assignments: Vec<AssignedStage>) -> Candidate {
        let mut candidate = Candidate::new(Opportunity::new(OpportunityId::new("o").unwrap()));
        candidate.assignments = assignments;
        candidate.opportunity.record_stage.stage = Some(stage_id("column"));
        candidate.opportunity.record_stage.label = Some(" In words ".to_owned());
        candidate
    }

    const GONE: Presence = Presence::Missing { since: OffsetDateTime::UNIX_EPOCH };

    fn found(candidate: &Candidate) -> (String, StageSource) {
        let stage = current_stage(candidate).unwrap();
        (stage.stage.map(String::from).or(stage.name).unwrap(), stage.source)
    }

    #[test]
    fn syn_1_each_source_is_used_when_the_better_ones_are_absent() {
        use AssignmentState::{Aborted, Active, Finished};
        let mut rows = vec![
            assigned("1", "aborted", Aborted, Presence::Seen),
            assigned("2", "missing finished", Finished, GONE),
            assigned("3", "missing active", Active, GONE),
            assigned("4", "finished", Finished, Presence::Seen),
            assigned("5", "active", Active, Presence::Seen),
        ];
        for (expected, source) in [
            ("active", StageSource::ActiveProcess),
            ("finished", StageSource::FinishedProcess),
            ("missing active", StageSource::ActiveProcess),
            ("missing finished", StageSource::FinishedProcess),
            ("column", StageSource::RecordColumn),
        ] {
            assert_eq!(found(&candidate(rows.clone())), (expected.to_owned(), source));
            rows.pop();
        }
        let mut bare = candidate(rows);
        bare.opportunity.record_stage.stage = None;
        assert_eq!(found(&bare), ("In words".to_owned(), StageSource::RecordLabel));
        bare.opportunity.record_stage.label = Some("  ".to_owned());
        assert_eq!(current_stage(&bare), None);
    }

    #[test]
    fn syn_1_the_newest_process_wins_by_change_then_start_then_id() {
        let mut older = assigned("z", "older", AssignmentState::Active, Presence::Seen);
        let mut newer = assigned("a", "newer", AssignmentState::Active, Presence::Seen);
        newer.assignment.since = Some(at(1));
        assert_eq!(found(&candidate(vec![older.clone(), newer.clone()])).0, "newer");
        older.assignment.since = Some(at(1));
        assert_eq!(found(&candidate(vec![older.clone(), newer.clone()])).0, "older");
        newer.assignment.modified_at = Some(at(0));
        assert_eq!(found(&candidate(vec![older, newer])).0, "newer");
    }

    #[test]
    fn syn_1_names_come_from_the_joined_stage_alone() {
        let mut process = ProcessRef::new(ProcessId::new("p").unwrap());
        process.name = Some("Sales".to_owned());
        let mut known = Stage::new(stage_id("s"));
        known.name = Some("Propose".to_owned());
        known.process = Some(process);

        let mut row = assigned("1", "s", AssignmentState::Active, Presence::Seen);
        row.stage = Some(known.clone());
        row.assignment.since = Some(at(5));
        let stage = current_stage(&candidate(vec![row])).unwrap();
        assert_eq!(stage.name.as_deref(), Some("Propose"));
        assert_eq!(stage.process, Some(ProcessId::new("p").unwrap()));
        assert_eq!(stage.process_name.as_deref(), Some("Sales"));
        assert_eq!(stage.since, Some(at(5)));

        let mut column = candidate(Vec::new());
        column.record_stage = Some(known);
        let stage = current_stage(&column).unwrap();
        assert_eq!((stage.stage, stage.name), (Some(stage_id("column")), None));
    }

    #[test]
    fn syn_1_the_process_is_the_stages_own_and_else_the_rows() {
        let process = |text| ProcessId::new(text).unwrap();
        let mut row = assigned("1", "s", AssignmentState::Active, Presence::Seen);
        row.assignment.process = Some(process("of the row"));
        let unknown = current_stage(&candidate(vec![row.clone()])).unwrap();
        assert_eq!(unknown.process, Some(process("of the row")));

        let mut known = Stage::new(stage_id("s"));
        known.process = Some(ProcessRef::new(process("of the stage")));
        row.stage = Some(known);
        let named = current_stage(&candidate(vec![row])).unwrap();
        assert_eq!(named.process, Some(process("of the stage")));
    }

    proptest! {
        /// SYN-1: rows come in no particular order, so their order must not matter.
        #[test]
        fn syn_1_the_order_of_rows_never_decides(
            rows in proptest::collection::vec(
                (0..3_i64, prop::option::of(0..3_i64), prop::option::of(0..3_i64), any::<bool>()),
                0..6,
            ),
            turn in 0..6_usize,
        ) {
            let mut rows: Vec<_> = rows
                .into_iter()
                .enumerate()
                .map(|(n, (state, modified, since, seen))| {
                    let state = match state {
                        0 => AssignmentState::Aborted,
                        1 => AssignmentState::Active,
                        _ => AssignmentState::Finished,
                    };
                    let presence = if seen { Presence::Seen } else { GONE };
                    let mut row = assigned(&n.to_string(), &format!("s{n}"), state, presence);
                    row.assignment.modified_at = modified.map(at);
                    row.assignment.since = since.map(at);
                    row
                })
                .collect();
            let before = current_stage(&candidate(rows.clone()));
            let turn = turn.min(rows.len());
            rows.rotate_left(turn);
            prop_assert_eq!(&current_stage(&candidate(rows.clone())), &before);
            rows.reverse();
            prop_assert_eq!(&current_stage(&candidate(rows)), &before);
        }
    }
}
