//! Access tokens of one connection: kept, refreshed ahead of expiry, once for all who ask.
//!
//! Within one process a mutex per connection makes the refresh a single flight, however many
//! sources of it are open. Between workers the vault decides: whoever comes late reads the winner's
//! tokens there before it asks Entra, and each source is due at a slightly different moment, so
//! that workers rarely ask at once. Whoever does loses the compare-and-swap and goes on with the
//! winner's tokens. Entra does not revoke the old refresh token, so the loser's answer is merely
//! thrown away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};

use crate::clock::Randomness;
use crate::connector::{ConnectorContext, Replaced, StoredTokens, TokenVault, Tokens};
use crate::dynamics::bearer::BearerTokens;
use crate::dynamics::credentials::AppRegistration;
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::token_endpoint::{ExchangeError, Grant, GrantFate, Granted, TokenEndpoint};
use crate::error::{Error, Result};
use crate::http::transport::Transport;
use crate::model::ConnectionId;
use crate::storage::TokenVersion;

/// How long before its end a token is replaced. Clocks differ, and a long page must not outlive
/// the token that it was asked with.
const MARGIN: Duration = Duration::minutes(5);

/// By how much at most sources are due earlier than that, each by its own share.
const SPREAD: Duration = Duration::minutes(1);

/// After a refresh failed while the old token still works, how long to leave Entra alone.
const PAUSE_AFTER_FAILURE: Duration = Duration::seconds(30);

/// How often a lost swap is tried again when the winner merely sealed the same tokens anew.
const SWAP_ATTEMPTS: u32 = 3;

/// The access tokens of one connection.
pub(crate) struct TokenSource {
    pub(crate) app: Arc<AppRegistration>,
    pub(crate) endpoints: Endpoints,
    pub(crate) tenant: Option<String>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) vault: Arc<dyn TokenVault>,
    pub(crate) context: ConnectorContext,
    pub(crate) held: Mutex<Option<Held>>,
    /// Held across the refresh: whoever waits for it finds the fresh token afterwards.
    pub(crate) refreshing: Arc<tokio::sync::Mutex<()>>,
    /// This source's share of [`SPREAD`].
    pub(crate) spread: Duration,
}

/// One mutex per connection that has a source open in this process.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<ConnectionId, Weak<tokio::sync::Mutex<()>>>>);

impl Flights {
    /// The mutex of a connection; those that nobody holds any more are let go.
    pub(crate) fn of(&self, connection: ConnectionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = flights.get(&connection).and_then(Weak::upgrade) {
            return open;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::default();
        flights.insert(connection, Arc::downgrade(&flight));
        flight
    }
}

/// A token as this process knows it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    access: SecretString,
    version: TokenVersion,
    /// When it ends; `None` when nobody knows.
    expires_at: Option<OffsetDateTime>,
    /// From when on a fresher one is fetched.
    due_at: Option<OffsetDateTime>,
}

impl Held {
    /// A token that is due `margin` before its end.
    fn new(stored: &StoredTokens, margin: impl Fn(OffsetDateTime) -> Duration) -> Self {
        let expires_at = stored.tokens.expires_at;
        Self {
            access: stored.tokens.access.clone(),
            version: stored.version,
            expires_at,
            due_at: expires_at.map(|end| end - margin(end)),
        }
    }

    fn is_due(&self, now: OffsetDateTime) -> bool {
        self.due_at.is_some_and(|due| due <= now)
    }

