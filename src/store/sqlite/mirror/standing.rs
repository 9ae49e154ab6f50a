//! Where opportunities stand, kept beside each: the stage by the best source known.
//!
//! Questions by stage would otherwise seek the assignments of every opportunity. Whatever writes an
//! assignment, marks it gone or takes that mark off calls [`restage`] in the same step. One that is
//! merely missing counts, so that marking it changes nothing here.

use rusqlite::{OptionalExtension, Transaction, params_from_iter};

use crate::model::{OpportunityId, RecordId, StageAssignment};
use crate::store::sqlite::codec::{Owner, maybe_text, text};
use crate::store::sqlite::mirror::rows::stored;
use crate::store::sqlite::trouble::Trouble;

/// The stage of the newest assignment in a state, found along an index that has it all.
macro_rules! newest {
    ($state:literal) => {
        concat!(
            "(SELECT t.stage FROM stage_assignments t \
             INDEXED BY stage_assignments_by_opportunity \
             WHERE t.workspace = ?1 AND t.connection = ?2 AND t.opportunity = ?3 AND t.state = '",
            $state,
            "' AND t.gone_at IS NULL \
             ORDER BY t.modified_at DESC, t.since DESC, t.id DESC LIMIT 1)"
        )
    };
}

/// What the assignments of an opportunity say: a process that runs comes before one that finished.
const ASSIGNED: &str = concat!("coalesce(", newest!("active"), ", ", newest!("finished"), ")");

/// The stage that the assignments of an opportunity say, when there are any.
pub(crate) fn assigned(
    tx: &Transaction<'_>,
    owner: &Owner,
    id: &OpportunityId,
) -> Result<Option<String>, Trouble> {
    let found = tx
        .prepare_cached(&format!("SELECT {ASSIGNED}"))?
        .query_row(params_from_iter(owner.with([text(id.as_str())])), |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

/// Writes anew where an opportunity stands, if it is held.
pub(crate) fn restage(
    tx: &Transaction<'_>,
    owner: &Owner,
    id: &OpportunityId,
) -> Result<(), Trouble> {
    let stage = assigned(tx, owner, id)?;
    let values = owner.with([text(id.as_str()), maybe_text(stage.as_deref())]);
    tx.prepare_cached(
        "UPDATE OR ROLLBACK opportunities SET stage = coalesce(?4, record_stage) \
         WHERE workspace = ?1 AND connection = ?2 AND id = ?3 \
             AND stage IS NOT coalesce(?4, record_stage)",
    )?
    .execute(params_from_iter(values))?;
    Ok(())
}

/// Writes anew where the opportunity of an assignment stands whose mark has changed.
pub(crate) fn restage_for(
    tx: &Transaction<'_>,
    owner: &Owner,
    assignment: &RecordId,
) -> Result<(), Trouble> {
    match stored::<StageAssignment>(tx, owner, assignment)? {
        Some(assignment) => restage(tx, owner, &assignment.opportunity),
        None => Ok(()),
    }
}
