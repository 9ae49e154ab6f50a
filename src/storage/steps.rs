//! The decisions inside a store's steps: what stood there and what came in, to what stands there
//! next. Pure.
//!
//! The stores shipped with this crate call these functions between reading and writing, and a host
//! that plays [`Deals`](crate::storage::Deals) or [`Publications`](crate::storage::Publications) on
//! its own tables does well to call them, too: what is left to write is a read and a write in one
//! transaction.

mod changes;
mod deals;
mod drift;
mod publications;
mod sweeps;

pub use changes::{KEEP_RUNS, MAX_CHANGES};
pub use deals::{DealStep, Listing, Standing, apply_decision};
pub use drift::{is_unchanged, keep_fields, merge_drifted};
pub use publications::{accept, record_receipt, record_sending, set_aside};
pub use sweeps::{KEEP_GONE, approve_sweep, record_sweep};
