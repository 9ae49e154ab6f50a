//! Rows that a complete read did not show: marked missing, reported, and never removed here.
//!
//! Absence alone proves nothing (SYN-7): a row may be closed, hidden by a changed right, or gone.

use crate::error::Result;
use crate::model::{FeedEvent, Table};
use crate::storage::Pull;
use crate::sync::Sync;
use crate::walk::CompletenessProof;

/// Whose eyes a run reads with, compared with the run before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// Another user, or the same one with other rights: what it does not see proves nothing.
    ByAnotherUser,
    /// The same user in the same unit.
    ByTheSameUser,
}

/// Ends the reading part of a run and reports newly missing rows.
pub(super) async fn reconcile(
    sync: &Sync<'_>,
    run: &Pull,
    reading: Reading,
    proofs: &[CompletenessProof],
) -> Result<()> {
    let usable = match reading {
        Reading::ByTheSameUser => proofs,
        Reading::ByAnotherUser => &[],
    };
    let tables = sync.stores.mirror.finish_pull(sync.claim, run.run, usable).await?;
    for summary in tables.iter().filter(|summary| summary.newly_missing > 0) {
        // A stage assignment comes and goes with its process; nobody needs to hear of it.
        if summary.table == Table::StageAssignments {
            continue;
        }
        let event =
            FeedEvent::SweepWithheld { table: summary.table, missing: summary.newly_missing };
        let key = format!("missing/{}", summary.table);
        sync.tell(run, &key, sync.clock.now(), event).await?;
    }
    Ok(())
}
