//! A sync: connector pages into the mirror, vanished rows, promotion to deals.
//!
//! *Flow.* [`Sync::run`] asks who reads, and starts a run or goes on with the unfinished one, unless
//! that one is too old or was read with other eyes; the first one after connecting looks at what the
//! user may do ([`preflight`]); [`pull`] reads every table page by page into the mirror; [`reconcile`] marks what a complete read did not show; [`promote`]
//! decides about every opportunity; [`follow`] copies the deals' change feed into the activity
//! feed; the run is finished.
//!
//! *Guarantees.* Every step is durable before the next begins and may be repeated: a crash, or a
//! dropped future, between any two loses nothing and doubles nothing. Nothing is written once the
//! claim is lost. No row is removed.
//!
//! *Assumptions.* The store keeps its contract; the claim is for this connection's pull. Rights are
//! compared before and after as far as a CRM tells them: how far they reach by table, at best, and
//! not what is shared with the user row by row. What is not told need not be: what a narrower right
//! hides is missing, is asked for by id, and is then refused, not gone, which withholds the sweep.

mod follow;
mod missing;
mod preflight;
mod promote;
mod pull;
mod reconcile;
mod sample;

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::clock::{Clock, Randomness};
use crate::connect;
use crate::connector::CrmConnector;
use crate::error::{Error, Result};
use crate::host::{Members, Observer};
use crate::model::{
    Connection, ConnectionChange, FeedEvent, Identity, NewFeedEntry, RunId, SyncCounts,
};
use crate::storage::{Claim, NewRun, Pull, PullPhase, Reader, Stores, Unfinished};
use crate::sync::follow::{Changed, follow_changes};
use crate::sync::promote::{Promotion, promote};
use crate::sync::pull::{expected_rows, read_tables};
use crate::sync::reconcile::{Reading, reconcile};
use crate::walk::CompletenessProof;

/// How old an interrupted run may be to go on where it was. Page links carry no expiry that
/// Microsoft documents; a day covers an outage, and keeps "seen" close to now.
const MAX_RESUME_AGE: Duration = Duration::days(1);

/// One sync of one connection, with everything that it needs.
#[derive(Debug)]
pub(crate) struct Sync<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) randomness: &'a Randomness,
    pub(crate) members: &'a Arc<dyn Members>,
    pub(crate) observer: &'a Arc<dyn Observer>,
    pub(crate) connector: &'a dyn CrmConnector,
    pub(crate) claim: &'a Claim,
    pub(crate) connection: &'a Connection,
}

/// What a finished sync did.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SyncReport {
    /// The run.
    pub run: RunId,
    /// What it brought.
    pub counts: SyncCounts,
    /// When it started (UTC); a resumed run started before it was interrupted.
    pub started_at: OffsetDateTime,
    /// When it ended (UTC).
    pub finished_at: OffsetDateTime,
}

