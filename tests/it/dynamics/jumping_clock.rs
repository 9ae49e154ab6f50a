//! A clock that stands still while work goes on and jumps to the next wait when nothing else does.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fluint_crm::Clock;
use fluint_crm::testkit::ManualClock;
use futures_util::future::BoxFuture;
use time::OffsetDateTime;

/// How long a future has to be idle before the clock jumps. Over loopback an answer takes less.
const IDLE: Duration = Duration::from_millis(6);

/// A [`ManualClock`] that knows who waits for what.
#[derive(Debug)]
pub(crate) struct JumpingClock {
    clock: ManualClock,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    until: BTreeSet<(OffsetDateTime, u64)>,
    next: u64,
}

/// One wait; gone when it is dropped.
struct Place {
    waiting: Arc<Mutex<Waiting>>,
    key: (OffsetDateTime, u64),
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.lock().unwrap().until.remove(&self.key);
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()> {
        let key = {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.next += 1;
            let key = (at, waiting.next);
            waiting.until.insert(key);
            key
        };
        let place = Place { waiting: Arc::clone(&self.waiting), key };
        let wait = self.clock.sleep_until(at);
        Box::pin(async move {
            wait.await;
            drop(place);
        })
    }
}

impl JumpingClock {
    pub(crate) fn new(now: OffsetDateTime) -> Self {
        Self { clock: ManualClock::new(now), waiting: Arc::default() }
    }

    pub(crate) fn advance(&self, by: time::Duration) {
        self.clock.advance(by);
    }

    /// Runs a future to its end. Whenever nothing happens any more, neither here nor (as far as
    /// `activity` tells) at the other side, the clock jumps to the next wait, never past it.
    pub(crate) async fn drive<T>(
        &self,
        activity: impl Fn() -> u64,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        let mut seen = activity();
        loop {
            if let Ok(done) = tokio::time::timeout(IDLE, work.as_mut()).await {
                return done;
            }
            let now = activity();
            if now == seen {
                self.jump();
            }
            seen = now;
        }
    }

    fn jump(&self) {
        let now = self.clock.now();
        let next = {
            let waiting = self.waiting.lock().unwrap();
            waiting.until.iter().map(|(at, _)| *at).find(|at| *at > now)
        };
        if let Some(next) = next {
            self.clock.set(next);
        }
    }
}
