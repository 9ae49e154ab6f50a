//! Takes revisions in and brings the newest one to the CRM, as one note per document and deal.
//!
//! # Flow
//! [`Desk::publish`] writes the revision into the ledger and makes it due once edits pause. When the
//! time has come the scheduler claims it and calls [`Publisher::send`]: the document is
//! rendered, created or updated by the protocol of [`Delivery`], told to the activity feed, and
//! recorded. A connection that does not work makes the scheduler call [`Publisher::hold`] instead.
//!
//! # Guarantees
//! * A revision that was accepted is sent, held or parked with a reason, never lost: it stands in
//!   the ledger before anything else happens, and every sync looks for what was not scheduled.
//! * One note per document and deal, whatever crashes, is repeated or lands late; an older revision
//!   never replaces a newer one.
//! * One feed line per event: the line is written before the ledger, under a key that a repeated
//!   attempt writes again without effect.
//! * Dropping any of the futures at any await is the same as a crash there.
//!
//! # Assumptions
//! The claim is of this publication, and the publication was read after claiming. The connector
//! keeps its contract about notes; where it cannot choose ids ([`NoteIdentity::Search`]) two notes
//! are possible if the CRM lets a write land later than its declared drain.
//!
//! [`Desk::publish`]: crate::documents::Desk::publish
//! [`NoteIdentity::Search`]: crate::connector::NoteIdentity::Search

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tracing::Instrument;

use crate::clock::Clock;
use crate::connector::CrmConnector;
use crate::documents::delivery::{Delivered, Delivery, Reached};
use crate::documents::desk::due_at;
use crate::documents::feed::{held, refused, stands};
use crate::documents::render::RenderContext;
use crate::error::{Error, Remedy, Result};
use crate::model::{NewFeedEntry, NoteLimits, Publication, PublicationState, Receipt};
use crate::rules::{Debounce, publication_retry_at};
use crate::storage::{Claim, SetAside, Stores};

/// How documents are published.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct PublishOptions {
    /// How long a revision waits for further ones.
    pub debounce: Debounce,
    /// What becomes of a note that a CRM user deleted.
    pub deleted_note: DeletedNote,
    /// What the reader of a note expects.
    pub render: RenderContext,
}

/// What the next revision of a document does when a CRM user has deleted its note.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum DeletedNote {
    /// It makes a fresh note.
    #[default]
    CreateAnew,
    /// It is parked: the note stays deleted.
    LeaveDeleted,
}

impl From<Debounce> for PublishOptions {
    fn from(debounce: Debounce) -> Self {
        Self { debounce, ..Self::default() }
    }
}

/// By how much a time may differ once a store has rounded it.
const TIME_AS_STORED: Duration = Duration::from_millis(1);

/// Publishes documents; see the module.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    stores: Stores,
    clock: Arc<dyn Clock>,
    options: PublishOptions,
}

/// Where an attempt has left a publication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    /// Its state.
    pub(crate) state: PublicationState,
    /// When to try again (UTC); `None` when nothing is left to do by itself.
    pub(crate) next: Option<OffsetDateTime>,
}

impl Publisher {
    pub(crate) fn new(
        stores: Stores,
        clock: Arc<dyn Clock>,
        options: impl Into<PublishOptions>,
    ) -> Self {
        Self { stores, clock, options: options.into() }
    }

    /// How long revisions wait for further ones.
    pub(crate) const fn debounce(&self) -> Debounce {
        self.options.debounce
    }

    /// Sends the newest revision of a claimed publication.
    ///
    /// # Errors
    /// The connection or the service as a whole does not work; the publication waits, and is held
    /// when somebody has to act. [`Error::StaleClaim`] when somebody newer holds the claim.
    pub(crate) async fn send(
        &self,
        claim: &Claim,
        connector: &dyn CrmConnector,
        publication: &Publication,
        limits: NoteLimits,
    ) -> Result<Sent> {
        if !publication.is_pending() && publication.unsettled.is_none() {
            return Ok(Sent { state: publication.state.clone(), next: None });
        }
        // A revision that came in since it was scheduled starts the quiet time again. No clock is
        // asked: one that is behind the store's would find it too early over and over.
        let early = self.due_at(publication).filter(|at| claim.due_at + TIME_AS_STORED < *at);
        if early.is_some() {
            return Ok(Sent { state: publication.state.clone(), next: early });
        }
        let span = tracing::info_span!(
            "publication",
            id = %publication.key.publication(),
            revision = publication.document.revision,
        );
        let delivery = Delivery {
            stores: &self.stores,
            clock: &*self.clock,
            options: &self.options,
            claim,
            connector,
            publication,
            limits,
        };
        // Times are told to the store by its own clock: one of ours that is behind would make the
        // work due over and over.
        let behind = (claim.claimed_at - self.clock.now()).max(time::Duration::ZERO);
        match delivery.run().instrument(span).await {
            Ok(delivered) => {
                let sent = self.conclude(claim, publication, delivered).await?;
                let next = sent.next.map(|next| next.saturating_add(behind));
                Ok(Sent { next, ..sent })
            }
            Err(error) => {
                self.set_back(claim, publication, &error).await?;
                Err(error)
            }
        }
    }

