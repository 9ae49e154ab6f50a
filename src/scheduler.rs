//! Due work: claims with fencing tokens, a budget, leases kept alive, and what comes after.
//!
//! *Flow.* [`Scheduler::run_due`] claims what is due, pulls and publications apart, works on several
//! items at once, keeps their leases, and gives each back with the time when it is due again.
//!
//! *Guarantees.* No item is worked on twice at once, as far as writes can tell: a worker that lost
//! its lease is refused by its token. A dropped future leaves leases that end by themselves.
//!
//! *Assumptions.* The lease is longer than any single await on the store.

mod health;
mod limits;
mod publish;
mod pull;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use time::OffsetDateTime;

use crate::clock::Clock;
use crate::connect;
use crate::connectors::Connectors;
use crate::documents::Publisher;
use crate::error::{Error, Result};
use crate::host::Members;
use crate::model::{
    Connection, ConnectionChange, ConnectionId, Health, PublicationId, PublicationState,
    WorkspaceId,
};
use crate::storage::{Claim, Stores, Work, WorkItem, WorkKind};
use crate::sync::SyncReport;
use crate::vault;

/// How much one call of [`Crm::run_due`](crate::Crm::run_due) may do.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use fluint_crm::Budget;
///
/// // A scheduler that calls every ten minutes, on a machine with room for eight syncs at once.
/// let mut budget = Budget::default();
/// budget.pulls = 8;
/// budget.time = Duration::from_secs(9 * 60);
/// assert!(budget.lease < budget.time);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Budget {
    /// Connections pulled at once.
    pub pulls: u32,
    /// Publications sent at once. They have places of their own: a long pull never delays them.
    pub publications: u32,
    /// After this time nothing new is begun; what was begun is finished.
    pub time: Duration,
    /// How long an item stays claimed without a sign of life; it is renewed at a third of that.
    pub lease: Duration,
}

impl Default for Budget {
    /// Two pulls and four publications at once, new work for 50 seconds (a scheduler usually calls
    /// every minute), leases of one minute (several times the longest store call).
    fn default() -> Self {
        Self {
            pulls: 2,
            publications: 4,
            time: Duration::from_secs(50),
            lease: Duration::from_secs(60),
        }
    }
}

/// What a call of [`Crm::run_due`](crate::Crm::run_due) did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RunReport {
    /// The syncs that ended, well or not.
    pub syncs: Vec<SyncEnded>,
    /// The publications that were worked on.
    pub publications: Vec<PublicationEnded>,
    /// When to call again (UTC); `None` when nothing is waiting.
    pub next_due: Option<OffsetDateTime>,
}

impl RunReport {
    /// Whether nothing was worked on.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.syncs.is_empty() && self.publications.is_empty()
    }
}

/// A sync that ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct SyncEnded {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The connection.
    pub connection: ConnectionId,
    /// What it did, or why it failed. A failed sync goes on later where it can.
    pub outcome: Result<SyncReport>,
}

/// A publication that was worked on.
#[derive(Debug)]
#[non_exhaustive]
pub struct PublicationEnded {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The publication.
    pub publication: PublicationId,
    /// Where it stands now, or why the attempt failed.
    pub outcome: Result<PublicationState>,
}

/// How often a running call looks for work that became due meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long [`Scheduler::run`] sleeps at most, so that work scheduled by other workers is seen.
const MAX_SLEEP: Duration = Duration::from_secs(15);

/// Works on what is due.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    pub(crate) stores: Stores,
    pub(crate) connectors: Arc<Connectors>,
    pub(crate) members: Arc<dyn Members>,
    pub(crate) publisher: Publisher,
}

enum Ended {
    Sync(SyncEnded),
    Publication(PublicationEnded),
}

impl Scheduler {
    /// Works on what is due until nothing is, or the budget's time is over.
    pub(crate) async fn run_due(&self, budget: &Budget) -> Result<RunReport> {
        self.run_due_until(budget, std::future::pending()).await
    }

