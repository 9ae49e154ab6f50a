//! Conformance suites: what every store must do, one function per behaviour.

pub mod store;
