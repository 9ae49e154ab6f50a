//! One refresh for all workers: reserve, exchange, store.
//!
//! *Flow.* The stored tokens are read. Good ones are used. Due ones that nobody has reserved are
//! reserved by compare-and-swap, exchanged, and replaced by the answer, which ends the reservation;
//! a failure ends it too. Whoever loses the swap, or finds a reservation, uses what lives and else
//! looks again in short steps.
//!
//! *Guarantees.* No token is used that is not stored. Dropped at any await, it is as if the worker
//! had crashed there: the reservation ends by itself, and somebody else refreshes. Where an answer
//! comes after its reservation has ended, the versions decide, and whoever is late goes on with what
//! stands there.
//!
//! *Assumptions.* The workers' clocks differ by less than [`SKEW`]; where they do not, two may
//! refresh at once, which costs a request, and the sign-in only with [`RefreshTokens::SingleUse`].
//!
//! [`RefreshTokens::SingleUse`]: crate::dynamics::tokens::RefreshTokens::SingleUse

use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};

use crate::connector::{Replaced, StoredTokens, Tokens};
use crate::dynamics::resend;
use crate::dynamics::token_endpoint::{ExchangeError, Grant, GrantFate, Granted, TokenEndpoint};
use crate::dynamics::tokens::{Held, MARGIN, TokenSource};
use crate::error::{Error, Result};
use crate::storage::TokenVersion;

/// By how much the workers' clocks may differ, with the time that storing takes.
const SKEW: Duration = Duration::minutes(1);

/// For how long tokens are reserved: longer than an exchange can take (five minutes).
const LEASE: Duration = resend::LONGEST.saturating_add(SKEW);

// Whoever dies while refreshing ahead of expiry must not keep the others waiting past it.
const _: () = assert!(LEASE.whole_seconds() <= MARGIN.whole_seconds());

/// How long at most to wait for others' refreshes, one after the other.
const PATIENCE: Duration = LEASE.saturating_mul(2);

/// The first pause before looking again whether somebody else's refresh is done. It doubles, and up
/// to half of it is taken off by chance.
const FIRST_LOOK: Duration = Duration::milliseconds(250);

/// The longest such pause.
const LONGEST_LOOK: Duration = Duration::seconds(4);

/// After a refresh failed while the old token still works, how long to leave Entra alone.
const PAUSE_AFTER_FAILURE: Duration = Duration::seconds(30);

/// How often an answer is offered to the store: a swap is also lost to a mere reservation or a
/// renewed seal, and a store that fails once may take it the next time.
const STORE_ATTEMPTS: i32 = 4;

/// The token that is asked for.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    /// One that the API does not take any more.
    pub(super) rejected: Option<&'a SecretString>,
    /// What the API wants to have proved in a new one.
    pub(super) claims: Option<&'a str>,
}

impl Wanted<'_> {
    pub(super) fn is_met_by(&self, token: &Held, now: OffsetDateTime) -> bool {
        token.is_alive(now) && !self.rejected.is_some_and(|rejected| token.is(rejected))
    }
}

/// A refresh token that the token endpoint refused.
struct Refusal {
    error: Error,
    refresh: SecretString,
    times: u32,
}

impl Refusal {
    /// Whether a newer one is not worth a try, or there is none.
    fn is_final(&self, refresh: &SecretString) -> bool {
        self.times > 1 || self.refresh.expose_secret() == refresh.expose_secret()
    }
}

/// What a turn at refreshing brought.
enum Turn {
    Fresh(Held),
    /// Other tokens stand in the vault by now, or the same ones under another version.
    Lost(StoredTokens),
}

impl TokenSource {
    /// A token that is good for what is wanted: from the vault, or else from Entra.
    pub(super) async fn obtain(&self, wanted: &Wanted<'_>) -> Result<Held> {
        let give_up_at = self.now() + PATIENCE;
        let mut stored = self.vault.load().await?;
        let (mut refusal, mut looks): (Option<Refusal>, i32) = (None, 0);
        loop {
            let token = self.learn(&stored);
            let now = self.now();
            let lives = wanted.is_met_by(&token, now);
            if lives && (token.is_good(now) || wanted.rejected.is_some()) {
                return Ok(token);
            }
            if let Some(end) = self.reservation(&stored) {
                let look_at = self.next_look(looks).min(end);
                if lives {
                    return Ok(self.keep(token.due_at(look_at)));
                }
                if now >= give_up_at {
                    return Err(still_reserved(end));
                }
                self.context.clock.sleep_until(look_at).await;
                looks += 1;
                stored = self.vault.load().await?;
                continue;
            }
            match self.take_turn(stored, wanted, &mut refusal).await {
                Ok(Turn::Fresh(token)) => return Ok(token),
                Ok(Turn::Lost(there)) => stored = there,
                Err(error) => return self.make_do(token, wanted, error),
            }
        }
    }

    /// Until when somebody else may be refreshing. What lies further ahead than anybody reserves
    /// was written under another time.
    fn reservation(&self, stored: &StoredTokens) -> Option<OffsetDateTime> {
        let now = self.now();
        stored.refreshing_until.filter(|end| *end > now && *end <= now + LEASE + SKEW)
    }

    fn next_look(&self, looks: i32) -> OffsetDateTime {
        let pause = FIRST_LOOK.saturating_mul(1 << looks.min(5)).min(LONGEST_LOOK);
        self.now() + pause * (1.0 - self.context.randomness.fraction() / 2.0)
    }

