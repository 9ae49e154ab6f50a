//! Where the row of tokens is kept, in virtual time: a store with threads of its own is waited for.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::error::Result;
use crate::model::{Connection, ConnectionChange, ConnectionId, WorkspaceId};
use crate::seal::Sealed;
use crate::storage::{Connections, Handshake, TokenVersion};
use crate::store::MemoryStore;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Storage {
    Memory,
    Sqlite,
}

impl Storage {
    pub(super) fn open(self, clock: Arc<dyn Clock>) -> Arc<dyn Connections> {
        match self {
            Self::Memory => Arc::new(MemoryStore::new(clock)),
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("crm.sqlite");
                let store = crate::store::SqliteStore::open(path, clock).unwrap();
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                Arc::new(Waited { store: Arc::new(store), runtime, _folder: folder })
            }
        }
    }
}

/// A store whose answers are there at once, as far as virtual time goes.
struct Waited {
    store: Arc<dyn Connections>,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl fmt::Debug for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl Connections for Waited {
    async fn open_handshake(&self, handshake: &Handshake) -> Result<()> {
        self.runtime.block_on(self.store.open_handshake(handshake))
    }

    async fn take_handshake(&self, state_hash: &[u8; 32]) -> Result<Option<Handshake>> {
        self.runtime.block_on(self.store.take_handshake(state_hash))
    }

    async fn handshakes(&self, workspace: &WorkspaceId) -> Result<Vec<Handshake>> {
        self.runtime.block_on(self.store.handshakes(workspace))
    }

    async fn connect(&self, connection: &Connection, tokens: &Sealed) -> Result<Connection> {
        self.runtime.block_on(self.store.connect(connection, tokens))
    }

    async fn connections(&self, workspace: &WorkspaceId) -> Result<Vec<Connection>> {
        self.runtime.block_on(self.store.connections(workspace))
    }

    async fn change(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        revision: u64,
        change: &ConnectionChange,
    ) -> Result<Connection> {
        self.runtime.block_on(self.store.change(workspace, connection, revision, change))
    }

    async fn tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<(Sealed, TokenVersion)>> {
        self.runtime.block_on(self.store.tokens(workspace, connection))
    }

    async fn swap_tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        expected: TokenVersion,
        tokens: &Sealed,
    ) -> Result<Option<TokenVersion>> {
        self.runtime.block_on(self.store.swap_tokens(workspace, connection, expected, tokens))
    }
}
