//! Fakes and suites for hosts' own tests (feature `testkit`).

pub mod conformance;
mod dataverse;
mod entra;
mod manual_clock;
mod microsoft;
mod org;

pub use dataverse::cell::Cell;
pub use dataverse::faults::{Fault, Place};
pub use dataverse::org::Org;
pub use dataverse::{Closing, FakeDataverse};
pub use entra::{EntraCounts, FakeEntra, Rotation, SignIn};
pub use manual_clock::ManualClock;
pub use microsoft::{FakeMicrosoft, FakeServer};
pub use org::{Entry, OrgBuilder, Process};
