//! The tokens of one connection: sealed into the store, opened for its connector.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

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

/// Tokens as they are written before sealing: borrowed, so that no copy has to be wiped.
#[derive(Serialize)]
struct Written<'a> {
    access: &'a str,
    /// Seconds since 1970, as all times here.
    expires_at: Option<i64>,
    refresh: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refreshing_until: Option<i64>,
}

/// Tokens as they are read after opening.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Plain {
    access: String,
    expires_at: Option<i64>,
    refresh: Option<String>,
    #[serde(default)]
    refreshing_until: Option<i64>,
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
        let mut plain: Plain = serde_json::from_slice(plain.expose_secret()).map_err(|cause| {
            // Only the place: the parser's message may quote a token.
            let (line, column) = (cause.line(), cause.column());
            Error::store("read the sealed tokens", format!("line {line} column {column}"))
        })?;
        let time = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).ok();
        let tokens = Tokens {
            access: SecretString::from(std::mem::take(&mut plain.access)),
            expires_at: plain.expires_at.and_then(time),
            refresh: plain.refresh.take().map(SecretString::from),
        };
        let refreshing_until = plain.refreshing_until.and_then(time);
        Ok(StoredTokens { tokens, version, refreshing_until })
    }

    /// Seals and stores, if the version is still `expected`.
    async fn swap(
        &self,
        expected: TokenVersion,
        tokens: &Tokens,
        refreshing_until: Option<OffsetDateTime>,
    ) -> Result<Option<TokenVersion>> {
        let owner = self.connection.to_string();
        let place = place(&self.workspace, &owner);
        let sealed = seal_reserved(&self.sealer, place, tokens, refreshing_until)?;
        self.connections.swap_tokens(&self.workspace, self.connection, expected, &sealed).await
    }

    /// Seals again, with the ring's current key, what an older one sealed: once every connection
    /// was read, the older key can go.
    ///
    /// What is being refreshed is left alone: it is sealed anew in a moment anyway, and whoever
    /// refreshes it should not lose a race against a mere seal.
    async fn renew_seal(&self, sealed: &Sealed, stored: &mut StoredTokens) {
        if self.sealer.is_current(sealed) || stored.refreshing_until.is_some() {
            return;
        }
        match self.swap(stored.version, &stored.tokens, None).await {
            Ok(Some(version)) => stored.version = version,
            // Somebody else was first, and sealed it too.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, connection = %self.connection, "an old seal was not renewed");
            }
        }
    }

    async fn outcome(&self, swapped: Option<TokenVersion>) -> Result<Replaced> {
        match swapped {
            Some(version) => Ok(Replaced::Stored(version)),
            None => Ok(Replaced::Lost(self.load().await?)),
        }
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
        let mut stored = self.open(&sealed, version)?;
        self.renew_seal(&sealed, &mut stored).await;
        Ok(stored)
    }

    async fn reserve(&self, stored: &StoredTokens, until: OffsetDateTime) -> Result<Replaced> {
        let swapped = self.swap(stored.version, &stored.tokens, Some(until)).await?;
        self.outcome(swapped).await
    }

    async fn replace(&self, expected: TokenVersion, tokens: &Tokens) -> Result<Replaced> {
        let swapped = self.swap(expected, tokens, None).await?;
        self.outcome(swapped).await
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
        let (tokens, version) = (copy(&self.tokens), TokenVersion(1));
        Ok(StoredTokens { tokens, version, refreshing_until: None })
    }

    async fn reserve(&self, _stored: &StoredTokens, _until: OffsetDateTime) -> Result<Replaced> {
        Err(not_stored())
    }

    async fn replace(&self, _expected: TokenVersion, _tokens: &Tokens) -> Result<Replaced> {
        Err(not_stored())
    }
}

/// Storing a refreshed token nowhere would lose it; the caller hands over fresh ones instead.
fn not_stored() -> Error {
    Error::unsupported("refreshing tokens before the connection is stored")
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
    let owner = connection.to_string();
    seal_reserved(sealer, place(workspace, &owner), tokens, None)
}

fn seal_reserved(
    sealer: &Sealer,
    place: SealPlace<'_>,
    tokens: &Tokens,
    refreshing_until: Option<OffsetDateTime>,
) -> Result<Sealed> {
    let written = Written {
        access: tokens.access.expose_secret(),
        expires_at: tokens.expires_at.map(OffsetDateTime::unix_timestamp),
        refresh: tokens.refresh.as_ref().map(ExposeSecret::expose_secret),
        refreshing_until: refreshing_until.map(OffsetDateTime::unix_timestamp),
    };
    sealer.seal(place, &written.to_bytes()?)
}

impl Written<'_> {
    /// The bytes to seal, wiped when they are dropped.
    fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.room()));
        serde_json::to_writer(&mut *bytes, self)
            .map_err(|cause| Error::store("write the sealed tokens", cause))?;
        Ok(bytes)
    }

    /// The most bytes that it takes, every character escaped: a buffer that grows would leave what
    /// it held before unwiped in the heap.
    fn room(&self) -> usize {
        const AROUND: usize = 160;
        const ESCAPED: usize = "\\u0001".len();
        AROUND + ESCAPED * (self.access.len() + self.refresh.map_or(0, str::len))
    }
}

fn place<'a>(workspace: &'a WorkspaceId, owner: &'a str) -> SealPlace<'a> {
    SealPlace { workspace: workspace.as_str(), owner, field: "tokens" }
}

#[cfg(test)]
mod tests;
