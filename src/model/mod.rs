//! Plain data in CRM-neutral words: no I/O, no async, no clock.
//!
//! Read [`Opportunity`], [`User`] and [`StageAssignment`] for what comes from a CRM, [`Candidate`]
//! for what a promotion sees, [`Deal`] and [`Decision`] for what it makes of it, [`Connection`] and
//! [`FeedEvent`] for what a settings page shows, [`Preflight`] for what a connected user may do,
//! [`Document`], [`NoteDraft`] and [`Publication`] for the way to a timeline, and [`query`] for
//! questions.

mod account;
mod candidate;
mod connection;
mod contact;
mod deal;
mod email;
mod feed;
mod ids;
pub(crate) mod json;
mod money;
mod note;
mod note_limits;
mod opportunity;
mod preflight;
mod publication;
pub mod query;
mod record;
mod rights;
mod row_change;
mod stage;
mod sweep;
mod unified;
mod user;

pub use account::{Account, AccountStatus};
pub use candidate::{AssignedStage, Candidate, Presence};
pub use connection::{Connection, ConnectionChange, CrmKind, Health, Identity, MIN_INTERVAL};
pub use contact::{Contact, ContactStatus, CustomerRef};
pub use deal::{
    ChangeSeq, Deal, DealChange, DealChangeKind, DealDetails, DealState, Decided, Decision,
    MatchedBy, Named, Outcome, OwnerHint, OwnerMatch, OwnerProblem, SkipReason, Skipped,
};
pub use email::EmailAddress;
pub use feed::{FeedEntry, FeedEvent, NewFeedEntry, SyncCounts};
pub(crate) use ids::hex;
pub use ids::{
    AccountId, ConnectionId, ContactId, CurrencyId, DealId, DocumentId, MemberId, OpportunityId,
    OrganisationId, ProcessId, RecordId, RunId, StageId, TeamId, UserId, WorkspaceId,
};
pub use money::{Amount, CurrencyCode, Money};
pub use note::{
    Attachment, ContentHash, Document, NoteContent, NoteDraft, NoteHandle, NoteKey, NoteRefusal,
    NoteWrite, PublicationId, RemoteNote, RevisionStamp,
};
pub use note_limits::NoteLimits;
pub use opportunity::{Currency, CurrencyRole, Opportunity, OpportunityStatus, RecordStage};
pub use preflight::{Preflight, PreflightCheck, PreflightSubject, Readiness, Verdict};
pub use publication::{
    Publication, PublicationState, PublishDeclined, Receipt, Unsettled, UnsettledWrite,
};
pub use record::{Record, RowVersion, Rows, Table};
pub use rights::{Reach, Rights};
pub use row_change::{ChangedField, FieldChange, FoundChange, RowChange, RowChangeKind};
pub use stage::{
    AssignmentState, CurrentStage, ProcessRef, Stage, StageAssignment, StageFilter, StageSource,
};
pub use sweep::WithheldReason;
pub use unified::{UnifiedAccount, UnifiedKey};
pub use user::{Member, MemberStatus, OwnerRef, User, UserKind, UserStatus};
