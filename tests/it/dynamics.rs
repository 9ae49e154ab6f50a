//! The crate against the fakes of Microsoft's side, over loopback HTTP, from sign-in to Note.

pub(crate) mod bench;
mod changes;
mod connecting;
mod crash;
mod credentials;
mod every_fault;
mod fairness;
mod fault_plans;
pub(crate) mod jumping_clock;
mod main_job;
mod meanwhile;
mod note_settings;
mod notes;
mod odd_org;
mod orgs;
mod paging;
mod preflight;
mod questions;
mod rows;
mod sealed;
mod secrets;
mod stages;
mod tokens;
