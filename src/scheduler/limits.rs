//! What an org lets in as notes, asked with every sync; what it newly lets in is tried again.

use crate::connector::CrmConnector;
use crate::error::Result;
use crate::model::{Connection, ConnectionChange, NoteLimits, Publication, PublicationState};
use crate::scheduler::Scheduler;
use crate::storage::{Listed, PublishRequest, Resend};

/// Publications looked through in one step: each carries its document.
const LEDGER_PAGE: u32 = 20;

impl Scheduler {
    /// Reads the org's settings for notes. When they have changed, publications that the old ones
    /// refused wait for their turn again, and only then are the new ones kept: a crash in between
    /// does it once more.
    pub(super) async fn notice_note_limits(
        &self,
        connector: &dyn CrmConnector,
        connection: &Connection,
    ) -> Result<()> {
        let now = connector.note_limits().await?;
        if now == connection.note_limits {
            return Ok(());
        }
        self.start_refused_again(connection, &now).await?;
        self.change(connection, ConnectionChange::NoteLimits(now)).await
    }

    async fn start_refused_again(&self, connection: &Connection, now: &NoteLimits) -> Result<()> {
        let Connection { workspace, id, note_limits: before, .. } = connection;
        let ledger = &self.stores.publications;
        let mut after = None;
        loop {
            let which = Listed::Unpublished;
            let page = ledger.list(workspace, *id, which, after, LEDGER_PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.publication());
            let refused = |publication: &Publication| match &publication.state {
                PublicationState::Parked { refusal } => now.may_take(refusal, before),
                _ => false,
            };
            for publication in page.into_iter().filter(refused) {
                let Publication { key, connection, opportunity, document, .. } = publication;
                let (at, resend) = (self.clock().now(), Resend::IfParked);
                let request = PublishRequest { key, connection, opportunity, document, at, resend };
                ledger.accept(&request).await?;
            }
        }
    }
}
