//! A claimed pull: the sync, what it says about the connection, and when the next one is due.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::connect;
use crate::connectors::not_working;
use crate::error::{Error, Remedy, Result};
use crate::host::Observer;
use crate::model::{Connection, ConnectionChange, ConnectionId, FeedEvent, Health, NewFeedEntry};
use crate::rules::{HealthEvent, SyncOutcome, effective_interval, next_sync};
use crate::scheduler::Scheduler;
use crate::storage::Claim;
use crate::sync::{Sync, SyncReport};

impl Scheduler {
    /// Syncs a connection and makes its next sync due.
    pub(super) async fn pull(
        &self,
        claim: &Claim,
        id: ConnectionId,
        lease: Duration,
    ) -> Result<SyncReport> {
        let mut connection = self.claimed_connection(claim, id).await?;
        if matches!(connection.health, Health::NeedsAdminApproval { .. }) {
            connection = Box::pin(self.ask_again(&connection)).await?;
        }
        if !connection.health.is_working() {
            // Connecting again makes it due at once.
            self.stores.due.complete(claim, self.next_try(&connection.health)).await?;
            return Err(not_working());
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
        let work = async {
            // What a crash may have kept from being told or scheduled, every sync makes good.
            let (now, debounce) = (self.clock().now(), self.publisher.debounce());
            connect::tell_connected(&self.stores, connection).await?;
            connect::tell_filter(&self.stores, connection, now).await?;
            self.notice_note_limits(&*connector, connection).await?;
            connect::resume_publications(&self.stores, connection, &debounce, now).await?;
            sync.run().await
        };
        self.keep_lease(claim, lease, connection, work).await
    }

    async fn after_success(&self, connection: &Connection) -> Result<Option<OffsetDateTime>> {
        if connection.failures > 0 {
            self.change(connection, ConnectionChange::Failures(0)).await?;
        }
        if connection.moved_to.is_some() {
            // It answers where it always did: nobody has to confirm anything.
            self.change(connection, ConnectionChange::MovedTo(None)).await?;
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
        if self.read_again(connection).await?.health != Health::Disconnected {
            self.tell_failure(connection, error).await?;
        }
        if may_have_moved(error, connection.failures) {
            Box::pin(connect::notice_move(&self.stores, &self.connectors, connection)).await?;
        }
        let health = self.judge_health(connection, error).await?;
        if !health.is_working() {
            return Ok(self.next_try(&health));
        }
        let failures = connection.failures.saturating_add(1);
        self.change(connection, ConnectionChange::Failures(failures)).await?;
        self.next_pull(connection, SyncOutcome::Failed { failures, retry_at: error.retry_at() })
    }

    /// Asks the CRM whether a connection that waits for an administrator works by now.
    async fn ask_again(&self, connection: &Connection) -> Result<Connection> {
        match self.connectors.open(connection)?.check().await {
            Ok(_) => {
                let Connection { workspace, id, .. } = connection;
                connect::change_health(&self.stores, workspace, *id, &HealthEvent::Worked).await
            }
            Err(error) => {
                tracing::info!(connection = %connection.id, %error, "still waits for an approval");
                self.judge_health(connection, &error).await?;
                self.read_again(connection).await
            }
        }
    }

    /// When to look again at a connection that does not work; `None` when only a member's
    /// connecting helps.
    fn next_try(&self, health: &Health) -> Option<OffsetDateTime> {
        match health {
            Health::NeedsAdminApproval { .. } => Some(self.clock().now() + APPROVAL_POLL),
            _ => None,
        }
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
}

/// How often a connection that waits for an administrator's approval is asked whether it works.
const APPROVAL_POLL: Duration = Duration::from_secs(3600);

/// Whether a failed sync looks as if the org had another address now: nothing is there, somebody
/// else is (which no identity provider said, so there is no cause), or nothing has answered for
/// longer than an outage takes.
const fn may_have_moved(error: &Error, failures_before: u32) -> bool {
    match error {
        Error::NotFound { .. } | Error::Unauthenticated { source: None, .. } => true,
        Error::Unavailable { .. } => failures_before >= 2,
        _ => false,
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
