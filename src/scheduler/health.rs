//! What an error says about a connection, and the connection as it stands now.

use crate::connect;
use crate::error::{Error, Result};
use crate::model::{Connection, ConnectionChange, ConnectionId, FeedEvent, Health, NewFeedEntry};
use crate::rules::{HealthEvent, next_health};
use crate::scheduler::Scheduler;
use crate::storage::Claim;

impl Scheduler {
    /// Works out the connection's health after an error, tells the feed, and stores it when it
    /// changed.
    ///
    /// The connection is read again: who disconnected or reconnected it meanwhile has the last word.
    pub(super) async fn judge_health(
        &self,
        connection: &Connection,
        error: &Error,
    ) -> Result<Health> {
        loop {
            let now = self.read_again(connection).await?;
            let event = health_event(error).filter(|_| now.connected_at == connection.connected_at);
            let Some(event) = event else { return Ok(now.health) };
            let health = next_health(&now.health, &event);
            if health == now.health {
                return Ok(health);
            }
            self.tell_health(&now, &health).await?;
            let change = ConnectionChange::Health(health.clone());
            let Connection { workspace, id, revision, .. } = &now;
            match self.stores.connections.change(workspace, *id, *revision, &change).await {
                // A lost race is somebody else's progress.
                Err(Error::Conflict { .. }) => {}
                outcome => return outcome.map(|_| health),
            }
        }
    }

    /// Tells the feed that the connection stopped working: before it is stored, so that a crash in
    /// between repeats both, and under a key that makes the repetition harmless.
    async fn tell_health(&self, connection: &Connection, health: &Health) -> Result<()> {
        let Connection { workspace, id, connected_at, .. } = connection;
        let message = explain(health);
        let entry = NewFeedEntry {
            key: format!("health/{}/{message}", connected_at.unix_timestamp_nanos()),
            at: self.clock().now(),
            event: FeedEvent::HealthChanged { message },
        };
        self.stores.feed.append(workspace, *id, &[entry], None).await
    }

    /// The connection that claimed work is for. Work for one that is not there any more is never
    /// due again.
    pub(super) async fn claimed_connection(
        &self,
        claim: &Claim,
        id: ConnectionId,
    ) -> Result<Connection> {
        let found = connect::find(&self.stores, &claim.work.workspace, id).await;
        if let Err(Error::NotFound { .. }) = found {
            self.stores.due.complete(claim, None).await?;
        }
        found
    }

    /// The connection as it stands now.
    pub(super) async fn read_again(&self, connection: &Connection) -> Result<Connection> {
        connect::find(&self.stores, &connection.workspace, connection.id).await
    }
}

/// Why nothing runs on a connection, with the next step, as a sentence.
pub(super) fn explain(health: &Health) -> String {
    match health {
        Health::NeedsReconnect { why, .. } => why.clone(),
        Health::NeedsAdminApproval { .. } => {
            "An administrator must approve the connection first.".to_owned()
        }
        Health::Connected | Health::Disconnected => {
            "The connection does not work at the moment.".to_owned()
        }
    }
}

/// What an error says about the connection.
///
/// What an administrator can approve on a page stops it until it is connected again. Anything else
/// that an administrator has to mend (a firewall, a disabled user, a missing app) is tried again at
/// growing gaps, so that it heals by itself once it is mended.
fn health_event(error: &Error) -> Option<HealthEvent> {
    match error {
        Error::Unauthenticated { claims, .. } => Some(HealthEvent::SignInRejected {
            why: error.customer_message(),
            claims: claims.clone(),
        }),
        Error::NeedsAdmin { link: Some(link), .. } => {
            Some(HealthEvent::AdminApprovalMissing { link: Some((**link).clone()) })
        }
        _ => None,
    }
}
