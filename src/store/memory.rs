//! A store in memory: for tests, examples, and for reading how a store works.
//!
//! One mutex around plain maps. Every method takes the lock once, looks at everything that could
//! refuse it, and only then writes, so that each is one atomic step. Nothing survives a restart.
//!
//! Every map that holds a customer's data has the workspace first in its key.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::error::Result;
use crate::model::{ConnectionId, PublicationId, WorkspaceId};
use crate::storage::Claim;

mod changes;
mod connections;
mod deals;
mod due;
mod feed;
mod gates;
mod mirror;
mod publications;
mod query;
mod rows;
mod run;

/// Plays every role in memory.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::SystemClock;
/// use fluint_crm::model::WorkspaceId;
/// use fluint_crm::storage::{Connections, Stores};
/// use fluint_crm::store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fluint_crm::Result<()> {
/// let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
/// assert!(store.connections(&WorkspaceId::new("acme")?).await?.is_empty());
/// let stores = Stores::all(store);
/// # let _ = stores;
/// # Ok(()) }
/// ```
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// What the store holds, role by role.
#[derive(Default)]
struct State {
    connections: connections::Held,
    deals: deals::Held,
    due: due::Held,
    feed: feed::Held,
    gates: gates::Held,
    mirror: mirror::Held,
    publications: publications::Held,
}

/// The key of everything that belongs to one connection.
type Place = (WorkspaceId, ConnectionId);

impl MemoryStore {
    /// An empty store that takes its time, leases included, from `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// The state, for one step. A panic of another thread cannot have left half a step behind,
    /// because nothing that can panic stands between two writes.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

impl State {
    /// Checks that a claim is the current one, and gives the connection that it is to pull.
    fn pulled(&self, claim: &Claim) -> Result<Place> {
        self.due.check(claim)?;
        Ok((claim.work.workspace.clone(), claim.connection()?))
    }

    /// Checks that a claim is the current one, and gives the publication that it is to send.
    fn published(&self, claim: &Claim) -> Result<(WorkspaceId, PublicationId)> {
        self.due.check(claim)?;
        Ok((claim.work.workspace.clone(), claim.publication()?))
    }
}

/// The key of everything that belongs to one connection.
fn place(workspace: &WorkspaceId, connection: ConnectionId) -> Place {
    (workspace.clone(), connection)
}

/// A limit as a number of elements.
fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
