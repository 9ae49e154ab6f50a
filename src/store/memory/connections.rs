//! Connections, sign-ins under way and sealed tokens.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use time::Duration;

use crate::error::{Error, Result};
use crate::model::{Connection, ConnectionChange, ConnectionId, Health, WorkspaceId};
use crate::seal::Sealed;
use crate::storage::{Connections, Handshake, TokenVersion, Work, WorkItem};
use crate::store::memory::{MemoryStore, Place, place};

#[derive(Default)]
pub(super) struct Held {
    /// Found by the hash of their `state` alone, which nobody can guess.
    handshakes: BTreeMap<[u8; 32], Handshake>,
    pub(super) connections: BTreeMap<Place, Connection>,
    tokens: BTreeMap<Place, Tokens>,
}

/// The tokens of a connection. The version outlives them, so that it never starts again.
#[derive(Default)]
struct Tokens {
    version: TokenVersion,
    sealed: Option<Sealed>,
}

impl Tokens {
    fn replace(&mut self, tokens: &Sealed) -> TokenVersion {
        self.version.0 += 1;
        self.sealed = Some(tokens.clone());
        self.version
    }
}

#[async_trait]
impl Connections for MemoryStore {
    async fn open_handshake(&self, handshake: &Handshake) -> Result<()> {
        let handshakes = &mut self.lock().connections.handshakes;
        handshakes.retain(|_, old| old.expires_at + Duration::days(1) > handshake.started_at);
        handshakes.insert(handshake.state_hash, handshake.clone());
        Ok(())
    }

    async fn take_handshake(&self, state_hash: &[u8; 32]) -> Result<Option<Handshake>> {
        Ok(self.lock().connections.handshakes.remove(state_hash))
    }

    async fn handshakes(&self, workspace: &WorkspaceId) -> Result<Vec<Handshake>> {
        let state = self.lock();
        let all = state.connections.handshakes.values();
        let mut found: Vec<_> = all.filter(|h| h.workspace == *workspace).cloned().collect();
        found.sort_by_key(|handshake| Reverse(handshake.started_at));
        Ok(found)
    }

    async fn connect(&self, connection: &Connection, tokens: &Sealed) -> Result<Connection> {
        let now = self.now();
        let place = place(&connection.workspace, connection.id);
        let item = WorkItem::Pull(connection.id);
        let mut state = self.lock();
        state.due.schedule(&Work { workspace: connection.workspace.clone(), item }, now);
        state.connections.tokens.entry(place.clone()).or_default().replace(tokens);
        let before = state.connections.connections.get(&place);
        let stored =
            before.map_or_else(|| connection.clone(), |before| connection.reconnected(before));
        state.connections.connections.insert(place, stored.clone());
        Ok(stored)
    }

    async fn connections(&self, workspace: &WorkspaceId) -> Result<Vec<Connection>> {
        let state = self.lock();
        let all = state.connections.connections.values();
        Ok(all.filter(|connection| connection.workspace == *workspace).cloned().collect())
    }

    async fn change(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        revision: u64,
        change: &ConnectionChange,
    ) -> Result<Connection> {
        let place = place(workspace, connection);
        let held = &mut self.lock().connections;
        let current = held
            .connections
            .get_mut(&place)
            .ok_or_else(|| Error::not_found(format!("connection {connection}")))?;
        if current.revision != revision {
            return Err(Error::conflict(format!("connection {connection}")));
        }
        *current = change.apply(current)?;
        if current.health == Health::Disconnected
            && let Some(tokens) = held.tokens.get_mut(&place)
        {
            tokens.sealed = None;
        }
        Ok(current.clone())
    }

    async fn tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<(Sealed, TokenVersion)>> {
        let state = self.lock();
        let tokens = state.connections.tokens.get(&place(workspace, connection));
        Ok(tokens.and_then(|tokens| Some((tokens.sealed.clone()?, tokens.version))))
    }

    async fn swap_tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        expected: TokenVersion,
        tokens: &Sealed,
    ) -> Result<Option<TokenVersion>> {
        let mut state = self.lock();
        let current = state.connections.tokens.get_mut(&place(workspace, connection));
        let current = current.filter(|held| held.sealed.is_some() && held.version == expected);
        Ok(current.map(|held| held.replace(tokens)))
    }
}
