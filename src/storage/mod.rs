//! What a store must offer: eight small roles, each of which a host may play itself.
//!
//! [`Stores`] holds one `Arc` per role, so that a host can keep, say, its own deals and use our
//! mirror. The stores shipped with this crate play every role.
//!
//! # Contract of every role
//! * **One method, one atomic step.** It happens wholly or not at all, durably before the future
//!   resolves. No caller needs a transaction over two calls. Dropping the future leaves either
//!   state, never a mixture.
//! * **Only its own rows.** Each method takes a workspace or a connection and touches only rows of
//!   it. [`Due`] and [`Gates`] are the exception: they hold no customer data.
//! * **Fencing.** A method that takes a [`Claim`] refuses with
//!   [`Error::StaleClaim`](crate::Error::StaleClaim), writing nothing, once it has seen a newer
//!   token for that work, or, where it holds the claims itself, once the claim is not the current
//!   one. A role kept apart from [`Due`] must remember the highest token it has seen per work.
//!   A claim whose lease ended still writes until somebody newer has claimed the work.
//! * **Repeating** a step with the same input has no further effect.
//! * Times are UTC. Lists are bounded by the `limit` given.
//!
//! What a step decides between its read and its write is in [`steps`], for every store alike.

mod connections;
pub(crate) mod fallback;
mod deals;
mod due;
mod feed;
mod gates;
mod mirror;
mod publications;
mod query;
pub mod steps;

use std::sync::Arc;

use crate::error::Result;
use crate::model::Deal;
use crate::model::query::{Answer, DealPage, DealQuery, Found};

pub use connections::{Connections, Handshake, SignInPurpose, TokenVersion};
pub use deals::{Applied, Deals};
pub use due::{Claim, Due, Work, WorkItem, WorkKind};
pub use feed::Feed;
pub use gates::{GateKey, Gates};
pub use mirror::{
    Approval, Mirror, MirrorPage, MissingRow, NewRun, NewSweep, PageWritten, Pull, PullPhase,
    PullProgress, Reader, Settled, StageChoice, Sweep, SweepDecision, TableProgress, TableRead,
    TableSummary, Unfinished,
};
pub use publications::{Listed, Publications, PublishRequest, Resend, SetAside};
pub use query::Query;

/// One store per role.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::store::MemoryStore;
/// use fluint_crm::storage::Stores;
/// use fluint_crm::SystemClock;
///
/// let stores = Stores::all(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// # let _ = stores;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stores {
    /// Connections, sign-ins and sealed tokens.
    pub connections: Arc<dyn Connections>,
    /// Deals.
    pub deals: Arc<dyn Deals>,
    /// Work that is due.
    pub due: Arc<dyn Due>,
    /// The activity feed.
    pub feed: Arc<dyn Feed>,
    /// Throttle deadlines.
    pub gates: Arc<dyn Gates>,
    /// The synced copy.
    pub mirror: Arc<dyn Mirror>,
    /// The ledger of publications.
    pub publications: Arc<dyn Publications>,
    /// Questions over the synced copy.
    pub query: Arc<dyn Query>,
}

/// A store that plays every role.
pub trait Store:
    Connections + Deals + Due + Feed + Gates + Mirror + Publications + Query + 'static
{
}

impl<S> Store for S where
    S: Connections + Deals + Due + Feed + Gates + Mirror + Publications + Query + 'static
{
}

impl Stores {
    /// Lets one store play every role.
    #[must_use]
    pub fn all<S: Store>(store: Arc<S>) -> Self {
        Self {
            connections: Arc::<S>::clone(&store),
            deals: Arc::<S>::clone(&store),
            due: Arc::<S>::clone(&store),
            feed: Arc::<S>::clone(&store),
            gates: Arc::<S>::clone(&store),
            mirror: Arc::<S>::clone(&store),
            publications: Arc::<S>::clone(&store),
            query: store,
        }
    }
}

impl Stores {
    /// The deals that pass a filter, and how fresh they are: the deals' role knows nothing of syncs.
    pub(crate) async fn find_deals(&self, query: &DealQuery) -> Result<Answer<Deal>> {
        let DealPage { deals, next } = self.deals.find(query).await?;
        let as_of = fallback::oldest(&self.query.as_of(&query.scope).await?);
        let rows = deals.into_iter().map(|row| Found { connection: row.connection, row });
        Ok(Answer { rows: rows.collect(), next, as_of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_2_the_roles_are_object_safe_and_shared_between_threads() {
        fn shared<T: Send + Sync + ?Sized>() {}
        shared::<dyn Connections>();
        shared::<dyn Deals>();
        shared::<dyn Due>();
        shared::<dyn Feed>();
        shared::<dyn Gates>();
        shared::<dyn Mirror>();
        shared::<dyn Publications>();
        shared::<dyn Query>();
    }
}
