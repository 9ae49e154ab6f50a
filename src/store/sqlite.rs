//! A store in one SQLite file: the embedded default for a single machine.
//!
//! One thread owns the connection that writes, and a few others read beside it, so no future ever
//! blocks on the disk. Several processes may share the file. Each method is one transaction, and a
//! claim is checked inside the transaction that it protects.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::error::Result;

mod checkpoint;
mod claims;
mod codec;
mod connections;
mod database;
mod deals;
mod due;
mod feed;
mod gates;
mod mirror;
mod packed;
mod publications;
mod query;
mod schema;
mod trouble;
mod words;

use database::Database;

/// Plays every role on one SQLite file.
///
/// # Guarantees
/// * What a method reported as done survives a crash of the process. It also survives a loss of
///   power, but for the newest pages of a pull under way: they are then read again.
/// * Dropping a future leaves the step undone or done, never half done.
/// * Several processes may open the file, on one machine and a local disk: SQLite's locks do not
///   work over most network file systems.
/// * Dropping the store waits for the steps already begun, ends its threads, and moves the
///   write-ahead log into the file.
///
/// Times are kept to the microsecond.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::SystemClock;
/// use fluint_crm::model::WorkspaceId;
/// use fluint_crm::storage::{Connections, Stores};
/// use fluint_crm::store::SqliteStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fluint_crm::Result<()> {
/// let store = Arc::new(SqliteStore::in_memory(Arc::new(SystemClock::new()))?);
/// assert!(store.connections(&WorkspaceId::new("acme")?).await?.is_empty());
/// let stores = Stores::all(store);
/// # let _ = stores;
/// # Ok(()) }
/// ```
pub struct SqliteStore {
    clock: Arc<dyn Clock>,
    database: Database,
}

impl SqliteStore {
    /// Opens a database file, or creates it, and brings its schema up to date.
    ///
    /// It blocks while it does so: milliseconds, but for a schema change on a large file.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use fluint_crm::{Clock, SystemClock};
    /// use fluint_crm::storage::Stores;
    /// use fluint_crm::store::SqliteStore;
    /// # fn main() -> fluint_crm::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("crm.db");
    /// let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    /// let stores = Stores::all(Arc::new(SqliteStore::open(&path, clock)?));
    /// # drop(stores);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) when the file cannot be used: it is no database or
    /// another program's, was written by a newer release, or may not be written.
    /// [`Error::Store`](crate::Error::Store) when the disk fails.
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self { clock, database: Database::open(path.as_ref())? })
    }

    /// Creates an empty store in memory, for tests: nothing survives it.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) when there is no memory or thread for it.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self { clock, database: Database::in_memory()? })
    }

    /// The current time, as it will be read back from the database.
    fn now(&self) -> time::OffsetDateTime {
        codec::stored_time(self.clock.now())
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStore")
    }
}
