//! The integration tests: one program, modules mirror `src/`.

#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
