//! The access tokens that are out, shared by the fake that issues and the fake that checks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

/// An access token's meaning.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    /// The org it is for, without a slash at the end.
    pub(crate) resource: String,
    pub(crate) object_id: Uuid,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) standing: Standing,
}

/// Whether a token still counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    Good,
    Revoked,
    /// The API wants these claims (JSON) in a new token.
    Challenged(String),
}

/// Where both fakes are reached, and the tokens that are out.
#[derive(Debug)]
pub(crate) struct Ledger {
    tokens: Mutex<HashMap<String, Issued>>,
    places: Mutex<Places>,
    /// For whom tokens speak that somebody else issued, when somebody else does.
    elsewhere: Mutex<Option<Uuid>>,
}

/// The addresses of both fakes.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) authority: Url,
    /// Every origin that the org answers at.
    pub(crate) orgs: Vec<String>,
    /// The origins that it answered at before it moved.
    pub(crate) left: Vec<String>,
}

impl Ledger {
    pub(crate) fn new(places: Places) -> Self {
        Self { tokens: Mutex::default(), places: Mutex::new(places), elsewhere: Mutex::default() }
    }

    pub(crate) fn places(&self) -> Places {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn move_to(&self, authority: Url, org: &Url) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.authority = authority;
        places.orgs.push(org.origin().ascii_serialization());
    }

    /// Lets the org answer at other origins from now on.
    pub(crate) fn rename(&self, origins: [String; 2]) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = |origin: &String| origin.starts_with("http://");
        let (kept, left) = places.orgs.drain(..).partition(stays);
        places.orgs = kept;
        places.orgs.extend(origins);
        places.left = left;
    }

    pub(crate) fn add(&self, token: String, issued: Issued) {
        self.with(|tokens| tokens.insert(token, issued));
    }

    pub(crate) fn find(&self, token: &str) -> Option<Issued> {
        self.with(|tokens| tokens.get(token).cloned()).or_else(|| self.foreign())
    }

    /// Believes tokens that this ledger does not know: `authority` issues them, for one person.
    pub(crate) fn sign_in_elsewhere(&self, authority: Url, object_id: Uuid) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).authority = authority;
        *self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner) = Some(object_id);
    }

    fn foreign(&self) -> Option<Issued> {
        let object_id = (*self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(Issued {
            resource: self.places().orgs.first()?.clone(),
            object_id,
            // Whoever issued it knows when it ends.
            expires_at: OffsetDateTime::from_unix_timestamp(i64::from(u32::MAX)).ok()?,
            standing: Standing::Good,
        })
    }

    /// Changes the standing of one token, or of all.
    pub(crate) fn judge(&self, token: Option<&str>, standing: &Standing) {
        self.with(|tokens| {
            for (text, issued) in tokens.iter_mut() {
                if token.is_none_or(|token| token == text) {
                    issued.standing = standing.clone();
                }
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Issued>) -> T) -> T {
        work(&mut self.tokens.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
