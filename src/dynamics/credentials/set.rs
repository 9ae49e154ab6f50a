//! The credentials of an app, in the order in which they are tried.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::dynamics::credentials::ClientCredential;
use crate::dynamics::credentials::expiry::{Nearness, nearness};
use crate::error::{Error, Result};
use crate::host::{Observer, OperatorEvent};

/// The credentials of an app, in the order in which they are tried; a clone is the same set.
///
/// One that Entra rejects is skipped, and reported once; the next one is tried in the same request's
/// place, so that no customer notices. [`replace`](Self::replace) takes effect at once: put the new
/// credential in beside the old one, then take the old one away at Entra, then here.
#[derive(Clone)]
pub struct Credentials(Arc<Mutex<Vec<Arc<Entry>>>>);

/// A credential, and what is known about it.
pub(crate) struct Entry {
    pub(crate) credential: ClientCredential,
    known: Mutex<Known>,
}

#[derive(Clone, Copy, Default)]
struct Known {
    rejected: bool,
    told: Option<Nearness>,
}

impl Credentials {
    /// Credentials in the order in which they are to be tried.
    ///
    /// # Errors
    /// [`Error::Config`] when there is none, or two have one name.
    pub fn new(credentials: Vec<ClientCredential>) -> Result<Self> {
        Ok(Self(Arc::new(Mutex::new(entries(credentials, &[])?))))
    }

    /// Replaces all of them, for every request that begins from now on. What Entra rejected before
    /// is tried again.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing is replaced.
    pub fn replace(&self, credentials: Vec<ClientCredential>) -> Result<()> {
        let mut held = self.held();
        let replaced = entries(credentials, &held)?;
        *held = replaced;
        Ok(())
    }

    /// All of them, those that Entra rejected at the end: it may have changed its mind.
    pub(crate) fn in_order(&self) -> Vec<Arc<Entry>> {
        let mut order = self.held().clone();
        order.sort_by_key(|entry| entry.known().rejected);
        order
    }

    /// Tells the operator which of them end soon, each time once.
    pub(crate) fn watch_ends(&self, now: OffsetDateTime, observer: &dyn Observer) {
        let all = self.held().clone();
        for entry in all {
            let Some(expires_at) = entry.credential.expires_at else { continue };
            let near = nearness(expires_at, now);
            let is_news = {
                let mut known = entry.known();
                let is_news = near > known.told;
                known.told = known.told.max(near);
                is_news
            };
            if is_news {
                let credential = entry.credential.id.clone();
                observer
                    .operator_event(&OperatorEvent::CredentialExpiring { credential, expires_at });
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Remembers that Entra rejected it; true when that is news.
    pub(crate) fn reject(&self) -> bool {
        !std::mem::replace(&mut self.known().rejected, true)
    }

    /// Remembers that Entra took it.
    pub(crate) fn accept(&self) {
        self.known().rejected = false;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks a new set. Who was told already of an end is not told again.
fn entries(credentials: Vec<ClientCredential>, before: &[Arc<Entry>]) -> Result<Vec<Arc<Entry>>> {
    let names: BTreeSet<&str> = credentials.iter().map(ClientCredential::id).collect();
    if names.is_empty() {
        return Err(Error::config("credentials", "there is none"));
    }
    if names.len() < credentials.len() {
        return Err(Error::config("credentials", "two have one name"));
    }
    let entry = |credential: ClientCredential| {
        let same = |old: &&Arc<Entry>| {
            old.credential.id == credential.id && old.credential.expires_at == credential.expires_at
        };
        let told = before.iter().find(same).and_then(|old| old.known().told);
        Arc::new(Entry { credential, known: Mutex::new(Known { rejected: false, told }) })
    };
    Ok(credentials.into_iter().map(entry).collect())
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.held().iter().map(|entry| &entry.credential)).finish()
    }
}
