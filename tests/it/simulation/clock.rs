//! Virtual time: it stands still while anybody can go on, and jumps when nobody can.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};

use fluint_crm::Clock;
use futures_util::future::BoxFuture;
use time::OffsetDateTime;

/// A clock that knows who waits for what.
#[derive(Debug)]
pub(crate) struct SimClock(Mutex<State>);

#[derive(Debug)]
struct State {
    now: OffsetDateTime,
    waits: BTreeMap<(OffsetDateTime, u64), Option<Waker>>,
    next: u64,
}

/// A wait; gone when it is dropped.
struct Wait<'a> {
    clock: &'a SimClock,
    key: (OffsetDateTime, u64),
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.clock.0.lock().unwrap().waits.remove(&self.key);
    }
}

impl SimClock {
    pub(crate) const fn new(now: OffsetDateTime) -> Self {
        Self(Mutex::new(State { now, waits: BTreeMap::new(), next: 0 }))
    }

    /// The end of the wait that ends first, of those that are not over.
    pub(crate) fn next_wait(&self) -> Option<OffsetDateTime> {
        let state = self.0.lock().unwrap();
        state.waits.range((state.now, u64::MAX)..).next().map(|((at, _), _)| *at)
    }

    /// Sets the time, also backwards, and wakes whoever has waited for it.
    pub(crate) fn set(&self, now: OffsetDateTime) {
        let woken: Vec<Waker> = {
            let mut state = self.0.lock().unwrap();
            state.now = now;
            let over = state.waits.range_mut(..=(now, u64::MAX));
            over.filter_map(|(_, waker)| waker.take()).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Clock for SimClock {
    fn now(&self) -> OffsetDateTime {
        self.0.lock().unwrap().now
    }

    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()> {
        let mut wait: Option<Wait<'_>> = None;
        Box::pin(poll_fn(move |context| {
            let mut state = self.0.lock().unwrap();
            if state.now >= at {
                drop(state);
                wait = None;
                return Poll::Ready(());
            }
            let key = match &wait {
                Some(wait) => wait.key,
                None => {
                    state.next += 1;
                    (at, state.next)
                }
            };
            state.waits.insert(key, Some(context.waker().clone()));
            if wait.is_none() {
                wait = Some(Wait { clock: self, key });
            }
            Poll::Pending
        }))
    }
}