    /// Holds a claimed publication because its connection does not work. It goes on once that does.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::StaleClaim`].
    pub(crate) async fn hold(
        &self,
        claim: &Claim,
        publication: &Publication,
        why: String,
    ) -> Result<Sent> {
        let now = self.clock.now();
        let line = held(publication, &why, now);
        let state = PublicationState::Held { why };
        if !publication.is_pending() {
            // It stands in the CRM, but a look at it is still to be made.
            let next = publication.unsettled.map(|_| publication_retry_at(now, u32::MAX));
            return Ok(Sent { state: publication.state.clone(), next });
        }
        if publication.state == state {
            return Ok(Sent { state, next: None });
        }
        self.tell(publication, [line]).await?;
        let after = self.set_aside(claim, publication, state, None).await?;
        Ok(Sent { state: after.state, next: None })
    }

    async fn conclude(
        &self,
        claim: &Claim,
        publication: &Publication,
        delivered: Delivered,
    ) -> Result<Sent> {
        let now = self.clock.now();
        let Delivered { epoch, reached, unsettled } = delivered;
        let after = match reached {
            Reached::Later(at) if !publication.is_pending() => {
                return Ok(Sent { state: publication.state.clone(), next: Some(at) });
            }
            Reached::Later(at) => {
                let state = PublicationState::Waiting;
                let after = self.set_aside(claim, publication, state, Some(at)).await?;
                return Ok(Sent { state: after.state, next: Some(at) });
            }
            Reached::Refused(refusal) => {
                self.tell(publication, [refused(publication, &refusal, now)]).await?;
                let state = PublicationState::Parked { refusal };
                self.set_aside(claim, publication, state, None).await?
            }
            Reached::Settled => match &publication.receipt {
                Some(receipt) => {
                    self.stores.publications.record_receipt(claim, receipt, None).await?
                }
                None => publication.clone(),
            },
            Reached::Stands { handle, stamp, how } => {
                if stamp == publication.stamp() {
                    self.tell(publication, [stands(publication, epoch, how, now)]).await?;
                }
                let receipt = Receipt { handle, stamp, at: now };
                self.stores.publications.record_receipt(claim, &receipt, unsettled).await?
            }
        };
        // What is published is looked at once more, when everything else has landed.
        let look_again = after.unsettled.map(|unsettled| unsettled.until);
        let look_again = look_again.filter(|_| after.state == PublicationState::Published);
        Ok(Sent { next: self.due_at(&after).or(look_again), state: after.state })
    }

    /// Notes down a failure of the connection or the service as a whole.
    async fn set_back(
        &self,
        claim: &Claim,
        publication: &Publication,
        error: &Error,
    ) -> Result<()> {
        let state = match error {
            Error::StaleClaim { .. } | Error::Store { .. } => return Ok(()),
            // Only a look failed: it stands in the CRM as before.
            _ if !publication.is_pending() => return Ok(()),
            _ => match error.remedy() {
                Remedy::AskAdmin | Remedy::Reconnect => {
                    let why = error.customer_message();
                    self.tell(publication, [held(publication, &why, self.clock.now())]).await?;
                    PublicationState::Held { why }
                }
                _ => PublicationState::Waiting,
            },
        };
        let next = matches!(state, PublicationState::Waiting)
            .then(|| self.next_try(error, publication.attempts));
        self.set_aside(claim, publication, state, next).await.map(drop)
    }

    /// When to try again after a failure of the connection or the service as a whole (UTC).
    pub(crate) fn next_try(&self, error: &Error, attempts: u32) -> OffsetDateTime {
        let again = publication_retry_at(self.clock.now(), attempts);
        error.retry_at().map_or(again, |at| at.max(again))
    }

    async fn set_aside(
        &self,
        claim: &Claim,
        publication: &Publication,
        state: PublicationState,
        next_try_at: Option<OffsetDateTime>,
    ) -> Result<Publication> {
        let aside = SetAside { seen: publication.document.revision, state, next_try_at };
        self.stores.publications.set_aside(claim, &aside).await
    }

    async fn tell(
        &self,
        publication: &Publication,
        entries: impl IntoIterator<Item = NewFeedEntry>,
    ) -> Result<()> {
        let entries: Vec<_> = entries.into_iter().collect();
        let workspace = &publication.key.workspace;
        self.stores.feed.append(workspace, publication.connection, &entries, None).await
    }

    fn due_at(&self, publication: &Publication) -> Option<OffsetDateTime> {
        due_at(publication, &self.options.debounce)
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