impl Sync<'_> {
    /// Runs the sync to its end.
    pub(crate) async fn run(&self) -> Result<SyncReport> {
        let identity = self.identify().await;
        let before = self.newest_run().await?;
        let run = self.begin(identity.as_ref().ok()).await?;
        tracing::info!(run = %run.run, phase = ?run.phase, "sync starts");
        self.tell(&run, "started", run.started_at, FeedEvent::SyncStarted { run: run.run }).await?;
        let identity = identity?;
        self.tell_limits(&run, before.as_ref()).await?;
        // Members and filter are read once, here, so that one sync judges by one rule (DEA-4).
        let members = self.members.members(&self.connection.workspace).await?;
        if run.phase == PullPhase::Reading {
            self.read(&run).await?;
        } else if identity.sees_as(&run.reader.identity) {
            // The run was interrupted after reading, perhaps before the missing rows were asked for.
            self.reconcile(&run, &[]).await?;
        } else {
            // Asking what another user sees would call hidden rows gone.
            reconcile(self, &run, Reading::ByAnotherUser, &[]).await?;
        }
        let promotion = promote(self, &members).await?;
        let changed = follow_changes(self, run.followed).await?;
        self.finish(&run, promotion, changed).await
    }

    /// Asks the CRM who we are, and makes sure that it is the organisation that was connected
    ///
    async fn identify(&self) -> Result<Identity> {
        let now = self.connector.check().await?;
        let before = &self.connection.identity;
        if now.organisation != before.organisation {
            // Whoever called the sync tells the feed first and stops the connection then.
            let why = "This address now belongs to another organisation. Connect it again.";
            return Err(Error::unauthenticated(why));
        }
        Ok(now.or(before))
    }

    /// Goes on with the unfinished run, or starts one: one run has one time and one pair of eyes, so
    /// a stale one gives way. Where the CRM did not say who we are, nothing gives way; the run is
    /// there for the failure to be told of.
    async fn begin(&self, identity: Option<&Identity>) -> Result<Pull> {
        let Connection { workspace, id, identity: before, connected_at, .. } = self.connection;
        let identity_now = identity.unwrap_or(before).clone();
        let reader = Reader { identity: identity_now, signed_in_at: *connected_at };
        let followed = self.stores.feed.followed(workspace, *id).await?;
        let fresh = NewRun { run: RunId::new(self.randomness.uuid()), reader, followed };
        let mirror = &self.stores.mirror;
        let run = mirror.start_pull(self.claim, &fresh, Unfinished::Resume).await?;
        if identity.is_some() && self.is_stale(&run, &fresh.reader) {
            tracing::info!(run = %run.run, "a stale run is abandoned for a fresh one");
            return mirror.start_pull(self.claim, &fresh, Unfinished::Replace).await;
        }
        Ok(run)
    }

    /// Whether what an interrupted run has read proves nothing any more: read too long ago, or with
    /// other eyes. A run that has read all it wanted is only to be ended.
    fn is_stale(&self, run: &Pull, now: &Reader) -> bool {
        let is_old = self.clock.now() - run.started_at > MAX_RESUME_AGE;
        run.phase == PullPhase::Reading && (is_old || !run.reader.sees_as(now))
    }

    /// Reads every table, and finds out what became of the rows that were not seen.
    async fn read(&self, run: &Pull) -> Result<()> {
        let expected = expected_rows(self, run).await?;
        let proofs = read_tables(self, run, &expected).await?;
        if self.other_eyes_may_have_read(run).await? {
            return reconcile(self, run, Reading::ByAnotherUser, &proofs).await;
        }
        self.reconcile(run, &proofs).await
    }

    /// Reconciles what the run's reader has seen, and keeps whose eyes these were. Were that kept
    /// before, an interrupted run would take another user's eyes for the usual ones and call rows
    /// missing that this user merely cannot see.
    async fn reconcile(&self, run: &Pull, proofs: &[CompletenessProof]) -> Result<()> {
        let (now, before) = (&run.reader.identity, &self.connection.identity);
        let reading =
            if now.sees_as(before) { Reading::ByTheSameUser } else { Reading::ByAnotherUser };
        reconcile(self, run, reading, proofs).await?;
        let learnt_rights = now.rights.is_some() && before.rights.is_none();
        if reading == Reading::ByTheSameUser && !learnt_rights {
            return Ok(());
        }
        self.change(ConnectionChange::Identity(now.clone())).await
    }

    /// Whether the run may have seen with two pairs of eyes: the user was moved to another unit, or
    /// somebody signed in anew, while the tables were read; the connector then went on with their
    /// tokens.
    async fn other_eyes_may_have_read(&self, run: &Pull) -> Result<bool> {
        if !self.identify().await?.sees_as(&run.reader.identity) {
            return Ok(true);
        }
        let Connection { workspace, id, connected_at, .. } = self.connection;
        let now = connect::find(self.stores, workspace, *id).await?;
        Ok(now.connected_at != *connected_at)
    }

    async fn change(&self, change: ConnectionChange) -> Result<()> {
        let Connection { workspace, id, .. } = self.connection;
        connect::change(self.stores, workspace, *id, &change).await.map(drop)
    }

    /// Adds a line about the run to the activity feed; the key makes a repetition harmless.
    async fn tell(
        &self,
        run: &Pull,
        what: &str,
        at: OffsetDateTime,
        event: FeedEvent,
    ) -> Result<()> {
        self.append(NewFeedEntry { key: format!("run/{}/{what}", run.run), at, event }).await
    }

    /// Adds a line about a state that may last over many runs: once a day (UTC), not once a sync.
    async fn tell_once_a_day(&self, what: &str, event: FeedEvent) -> Result<()> {
        let at = self.clock.now();
        self.append(NewFeedEntry { key: format!("{what}/{}", at.date()), at, event }).await
    }

    async fn append(&self, entry: NewFeedEntry) -> Result<()> {
        let Connection { workspace, id, .. } = self.connection;
        self.stores.feed.append(workspace, *id, &[entry], None).await
    }

    /// Tells the feed and ends the run, in this order, so that a crash in between repeats both.
    async fn finish(
        &self,
        run: &Pull,
        promotion: Promotion,
        changed: Changed,
    ) -> Result<SyncReport> {
        let counts = self.counts(run, promotion, changed).await?;
        let finished_at = self.clock.now();
        let took = finished_at - run.started_at;
        let event = FeedEvent::SyncFinished { run: run.run, counts, took };
        self.tell(run, "finished", finished_at, event).await?;
        self.stores.mirror.finish_run(self.claim, run.run).await?;
        tracing::info!(run = %run.run, ?counts, "sync finished");
        Ok(SyncReport { run: run.run, counts, started_at: run.started_at, finished_at })
    }

    /// Counts what the whole run did, also the part before an interruption.
    async fn counts(
        &self,
        run: &Pull,
        promotion: Promotion,
        changed: Changed,
    ) -> Result<SyncCounts> {
        let Connection { workspace, id, .. } = self.connection;
        let progress = self.stores.mirror.progress(workspace, *id).await?;
        let mut counts = SyncCounts {
            deals_created: changed.created,
            deals_updated: changed.updated,
            deals_stopped: changed.stopped,
            skipped: promotion.skipped,
            rows_missing: promotion.missing,
            ..SyncCounts::default()
        };
        for table in
            progress.filter(|progress| progress.run == run.run).iter().flat_map(|p| &p.tables)
        {
            counts.rows_read += table.rows;
            counts.rows_written += table.written;
            counts.pages += table.pages;
        }
        Ok(counts)
    }
}
