//! Pure decisions: data in, decision out. No I/O, no clock, no chance.
//!
//! Whatever depends on the time or on chance is handed in, so that every rule can be tried with
//! literal values. Sync and diagnosis call the same functions and can never disagree.
//!
//! Read [`decide`] for what becomes of an opportunity; it is made of [`match_owner`],
//! [`current_stage`] and [`passes_filter`]. [`next_health`], [`next_sync`] and
//! [`publication_due_at`] say when work runs, [`judge_sweep`] when vanished rows may go, and
//! [`Period`] what "this quarter" means, and [`read_stamp`] what a note carries. [`resolve`] says who
//! is meant by a name, [`unify_accounts`] which accounts of several CRMs are one company, and
//! [`Tracked`] what changed about a row.

mod changes;
mod debounce;
mod health;
mod names;
mod owner;
mod period;
mod promotion;
mod schedule;
mod stage;
mod stage_filter;
mod stamp;
mod sweep_guard;
mod unified;

pub use changes::{Tracked, merge_changes, stage_change, without_stage};
pub use debounce::{Debounce, publication_due_at, publication_retry_at};
pub use health::{HealthEvent, next_health};
pub use names::{
    NameKey, NameMatch, NameWords, Resolved, Similarity, resolve, similarity, trigrams,
};
pub(crate) use names::{Nearest, Sketch};
pub use owner::{MemberIndex, Owner, match_owner};
pub use period::{DateRange, FiscalYear, Period, today};
pub use promotion::{deal_details, decide};
pub use schedule::{SyncOutcome, effective_interval, next_sync};
pub use stage::current_stage;
pub use stage_filter::{passes_filter, validate_filter, vanished_stages};
pub use stamp::{note_content, read_stamp};
pub(crate) use stamp::{stamp_element, stamp_text};
pub use sweep_guard::{SweepEvidence, SweepVerdict, judge_sweep};
pub use unified::{account_domain, unify_accounts};
