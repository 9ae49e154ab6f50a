//! Fakes and suites for hosts' own tests (feature `testkit`).

pub mod conformance;
mod crash_store;
mod dataverse;
mod entra;
mod manual_clock;
mod microsoft;
mod org;
mod watched_store;

#[doc(hidden)]
pub use crate::dynamics::decode_page;
pub use crash_store::{Crash, CrashControl, CrashPoint, CrashStore};
pub use dataverse::cell::Cell;
pub use dataverse::faults::{Fault, FaultPlan, Place};
pub use dataverse::org::{Listing, Org, PrivilegeDepth};
pub use dataverse::{Closing, FakeDataverse};
pub use entra::{EntraCounts, FakeEntra, Rotation, SignIn};
pub use manual_clock::ManualClock;
pub use microsoft::{FakeMicrosoft, FakeServer};
pub use org::{Entry, OrgBuilder, Process};
pub use watched_store::{Access, CallEnd, StoreCall, StoreWatch, WatchedStore};
