//! Documents: handed in, asked after, sent once more, read back.

use super::Crm;
use crate::connect;
use crate::connector::{NoteIdentity, NoteParts};
use crate::documents::{PublicationStatus, PublishTarget, Published};
use crate::error::{Error, Result};
use crate::model::{
    Connection, ConnectionId, DealId, Document, DocumentId, PublicationId, RemoteNote, WorkspaceId,
};
use crate::storage::Listed;

impl Crm {
    /// Takes a revision of a document in, durably, to be sent once edits pause. Publishing the same
    /// revision again changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`]. That a document cannot be published at all is
    /// [`Published::Declined`], not an error.
    pub async fn publish(
        &self,
        workspace: &WorkspaceId,
        target: PublishTarget,
        document: Document,
    ) -> Result<Published> {
        let takes_notes = |connection: &Connection| {
            // What has no provider now may have one again: the document waits for it.
            let connector = self.connectors.open(connection);
            connector.map_or(true, |crm| crm.capabilities().note_identity != NoteIdentity::None)
        };
        self.desk.publish(workspace, target, document, takes_notes).await
    }

    /// Sends the newest revision of a publication once more, when edits pause: over a file that a
    /// CRM user put in its place, as a fresh note if the note was deleted, or after a refusal that
    /// somebody believes to have mended. A note that carries the revision already is left as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the workspace has no such publication; [`Error::Store`].
    pub async fn republish(&self, workspace: &WorkspaceId, id: PublicationId) -> Result<Published> {
        self.desk.republish(workspace, id).await
    }

    /// Where a publication stands: its state, what is proved to stand in the CRM, what was refused
    /// last, and when it is tried next.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn publication(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<PublicationStatus>> {
        self.desk.status(workspace, id).await
    }

    /// Where a document on a deal stands; `None` when it was never published there.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn publication_of(
        &self,
        workspace: &WorkspaceId,
        deal: DealId,
        document: &DocumentId,
    ) -> Result<Option<PublicationStatus>> {
        self.desk.find(workspace, deal, document).await
    }

    /// The publications of a connection in the order of their ids, from after `after`: all, or those
    /// that do not stand in the CRM. Each carries its document, so keep `limit` small.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn publications(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        which: Listed,
        after: Option<PublicationId>,
        limit: u32,
    ) -> Result<Vec<PublicationStatus>> {
        self.desk.list(workspace, id, which, after, limit).await
    }

    /// Reads the note of a publication back from the CRM, with its attachment.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such publication, or its connection is gone; what the CRM said, see [`Error::remedy`].
    pub async fn read_note(
        &self,
        workspace: &WorkspaceId,
        publication: PublicationId,
    ) -> Result<Option<RemoteNote>> {
        let found = self.stores.publications.by_id(workspace, publication).await?;
        let publication =
            found.ok_or_else(|| Error::not_found(format!("publication {publication}")))?;
        let connection = connect::find(&self.stores, workspace, publication.connection).await?;
        let connector = self.connectors.open_working(&connection)?;
        connector.find_note(&publication.key, publication.epoch, NoteParts::Whole).await
    }
}
