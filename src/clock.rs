//! Time and chance: the only file that reads the clock or draws a random number.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Tells the time (UTC) and waits.
///
/// Everything in this crate that depends on time asks the clock it was given, so that a test, or a
/// simulation, owns time. `testkit` ships a clock that is moved by hand.
///
/// # Contract
/// * [`now`](Clock::now) need not be monotonic; callers survive a clock that is set back.
/// * [`sleep_until`](Clock::sleep_until) returns at or after the given time, at once when it has
///   passed. Dropping the future ends the wait.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time (UTC).
    fn now(&self) -> OffsetDateTime;

    /// Waits until a time.
    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    #[expect(clippy::disallowed_methods, reason = "this is where waiting happens")]
    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()> {
        let wait = Duration::try_from(at - self.now()).unwrap_or(Duration::ZERO);
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A source of random numbers: the machine's, or a seeded one for tests.
///
/// # Example
/// ```
/// use fluint_crm::Randomness;
///
/// let (a, b) = (Randomness::seeded(7), Randomness::seeded(7));
/// assert_eq!(a.uuid(), b.uuid());
/// ```
pub struct Randomness {
    /// Fast numbers for jitter and ids in tests.
    generator: Mutex<fastrand::Rng>,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Machine,
    Seeded,
}

impl Randomness {
    /// Draws from the machine; fit for secrets.
    #[must_use]
    pub fn from_machine() -> Self {
        Self { generator: Mutex::new(fastrand::Rng::new()), source: Source::Machine }
    }

    /// Draws the same numbers for the same seed; for tests only, its secrets can be guessed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { generator: Mutex::new(fastrand::Rng::with_seed(seed)), source: Source::Seeded }
    }

    /// A fraction between 0 (inclusive) and 1 (exclusive), for jitter.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.with_generator(fastrand::Rng::f64)
    }

    /// A fresh UUID (version 4).
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let bits = self.with_generator(|generator| generator.u128(..));
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// Fills a buffer with bytes fit for a secret.
    ///
    /// # Errors
    /// [`Error::Config`] when the machine has no source of secure randomness.
    pub fn fill_secret(&self, buffer: &mut [u8]) -> Result<()> {
        match self.source {
            Source::Machine => getrandom::fill(buffer).map_err(|cause| Error::Config {
                key: "randomness".into(),
                reason: "this machine has no source of secure randomness".into(),
                source: Some(Box::new(cause)),
            }),
            Source::Seeded => {
                self.with_generator(|generator| generator.fill(buffer));
                Ok(())
            }
        }
    }

    fn with_generator<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.generator.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Machine => "Randomness(machine)",
            Source::Seeded => "Randomness(seeded)",
        })
    }
}

#[cfg(test)]
pub(crate) mod stepped;
