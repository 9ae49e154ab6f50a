//! A token as this process knows it, and when it is due.

use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};

use crate::connector::StoredTokens;

/// A token as this process knows it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(super) access: SecretString,
    /// When it ends; `None` when nobody knows.
    expires_at: Option<OffsetDateTime>,
    /// From when on a fresher one is looked for.
    due_at: Option<OffsetDateTime>,
}

impl Held {
    /// A token that is due `margin` before its end.
    pub(super) fn new(stored: &StoredTokens, margin: impl Fn(OffsetDateTime) -> Duration) -> Self {
        let expires_at = stored.tokens.expires_at;
        Self {
            access: stored.tokens.access.clone(),
            expires_at,
            due_at: expires_at.map(|end| end - margin(end)),
        }
    }

    /// The same token, due at another time.
    pub(super) fn due_at(self, due_at: OffsetDateTime) -> Self {
        Self { due_at: Some(due_at), ..self }
    }

    pub(super) fn is(&self, access: &SecretString) -> bool {
        self.access.expose_secret() == access.expose_secret()
    }

    pub(super) fn is_alive(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// Whether it lives, and nobody need look for a fresher one.
    pub(super) fn is_good(&self, now: OffsetDateTime) -> bool {
        self.is_alive(now) && self.due_at.is_none_or(|due| due > now)
    }
}
