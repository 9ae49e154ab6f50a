//! The activity feed: what happened on a connection, in words a customer understands.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{
    DealId, DocumentId, NoteRefusal, OpportunityId, Outcome, PreflightCheck, RunId, SkipReason,
    StageId, Table, Verdict, WithheldReason,
};

/// One line of a connection's activity feed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct FeedEntry {
    /// Its place in the feed, strictly growing within a connection; newer is larger.
    pub seq: u64,
    /// When it happened (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What happened.
    pub event: FeedEvent,
}

/// A line to be added to the feed. Adding the same key twice adds one line.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct NewFeedEntry {
    /// Names the event, so that a repeated write is recognised: for example `run/<id>/started`.
    pub key: String,
    /// When it happened (UTC).
    pub at: OffsetDateTime,
    /// What happened.
    pub event: FeedEvent,
}

/// What happened on a connection (ACT-1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum FeedEvent {
    /// The connected user may not do all that a connection is for; the first sync tells it.
    AccessLimited {
        /// The checks that did not pass.
        checks: Vec<PreflightCheck>,
    },
    /// The org is used at another address from now on, as a member confirmed.
    AddressChanged {
        /// The address before.
        from: String,
        /// The address now.
        to: String,
    },
    /// A member connected the org.
    Connected {
        /// The org's address.
        address: String,
    },
    /// A deal was made of an opportunity.
    DealCreated {
        /// The deal.
        deal: DealId,
        /// The opportunity.
        opportunity: OpportunityId,
        /// Its name.
        name: String,
    },
    /// A deal's opportunity closed or is gone.
    DealEnded {
        /// The deal.
        deal: DealId,
        /// Its name.
        name: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A deal stopped receiving updates.
    DealStopped {
        /// The deal.
        deal: DealId,
        /// Its name.
        name: String,
        /// Why.
        reason: SkipReason,
    },
    /// A deal was brought up to date.
    DealUpdated {
        /// The deal.
        deal: DealId,
        /// Its name.
        name: String,
    },
    /// The org was disconnected.
    Disconnected,
    /// A stage of the filter is not in the CRM any more.
    FilterStageGone {
        /// The stage.
        stage: StageId,
    },
    /// The stage filter was changed; it applies from the next sync on.
    FilterChanged {
        /// How many stages pass now; 0 means all.
        stages: usize,
    },
    /// The connection stopped working, and who has to act.
    HealthChanged {
        /// A sentence with the next step.
        message: String,
    },
    /// A publication cannot be sent now and goes on by itself later.
    NoteHeld {
        /// The document.
        document: DocumentId,
        /// Why.
        why: String,
    },
    /// A CRM user had replaced the attachment of a document's note; the new revision overwrote it.
    NoteOverwritten {
        /// The document.
        document: DocumentId,
        /// Its title.
        title: String,
        /// The revision that stands there now.
        revision: u64,
    },
    /// A document reached the timeline for the first time.
    NotePublished {
        /// The document.
        document: DocumentId,
        /// Its title.
        title: String,
        /// Its revision.
        revision: u64,
    },
    /// A document was refused.
    NoteRefused {
        /// The document.
        document: DocumentId,
        /// Why.
        refusal: NoteRefusal,
    },
    /// A document's note was updated in place.
    NoteUpdated {
        /// The document.
        document: DocumentId,
        /// Its title.
        title: String,
        /// Its revision.
        revision: u64,
    },
    /// An opportunity is no deal, for a new reason.
    OpportunitySkipped {
        /// The opportunity.
        opportunity: OpportunityId,
        /// Its name.
        name: Option<String>,
        /// Why, with a hint when there is one.
        reason: SkipReason,
    },
    /// The org does not answer at its address any more, and the CRM's directory names another one. A
    /// member has to confirm it: [`Crm::confirm_address`](crate::Crm::confirm_address).
    OrgMoved {
        /// The address that the directory names.
        to: String,
    },
    /// Something could not be read in full; what is known stays.
    ReadDegraded {
        /// The table.
        table: Table,
        /// What, as a sentence.
        message: String,
    },
    /// Rows were found to be gone in the CRM, each by a read of its own id. It can be undone for 30
    /// days.
    RowsGone {
        /// The run that found it: what to undo.
        run: RunId,
        /// The table.
        table: Table,
        /// How many.
        rows: u64,
    },
    /// Vanished rows were kept, because nothing proves that they are gone, or because they are too
    /// many to go without a person's approval.
    SweepWithheld {
        /// The run that missed them: what to approve.
        run: RunId,
        /// The table.
        table: Table,
        /// How many rows are missing.
        missing: u64,
        /// Why they were kept.
        reason: WithheldReason,
    },
    /// A sync failed.
    SyncFailed {
        /// The run.
        run: RunId,
        /// A sentence for the customer.
        message: String,
        /// What to do, as a word: see [`Remedy`](crate::Remedy).
        remedy: String,
    },
    /// A sync finished.
    SyncFinished {
        /// The run.
        run: RunId,
        /// What it brought.
        counts: SyncCounts,
        /// How long it took.
        #[serde(with = "crate::model::json::millis")]
        took: Duration,
    },
    /// A sync started.
    SyncStarted {
        /// The run.
        run: RunId,
    },
}

