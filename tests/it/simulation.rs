//! Whole pulls in virtual time, everything drawn from one seed.
//!
//! *Flow.* A living org, one to three workers on one store, people who sign in, publish and approve,
//! and all kinds of trouble: faults, throttles, crashes at any write, dropped futures, pauses longer
//! than a lease, clocks that jump. Then it calms down, two quiet syncs go by, and the oracles judge.
//!
//! A failing seed prints the end of its trace, and the same seed always gives the same one.

use std::collections::BTreeMap;

use crate::simulation::book::Book;
use crate::simulation::stage::{Stage, wait_for, work};
use crate::simulation::user::{afterwards, people};
use crate::simulation::world::{Setting, Spoil, World};
use crate::support::watch::unwatched;

mod book;
mod clock;
mod crm;
mod every_write;
mod long;
mod odata;
mod oracle;
mod org;
mod process;
mod stage;
mod user;
mod witness;
mod world;

/// Seeds of one test; there are eight such tests, so that they run side by side.
const SEEDS: u64 = 250;

/// Seeds on SQLite in memory.
const SQLITE_SEEDS: u64 = 200;

/// Steps after which a seed that has not come to an end never will.
const MOST: usize = 200_000;

/// How a simulation ended.
struct Ended {
    wrong: Vec<String>,
    tail: String,
    fingerprint: (usize, u64),
    counts: BTreeMap<&'static str, u64>,
}

impl Ended {
    /// What is wrong, with the end of the trace.
    fn told(&self) -> Option<String> {
        (!self.wrong.is_empty()).then(|| format!("  {}\n\n{}", self.wrong.join("\n  "), self.tail))
    }

    /// Closes the book of a seed.
    fn of(book: &Book) -> Self {
        Self {
            wrong: book.faults(),
            tail: book.tail(60),
            fingerprint: book.fingerprint(),
            counts: book.counts(),
        }
    }
}

/// Plays one seed to its end.
async fn simulate(setting: Setting) -> Ended {
    let world = World::new(setting);
    let mut stage = Stage::new(&world);
    stage.enter(people);
    for _ in 0..=world.dice.below(3) {
        stage.enter(work);
    }
    world.set_rough(true);
    for step in 0..setting.rough {
        stage.step();
        if step % 500 == 499 {
            oracle::nothing_false(&world).await;
        }
    }
    stage.calm();
    let last = stage.replace_first(afterwards);
    let mut steps = 0;
    while steps < MOST && stage.is_acting(&last) {
        stage.step();
        steps += 1;
    }
    if steps == MOST {
        world.book.wrong("it never ends".to_owned());
    }
    oracle::nothing_false(&world).await;
    oracle::judge(&world).await;
    Ended::of(&world.book)
}

/// Plays many seeds, and says what was tried.
fn every_seed(first: u64, seeds: u64, play: impl Fn(u64) -> Ended) {
    let mut tried: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in first..first + seeds {
        let ended = unwatched(|| play(seed));
        if let Some(wrong) = ended.told() {
            panic!("seed {seed}:\n{wrong}");
        }
        for (what, times) in ended.counts {
            *tried.entry(what).or_default() += times;
        }
    }
    println!("{seeds} seeds from {first} on: {tried:?}");
}

/// Every part of the seeds is a test of its own, so that they run side by side.
macro_rules! pulls {
    ($($name:ident: $part:literal),+ $(,)?) => {$(
        #[test]
        fn $name() {
            every_seed($part * 1_000_000, SEEDS, |seed| wait_for(simulate(Setting::in_memory(seed))));
        }
    )+};
}

