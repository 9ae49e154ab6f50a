//! Publications: documents on their way to, or present as, notes.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::note::{Document, NoteHandle, NoteKey, NoteRefusal, RevisionStamp};
use super::{ConnectionId, OpportunityId};

/// A document on its way to, or present as, a note.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Publication {
    /// What it stands for.
    pub key: NoteKey,
    /// The connection it goes through.
    pub connection: ConnectionId,
    /// The opportunity it goes to.
    pub opportunity: OpportunityId,
    /// The newest revision that the host published.
    pub document: Document,
    /// When the oldest revision not yet sent was published (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub first_pending_at: OffsetDateTime,
    /// When the newest revision was published (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub last_pending_at: OffsetDateTime,
    /// Where it stands.
    pub state: PublicationState,
    /// Which life of the note: moves on when a note proved to exist was deleted.
    pub epoch: u32,
    /// A write that was sent in this epoch, recorded before sending, and of which we may not know
    /// the end.
    pub unsettled: Option<Unsettled>,
    /// What is proved to stand in the CRM.
    pub receipt: Option<Receipt>,
    /// Attempts in a row that did not end well.
    pub attempts: u32,
    /// When the next attempt is made (UTC), after one that did not end well.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub next_try_at: Option<OffsetDateTime>,
    /// Why the CRM last refused the document; `None` once it took it.
    pub last_refusal: Option<NoteRefusal>,
    /// Whether the newest revision was asked to be sent again, though it stands in the CRM.
    pub resend: bool,
}

impl Publication {
    /// A fresh publication, waiting.
    #[must_use]
    pub const fn new(
        key: NoteKey,
        connection: ConnectionId,
        opportunity: OpportunityId,
        document: Document,
        at: OffsetDateTime,
    ) -> Self {
        Self {
            key,
            connection,
            opportunity,
            document,
            first_pending_at: at,
            last_pending_at: at,
            state: PublicationState::Waiting,
            epoch: 0,
            unsettled: None,
            receipt: None,
            attempts: 0,
            next_try_at: None,
            last_refusal: None,
            resend: false,
        }
    }

    /// Whether the newest revision still has to reach the CRM. It has not when a newer one than the
    /// ledger knows of stands there: an older revision never replaces a newer one.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.receipt.as_ref().is_none_or(|receipt| {
            receipt.stamp.revision <= self.document.revision
                && (self.resend || receipt.stamp != self.stamp())
        })
    }

    /// The stamp of the newest revision.
    #[must_use]
    pub fn stamp(&self) -> RevisionStamp {
        RevisionStamp { revision: self.document.revision, content: self.document.content_hash() }
    }
}

/// Where a publication stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
#[non_exhaustive]
pub enum PublicationState {
    /// The connection does not work; goes on by itself once it does.
    Held {
        /// Why, as a sentence.
        why: String,
    },
    /// The CRM refused it; a new revision or changed settings start it again.
    Parked {
        /// Why.
        refusal: NoteRefusal,
    },
    /// The newest revision stands in the CRM.
    Published,
    /// Waiting for its time.
    Waiting,
}

/// A write of which we may not know the end: its answer was lost, or whoever sent it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores keep it as it is")]
pub struct Unsettled {
    /// What it does when it lands.
    pub write: UnsettledWrite,
    /// Until when it may still land (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
}

/// What a write does that lands late.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the two kinds of write that no version holds back")]
pub enum UnsettledWrite {
    /// It makes the note of this epoch, unless there is one.
    Create,
    /// It replaces whatever stands there then.
    Overwrite,
}

impl Unsettled {
    /// Both of two: until the later one has landed, with the worse of their effects.
    #[must_use]
    pub fn and(self, other: Option<Self>) -> Self {
        other.map_or(self, |other| Self {
            write: self.write.max(other.write),
            until: self.until.max(other.until),
        })
    }
}

/// Proof that a revision stands in the CRM.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Receipt {
    /// The note.
    pub handle: NoteHandle,
    /// What it carries.
    pub stamp: RevisionStamp,
    /// When it was proved (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Why a document cannot be published at all (DOC-4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "declined")]
#[non_exhaustive]
pub enum PublishDeclined {
    /// The document hangs on an account, not on a deal.
    AccountOnly,
    /// The deal did not come from an opportunity of a connected CRM.
    DealNotConnected,
    /// The CRM takes no notes.
    NotesUnsupported,
}

impl fmt::Display for PublishDeclined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccountOnly => "the document is on an account, not on a deal",
            Self::DealNotConnected => "the deal is not connected to an opportunity",
            Self::NotesUnsupported => "this CRM takes no notes",
        })
    }
}
