//! The gate that every request passes: it holds all of them back while the service asks to wait,
//! and lets only a few through at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::http::retry::MAX_WAIT;
use crate::storage::{GateKey, Gates};

/// Requests under way at once, until the service says that it can take more: four busy requests
/// use up its execution time.
pub(crate) const USUAL_WIDTH: usize = 4;

/// Requests under way at once, whatever the service says; the connected user works there, too.
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
    permits: Semaphore,
    width: AtomicUsize,
}

/// How a request came through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Passed {
    /// Without waiting.
    AtOnce,
    /// After a wait, in which tokens may have aged.
    AfterWaiting,
}

impl Gate {
    pub(crate) fn new(key: GateKey, clock: Arc<dyn Clock>, shared: Arc<dyn Gates>) -> Self {
        Self {
            key,
            clock,
            shared,
            held_until: Mutex::new(None),
            permits: Semaphore::new(USUAL_WIDTH),
            width: AtomicUsize::new(USUAL_WIDTH),
        }
    }

    /// Waits for one of the few places; the place is free again when the permit is dropped.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.permits.acquire().await.map_err(|cause| Error::Unavailable {
            operation: "send a request".into(),
            retry_at: None,
            source: Some(Box::new(cause)),
        })
    }

    /// Waits until nobody is held back any more.
    ///
    /// After it answers [`Passed::AtOnce`], a request may begin before the next await.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when the wait is too long to sit out, [`Error::Store`].
    pub(crate) async fn pass(&self) -> Result<Passed> {
        let mut passed = Passed::AtOnce;
        loop {
            let shared = self.shared.held_until(&self.key).await?;
            let until = shared.max(self.known());
            let now = self.clock.now();
            let Some(until) = until.filter(|until| *until > now) else {
                return Ok(passed);
            };
            if until - now > MAX_WAIT {
                return Err(Error::RateLimited { retry_at: until });
            }
            tracing::debug!(%until, "waiting as the service asked");
            self.clock.sleep_until(until).await;
            passed = Passed::AfterWaiting;
        }
    }

    /// Closes the gate for everybody until `until`, unless it is closed longer already.
    ///
    /// # Errors
    /// [`Error::Store`] when the other workers could not be told; this process waits all the same.
    pub(crate) async fn hold(&self, until: OffsetDateTime) -> Result<()> {
        {
            let mut held = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
            *held = (*held).max(Some(until));
        }
        self.shared.hold(&self.key, until).await
    }

    /// Lets as many through at once as the service recommends, within bounds; never fewer than
    /// before.
    pub(crate) fn widen(&self, recommended: usize) {
        let width = recommended.min(MAX_WIDTH);
        let before = self.width.fetch_max(width, Ordering::Relaxed);
        if width > before {
            self.permits.add_permits(width - before);
        }
    }

    /// How many requests may be under way at once.
    pub(crate) fn width(&self) -> usize {
        self.width.load(Ordering::Relaxed)
    }

    fn known(&self) -> Option<OffsetDateTime> {
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
