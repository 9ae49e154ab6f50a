//! The integration tests: one program, modules mirror `src/`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod connecting;
mod render;
mod support;
mod sync;
