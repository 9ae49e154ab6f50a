//! The long run: as many seeds as a given time allows, on every core, longer ones than usual.
//!
//! `FLUINT_CRM_SIMULATE_FOR` says for how many seconds. It begins at other seeds each time; what a
//! seed that failed prints is enough to make a test of it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use fluint_crm::{Clock as _, SystemClock};
use time::{Duration, OffsetDateTime};

use crate::simulation::odata::{self, Play};
use crate::simulation::simulate;
use crate::simulation::stage::wait_for;
use crate::simulation::world::{Setting, Storage};

/// How long to go on, if it was asked for.
fn asked_for() -> Option<Duration> {
    #[expect(clippy::disallowed_methods, reason = "how long a run is, is up to whoever starts it")]
    let seconds = std::env::var("FLUINT_CRM_SIMULATE_FOR").ok()?;
    Some(Duration::seconds(seconds.parse().expect("FLUINT_CRM_SIMULATE_FOR is in seconds")))
}

/// What the seeds are played on, in turn.
#[derive(Debug, Default)]
struct Tally {
    next: AtomicU64,
    memory: AtomicU64,
    sqlite: AtomicU64,
    /// Through the Dynamics connector.
    odata: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    /// Plays the next seed, and says what is wrong with it.
    fn play(&self, first: u64) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let seed = first + number;
        let in_memory = Setting { rough: 4_000, ..Setting::in_memory(seed) };
        let on_sqlite = Setting { rough: 2_000, ..Setting::on_sqlite(seed) };
        match number % 3 {
            0 => self.take_down(&self.memory, &in_memory, wait_for(simulate(in_memory)).told()),
            1 => self.take_down(&self.sqlite, &on_sqlite, wait_for(simulate(on_sqlite)).told()),
            _ => {
                let play = Play::fair(seed, Storage::Memory);
                self.take_down(&self.odata, &play, odata::play(play).told());
            }
        }
    }

    fn take_down(&self, count: &AtomicU64, setting: &dyn Debug, wrong: Option<String>) {
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(wrong) = wrong {
            self.failed.fetch_add(1, Ordering::Relaxed);
            println!("{setting:?}:\n{wrong}\n");
        }
    }
}

#[test]
fn r_20_syn_8_seeds_for_as_long_as_was_asked_for() {
    let Some(time) = asked_for() else { return };
    let clock = SystemClock::new();
    let until = clock.now() + time;
    let first = u64::try_from((clock.now() - OffsetDateTime::UNIX_EPOCH).whole_milliseconds());
    let first = first.unwrap() * 1_000;
    let tally = Tally::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while clock.now() < until {
                    tally.play(first);
                }
            });
        }
    });
    println!("seeds from {first} on: {tally:?}");
    assert_eq!(tally.failed.into_inner(), 0, "seeds that failed");
}
