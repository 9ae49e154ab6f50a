//! A sync: connector pages into the mirror, vanished rows, promotion to deals.
//!
//! *Flow.* [`Sync::run`] starts a run or goes on with the unfinished one; [`pull`] reads every table
//! page by page into the mirror; [`reconcile`] marks what a complete read did not show; [`promote`]
//! decides about every opportunity; [`follow`] copies the deals' change feed into the activity
//! feed; the run is finished.
//!
//! *Guarantees.* Every step is durable before the next begins and may be repeated: a crash, or a
//! dropped future, between any two loses nothing and doubles nothing. Nothing is written once the
//! claim is lost. No row is removed.
//!
//! *Assumptions.* The store keeps its contract; the claim is for this connection's pull.

mod follow;
mod missing;
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
use crate::storage::{Claim, Pull, PullPhase, Stores};
use crate::sync::follow::follow_changes;
use crate::sync::promote::{Promotion, promote};
use crate::sync::pull::{EarlierReads, expected_rows, read_tables};
use crate::sync::reconcile::{Reading, reconcile};

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
        let fresh = RunId::new(self.randomness.uuid());
        let run = self.stores.mirror.start_pull(self.claim, fresh).await?;
        tracing::info!(run = %run.run, phase = ?run.phase, "sync starts");
        self.tell(&run, "started", run.started_at, FeedEvent::SyncStarted { run: run.run }).await?;
        // Members and filter are read once, here, so that one sync judges by one rule (DEA-4).
        let members = self.members.members(&self.connection.workspace).await?;
        if run.phase == PullPhase::Reading {
            let (identity, reading) = self.compare_identity().await?;
            let expected = expected_rows(self, &run).await?;
            let earlier = self.judge_earlier_reads(&run, reading);
            let proofs = read_tables(self, &run, earlier, &expected).await?;
            if self.signed_in_anew().await? {
                // The sign-in has stored its own identity, which is not to be overwritten.
                reconcile(self, &run, Reading::ByAnotherUser, &proofs).await?;
            } else {
                reconcile(self, &run, reading, &proofs).await?;
                self.remember_identity(identity, reading).await?;
            }
        } else {
            // The run was interrupted after reading, perhaps before the missing rows were asked for.
            // Asking another user's CRM, or another organisation's, would call them gone.
            let (_, reading) = self.compare_identity().await?;
            reconcile(self, &run, reading, &[]).await?;
        }
        let promotion = promote(self, &members).await?;
        follow_changes(self).await?;
        self.finish(&run, promotion).await
    }

    /// Compares who the CRM says we are with the last sync.
    async fn compare_identity(&self) -> Result<(Identity, Reading)> {
        let now = self.connector.check().await?;
        let before = &self.connection.identity;
        if now.organisation != before.organisation {
            // Whoever called the sync tells the feed first and stops the connection then.
            let why = "This address now belongs to another organisation. Connect it again.";
            return Err(Error::Unauthenticated { reason: why.into(), source: None });
        }
        let same = now.user == before.user && now.unit == before.unit;
        let reading = if same { Reading::ByTheSameUser } else { Reading::ByAnotherUser };
        let identity = Identity { tenant: now.tenant.or_else(|| before.tenant.clone()), ..now };
        Ok((identity, reading))
    }

    /// Keeps whose eyes the run has read with, once its reading is over. Were it kept before, an
    /// interrupted run would take the other user's eyes for the usual ones and call rows missing
    /// that this user merely cannot see. A crash just before costs one more run that proves nothing.
    async fn remember_identity(&self, identity: Identity, reading: Reading) -> Result<()> {
        match reading {
            Reading::ByTheSameUser => Ok(()),
            Reading::ByAnotherUser => self.change(ConnectionChange::Identity(identity)).await,
        }
    }

    /// Whether somebody signed in anew while the tables were read: the connector then went on with
    /// their tokens, and the run has seen with two pairs of eyes.
    async fn signed_in_anew(&self) -> Result<bool> {
        let Connection { workspace, id, connected_at, .. } = self.connection;
        let now = connect::find(self.stores, workspace, *id).await?;
        Ok(now.connected_at != *connected_at)
    }

    /// Whether what an interrupted run has read still counts. Read too long ago, or with other
    /// eyes, it does not: one proof must speak of one time and one user.
    fn judge_earlier_reads(&self, run: &Pull, reading: Reading) -> EarlierReads {
        let age = self.clock.now() - run.started_at;
        let signed_in_before = self.connection.connected_at <= run.started_at;
        if reading == Reading::ByTheSameUser && age <= MAX_RESUME_AGE && signed_in_before {
            EarlierReads::Count
        } else {
            EarlierReads::Stale
        }
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
    async fn finish(&self, run: &Pull, promotion: Promotion) -> Result<SyncReport> {
        let counts = self.counts(run, promotion).await?;
        let finished_at = self.clock.now();
        let took = finished_at - run.started_at;
        let event = FeedEvent::SyncFinished { run: run.run, counts, took };
        self.tell(run, "finished", finished_at, event).await?;
        self.stores.mirror.finish_run(self.claim, run.run).await?;
        tracing::info!(run = %run.run, ?counts, "sync finished");
        Ok(SyncReport { run: run.run, counts, started_at: run.started_at, finished_at })
    }

    /// Counts what the whole run did, also the part before an interruption.
    async fn counts(&self, run: &Pull, promotion: Promotion) -> Result<SyncCounts> {
        let Connection { workspace, id, .. } = self.connection;
        let progress = self.stores.mirror.progress(workspace, *id).await?;
        let mut counts = SyncCounts {
            deals_created: promotion.applied.created,
            deals_updated: promotion.applied.updated,
            deals_stopped: promotion.applied.stopped,
            skipped: promotion.applied.skipped,
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
