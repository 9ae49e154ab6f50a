//! What a person may decide about a sweep, and for how long it can be undone.

use time::{Duration, OffsetDateTime};

use crate::error::{Error, Result};
use crate::storage::{Approval, NewSweep, Sweep};

/// How long a row that is gone is kept, so that its sweep can be undone.
pub const KEEP_GONE: Duration = Duration::days(30);

/// Approves a sweep that was withheld for its size.
///
/// # Errors
/// [`Error::NotFound`] when it was not withheld, [`Error::InvalidInput`] when it was withheld for a
/// reason that nobody can approve. Approving twice changes nothing.
pub fn approve_sweep(sweep: &mut Sweep, now: OffsetDateTime) -> Result<()> {
    let Some(reason) = sweep.withheld else {
        return Err(Error::not_found(format!("a withheld sweep of run {}", sweep.run)));
    };
    if !reason.is_approvable() {
        return Err(Error::invalid_input("sweep", format!("it cannot be approved: {reason}")));
    }
    let covers_it = |approval: &Approval| approval.until >= sweep.at;
    let given = sweep.approval.filter(covers_it);
    sweep.approval = given.or(Some(Approval { at: now, until: sweep.at }));
    Ok(())
}

/// What is kept of a sweep that has just ended, where `earlier` was kept before.
///
/// An approval is used up by the run that took it into account, and by no other: one that was given
/// after the run had looked for it is left to the next.
#[must_use]
pub fn record_sweep(earlier: Option<&Sweep>, new: &NewSweep, now: OffsetDateTime) -> Sweep {
    let NewSweep { run, table, missing, withheld, used } = *new;
    let given = earlier.and_then(|earlier| earlier.approval);
    let still_asked = withheld.is_some_and(|reason| reason.is_approvable());
    let approval = given.filter(|given| still_asked && used != Some(*given));
    Sweep { run, table, at: now, missing, withheld, approval }
}
