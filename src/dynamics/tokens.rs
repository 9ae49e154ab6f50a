//! Access tokens of one connection: kept, refreshed ahead of expiry, once for all who ask.
//!
//! Within one process a mutex per connection makes the refresh a single flight, however many
//! sources of it are open. Between workers the vault does: whoever refreshes first reserves the
//! stored tokens by compare-and-swap, for longer than an exchange with Entra can take. The others
//! see the reservation and use the old token while it lives, or wait for the new one. A reservation
//! whose holder died ends by itself, before the token does when it was refreshed ahead of expiry.
//!
//! Each source is due at a slightly different moment, so that workers rarely ask at once.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};

use crate::clock::Randomness;
use crate::connector::{ConnectorContext, StoredTokens, TokenVault};
use crate::dynamics::bearer::BearerTokens;
use crate::dynamics::credentials::AppRegistration;
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::resend::Resend;
use crate::dynamics::tokens::refresh::Wanted;
use crate::error::Result;
use crate::http::transport::Transport;

mod flights;
mod held;
mod refresh;

pub(crate) use flights::Flights;
pub(crate) use held::Held;

/// How long before its end a token is replaced. Clocks differ, and a long page must not outlive
/// the token that it was asked with.
const MARGIN: Duration = Duration::minutes(5);

/// By how much at most sources are due earlier than that, each by its own share.
const SPREAD: Duration = Duration::minutes(1);

/// What a provider does with a refresh token that was redeemed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum RefreshTokens {
    /// It stays valid, as Entra has it: it may be sent again after a lost answer.
    #[default]
    Reusable,
    /// It is dead, and with some providers the whole sign-in when it comes again: never sent again
    /// after it may have been sent, in the same exchange. So far no CRM of ours is like that.
    #[cfg(any(test, feature = "testkit"))]
    SingleUse,
}

impl RefreshTokens {
    const fn resend(self) -> Resend {
        match self {
            Self::Reusable => Resend::IfTransient,
            #[cfg(any(test, feature = "testkit"))]
            Self::SingleUse => Resend::IfNotSent,
        }
    }
}

/// The access tokens of one connection.
pub(crate) struct TokenSource {
    pub(crate) app: Arc<AppRegistration>,
    pub(crate) endpoints: Endpoints,
    pub(crate) tenant: Option<String>,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) vault: Arc<dyn TokenVault>,
    pub(crate) context: ConnectorContext,
    pub(crate) held: Mutex<Option<Held>>,
    /// Held across the refresh: whoever waits for it finds the fresh token afterwards.
    pub(crate) refreshing: Arc<tokio::sync::Mutex<()>>,
    /// This source's share of [`SPREAD`].
    pub(crate) spread: Duration,
}

impl TokenSource {
    /// Draws a source's share of the spread.
    pub(crate) fn spread(randomness: &Randomness) -> Duration {
        SPREAD * randomness.fraction()
    }

    fn now(&self) -> OffsetDateTime {
        self.context.clock.now()
    }

    fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, token: Held) -> Held {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        token
    }

    /// Takes in what stands in the vault.
    fn learn(&self, stored: &StoredTokens) -> Held {
        let now = self.now();
        self.keep(match self.held() {
            // The same token, perhaps reserved, or sealed anew.
            Some(held) if held.is(&stored.tokens.access) => held,
            // Somebody has just stored it: the margin takes at most half of its life.
            Some(_) => Held::new(stored, |end| (MARGIN + self.spread).min((end - now) / 2)),
            // Nobody knows how long its life was.
            None => Held::new(stored, |_| MARGIN + self.spread),
        })
    }
}

#[async_trait]
impl BearerTokens for TokenSource {
    async fn bearer(&self) -> Result<SecretString> {
        let good = || self.held().filter(|token| token.is_good(self.now()));
        if let Some(token) = good() {
            return Ok(token.access);
        }
        let _single_flight = match self.refreshing.try_lock() {
            Ok(flight) => flight,
            // Somebody here is at it: what still lives does meanwhile.
            Err(_) => match self.held().filter(|token| token.is_alive(self.now())) {
                Some(token) => return Ok(token.access),
                None => self.refreshing.lock().await,
            },
        };
        if let Some(token) = good() {
            return Ok(token.access);
        }
        Ok(self.obtain(&Wanted::default()).await?.access)
    }

    async fn renew(&self, rejected: &SecretString, claims: Option<&str>) -> Result<SecretString> {
        let wanted = Wanted { rejected: Some(rejected), claims };
        let _single_flight = self.refreshing.lock().await;
        if let Some(token) = self.held().filter(|token| wanted.is_met_by(token, self.now())) {
            return Ok(token.access);
        }
        Ok(self.obtain(&wanted).await?.access)
    }
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenSource({})", self.vault.connection())
    }
}

#[cfg(test)]
#[cfg(all(feature = "testkit", feature = "sqlite"))]
mod simulation;
#[cfg(test)]
mod tests;