/// What a sync brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SyncCounts {
    /// Rows read from the CRM.
    pub rows_read: u64,
    /// Rows written because they are new or changed.
    pub rows_written: u64,
    /// Rows that a complete read did not show any more.
    pub rows_missing: u64,
    /// Pages read.
    pub pages: u64,
    /// Deals made.
    pub deals_created: u64,
    /// Deals brought up to date.
    pub deals_updated: u64,
    /// Deals that stopped receiving updates or ended.
    pub deals_stopped: u64,
    /// Open opportunities that are no deal.
    pub skipped: u64,
}

impl fmt::Display for FeedEvent {
    /// Prints the line as a customer reads it, in English.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessLimited { checks } => {
                let is_limited = checks.iter().any(|check| check.verdict != Verdict::Unknown);
                let what = if is_limited { "is limited" } else { "is not known in full" };
                write!(f, "The connected user's access {what}:")?;
                checks.iter().try_for_each(|check| write!(f, " {}", check.message))
            }
            Self::AddressChanged { from, to } => write!(f, "Address changed from {from} to {to}"),
            Self::Connected { address } => write!(f, "Connected to {address}"),
            Self::DealCreated { name, .. } => write!(f, "Deal created: {name}"),
            Self::DealEnded { name, outcome, .. } => {
                let how = match outcome {
                    Outcome::Won => "won",
                    Outcome::Lost => "lost",
                    Outcome::Deleted => "deleted in the CRM",
                };
                write!(f, "Deal ended ({how}): {name}")
            }
            Self::DealStopped { name, reason, .. } => {
                write!(f, "Deal stopped receiving updates: {name} ({reason})")
            }
            Self::DealUpdated { name, .. } => write!(f, "Deal updated: {name}"),
            Self::Disconnected => f.write_str("Disconnected"),
            Self::FilterChanged { stages: 0 } => {
                f.write_str("Stage filter removed; applies from the next sync on")
            }
            Self::FilterChanged { stages } => {
                write!(f, "Stage filter set to {stages} stages; applies from the next sync on")
            }
            Self::FilterStageGone { stage } => {
                write!(f, "Stage {stage} of the filter is not in the CRM any more")
            }
            Self::HealthChanged { message } => f.write_str(message),
            Self::NoteHeld { why, .. } => write!(f, "Document waits: {why}"),
            Self::NoteOverwritten { title, revision, .. } => write!(
                f,
                "The attachment of {title} had been replaced in the CRM; revision {revision} \
                 overwrote it"
            ),
            Self::NotePublished { title, revision, .. } => {
                write!(f, "Document published: {title} (revision {revision})")
            }
            Self::NoteRefused { refusal, .. } => write!(f, "Document not published: {refusal}"),
            Self::NoteUpdated { title, revision, .. } => {
                write!(f, "Document updated: {title} (revision {revision})")
            }
            Self::OpportunitySkipped { name, opportunity, reason } => {
                let name = name.as_deref().unwrap_or(opportunity.as_str());
                write!(f, "Opportunity skipped: {name}, because {reason}")?;
                reason.hint().map_or(Ok(()), |hint| write!(f, "; {hint}"))
            }
            Self::OrgMoved { to } => {
                write!(f, "The org seems to have moved to {to}. Confirm the address to go on.")
            }
            Self::ReadDegraded { table, message } => write!(f, "Read {table} in part: {message}"),
            Self::RowsGone { table, rows, .. } => {
                write!(f, "{rows} {table} are gone in the CRM; this can be undone for 30 days")
            }
            Self::SweepWithheld { table, missing, reason, .. } => {
                write!(f, "{missing} {table} were not seen and are kept: {reason}")
            }
            Self::SyncFailed { message, .. } => write!(f, "Sync failed: {message}"),
            Self::SyncFinished { counts, took, .. } => write!(
                f,
                "Sync finished: {} rows read, {} written, {} deals created, {} updated in {:.1} s",
                counts.rows_read,
                counts.rows_written,
                counts.deals_created,
                counts.deals_updated,
                took.as_seconds_f64()
            ),
            Self::SyncStarted { .. } => f.write_str("Sync started"),
        }
    }
}
