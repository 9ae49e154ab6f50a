//! Time for several tasks at once: it stands still while any of them can go on, and then steps to
//! the next time that one waits for. No runtime, no threads: the same run every time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use time::macros::datetime;

use crate::clock::Clock;

/// When it starts.
const START: OffsetDateTime = datetime!(2026-02-01 09:00 UTC);

/// A clock that moves only in [`run`](SteppedClock::run).
#[derive(Debug)]
pub(crate) struct SteppedClock(Mutex<State>);

#[derive(Debug)]
struct State {
    now: OffsetDateTime,
    waits: u64,
    waiting: BTreeMap<(OffsetDateTime, u64), Waker>,
}

impl SteppedClock {
    pub(crate) fn new() -> Arc<Self> {
        let state = State { now: START, waits: 0, waiting: BTreeMap::new() };
        Arc::new(Self(Mutex::new(state)))
    }

    /// Runs a future to its end.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut work = pin!(work);
        loop {
            while woken.0.swap(false, Ordering::Relaxed) {
                if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return done;
                }
            }
            if OUTSIDE.get() == 0 {
                self.step();
            } else {
                std::thread::yield_now();
            }
        }
    }

    fn step(&self) {
        let mut state = self.0.lock().unwrap();
        let next = state.waiting.first_entry().expect("everybody waits for nothing");
        let at = next.key().0;
        next.remove().wake();
        state.now = state.now.max(at);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> OffsetDateTime {
        self.0.lock().unwrap().now
    }

    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()> {
        let mut state = self.0.lock().unwrap();
        state.waits += 1;
        Box::pin(Sleep { clock: self, key: (at, state.waits) })
    }
}

/// One wait; nobody is woken for it once it is dropped.
struct Sleep<'a> {
    clock: &'a SteppedClock,
    key: (OffsetDateTime, u64),
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.0.lock().unwrap();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        state.waiting.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.clock.0.lock().unwrap().waiting.remove(&self.key);
    }
}

thread_local! {
    /// Steps that this thread waits for and that another one does.
    static OUTSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Something that another thread does: time stands still meanwhile.
#[derive(Debug)]
pub(crate) struct Outside(());

impl Outside {
    pub(crate) fn begin() -> Self {
        OUTSIDE.set(OUTSIDE.get() + 1);
        Self(())
    }
}

impl Drop for Outside {
    /// A task that moved to another thread meanwhile ends there; then nobody steps this clock.
    fn drop(&mut self) {
        OUTSIDE.set(OUTSIDE.get().saturating_sub(1));
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