    /// As [`run_due`](Self::run_due), but when `stop` resolves what is running is dropped, and its
    /// claims are given back, so that the next worker goes on at once (SYN-10).
    async fn run_due_until(
        &self,
        budget: &Budget,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<RunReport> {
        let mut stop = pin!(stop);
        let mut held: Vec<Claim> = Vec::new();
        let stop_claiming = self.clock().now() + budget.time;
        let mut running: FuturesUnordered<BoxFuture<'_, (Work, Ended)>> = FuturesUnordered::new();
        let mut free = Free { pulls: budget.pulls, publications: budget.publications };
        let mut report = RunReport::default();
        let mut trouble = None;
        loop {
            if self.clock().now() < stop_claiming && trouble.is_none() {
                // What is running is finished, and reported, even when no more can be claimed.
                let claimed = self.claim_into(&mut running, &mut held, &mut free, budget).await;
                trouble = claimed.err();
            }
            if running.is_empty() {
                break;
            }
            let look_again = self.clock().sleep_until(self.clock().now() + LOOK_AGAIN);
            let (work, ended) =
                match select(stop.as_mut(), select(running.next(), look_again)).await {
                    Either::Left(_) => {
                        drop(running);
                        self.give_back(&held).await?;
                        break;
                    }
                    Either::Right((Either::Left((Some(ended), _)), _)) => ended,
                    Either::Right(_) => continue,
                };
            held.retain(|claim| claim.work != work);
            match ended {
                Ended::Sync(ended) => {
                    free.pulls += 1;
                    report.syncs.push(ended);
                }
                Ended::Publication(ended) => {
                    free.publications += 1;
                    report.publications.push(ended);
                }
            }
        }
        match trouble {
            Some(error) if report.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!(%error, "no more work could be claimed");
                report.next_due = Some(self.clock().now() + MAX_SLEEP);
                Ok(report)
            }
            None => {
                report.next_due = self.stores.due.next_due().await?;
                Ok(report)
            }
        }
    }

    /// Calls [`run_due`](Self::run_due) again and again until told to stop; then gives back what is
    /// running, which goes on with the next worker.
    pub(crate) async fn run(
        &self,
        budget: &Budget,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        let shutdown = pin!(shutdown.shared());
        loop {
            let longest = self.clock().now() + MAX_SLEEP;
            let wait = match self.run_due_until(budget, shutdown.clone()).await {
                Ok(report) => report.next_due.map_or(longest, |due| due.min(longest)),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "due work could not be read");
                    longest
                }
                Err(error) => return Err(error),
            };
            let sleep = self.clock().sleep_until(wait);
            if let Either::Left(_) = select(shutdown.clone(), sleep).await {
                return Ok(());
            }
        }
    }

    /// Gives claims back whose work was dropped: due again as they were.
    async fn give_back(&self, held: &[Claim]) -> Result<()> {
        for claim in held {
            match self.stores.due.complete(claim, Some(claim.due_at)).await {
                Ok(()) | Err(Error::StaleClaim { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Claims as much as there is room for. Publications go first: they are short.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "held across an await, a shared reference would keep the host from spawning `run`"
    )]
    async fn claim_into<'a>(
        &'a self,
        running: &mut FuturesUnordered<BoxFuture<'a, (Work, Ended)>>,
        held: &mut Vec<Claim>,
        free: &mut Free,
        budget: &Budget,
    ) -> Result<()> {
        let lease = budget.lease;
        for kind in [WorkKind::Publish, WorkKind::Pull] {
            let room = match kind {
                WorkKind::Publish => &mut free.publications,
                WorkKind::Pull => &mut free.pulls,
            };
            if *room == 0 {
                continue;
            }
            for claim in self.stores.due.claim(kind, *room, lease).await? {
                *room = room.saturating_sub(1);
                held.push(claim.clone());
                running.push(self.work(claim, lease).boxed());
            }
        }
        Ok(())
    }

    async fn work(&self, claim: Claim, lease: Duration) -> (Work, Ended) {
        let workspace = claim.work.workspace.clone();
        let ended = match claim.work.item {
            WorkItem::Pull(connection) => {
                let outcome = self.pull(&claim, connection, lease).await;
                Ended::Sync(SyncEnded { workspace, connection, outcome })
            }
            WorkItem::Publish(publication) => {
                let outcome = self.publish(&claim, publication, lease).await;
                Ended::Publication(PublicationEnded { workspace, publication, outcome })
            }
        };
        (claim.work, ended)
    }

    /// Changes a connection, whatever changed on it since it was read.
    async fn change(&self, connection: &Connection, change: ConnectionChange) -> Result<()> {
        connect::change(&self.stores, &connection.workspace, connection.id, &change).await.map(drop)
    }

    /// Does work while renewing its lease. When the lease is lost, or the connection disconnected,
    /// the work is dropped.
    async fn keep_lease<T>(
        &self,
        claim: &Claim,
        lease: Duration,
        connection: &Connection,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let mut work = pin!(work);
        loop {
            let renew = self.clock().sleep_until(self.clock().now() + lease / 3);
            match select(work.as_mut(), renew).await {
                Either::Left((outcome, _)) => return outcome,
                Either::Right(_) => {
                    self.stores.due.extend(claim, lease).await?;
                    if self.read_again(connection).await?.health == Health::Disconnected {
                        return Err(vault::disconnected());
                    }
                }
            }
        }
    }

    fn clock(&self) -> &dyn Clock {
        &*self.connectors.context().clock
    }
}

/// Room for more work.
struct Free {
    pulls: u32,
    publications: u32,
}
