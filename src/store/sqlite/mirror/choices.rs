//! The stages that a filter may name.

use rusqlite::{Transaction, params_from_iter};

use crate::model::Stage;
use crate::storage::StageChoice;
use crate::store::sqlite::codec::{Columns, Owner, collect};
use crate::store::sqlite::mirror::rows::{Mirrored, select_list};
use crate::store::sqlite::trouble::Trouble;

/// Reads every stage with its number of open opportunities.
///
/// An opportunity is at the stage of its newest active assignment that the last complete pull saw,
/// else at the one on its own record. The index is named because SQLite, without statistics, would
/// walk all assignments of the connection for each opportunity.
pub(crate) fn read(tx: &Transaction<'_>, owner: &Owner) -> Result<Vec<StageChoice>, Trouble> {
    let mut statement = tx.prepare_cached(&format!(
        "WITH open AS ( \
             SELECT coalesce((SELECT t.stage FROM stage_assignments t \
                     INDEXED BY stage_assignments_by_opportunity \
                     WHERE t.workspace = o.workspace AND t.connection = o.connection \
                         AND t.opportunity = o.id AND t.state = 'active' \
                         AND t.missing_since IS NULL \
                     ORDER BY t.modified_at DESC, t.since DESC, t.id DESC LIMIT 1), \
                 o.record_stage) AS stage, count(*) AS opportunities \
             FROM opportunities o \
             WHERE o.workspace = ?1 AND o.connection = ?2 AND o.status = 'open' \
                 AND o.gone_at IS NULL GROUP BY 1) \
         SELECT {}, coalesce(open.opportunities, 0) FROM stages s \
         LEFT JOIN open ON open.stage = s.id \
         WHERE s.workspace = ?1 AND s.connection = ?2 AND s.gone_at IS NULL \
         ORDER BY s.process_position ASC NULLS LAST, s.process_name ASC NULLS LAST, \
             s.position ASC NULLS LAST, s.name ASC NULLS LAST, s.id",
        select_list::<Stage>("s")
    ))?;
    collect(statement.query(params_from_iter(owner.values()))?, |row| {
        let mut columns = Columns::of(row);
        Ok(StageChoice {
            stage: Stage::read(&mut columns)?,
            open_opportunities: columns.counter()?,
        })
    })
}
