//! What the parent sets and what it is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::server::http::{Answer, Head};
use crate::server::throttle::Throttle;

/// How the server behaves from now on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Before every answer.
    pub(crate) latency_ms: u64,
    /// Every how many requests one is refused for a second; 0 is never.
    pub(crate) refuse_every: u64,
}

/// What happened since it was asked last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Requests by entity set or function, refused ones too.
    pub(crate) requests: BTreeMap<String, u64>,
    /// Requests refused, the early ones left out.
    pub(crate) refused: u64,
    /// Requests that came while a refusal told to wait.
    pub(crate) early: u64,
    /// Bytes of bodies.
    pub(crate) bytes: u64,
    /// The largest number of requests at once.
    pub(crate) at_once: u64,
}

#[derive(Default)]
pub(crate) struct Control(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    settings: Settings,
    counters: Counters,
    throttle: Throttle,
    in_flight: u64,
}

impl Control {
    pub(crate) fn set(&self, settings: Settings) {
        let mut inner = self.lock();
        inner.settings = settings;
        inner.throttle = Throttle::default();
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.lock().settings.latency_ms)
    }

    pub(crate) fn count(&self, head: &Head) {
        *self.lock().counters.requests.entry(head.set().to_owned()).or_default() += 1;
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.lock().counters.bytes += bytes as u64;
    }

    /// Refuses a request when its turn has come, or when it comes too early after a refusal.
    pub(crate) fn throttle(&self, arrived: Instant) -> Option<Answer> {
        let mut inner = self.lock();
        let Inner { settings, throttle, counters, .. } = &mut *inner;
        throttle.judge(arrived, settings.refuse_every, counters)
    }

    pub(crate) fn take_counters(&self) -> Counters {
        std::mem::take(&mut self.lock().counters)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request between its arrival and the end of its answer.
pub(crate) struct InFlight<'a>(&'a Control);

impl<'a> InFlight<'a> {
    pub(crate) fn begin(control: &'a Control) -> Self {
        let mut inner = control.lock();
        inner.in_flight += 1;
        inner.counters.at_once = inner.counters.at_once.max(inner.in_flight);
        Self(control)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}
