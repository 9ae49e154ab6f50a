//! Due work: claims with fencing tokens, a budget, leases kept alive, and what comes after.
//!
//! *Flow.* [`Scheduler::run_due`] claims what is due, pulls and publications apart, works on several
//! items at once, keeps their leases, and gives each back with the time when it is due again.
//!
//! *Guarantees.* No item is worked on twice at once, as far as writes can tell: a worker that lost
//! its lease is refused by its token. A dropped future leaves leases that end by themselves.
//!
//! *Assumptions.* The lease is longer than any single await on the store.

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
use crate::documents::{Publisher, Sent};
use crate::error::{Error, Remedy, Result};
use crate::host::{Members, Observer};
use crate::model::{
    Connection, ConnectionChange, ConnectionId, FeedEvent, Health, NewFeedEntry, PublicationId,
    PublicationState, WorkspaceId,
};
use crate::rules::{
    HealthEvent, SyncOutcome, effective_interval, next_health, next_sync, publication_retry_at,
};
use crate::storage::{Claim, Stores, WorkItem, WorkKind};
use crate::sync::{Sync, SyncReport};

/// How much one call of [`Crm::run_due`](crate::Crm::run_due) may do.
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
        let stop_claiming = self.clock().now() + budget.time;
        let mut running: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
        let mut free = Free { pulls: budget.pulls, publications: budget.publications };
        let mut report = RunReport::default();
        loop {
            if self.clock().now() < stop_claiming {
                self.claim_into(&mut running, &mut free, budget).await?;
            }
            if running.is_empty() {
                break;
            }
            let look_again = self.clock().sleep_until(self.clock().now() + LOOK_AGAIN);
            match select(running.next(), look_again).await {
                Either::Left((Some(Ended::Sync(ended)), _)) => {
                    free.pulls += 1;
                    report.syncs.push(ended);
                }
                Either::Left((Some(Ended::Publication(ended)), _)) => {
                    free.publications += 1;
                    report.publications.push(ended);
                }
                Either::Left((None, _)) | Either::Right(_) => {}
            }
        }
        report.next_due = self.stores.due.next_due().await?;
        Ok(report)
    }

    /// Calls [`run_due`](Self::run_due) again and again until told to stop; then drops what is
    /// running, which goes on with the next worker.
    pub(crate) async fn run(
        &self,
        budget: &Budget,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        let forever = async {
            loop {
                let wait = match self.run_due(budget).await {
                    Ok(report) => {
                        let longest = self.clock().now() + MAX_SLEEP;
                        report.next_due.map_or(longest, |due| due.min(longest))
                    }
                    Err(error) if error.is_retryable() => {
                        tracing::warn!(%error, "due work could not be read");
                        self.clock().now() + MAX_SLEEP
                    }
                    Err(error) => return error,
                };
                self.clock().sleep_until(wait).await;
            }
        };
        match select(pin!(shutdown), pin!(forever)).await {
            Either::Left(_) => Ok(()),
            Either::Right((error, _)) => Err(error),
        }
    }

    /// Claims as much as there is room for. Publications go first: they are short.
    async fn claim_into<'a>(
        &'a self,
        running: &mut FuturesUnordered<BoxFuture<'a, Ended>>,
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
                running.push(self.work(claim, lease).boxed());
            }
        }
        Ok(())
    }

    async fn work(&self, claim: Claim, lease: Duration) -> Ended {
        let workspace = claim.work.workspace.clone();
        match claim.work.item {
            WorkItem::Pull(connection) => {
                let outcome = self.pull(&claim, connection, lease).await;
                Ended::Sync(SyncEnded { workspace, connection, outcome })
            }
            WorkItem::Publish(publication) => {
                let outcome = self.publish(&claim, publication, lease).await;
                Ended::Publication(PublicationEnded { workspace, publication, outcome })
            }
        }
    }

    /// Syncs a connection and makes its next sync due.
    async fn pull(&self, claim: &Claim, id: ConnectionId, lease: Duration) -> Result<SyncReport> {
        let connection = connect::find(&self.stores, &claim.work.workspace, id).await?;
        if !connection.health.is_working() {
            // Reconnecting makes it due again.
            self.stores.due.complete(claim, None).await?;
            let reason = "This connection does not work at the moment. Connect it again.";
            return Err(Error::Unauthenticated { reason: reason.into(), source: None });
        }
        let outcome = self.sync(claim, &connection, lease).await;
        if let Err(Error::StaleClaim { .. }) = outcome {
            return outcome;
        }
        let next = match &outcome {
            Ok(_) => self.after_success(&connection).await?,
            Err(error) => self.after_failure(&connection, error).await?,
        };
        self.stores.due.complete(claim, next).await?;
        outcome
    }

    async fn sync(
        &self,
        claim: &Claim,
        connection: &Connection,
        lease: Duration,
    ) -> Result<SyncReport> {
        let connector = self.connectors.open(connection)?;
        let context = self.connectors.context();
        let observer: &Arc<dyn Observer> = &context.observer;
        let sync = Sync {
            stores: &self.stores,
            clock: &context.clock,
            randomness: &context.randomness,
            members: &self.members,
            observer,
            connector: &*connector,
            claim,
            connection,
        };
        connect::tell_connected(&self.stores, connection).await?;
        connect::resume_publications(&self.stores, connection, self.clock().now()).await?;
        self.keep_lease(claim, lease, connection, sync.run()).await
    }

    async fn after_success(&self, connection: &Connection) -> Result<Option<OffsetDateTime>> {
        if connection.failures > 0 {
            self.change(connection, ConnectionChange::Failures(0)).await?;
        }
        let now = self.read_again(connection).await?;
        let outcome = if now.health.is_working() {
            SyncOutcome::Succeeded
        } else {
            SyncOutcome::HeldUnhealthy
        };
        self.next_pull(&now, outcome)
    }

    /// Tells the feed, works out the connection's health, and when to try again.
    async fn after_failure(
        &self,
        connection: &Connection,
        error: &Error,
    ) -> Result<Option<OffsetDateTime>> {
        tracing::warn!(connection = %connection.id, error = %Chain(error), "sync failed");
        let health = self.judge_health(connection, error).await?;
        if health != Health::Disconnected {
            self.tell_failure(connection, error).await?;
        }
        if !health.is_working() {
            return Ok(None);
        }
        let failures = connection.failures.saturating_add(1);
        self.change(connection, ConnectionChange::Failures(failures)).await?;
        self.next_pull(connection, SyncOutcome::Failed { failures, retry_at: error.retry_at() })
    }

    /// Works out the connection's health after an error, and stores it when it changed.
    ///
    /// The connection is read again: who disconnected or reconnected it meanwhile has the last word.
    async fn judge_health(&self, connection: &Connection, error: &Error) -> Result<Health> {
        loop {
            let now = self.read_again(connection).await?;
            let event = health_event(error).filter(|_| now.connected_at == connection.connected_at);
            let Some(event) = event else { return Ok(now.health) };
            let health = next_health(&now.health, &event);
            if health == now.health {
                return Ok(health);
            }
            let change = ConnectionChange::Health(health.clone());
            let Connection { workspace, id, revision, .. } = &now;
            match self.stores.connections.change(workspace, *id, *revision, &change).await {
                // A lost race is somebody else's progress.
                Err(Error::Conflict { .. }) => {}
                outcome => return outcome.map(|_| health),
            }
        }
    }

    async fn read_again(&self, connection: &Connection) -> Result<Connection> {
        connect::find(&self.stores, &connection.workspace, connection.id).await
    }

    /// Adds the failure to the feed, once for as long as the same thing goes on failing.
    async fn tell_failure(&self, connection: &Connection, error: &Error) -> Result<()> {
        let Connection { workspace, id, .. } = connection;
        let Some(progress) = self.stores.mirror.progress(workspace, *id).await? else {
            return Ok(());
        };
        let message = error.customer_message();
        let remedy = remedy_word(error.remedy()).to_owned();
        let entry = NewFeedEntry {
            key: format!("run/{}/failed/{message}", progress.run),
            at: self.clock().now(),
            event: FeedEvent::SyncFailed { run: progress.run, message, remedy },
        };
        self.stores.feed.append(workspace, *id, &[entry], None).await
    }

    fn next_pull(
        &self,
        connection: &Connection,
        outcome: SyncOutcome,
    ) -> Result<Option<OffsetDateTime>> {
        let default = self.connectors.provider(&connection.kind)?.default_interval();
        let interval = effective_interval(connection.interval, default);
        let context = self.connectors.context();
        Ok(next_sync(self.clock().now(), interval, outcome, context.randomness.fraction()))
    }

    /// Changes a connection, whatever changed on it since it was read.
    async fn change(&self, connection: &Connection, change: ConnectionChange) -> Result<()> {
        connect::change(&self.stores, &connection.workspace, connection.id, &change).await.map(drop)
    }

    /// Sends a publication and makes it due again if something is left to do.
    async fn publish(
        &self,
        claim: &Claim,
        id: PublicationId,
        lease: Duration,
    ) -> Result<PublicationState> {
        let workspace = &claim.work.workspace;
        let Some(publication) = self.stores.publications.by_id(workspace, id).await? else {
            self.stores.due.complete(claim, None).await?;
            return Err(Error::not_found(format!("publication {id}")));
        };
        let connection = connect::find(&self.stores, workspace, publication.connection).await?;
        let outcome = if connection.health.is_working() {
            match self.connectors.open(&connection) {
                Ok(connector) => {
                    let sending = self.publisher.send(claim, &*connector, &publication);
                    self.keep_lease(claim, lease, &connection, sending).await
                }
                Err(error) => Err(error),
            }
        } else {
            self.publisher.hold(claim, &publication, why_held(&connection.health)).await
        };
        match outcome {
            Ok(Sent { state, next }) => {
                self.stores.due.complete(claim, next).await?;
                Ok(state)
            }
            Err(error @ Error::StaleClaim { .. }) => Err(error),
            Err(error) => {
                self.after_publish_error(claim, &connection, &error, publication.attempts).await?;
                Err(error)
            }
        }
    }

    /// An error that came out of sending is about the connection or the service as a whole.
    async fn after_publish_error(
        &self,
        claim: &Claim,
        connection: &Connection,
        error: &Error,
        attempts: u32,
    ) -> Result<()> {
        let now = self.clock().now();
        self.judge_health(connection, error).await?;
        let again = publication_retry_at(now, attempts);
        let next = error.retry_at().map_or(again, |at| at.max(again));
        self.stores.due.complete(claim, Some(next)).await
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
                        let reason = "This connection was disconnected. Connect it again.";
                        return Err(Error::Unauthenticated { reason: reason.into(), source: None });
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

/// What an error says about the connection.
fn health_event(error: &Error) -> Option<HealthEvent> {
    match error {
        Error::Unauthenticated { .. } => {
            Some(HealthEvent::SignInRejected { why: error.customer_message() })
        }
        Error::NeedsAdmin { link, .. } => {
            Some(HealthEvent::AdminApprovalMissing { link: link.as_deref().cloned() })
        }
        _ => None,
    }
}

fn why_held(health: &Health) -> String {
    match health {
        Health::NeedsReconnect { why } => why.clone(),
        Health::NeedsAdminApproval { .. } => {
            "An administrator must approve the connection first.".to_owned()
        }
        _ => "The connection does not work at the moment.".to_owned(),
    }
}

/// The remedy as the feed keeps it.
const fn remedy_word(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::AskAdmin => "ask_admin",
        Remedy::FixConfiguration => "fix_configuration",
        Remedy::FixInput => "fix_input",
        Remedy::ReadAgain => "read_again",
        Remedy::Reconnect => "reconnect",
        Remedy::ReportBug => "report_bug",
        Remedy::Retry => "retry",
    }
}

/// Prints an error with its causes.
struct Chain<'a>(&'a Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