pulls! {
    r_16_r_18_r_20_syn_8_dea_7_pulls_in_rough_weather_end_with_the_org_as_it_is_0: 0,
    r_16_r_18_r_20_syn_8_dea_7_pulls_in_rough_weather_end_with_the_org_as_it_is_1: 1,
    r_16_r_18_r_20_syn_8_dea_7_pulls_in_rough_weather_end_with_the_org_as_it_is_2: 2,
    r_16_r_18_r_20_syn_8_dea_7_pulls_in_rough_weather_end_with_the_org_as_it_is_3: 3,
    r_16_r_18_r_20_syn_8_dea_7_pulls_in_rough_weather_end_with_the_org_as_it_is_4: 4,
    r_16_r_18_r_20_syn_8_dea_7_pulls_in_rough_weather_end_with_the_org_as_it_is_5: 5,
    r_16_r_18_r_20_syn_8_dea_7_pulls_in_rough_weather_end_with_the_org_as_it_is_6: 6,
    r_16_r_18_r_20_syn_8_dea_7_pulls_in_rough_weather_end_with_the_org_as_it_is_7: 7,
}

#[test]
fn r_20_syn_8_pulls_in_rough_weather_end_with_the_org_as_it_is_on_sqlite() {
    every_seed(20_000_000, SQLITE_SEEDS, |seed| wait_for(simulate(Setting::on_sqlite(seed))));
}

/// Seeds within which what is broken on purpose must be caught.
const CANARY: u64 = 25;

/// Breaks something on purpose; some oracle must say what it is expected to say.
async fn is_caught(spoil: Spoil, says: &str) {
    for seed in 0..CANARY {
        let ended = simulate(Setting { spoil, ..Setting::in_memory(seed) }).await;
        if ended.wrong.iter().any(|what| what.contains(says)) {
            println!("{spoil:?}: caught by seed {seed} ({} of {CANARY})", seed + 1);
            return;
        }
        assert!(ended.wrong.is_empty(), "seed {seed}, {spoil:?}: {:?}", ended.wrong);
    }
    panic!("{spoil:?}: {CANARY} seeds see nothing");
}

#[test]
fn r_16_r_18_a_mirror_that_sweeps_on_absence_is_caught() {
    wait_for(is_caught(Spoil::SweepsOnAbsence, "is there and called gone"));
}

#[test]
fn r_18_a_crm_that_calls_hidden_rows_gone_is_caught() {
    wait_for(is_caught(Spoil::CallsHiddenGone, "exists and is called gone"));
}

#[test]
fn r_16_a_mirror_that_loses_the_rows_of_a_page_is_caught() {
    wait_for(is_caught(Spoil::DropsRows, "were shown"));
}

#[test]
fn r_26_a_mirror_that_takes_stale_claims_is_caught() {
    wait_for(is_caught(Spoil::TakesStaleClaims, "was out"));
}

#[test]
fn r_2_r_22_a_connector_that_sends_an_unanswered_create_again_is_caught() {
    wait_for(is_caught(Spoil::SendsAgain, "note of"));
}

/// a chain that ends early makes rows missing, and the reads of their ids put them back.
#[test]
fn r_18_a_connector_that_ends_chains_early_makes_no_row_gone() {
    for seed in 0..CANARY {
        let setting = Setting { spoil: Spoil::EndsEarly, ..Setting::in_memory(seed) };
        let ended = wait_for(simulate(setting));
        let gone = ended.wrong.iter().filter(|what| what.contains("called gone"));
        assert_eq!(gone.count(), 0, "seed {seed}: {:?}", ended.wrong);
    }
}

/// Plays seeds, one of them twice.
fn same_seed_same_run(setting: impl Fn(u64) -> Setting) {
    let mut prints = Vec::new();
    for seed in [1, 1, 2] {
        prints.push(wait_for(simulate(setting(seed))).fingerprint);
    }
    assert_eq!(prints[0], prints[1]);
    assert_ne!(prints[0], prints[2]);
}

#[test]
fn host_4_the_same_seed_gives_the_same_simulation() {
    same_seed_same_run(Setting::in_memory);
}

#[test]
fn host_4_the_same_seed_gives_the_same_simulation_on_sqlite() {
    same_seed_same_run(|seed| Setting { rough: 2_000, ..Setting::on_sqlite(seed) });
}
