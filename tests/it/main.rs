//! The integration tests: one program, modules mirror `src/`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod assistant;
mod connecting;
mod crash;
mod deals_role;
mod dynamics;
mod fakes;
mod papers;
mod render;
mod settings;
#[cfg(feature = "sqlite")]
mod sqlite;
mod running;
mod store;
mod support;
mod sync;
