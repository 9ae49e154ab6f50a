//! The tokens of one connection: sealed into the store, opened for its connector.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::connector::{Replaced, StoredTokens, TokenVault, Tokens};
use crate::error::{Error, Result};
use crate::model::{ConnectionId, WorkspaceId};
use crate::seal::{SealPlace, Sealed, Sealer};
use crate::storage::{Connections, TokenVersion};

/// A [`TokenVault`] on a store.
#[derive(Debug)]
pub(crate) struct StoreVault {
    connections: Arc<dyn Connections>,
    sealer: Sealer,
    workspace: WorkspaceId,
    connection: ConnectionId,
}

/// Tokens as they are written before sealing.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Plain {
    access: String,
    /// Seconds since 1970.
    expires_at: Option<i64>,
    refresh: Option<String>,
}

impl StoreVault {
    pub(crate) fn new(
        connections: Arc<dyn Connections>,
        sealer: Sealer,
        workspace: WorkspaceId,
        connection: ConnectionId,
    ) -> Self {
        Self { connections, sealer, workspace, connection }
    }

    fn open(&self, sealed: &Sealed, version: TokenVersion) -> Result<StoredTokens> {
        let owner = self.connection.to_string();
        let plain = self.sealer.open(place(&self.workspace, &owner), sealed)?;
        let plain: Plain = serde_json::from_slice(plain.expose_secret())
            .map_err(|cause| Error::store("read the sealed tokens", cause))?;
        let tokens = Tokens {
            access: SecretString::from(plain.access.clone()),
            expires_at: plain
                .expires_at
                .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
            refresh: plain.refresh.clone().map(SecretString::from),
        };
        Ok(StoredTokens { tokens, version })
    }
}

#[async_trait]
impl TokenVault for StoreVault {
    fn connection(&self) -> ConnectionId {
        self.connection
    }

    async fn load(&self) -> Result<StoredTokens> {
        let found = self.connections.tokens(&self.workspace, self.connection).await?;
        let (sealed, version) = found.ok_or_else(disconnected)?;
        self.open(&sealed, version)
    }

    async fn replace(&self, expected: TokenVersion, tokens: Tokens) -> Result<Replaced> {
        let sealed = seal(&self.sealer, &self.workspace, self.connection, &tokens)?;
        let swapped = self
            .connections
            .swap_tokens(&self.workspace, self.connection, expected, &sealed)
            .await?;
        match swapped {
            Some(version) => Ok(Replaced::Stored(version)),
            None => Ok(Replaced::Lost(self.load().await?)),
        }
    }
}

/// A [`TokenVault`] around tokens that belong to no stored connection yet: enough to ask the CRM who
/// they belong to. It stores nothing.
#[derive(Debug)]
pub(crate) struct LentVault {
    connection: ConnectionId,
    tokens: Tokens,
}

impl LentVault {
    pub(crate) const fn new(connection: ConnectionId, tokens: Tokens) -> Self {
        Self { connection, tokens }
    }
}

#[async_trait]
impl TokenVault for LentVault {
    fn connection(&self) -> ConnectionId {
        self.connection
    }

    async fn load(&self) -> Result<StoredTokens> {
        Ok(StoredTokens { tokens: copy(&self.tokens), version: TokenVersion(1) })
    }

    async fn replace(&self, _expected: TokenVersion, _tokens: Tokens) -> Result<Replaced> {
        // Storing a refreshed token here would lose it; the caller hands over fresh ones instead.
        Err(Error::unsupported("refreshing tokens before the connection is stored"))
    }
}

/// What is answered for a connection whose tokens were erased.
pub(crate) fn disconnected() -> Error {
    let reason = "This connection was disconnected. Connect it again.";
    Error::unauthenticated(reason)
}

/// A second copy of tokens, for the two places that need one while an org is connected.
pub(crate) fn copy(tokens: &Tokens) -> Tokens {
    Tokens {
        access: tokens.access.clone(),
        expires_at: tokens.expires_at,
        refresh: tokens.refresh.clone(),
    }
}

/// Seals tokens for their connection.
pub(crate) fn seal(
    sealer: &Sealer,
    workspace: &WorkspaceId,
    connection: ConnectionId,
    tokens: &Tokens,
) -> Result<Sealed> {
    let plain = Plain {
        access: tokens.access.expose_secret().to_owned(),
        expires_at: tokens.expires_at.map(OffsetDateTime::unix_timestamp),
        refresh: tokens.refresh.as_ref().map(|token| token.expose_secret().to_owned()),
    };
    let mut bytes = serde_json::to_vec(&plain)
        .map_err(|cause| Error::store("write the sealed tokens", cause))?;
    let owner = connection.to_string();
    let sealed = sealer.seal(place(workspace, &owner), &bytes);
    bytes.zeroize();
    sealed
}

fn place<'a>(workspace: &'a WorkspaceId, owner: &'a str) -> SealPlace<'a> {
    SealPlace { workspace: workspace.as_str(), owner, field: "tokens" }
}
