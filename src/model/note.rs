//! Documents, the notes they become on a CRM's timeline, and what becomes of a write to one.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::ids::derive_uuid;
use super::{DealId, DocumentId, OpportunityId, OrganisationId, WorkspaceId};

/// What a note stands for: one document on one deal, in one org.
///
/// The ledger of published notes is keyed by it; it survives disconnecting and purging, so that a
/// document never gets a second note (DOC-2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "the key of the ledger; a new part is a new key")]
pub struct NoteKey {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The org.
    pub organisation: OrganisationId,
    /// The deal.
    pub deal: DealId,
    /// The document.
    pub document: DocumentId,
}

impl NoteKey {
    /// The key's own id (UUID version 5): names the publication.
    #[must_use]
    pub fn publication(&self) -> PublicationId {
        PublicationId(self.derive("publication", &[]))
    }

    /// The id of the note in its `epoch`-th life (UUID version 5), for a CRM that lets us choose.
    ///
    /// The epoch moves on when a note that was proved to exist was deleted in the CRM.
    #[must_use]
    pub fn note_id(&self, epoch: u32) -> Uuid {
        self.derive("note", &[&epoch.to_string()])
    }

    fn derive(&self, kind: &str, more: &[&str]) -> Uuid {
        let deal = self.deal.to_string();
        let mut parts = vec![
            self.workspace.as_str(),
            self.organisation.as_str(),
            deal.as_str(),
            self.document.as_str(),
        ];
        parts.extend_from_slice(more);
        derive_uuid(kind, &parts)
    }
}

/// A publication: one document's newest revision on one deal. Derived from its [`NoteKey`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicationId(Uuid);

impl PublicationId {
    /// Wraps a UUID read back from a store.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID inside.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for PublicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A revision of a document, as the host publishes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Document {
    /// The host's id.
    pub id: DocumentId,
    /// The title; becomes the note's subject.
    pub title: String,
    /// The content as HTML. It is not trusted: it is reduced to a formatting subset.
    pub html: String,
    /// The host's revision number. A higher one replaces a lower one, never the reverse.
    pub revision: u64,
    /// Who wrote the revision, for the reader of the note.
    pub author: Option<String>,
    /// When the revision was written (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub revised_at: OffsetDateTime,
    /// The language of the content as a BCP 47 tag, such as `en` or `ar`.
    pub language: Option<String>,
}

impl Document {
    /// A document without author and language.
    #[must_use]
    pub const fn new(
        id: DocumentId,
        title: String,
        html: String,
        revision: u64,
        revised_at: OffsetDateTime,
    ) -> Self {
        Self { id, title, html, revision, author: None, revised_at, language: None }
    }

    /// The fingerprint of everything that a reader of the note can see.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let mut text = Vec::with_capacity(self.html.len() + self.title.len() + 64);
        for part in [
            self.title.as_str(),
            self.html.as_str(),
            self.author.as_deref().unwrap_or_default(),
            self.language.as_deref().unwrap_or_default(),
        ] {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        text.extend_from_slice(&self.revision.to_be_bytes());
        ContentHash::of(&text)
    }
}

/// A fingerprint of content (SHA-256).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Hashes bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = crate::error::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_hex(&text)
            .ok_or_else(|| crate::error::Error::invalid_input("content hash", "64 hex digits"))
    }
}

/// A note ready to be written: what the CRM's user will see on the timeline.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NoteDraft {
    /// The opportunity whose timeline it goes to.
    pub opportunity: OpportunityId,
    /// The subject line.
    pub subject: String,
    /// The short text beside the attachment.
    pub text: String,
    /// The attachment.
    pub attachment: Attachment,
    /// Which revision of which content this is; also stands inside the attachment's head.
    pub stamp: RevisionStamp,
}

impl NoteDraft {
    /// Puts a draft together.
    #[must_use]
    pub const fn new(
        opportunity: OpportunityId,
        subject: String,
        text: String,
        attachment: Attachment,
        stamp: RevisionStamp,
    ) -> Self {
        Self { opportunity, subject, text, attachment, stamp }
    }
}