    /// Reserves the tokens, exchanges them, and stores the answer.
    async fn take_turn(
        &self,
        stored: StoredTokens,
        wanted: &Wanted<'_>,
        refusal: &mut Option<Refusal>,
    ) -> Result<Turn> {
        let StoredTokens { tokens, .. } = &stored;
        let refresh = tokens.refresh.as_ref().ok_or_else(ended)?;
        if let Some(refusal) = refusal.take_if(|refusal| refusal.is_final(refresh)) {
            return Err(refusal.error);
        }
        let version = match self.vault.reserve(&stored, self.now() + LEASE).await? {
            Replaced::Lost(there) => return Ok(Turn::Lost(there)),
            Replaced::Stored(version) => version,
        };
        let ExchangeError { error, grant } = match self.exchange(refresh, wanted.claims).await {
            Ok(granted) => return self.store(version, tokens, granted).await,
            Err(failed) => failed,
        };
        // Nobody need wait any longer. The swap also tells whether anything newer stands there.
        match (grant, self.vault.replace(version, tokens).await) {
            (GrantFate::Refused, Ok(Replaced::Lost(there))) => {
                let times = 1 + refusal.as_ref().map_or(0, |refusal| refusal.times);
                *refusal = Some(Refusal { error, refresh: refresh.clone(), times });
                Ok(Turn::Lost(there))
            }
            // Not known: a connection is not given up because of that.
            (GrantFate::Refused, Err(trouble)) => Err(trouble),
            (GrantFate::Unknown, Err(trouble)) => {
                tracing::debug!(error = %trouble, "a reservation is left to end by itself");
                Err(error)
            }
            (_, Ok(_)) => Err(error),
        }
    }

    async fn exchange(
        &self,
        token: &SecretString,
        claims: Option<&str>,
    ) -> Result<Granted, ExchangeError> {
        let endpoint = TokenEndpoint {
            app: &self.app,
            endpoints: &self.endpoints,
            tenant: self.tenant.as_deref(),
        };
        let grant = Grant::Refresh { token, claims, resend: self.refresh_tokens.resend() };
        let exchanged = endpoint.exchange(&*self.transport, &self.context, grant).await;
        exchanged.map_err(|failed| ExchangeError { error: wanting(failed.error, claims), ..failed })
    }

    /// Stores what came before anybody uses it. Where other tokens stand there by now, they count.
    async fn store(
        &self,
        version: TokenVersion,
        before: &Tokens,
        granted: Granted,
    ) -> Result<Turn> {
        let tokens = renewed(before, granted, self.now());
        let (mut expected, mut attempts) = (version, 1);
        loop {
            match self.vault.replace(expected, &tokens).await {
                Ok(Replaced::Stored(version)) => {
                    let stored = StoredTokens { tokens, version, refreshing_until: None };
                    return Ok(Turn::Fresh(self.learn(&stored)));
                }
                // Still the old ones: reserved by somebody who found our reservation ended. The
                // answer is here, so it counts.
                Ok(Replaced::Lost(there)) if is_same(&there.tokens, before) => {
                    expected = there.version;
                    if attempts == STORE_ATTEMPTS {
                        return Ok(Turn::Lost(there));
                    }
                }
                Ok(Replaced::Lost(there)) => return Ok(Turn::Lost(there)),
                // With a token that works once, what is not stored is lost for good.
                Err(error) if error.is_retryable() && attempts < STORE_ATTEMPTS => {
                    tracing::warn!(%error, "refreshed tokens were not stored at once");
                    self.context.clock.sleep_until(self.next_look(attempts)).await;
                }
                Err(error) => return Err(error),
            }
            attempts += 1;
        }
    }

    /// The old token while it still works, unless the sign-in itself has ended: neither Entra's
    /// troubles nor our own cut a token short.
    fn make_do(&self, token: Held, wanted: &Wanted<'_>, error: Error) -> Result<Held> {
        let now = self.now();
        let ended = matches!(error, Error::Unauthenticated { .. } | Error::NeedsAdmin { .. });
        if ended || !wanted.is_met_by(&token, now) {
            return Err(error);
        }
        tracing::warn!(%error, "a token was not refreshed ahead of its expiry");
        Ok(self.keep(token.due_at(now + PAUSE_AFTER_FAILURE)))
    }
}

/// What the API wanted to see proved is wanted at the next sign-in, too, where the refusal names
/// nothing of its own.
fn wanting(error: Error, challenge: Option<&str>) -> Error {
    match error {
        Error::Unauthenticated { reason, claims: None, source } => {
            Error::Unauthenticated { reason, claims: challenge.map(str::to_owned), source }
        }
        error => error,
    }
}

/// What is stored after a refresh: where Entra sends no new refresh token, the old one stays.
fn renewed(before: &Tokens, granted: Granted, now: OffsetDateTime) -> Tokens {
    Tokens {
        expires_at: Some(granted.expires_at(now)),
        access: granted.access,
        refresh: granted.refresh.or_else(|| before.refresh.clone()),
    }
}

fn is_same(one: &Tokens, other: &Tokens) -> bool {
    one.access.expose_secret() == other.access.expose_secret()
}

fn ended() -> Error {
    Error::unauthenticated("Your sign-in has ended. Connect again.")
}

/// Others have been refreshing, one after the other, for too long.
fn still_reserved(until: OffsetDateTime) -> Error {
    Error::Unavailable { operation: "sign in".into(), retry_at: Some(until), source: None }
}

#[cfg(test)]
mod tests;
