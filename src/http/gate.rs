//! The gate that every request passes: it holds all of them back while the service asks to wait,
//! and lets only a few through at once.

use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::http::places::{Place, Places};
use crate::http::retry::MAX_WAIT;
use crate::storage::{GateKey, Gates};

/// Requests under way at once, until the service says what it can take: four busy requests use up
/// its execution time, and the connected user works there, too.
pub(crate) const USUAL_WIDTH: usize = 4;

/// Requests under way at once, whatever the service says and the host asks for; the connected user
/// works there, too.
pub(crate) const MAX_WIDTH: usize = 8;

/// Holds back the requests of one CRM user: in this process at once, on other workers through the
/// store.
#[derive(Debug)]
pub(crate) struct Gate {
    key: GateKey,
    clock: Arc<dyn Clock>,
    shared: Arc<dyn Gates>,
    /// The end of the hold that this process knows of.
    held_until: Mutex<Option<OffsetDateTime>>,
    places: Places,
}

/// What a deadline meant to this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deadline {
    /// It is later than the one that was known.
    Later,
    /// As late or later was known already.
    Known,
}

impl Gate {
    /// A gate that lets the usual number of requests through at once, and up to `limit` when the
    /// service recommends it.
    pub(crate) fn new(
        key: GateKey,
        clock: Arc<dyn Clock>,
        shared: Arc<dyn Gates>,
        limit: usize,
    ) -> Self {
        let places = Places::new(USUAL_WIDTH, limit);
        Self { key, clock, shared, held_until: Mutex::new(None), places }
    }

    /// Waits for one of the few places; it is free again when it is dropped.
    ///
    /// # Errors
    /// Never, as long as the gate stands.
    pub(crate) async fn enter(&self) -> Result<Place<'_>> {
        self.places.enter().await
    }

    /// Until when everybody is held back, if anybody is. `heard` hears of a deadline that this
    /// process learns of here.
    ///
    /// After it answers `None`, a request may begin before the next await.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when the wait is too long to sit out, [`Error::Store`].
    pub(crate) async fn closed_until(
        &self,
        heard: impl Fn(OffsetDateTime) + Send,
    ) -> Result<Option<OffsetDateTime>> {
        // Read before the other, which may change while the store answers.
        let shared = self.shared.held_until(&self.key).await?;
        let now = self.clock.now();
        if let Some(until) = shared.filter(|until| *until > now)
            && self.learn(until) == Deadline::Later
        {
            heard(until);
        }
        let closed = self.known().filter(|until| *until > now);
        match closed {
            Some(retry_at) if retry_at - now > MAX_WAIT => Err(Error::RateLimited { retry_at }),
            _ => Ok(closed),
        }
    }

    /// Closes the gate for everybody until `until`, unless it is closed longer already.
    ///
    /// # Errors
    /// [`Error::Store`] when the other workers could not be told; this process waits all the same.
    pub(crate) async fn hold(&self, until: OffsetDateTime) -> Result<()> {
        self.learn(until);
        self.shared.hold(&self.key, until).await
    }

    /// Keeps a deadline in this process, if it is later than the one that is known.
    pub(crate) fn learn(&self, until: OffsetDateTime) -> Deadline {
        let mut held = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        if *held >= Some(until) {
            return Deadline::Known;
        }
        *held = Some(until);
        Deadline::Later
    }

    /// Lets as many through at once as the service recommends, up to the gate's limit.
    pub(crate) fn recommend(&self, width: usize) {
        self.places.resize(width);
    }

    /// How many requests may be under way at once.
    pub(crate) fn width(&self) -> usize {
        self.places.width()
    }

    fn known(&self) -> Option<OffsetDateTime> {
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
