//! A claimed publication: sent, held, or tried again later.

use std::time::Duration;

use crate::documents::Sent;
use crate::error::{Error, Result};
use crate::model::{Connection, PublicationId, PublicationState};
use crate::scheduler::Scheduler;
use crate::scheduler::health::explain;
use crate::storage::Claim;

impl Scheduler {
    /// Sends a publication and makes it due again if something is left to do.
    pub(super) async fn publish(
        &self,
        claim: &Claim,
        id: PublicationId,
        lease: Duration,
    ) -> Result<PublicationState> {
        let workspace = &claim.work.workspace;
        let Some(publication) = self.stores.publications.by_id(workspace, id).await? else {
            self.stores.due.complete(claim, None).await?;
            return Err(Error::not_found(format!("publication {id}")));
        };
        let connection = self.claimed_connection(claim, publication.connection).await?;
        let outcome = if connection.health.is_working() {
            match self.connectors.open(&connection) {
                Ok(connector) => {
                    let sending = self.publisher.send(claim, &*connector, &publication);
                    self.keep_lease(claim, lease, &connection, sending).await
                }
                Err(error) => Err(error),
            }
        } else {
            self.publisher.hold(claim, &publication, explain(&connection.health)).await
        };
        match outcome {
            Ok(Sent { state, next }) => {
                self.stores.due.complete(claim, next).await?;
                Ok(state)
            }
            Err(error @ Error::StaleClaim { .. }) => Err(error),
            Err(error) => {
                self.after_publish_error(claim, &connection, &error, publication.attempts).await?;
                Err(error)
            }
        }
    }

    /// An error that came out of sending is about the connection or the service as a whole.
    async fn after_publish_error(
        &self,
        claim: &Claim,
        connection: &Connection,
        error: &Error,
        attempts: u32,
    ) -> Result<()> {
        let next = self.publisher.next_try(error, attempts);
        self.judge_health(connection, error).await?;
        self.stores.due.complete(claim, Some(next)).await
    }
}
