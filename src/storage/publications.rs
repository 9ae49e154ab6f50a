//! The ledger of publications.

use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{
    ConnectionId, Document, NoteKey, OpportunityId, Publication, PublicationId, PublicationState,
    Receipt, Unsettled, WorkspaceId,
};
use crate::storage::due::Claim;

/// The ledger of publications: which document stands where, and what still has to be sent.
///
/// It is keyed by [`NoteKey`] and survives disconnecting and purging.
///
/// # Errors
/// Every method fails with [`Error::Store`](crate::Error::Store) when the step could not be done;
/// then nothing of it was. A method that can fail otherwise says so.
#[async_trait]
pub trait Publications: fmt::Debug + Send + Sync {
    /// Takes a revision in and hands back the publication.
    ///
    /// A new key makes a fresh publication. A higher revision, or the same revision with other
    /// content, replaces the document, starts a parked one again, and moves it to `connection` and
    /// `opportunity`. A lower revision, or the very same one, changes nothing; but a request with
    /// [`Resend::Yes`] starts the publication again with the revision that it has.
    async fn accept(&self, request: &PublishRequest) -> Result<Publication>;

    /// The publication with an id.
    async fn by_id(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<Publication>>;

    /// The publications of a connection in the order of their ids, from after `after`.
    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<PublicationId>,
        limit: u32,
    ) -> Result<Vec<Publication>>;

    /// Records, before it is sent, a write in `epoch` that no version holds back, in place of what
    /// was recorded before.
    ///
    /// A higher epoch than the stored one starts a new life: the receipt is dropped.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim), or
    /// [`Error::Conflict`](crate::Error::Conflict) when `epoch` is lower than the stored one.
    async fn record_sending(&self, claim: &Claim, epoch: u32, write: Unsettled) -> Result<()>;

    /// Records what is proved to stand in the CRM, with what is unsettled still, and hands the
    /// publication back.
    ///
    /// Its state becomes published if the receipt carries the newest revision, else it goes on
    /// waiting.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn record_receipt(
        &self,
        claim: &Claim,
        receipt: &Receipt,
        unsettled: Option<Unsettled>,
    ) -> Result<Publication>;

    /// Sets the state aside from publishing: held, parked or waiting again; counts an attempt.
    ///
    /// When a revision newer than the one in `aside` has come in since, nothing is changed. Hands
    /// the publication back as it stands.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn set_aside(&self, claim: &Claim, aside: &SetAside) -> Result<Publication>;
}

/// An attempt that did not end with the revision in the CRM.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct SetAside {
    /// The revision that the decision was made about.
    pub seen: u64,
    /// The state from now on.
    pub state: PublicationState,
    /// When the next attempt is made (UTC), if one is.
    pub next_try_at: Option<OffsetDateTime>,
}

/// A revision on its way into the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct PublishRequest {
    /// What it stands for.
    pub key: NoteKey,
    /// The connection it goes through.
    pub connection: ConnectionId,
    /// The opportunity it goes to.
    pub opportunity: OpportunityId,
    /// The revision.
    pub document: Document,
    /// When it was published (UTC).
    pub at: OffsetDateTime,
    /// Whether it is sent even if it is in the CRM already.
    pub resend: Resend,
}

/// Whether a revision is sent even if it is in the CRM already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_enums, reason = "no or yes")]
pub enum Resend {
    /// It is sent if it is newer.
    #[default]
    No,
    /// Somebody asked for it.
    Yes,
}
