//! The integration tests: one program, modules mirror `src/`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod assistant;
mod connecting;
mod dynamics;
mod fakes;
mod render;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod support;
mod sync;
