//! Rows that a complete read did not show: asked for by id, and swept only on proof (SYN-7).
//!
//! *Flow.* The store marks what a proved run did not see. Then, table by table: the missing ids are
//! asked for in lists, and whatever is found there, won and lost opportunities among it, is stored
//! and missing no more; what is left is judged by its number; what may be swept is read id by id,
//! and only what is gone gets the mark of it.
//!
//! *Guarantees.* Absence alone, an empty answer, or a list never remove anything. A row that is
//! hidden from the connected user withholds the whole sweep. A withheld sweep is told once, and a
//! person may approve it; a sweep can be undone for 30 days. Every step may be repeated.
//!
//! *Assumptions.* [`Lookup::Gone`](crate::connector::Lookup) is the CRM's own word about one id.

use crate::error::Result;
use crate::model::{Connection, FeedEvent, Table, WithheldReason};
use crate::rules::{SweepEvidence, SweepVerdict, judge_sweep};
use crate::storage::{NewSweep, Pull, Sweep, TableSummary};
use crate::sync::Sync;
use crate::sync::missing::{Asked, Coverage, MAX_LISTS, MissingRows};
use crate::walk::CompletenessProof;

/// Whose eyes a run reads with, compared with the run before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// Another user, or the same one with other rights: what it does not see proves nothing.
    ByAnotherUser,
    /// The same user in the same unit, with the same rights as far as they are told.
    ByTheSameUser,
}

/// Ends the reading part of a run, and finds out what became of the rows that it did not see.
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
    if reading == Reading::ByAnotherUser {
        return Ok(());
    }
    let Connection { workspace, id, .. } = sync.connection;
    let earlier = sync.stores.mirror.sweeps(workspace, *id).await?;
    for summary in tables.iter().filter(|summary| summary.proved && may_be_swept(summary.table)) {
        let earlier = earlier.iter().find(|sweep| sweep.table == summary.table);
        if summary.missing > 0 || earlier.is_some_and(|sweep| sweep.withheld.is_some()) {
            let sweep = sweep_table(sync, run, summary, earlier).await?;
            tell(sync, run, &sweep, earlier).await?;
            sync.stores.mirror.record_sweep(sync.claim, &sweep).await?;
        }
    }
    Ok(())
}

/// Looks for the missing rows of one table.
async fn sweep_table(
    sync: &Sync<'_>,
    run: &Pull,
    summary: &TableSummary,
    earlier: Option<&Sweep>,
) -> Result<NewSweep> {
    let rows = MissingRows { sync, run, table: summary.table };
    let approval = earlier.and_then(|sweep| sweep.approval);
    let most = if approval.is_some() { usize::MAX } else { MAX_LISTS };
    let left = rows.settle_those_in_lists(most).await?;
    let missing = left.rows;
    // Whoever approved an earlier sweep has seen what was missing then, and nothing newer. What no
    // list has asked for may be there: it is not approved, and the approval waits for a run that
    // can ask. Whatever becomes of it there, it is for one run.
    let used = approval.filter(|_| left.coverage == Coverage::All);
    let mut sweep = NewSweep { run: run.run, table: summary.table, missing, withheld: None, used };
    if missing == 0 {
        return Ok(sweep);
    }
    let judge = |missing_unexplained| {
        judge_sweep(SweepEvidence {
            seen: summary.seen,
            known_before: summary.present + summary.missing,
            missing_unexplained,
            live: summary.present + summary.newly_missing,
        })
    };
    let verdict = judge(missing);
    let asked = match (verdict, used) {
        (SweepVerdict::Withheld(reason), Some(approval)) if reason.is_approvable() => {
            rows.ask_one_by_one_until(approval.until, reason).await?
        }
        (SweepVerdict::Withheld(reason), _) => Asked::withheld(reason),
        (SweepVerdict::Allowed, _) => rows.ask_one_by_one().await?,
    };
    sweep.missing = missing.saturating_sub(asked.gone + asked.found);
    sweep.withheld = asked.withheld.or_else(|| match judge(sweep.missing) {
        SweepVerdict::Withheld(reason) if sweep.missing > 0 => Some(reason),
        SweepVerdict::Allowed | SweepVerdict::Withheld(_) => None,
    });
    Ok(sweep)
}

/// Whether the rows of a table can be proved gone. The stages of opportunities stand in one table a
/// process, and a process that was switched off, or that this user cannot see any more, takes its
/// table out of the question; what was known of its stages stays.
fn may_be_swept(table: Table) -> bool {
    table != Table::StageAssignments
}

/// Tells the feed what was withheld, if that is news.
async fn tell(
    sync: &Sync<'_>,
    run: &Pull,
    sweep: &NewSweep,
    earlier: Option<&Sweep>,
) -> Result<()> {
    let NewSweep { run: id, table, missing, withheld: Some(reason), .. } = *sweep else {
        return Ok(());
    };
    if is_told(earlier, reason, missing) {
        return Ok(());
    }
    let event = FeedEvent::SweepWithheld { run: id, table, missing, reason };
    sync.tell(run, &format!("missing/{table}"), sync.clock.now(), event).await
}

/// Whether the feed has been told of the same state by an earlier run.
fn is_told(earlier: Option<&Sweep>, reason: WithheldReason, missing: u64) -> bool {
    earlier.is_some_and(|sweep| sweep.withheld == Some(reason) && sweep.missing == missing)
}