    fn is_alive(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

impl TokenSource {
    /// Draws a source's share of the spread.
    pub(crate) fn spread(randomness: &Randomness) -> Duration {
        SPREAD * randomness.fraction()
    }

    /// A token whose life begins now: the margin takes at most half of it.
    fn fresh(&self, stored: &StoredTokens) -> Held {
        let now = self.now();
        Held::new(stored, |end| (MARGIN + self.spread).min((end - now) / 2))
    }

    /// A token that was issued at some time before: nobody knows how long its life was.
    fn found(&self, stored: &StoredTokens) -> Held {
        Held::new(stored, |_| MARGIN + self.spread)
    }

    fn now(&self) -> OffsetDateTime {
        self.context.clock.now()
    }

    fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, token: Held) -> SecretString {
        let access = token.access.clone();
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        access
    }

    /// What the vault holds, and whether it is news to this process.
    async fn look_up(&self) -> Result<(StoredTokens, Held)> {
        let stored = self.vault.load().await?;
        let token = match self.held() {
            // Somebody has just stored it.
            Some(held) if stored.version > held.version => self.fresh(&stored),
            Some(held) if stored.version == held.version => held,
            _ => self.found(&stored),
        };
        Ok((stored, token))
    }

    /// Refreshes; after a refused grant looks for a newer one in the vault and tries it once.
    async fn refresh(&self, stored: StoredTokens, claims: Option<&str>) -> Result<Held> {
        let refused = match self.refresh_once(&stored, claims).await {
            Err(ExchangeError { error, grant: GrantFate::Refused }) => error,
            other => return other.map_err(|failed| failed.error),
        };
        let newer = self.vault.load().await?;
        let same = |other: &StoredTokens| {
            exposed(&other.tokens.refresh) == exposed(&stored.tokens.refresh)
        };
        if newer.version == stored.version || same(&newer) {
            return Err(refused);
        }
        let token = self.fresh(&newer);
        if token.is_alive(self.now()) && claims.is_none() {
            return Ok(token);
        }
        self.refresh_once(&newer, claims).await.map_err(|failed| failed.error)
    }

    async fn refresh_once(
        &self,
        stored: &StoredTokens,
        claims: Option<&str>,
    ) -> Result<Held, ExchangeError> {
        let Some(token) = &stored.tokens.refresh else {
            return Err(Error::unauthenticated("Your sign-in has ended. Connect again.").into());
        };
        let endpoint = TokenEndpoint {
            app: &self.app,
            endpoints: &self.endpoints,
            tenant: self.tenant.as_deref(),
        };
        let grant = Grant::Refresh { token, claims };
        let granted = endpoint.exchange(&*self.transport, &self.context, grant).await?;
        Ok(self.store(stored, granted).await?)
    }

    /// Stores what came before anybody uses it. When somebody else was first, theirs counts.
    async fn store(&self, stored: &StoredTokens, granted: Granted) -> Result<Held> {
        let now = self.now();
        let mut expected = stored.version;
        for _ in 0..SWAP_ATTEMPTS {
            match self.vault.replace(expected, renewed(stored, &granted, now)).await? {
                Replaced::Stored(version) => {
                    let tokens = renewed(stored, &granted, now);
                    return Ok(self.fresh(&StoredTokens { tokens, version }));
                }
                // The same tokens under a new version: only their seal was renewed.
                Replaced::Lost(winner)
                    if winner.tokens.access.expose_secret()
                        == stored.tokens.access.expose_secret() =>
                {
                    expected = winner.version;
                }
                Replaced::Lost(winner) => return Ok(self.fresh(&winner)),
            }
        }
        Err(Error::conflict("the connection's tokens"))
    }

    /// A fresh token, or the old one while it still works, unless the sign-in itself has ended:
    /// neither Entra's troubles nor our own cut a token short.
    async fn refresh_ahead(&self, stored: StoredTokens, token: Held) -> Result<SecretString> {
        match self.refresh(stored, None).await {
            Ok(fresh) => Ok(self.keep(fresh)),
            Err(error)
                if !matches!(error, Error::Unauthenticated { .. } | Error::NeedsAdmin { .. })
                    && token.is_alive(self.now()) =>
            {
                tracing::warn!(%error, "a token was not refreshed ahead of its expiry");
                let due_at = Some(self.now() + PAUSE_AFTER_FAILURE);
                Ok(self.keep(Held { due_at, ..token }))
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl BearerTokens for TokenSource {
    async fn bearer(&self) -> Result<SecretString> {
        let good = |token: &Held| !token.is_due(self.now()) && token.is_alive(self.now());
        if let Some(token) = self.held().filter(good) {
            return Ok(token.access);
        }
        let _single_flight = self.refreshing.lock().await;
        if let Some(token) = self.held().filter(good) {
            return Ok(token.access);
        }
        let (stored, token) = self.look_up().await?;
        if good(&token) {
            return Ok(self.keep(token));
        }
        self.refresh_ahead(stored, token).await
    }

    async fn renew(&self, rejected: &SecretString, claims: Option<&str>) -> Result<SecretString> {
        let other = |token: &Held| {
            token.access.expose_secret() != rejected.expose_secret() && token.is_alive(self.now())
        };
        let _single_flight = self.refreshing.lock().await;
        if let Some(token) = self.held().filter(other) {
            return Ok(token.access);
        }
        let (stored, token) = self.look_up().await?;
        if other(&token) {
            return Ok(self.keep(token));
        }
        let fresh = self.refresh(stored, claims).await?;
        Ok(self.keep(fresh))
    }
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenSource({})", self.vault.connection())
    }
}

/// What is stored after a refresh: where Entra sends no new refresh token, the old one stays.
fn renewed(stored: &StoredTokens, granted: &Granted, now: OffsetDateTime) -> Tokens {
    Tokens {
        access: granted.access.clone(),
        expires_at: Some(granted.expires_at(now)),
        refresh: granted.refresh.clone().or_else(|| stored.tokens.refresh.clone()),
    }
}

fn exposed(token: &Option<SecretString>) -> Option<&str> {
    token.as_ref().map(ExposeSecret::expose_secret)
}

#[cfg(test)]
mod tests;
