//! Open connectors, one per connection, so that all work on it shares one token and one throttle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;

use crate::connector::{ConnectorContext, CrmConnector, CrmProvider};
use crate::error::{Error, Result};
use crate::model::{Connection, ConnectionId, CrmKind};
use crate::seal::Sealer;
use crate::storage::Connections;
use crate::vault::StoreVault;

/// How many connectors stay open. Past it all are dropped and opened again when they are needed:
/// opening one costs no request.
const MAX_OPEN: usize = 1_024;

/// The providers a host registered, and the connectors opened from them.
#[derive(Debug)]
pub(crate) struct Connectors {
    providers: BTreeMap<CrmKind, Arc<dyn CrmProvider>>,
    context: ConnectorContext,
    connections: Arc<dyn Connections>,
    sealer: Sealer,
    open: Mutex<BTreeMap<ConnectionId, OpenConnector>>,
}

/// A connector with the facts that it was opened from.
#[derive(Debug)]
struct OpenConnector {
    address: String,
    connected_at: OffsetDateTime,
    connector: Arc<dyn CrmConnector>,
}

impl Connectors {
    pub(crate) fn new(
        providers: BTreeMap<CrmKind, Arc<dyn CrmProvider>>,
        context: ConnectorContext,
        connections: Arc<dyn Connections>,
        sealer: Sealer,
    ) -> Self {
        Self { providers, context, connections, sealer, open: Mutex::default() }
    }

    /// What providers and connectors are lent.
    pub(crate) const fn context(&self) -> &ConnectorContext {
        &self.context
    }

    /// Seals what belongs to a connection or a sign-in.
    pub(crate) const fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// The registered kinds of CRM.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &CrmKind> {
        self.providers.keys()
    }

    /// The provider of a kind of CRM.
    pub(crate) fn provider(&self, kind: &CrmKind) -> Result<&Arc<dyn CrmProvider>> {
        self.providers.get(kind).ok_or_else(|| {
            Error::config("providers", format!("no provider is registered for {kind}"))
        })
    }

    /// The connector of a connection that works.
    pub(crate) fn open_working(&self, connection: &Connection) -> Result<Arc<dyn CrmConnector>> {
        if connection.health.is_working() { self.open(connection) } else { Err(not_working()) }
    }

    /// Drops the connector of a connection, and with it the access token that it holds.
    pub(crate) fn forget(&self, id: ConnectionId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// The tokens of a connection.
    pub(crate) fn vault(&self, connection: &Connection) -> StoreVault {
        StoreVault::new(
            Arc::clone(&self.connections),
            self.sealer.clone(),
            connection.workspace.clone(),
            connection.id,
        )
    }

    /// The connector of a connection, opened if it is not open yet or was connected anew since.
    pub(crate) fn open(&self, connection: &Connection) -> Result<Arc<dyn CrmConnector>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = open.get(&connection.id)
            && found.address == connection.address
            && found.connected_at == connection.connected_at
        {
            return Ok(Arc::clone(&found.connector));
        }
        let vault = self.vault(connection);
        let connector =
            self.provider(&connection.kind)?.open(&self.context, connection, Arc::new(vault))?;
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        let opened = OpenConnector {
            address: connection.address.clone(),
            connected_at: connection.connected_at,
            connector: Arc::clone(&connector),
        };
        open.insert(connection.id, opened);
        Ok(connector)
    }
}

/// What is answered for a connection that does not work.
pub(crate) fn not_working() -> Error {
    let reason = "This connection does not work at the moment. Connect it again.";
    Error::unauthenticated(reason)
}
