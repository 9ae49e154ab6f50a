//! Where documents are handed in and asked after: nothing here talks to a CRM.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{
    AccountId, Connection, ConnectionId, Deal, DealId, Document, DocumentId, NoteKey, Publication,
    PublicationId, PublicationState, PublishDeclined, WorkspaceId,
};
use crate::rules::{Debounce, publication_due_at};
use crate::storage::{Listed, PublishRequest, Resend, Stores, Work, WorkItem};

/// Where a document is published to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PublishTarget {
    /// An account: declined, because notes go to opportunities.
    Account(AccountId),
    /// A deal.
    Deal(DealId),
}

/// What became of a published revision.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Published {
    /// It is in the ledger.
    Accepted {
        /// The publication; the same for every revision of a document on a deal.
        publication: PublicationId,
        /// When it is due to be sent (UTC); `None` when nothing is left to send.
        due_at: Option<OffsetDateTime>,
    },
    /// It cannot be published there at all.
    Declined(PublishDeclined),
}

/// A publication, and when something happens to it next.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PublicationStatus {
    /// What the ledger holds: state, last receipt, last refusal.
    pub publication: Publication,
    /// When it is sent, or tried again (UTC); `None` when it waits for nothing but somebody's doing,
    /// or stands in the CRM.
    pub due_at: Option<OffsetDateTime>,
}

/// Takes documents in and tells where they are.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    stores: Stores,
    clock: Arc<dyn Clock>,
    debounce: Debounce,
}

impl Desk {
    pub(crate) fn new(stores: Stores, clock: Arc<dyn Clock>, debounce: Debounce) -> Self {
        Self { stores, clock, debounce }
    }

    /// Takes a revision in and makes it due.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) async fn publish(
        &self,
        workspace: &WorkspaceId,
        target: PublishTarget,
        document: Document,
        takes_notes: impl Fn(&Connection) -> bool,
    ) -> Result<Published> {
        let deal = match target {
            PublishTarget::Account(_) => {
                return Ok(Published::Declined(PublishDeclined::AccountOnly));
            }
            PublishTarget::Deal(deal) => deal,
        };
        match self.connected(workspace, deal).await? {
            None => Ok(Published::Declined(PublishDeclined::DealNotConnected)),
            Some((_, connection)) if !takes_notes(&connection) => {
                Ok(Published::Declined(PublishDeclined::NotesUnsupported))
            }
            Some((deal, connection)) => {
                let key = key(workspace, &deal, &connection, document.id.clone());
                self.accept(key, deal, document, Resend::No).await
            }
        }
    }

    /// Makes the newest revision due once more, whether it stands in the CRM or was refused.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the workspace has no such publication; [`Error::Store`].
    pub(crate) async fn republish(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Published> {
        let Some(known) = self.stores.publications.by_id(workspace, id).await? else {
            return Err(Error::not_found(format!("publication {id}")));
        };
        let Publication { key, document, .. } = known;
        match self.connected(workspace, key.deal).await? {
            None => Ok(Published::Declined(PublishDeclined::DealNotConnected)),
            Some((deal, _)) => self.accept(key, deal, document, Resend::Yes).await,
        }
    }

    async fn accept(
        &self,
        key: NoteKey,
        deal: Deal,
        document: Document,
        resend: Resend,
    ) -> Result<Published> {
        let (connection, opportunity) = (deal.connection, deal.opportunity);
        let at = self.clock.now();
        let request = PublishRequest { key, connection, opportunity, document, at, resend };
        let publication = self.stores.publications.accept(&request).await?;
        let due_at = due_at(&publication, &self.debounce);
        if let Some(at) = due_at {
            self.stores.due.schedule(&work(&publication), at).await?;
        }
        Ok(Published::Accepted { publication: publication.key.publication(), due_at })
    }

    /// A deal with the connection that it came from, when both are there.
    async fn connected(
        &self,
        workspace: &WorkspaceId,
        deal: DealId,
    ) -> Result<Option<(Deal, Connection)>> {
        let Some(deal) = self.stores.deals.by_id(workspace, &[deal]).await?.pop() else {
            return Ok(None);
        };
        let connections = self.stores.connections.connections(workspace).await?;
        let connection = connections.into_iter().find(|one| one.id == deal.connection);
        Ok(connection.map(|connection| (deal, connection)))
    }

    /// The publication with an id.
    pub(crate) async fn status(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<PublicationStatus>> {
        let found = self.stores.publications.by_id(workspace, id).await?;
        Ok(found.map(|publication| self.status_of(publication)))
    }

    /// The publication of a document on a deal.
    pub(crate) async fn find(
        &self,
        workspace: &WorkspaceId,
        deal: DealId,
        document: &DocumentId,
    ) -> Result<Option<PublicationStatus>> {
        let Some((deal, connection)) = self.connected(workspace, deal).await? else {
            return Ok(None);
        };
        let key = key(workspace, &deal, &connection, document.clone());
        self.status(workspace, key.publication()).await
    }

    /// The publications of a connection in the order of their ids, from after `after`.
    pub(crate) async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        which: Listed,
        after: Option<PublicationId>,
        limit: u32,
    ) -> Result<Vec<PublicationStatus>> {
        let ledger = &self.stores.publications;
        let page = ledger.list(workspace, connection, which, after, limit).await?;
        Ok(page.into_iter().map(|publication| self.status_of(publication)).collect())
    }

    fn status_of(&self, publication: Publication) -> PublicationStatus {
        let waits = publication.state == PublicationState::Waiting;
        let due = due_at(&publication, &self.debounce).max(publication.next_try_at);
        PublicationStatus { due_at: due.filter(|_| waits), publication }
    }
}

/// When a publication is due, if it is at all.
pub(crate) fn due_at(publication: &Publication, debounce: &Debounce) -> Option<OffsetDateTime> {
    let Publication { first_pending_at, last_pending_at, .. } = publication;
    let waits = !matches!(publication.state, PublicationState::Parked { .. });
    (waits && publication.is_pending())
        .then(|| publication_due_at(*first_pending_at, *last_pending_at, debounce))
}

fn key(
    workspace: &WorkspaceId,
    deal: &Deal,
    connection: &Connection,
    document: DocumentId,
) -> NoteKey {
    let organisation = connection.identity.organisation.clone();
    NoteKey { workspace: workspace.clone(), organisation, deal: deal.id, document }
}

fn work(publication: &Publication) -> Work {
    let item = WorkItem::Publish(publication.key.publication());
    Work { workspace: publication.key.workspace.clone(), item }
}
