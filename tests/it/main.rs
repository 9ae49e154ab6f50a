//! The integration tests: one program, modules mirror `src/`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "a sweep says how much it has tried")]

mod assistant;
mod assistant_careful;
mod assistant_more;
mod connecting;
mod crash;
mod deals_role;
mod dynamics;
mod fakes;
mod foreign;
mod hostile_calls;
#[cfg(feature = "mcp")]
mod mcp;
mod openid;
mod papers;
mod render;
mod settings;
mod simulation;
#[cfg(feature = "sqlite")]
mod sqlite;
mod running;
mod store;
mod support;
mod sweeps;
mod sync;
