//! Fakes and suites for hosts' own tests (feature `testkit`).

pub mod conformance;
mod manual_clock;

pub use manual_clock::ManualClock;
