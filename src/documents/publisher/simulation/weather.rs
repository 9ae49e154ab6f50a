//! Chance and time: what befalls requests and workers, and clocks that are not quite right.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use time::{Duration, OffsetDateTime};

use crate::clock::stepped::SteppedClock;
use crate::clock::{Clock, Randomness};

/// A fault put into the protocol on purpose, that the judge must see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spoil {
    /// Completion clears a flag instead of comparing revisions.
    DirtyFlag,
    /// Updates go through whatever the version is.
    MatchesAny,
    /// Nobody waits until a large upload must have landed.
    NoDrain,
    /// A stale claim still writes.
    NoFencing,
    Nothing,
    /// Requests are begun however late it is.
    SendsLate,
    /// The CRM chooses the id of a note.
    ServerChosenId,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It lands after so long, and the answer comes.
    Arrives(Duration),
    /// It lands after so long, and the answer is lost.
    LostAfter(Duration),
    LostBefore,
    Refused,
}

/// The longest that a request is on its way: the drain of five minutes, less the minute in which it
/// must be begun, less what two clocks differ.
const LONGEST_WAY: Duration = Duration::minutes(3);

/// How wrong a worker's clock may be.
const SKEW: Duration = Duration::seconds(30);

/// The world's own time and chance.
#[derive(Debug)]
pub(super) struct Nature {
    pub(super) clock: Arc<SteppedClock>,
    pub(super) dice: Randomness,
    pub(super) spoil: Spoil,
    /// Whether the CRM compares versions at all.
    pub(super) compares: bool,
    rough: AtomicBool,
}

impl Nature {
    pub(super) fn new(seed: u64, rough: bool, spoil: Spoil) -> Self {
        let rough = AtomicBool::new(rough);
        let compares = seed % 5 != 4;
        let dice = Randomness::seeded(seed);
        Self { clock: SteppedClock::new(), dice, spoil, compares, rough }
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub(super) fn calm(&self) {
        self.rough.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_rough(&self) -> bool {
        self.rough.load(Ordering::Relaxed)
    }

    /// Whether something with this chance happens; never in fair weather.
    pub(super) fn happens(&self, chance: f64) -> bool {
        self.is_rough() && self.dice.fraction() < chance
    }

    pub(super) fn up_to(&self, longest: Duration) -> Duration {
        longest * self.dice.fraction()
    }

    /// A short wait, or one that outlasts leases and drains.
    pub(super) async fn pause(&self) {
        let longest = if self.happens(0.01) { Duration::minutes(12) } else { Duration::SECOND };
        self.clock.sleep_until(self.now() + self.up_to(longest)).await;
    }

    pub(super) fn fate(&self) -> Fate {
        let short = self.up_to(Duration::SECOND);
        if !self.is_rough() {
            return Fate::Arrives(short);
        }
        match self.dice.fraction() {
            x if x < 0.06 => Fate::Refused,
            x if x < 0.14 => Fate::LostBefore,
            x if x < 0.24 => Fate::LostAfter(short),
            x if x < 0.38 => Fate::LostAfter(self.up_to(LONGEST_WAY)),
            x if x < 0.44 => Fate::Arrives(self.up_to(LONGEST_WAY)),
            _ => Fate::Arrives(short),
        }
    }
}

/// A worker's clock: wrong by up to [`SKEW`], and jumping within that.
#[derive(Debug)]
pub(super) struct OwnClock {
    nature: Arc<Nature>,
    off: Mutex<Duration>,
}

impl OwnClock {
    pub(super) fn new(nature: &Arc<Nature>) -> Arc<Self> {
        let own = Self { nature: Arc::clone(nature), off: Mutex::new(Duration::ZERO) };
        own.jump();
        Arc::new(own)
    }

    pub(super) fn jump(&self) {
        if self.nature.is_rough() {
            *self.off.lock().unwrap() = self.nature.up_to(SKEW * 2) - SKEW;
        }
    }
}

impl Clock for OwnClock {
    fn now(&self) -> OffsetDateTime {
        self.nature.now() + *self.off.lock().unwrap()
    }

    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()> {
        let wait = at - self.now();
        self.nature.clock.sleep_until(self.nature.now() + wait)
    }
}
