//! What a person may decide about a sweep, and for how long it can be undone.

use time::{Duration, OffsetDateTime};

use crate::error::{Error, Result};
use crate::storage::Sweep;

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
    sweep.approved_at = sweep.approved_at.or(Some(now));
    Ok(())
}