/// A file attached to a note.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a file has a name, a type and bytes")]
pub struct Attachment {
    /// The file's name, safe on every system.
    pub file_name: String,
    /// The MIME type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Which revision of which content a note carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "compared as a whole")]
pub struct RevisionStamp {
    /// The host's revision number.
    pub revision: u64,
    /// The fingerprint of the document as published.
    pub content: ContentHash,
}

/// A note that exists in the CRM, as far as we know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "connectors build it")]
pub struct NoteHandle {
    /// The CRM's id of the note.
    pub id: super::RecordId,
    /// The version to compare with on the next write, where the CRM keeps one.
    pub version: Option<String>,
    /// The opportunity whose timeline it hangs on, as last seen; `None` when it hangs on none.
    pub opportunity: Option<OpportunityId>,
}

/// What became of a write to a note. "Unknown" is an outcome, not an error.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NoteWrite {
    /// Nothing was written: the CRM cannot tie this write to the note's version. It can be written
    /// with [`Fence::Recorded`](crate::connector::Fence::Recorded).
    CannotFence,
    /// Somebody else wrote it first; here is what stands there now.
    Conflict(RemoteNote),
    /// There is no such note any more.
    Gone,
    /// The note is there, without its attachment, which an update has to bring.
    Bare(NoteHandle),
    /// The CRM refused it for good.
    Refused(NoteRefusal),
    /// The answer was lost: it may have been written, or may yet be.
    Unknown,
    /// Written.
    Written(NoteHandle),
}

/// A note as read back from the CRM.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "connectors build it")]
pub struct RemoteNote {
    /// Which note.
    pub handle: NoteHandle,
    /// The subject line.
    pub subject: Option<String>,
    /// What it carries.
    pub content: NoteContent,
    /// The attachment, when it was asked for.
    pub attachment: Option<Attachment>,
}

/// What a note carries, by the head of its attachment; see
/// [`note_content`](crate::rules::note_content).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a file of ours, one of somebody else's, or none")]
pub enum NoteContent {
    /// A file that is not a page of ours: a CRM user replaced it.
    Foreign,
    /// No file.
    Nothing,
    /// A page of ours.
    Ours(RevisionStamp),
}

impl NoteContent {
    /// The stamp of a page of ours.
    #[must_use]
    pub const fn stamp(self) -> Option<RevisionStamp> {
        match self {
            Self::Ours(stamp) => Some(stamp),
            Self::Foreign | Self::Nothing => None,
        }
    }
}

/// Why a CRM refuses a document for good.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "refusal")]
#[non_exhaustive]
pub enum NoteRefusal {
    /// The connected user may not write notes there.
    NotAllowed {
        /// The privilege that is missing, when the CRM names it.
        privilege: Option<String>,
    },
    /// The opportunity is not there any more.
    OpportunityGone,
    /// A rule of the customer's own CRM refused it.
    Other {
        /// The CRM's code.
        code: String,
        /// The CRM's words, shortened.
        message: String,
    },
    /// The attachment is larger than the org allows.
    TooLarge {
        /// The largest file in bytes, when it is known.
        limit: Option<u64>,
    },
    /// The org does not allow attachments of this type.
    TypeBlocked,
}

impl fmt::Display for NoteRefusal {
    /// Prints a sentence for the document's author, without a final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed { privilege: Some(privilege) } => write!(
                f,
                "the connected CRM user may not write notes there: the privilege {privilege} is missing"
            ),
            Self::NotAllowed { privilege: None } => {
                f.write_str("the connected CRM user may not write notes there")
            }
            Self::OpportunityGone => f.write_str("the opportunity is not in the CRM any more"),
            Self::Other { code, .. } => write!(f, "the CRM refused the note (code {code})"),
            Self::TooLarge { limit: Some(limit) } => write!(
                f,
                "the document is larger than the attachments your CRM allows (up to {} KB)",
                limit / 1024
            ),
            Self::TooLarge { limit: None } => {
                f.write_str("the document is larger than the attachments your CRM allows")
            }
            Self::TypeBlocked => f.write_str("your CRM does not allow HTML attachments"),
        }
    }
}
