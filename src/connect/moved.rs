//! Orgs that move to another address: noticed by their own id, followed once a member confirms.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::connect::{Connect, change, change_health, find};
use crate::connectors::Connectors;
use crate::error::{Error, Result};
use crate::model::{
    Connection, ConnectionChange, ConnectionId, FeedEvent, NewFeedEntry, WorkspaceId,
};
use crate::rules::HealthEvent;
use crate::storage::{Stores, Work, WorkItem};

/// Asks the CRM's directory whether an org that fails has a new address, and remembers it.
///
/// Nothing else is done with it: an address that follows the directory by itself would send a
/// customer's tokens wherever the directory says.
pub(crate) async fn notice_move(
    stores: &Stores,
    connectors: &Connectors,
    connection: &Connection,
) -> Result<()> {
    let Some(discovery) = connectors.provider(&connection.kind)?.discovery() else {
        return Ok(());
    };
    let vault = connectors.vault(connection);
    let found = match discovery.find(connectors.context(), connection, &vault).await {
        Ok(found) => found,
        Err(error) => {
            tracing::info!(%error, "the directory of orgs was not asked");
            return Ok(());
        }
    };
    let moved = found.filter(|org| org.organisation == connection.identity.organisation);
    let moved = moved.map(|org| org.address).filter(|to| *to != connection.address);
    let Some(to) = moved else { return Ok(()) };
    tracing::info!(connection = %connection.id, %to, "an org seems to have moved");
    let Connection { workspace, id, connected_at, .. } = connection;
    let entry = NewFeedEntry {
        key: format!("moved/{}/{to}", connected_at.unix_timestamp_nanos()),
        at: connectors.context().clock.now(),
        event: FeedEvent::OrgMoved { to: to.clone() },
    };
    stores.feed.append(workspace, *id, &[entry], None).await?;
    change(stores, workspace, *id, &ConnectionChange::MovedTo(Some(to))).await?;
    Ok(())
}

impl Connect {
    /// Follows an org to the address that was found for it, if the same organisation answers there.
    pub(crate) async fn confirm_address(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        address: &str,
    ) -> Result<Connection> {
        let before = find(&self.stores, workspace, id).await?;
        let provider = self.connectors.provider(&before.kind)?;
        let address = provider.parse_address(address)?;
        // Perhaps confirmed by a call that was cut off.
        if before.moved_to.as_ref() != Some(&address) && before.address != address {
            let reason = "It is not the address that was found for this org. Reload the page.";
            return Err(Error::invalid_input("address", reason));
        }
        let there = Connection { address: address.clone(), ..before.clone() };
        let vault = Arc::new(self.connectors.vault(&before));
        let context = self.connectors.context();
        let identity = provider.open(context, &there, vault)?.check().await?;
        if identity.organisation != before.identity.organisation {
            let reason = "Another organisation answers there. Connect it as an org of its own.";
            return Err(Error::invalid_input("address", reason));
        }
        let now = self.now();
        if before.address != address {
            tell_changed(&self.stores, &there, &before.address, now).await?;
        }
        let moved = ConnectionChange::Address(address);
        change(&self.stores, workspace, id, &moved).await?;
        // It answered, to these very tokens: whatever was wrong with it is over.
        let event = HealthEvent::AddressConfirmed;
        let after = change_health(&self.stores, workspace, id, &event).await?;
        let pull = Work { workspace: workspace.clone(), item: WorkItem::Pull(id) };
        self.stores.due.schedule(&pull, now).await?;
        Ok(after)
    }
}

/// Tells the feed that an org is used at another address from now on.
pub(super) async fn tell_changed(
    stores: &Stores,
    connection: &Connection,
    from: &str,
    at: OffsetDateTime,
) -> Result<()> {
    let entry = NewFeedEntry {
        key: format!(
            "address/{}/{}",
            connection.connected_at.unix_timestamp_nanos(),
            connection.address
        ),
        at,
        event: FeedEvent::AddressChanged { from: from.to_owned(), to: connection.address.clone() },
    };
    stores.feed.append(&connection.workspace, connection.id, &[entry], None).await
}
