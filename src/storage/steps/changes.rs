//! How much is kept of what syncs found changed.

/// The changes of one run that are kept; further ones are counted.
///
/// So many are an import or a bulk edit, and nobody reads more of it.
pub const MAX_CHANGES: u64 = 2_000;

/// The runs whose changes are kept: the newest of those that found any.
///
/// Runs that found nothing do not count, so that a quiet weekend does not push out Friday.
pub const KEEP_RUNS: usize = 20;
