//! A clock that is moved by hand.

use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;

use crate::clock::Clock;

/// A clock that stands still until it is moved.
///
/// Waiters wake as soon as the clock passes their time, in any order.
///
/// # Example
/// ```
/// use fluint_crm::{Clock, testkit::ManualClock};
/// use time::{Duration, macros::datetime};
///
/// let clock = ManualClock::new(datetime!(2026-02-01 09:00 UTC));
/// clock.advance(Duration::minutes(1));
/// assert_eq!(clock.now(), datetime!(2026-02-01 09:01 UTC));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<OffsetDateTime>,
    /// The time until which somebody waits, the earliest of all waits since the last look.
    waits: Mutex<Vec<OffsetDateTime>>,
}

impl ManualClock {
    /// A clock that stands at `now` (UTC).
    #[must_use]
    pub fn new(now: OffsetDateTime) -> Self {
        Self { now: watch::Sender::new(now), waits: Mutex::new(Vec::new()) }
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, now: OffsetDateTime) {
        self.now.send_replace(now);
    }

    /// Every time that was waited for so far, in the order of the calls.
    #[must_use]
    pub fn waits(&self) -> Vec<OffsetDateTime> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> OffsetDateTime {
        *self.now.borrow()
    }

    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).push(at);
        let mut now = self.now.subscribe();
        Box::pin(async move {
            // The sender lives as long as `self`, which this future borrows.
            let _ = now.wait_for(|now| *now >= at).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[tokio::test]
    async fn host_4_a_waiter_wakes_when_the_clock_is_moved() {
        let clock = ManualClock::new(datetime!(2026-02-01 09:00 UTC));
        let wait = clock.sleep_until(datetime!(2026-02-01 09:05 UTC));
        tokio::pin!(wait);
        assert!(futures_util::poll!(&mut wait).is_pending());
        clock.advance(Duration::minutes(5));
        wait.await;
        assert_eq!(clock.waits().len(), 1);
    }
}
