//! Three workers with up to sixteen tasks each, one row of tokens, a fake Entra, hours of virtual
//! time: faults, pauses and crashes by chance from a seed, and canaries that must be
//! caught.

mod line;
mod store;
mod world;

use std::time::Duration;

use futures_util::future::join_all;

use crate::clock::Clock;
use crate::dynamics::tokens::RefreshTokens;
use crate::dynamics::tokens::simulation::store::Storage;
use crate::dynamics::tokens::simulation::world::{Spoil, Weather, World};

/// One run.
#[derive(Clone, Copy, Debug)]
struct Play {
    seed: u64,
    provider: RefreshTokens,
    weather: Weather,
    storage: Storage,
    spoil: Spoil,
}

impl Play {
    const fn new(seed: u64, provider: RefreshTokens, weather: Weather) -> Self {
        Self { seed, provider, weather, storage: Storage::Memory, spoil: Spoil::Nothing }
    }
}

/// What became of a run.
struct Ended {
    wrong: Vec<String>,
    trace: Vec<String>,
    refreshes: u64,
    died: bool,
}

/// How long the weather lasts; tokens live for an hour.
const HOURS: i64 = 6;

const WORKERS: u64 = 3;

fn play(play: Play) -> Ended {
    let world = World::new(play);
    let clock = world.clock();
    clock.run(async {
        world.connect().await;
        let until = clock.now() + time::Duration::hours(HOURS);
        join_all((0..WORKERS).map(|number| world.worker(number, until))).await;
        world.calm();
        // Whatever was reserved by somebody who died has ended by then.
        clock.sleep_until(clock.now() + time::Duration::minutes(15)).await;
        world.ask_once().await;
    });
    world.judge()
}

/// Plays seeds; gives how many connections died.
fn seeds(first: u64, count: u64, with: impl Fn(u64) -> Play) -> u64 {
    let (mut died, mut refreshes) = (0, 0);
    for seed in first..first + count {
        let ended = play(with(seed));
        assert!(ended.wrong.is_empty(), "{:?}: {:#?}", with(seed), ended.wrong);
        died += u64::from(ended.died);
        refreshes += ended.refreshes;
    }
    assert!(refreshes >= count * 4, "{refreshes} refreshes in {count} runs");
    died
}

const SEEDS: u64 = 700;

#[test]
fn r_7_without_faults_there_is_one_refresh_per_expiry() {
    for provider in [RefreshTokens::Reusable, RefreshTokens::SingleUse] {
        let died = seeds(0, SEEDS / 2, |seed| Play::new(seed, provider, Weather::Fair));
        assert_eq!(died, 0);
    }
}

#[test]
fn r_8_with_a_lenient_provider_no_connection_dies() {
    let lenient = |seed| Play::new(seed, RefreshTokens::Reusable, Weather::Rough);
    assert_eq!(seeds(1_000_000, SEEDS, lenient), 0);
}

/// Each that died had an answer that never came, or came too late; the judge looks at each.
#[test]
fn r_8_with_a_strict_provider_only_those_die_whose_answer_was_lost() {
    let strict = |seed| Play::new(seed, RefreshTokens::SingleUse, Weather::Rough);
    let died = seeds(2_000_000, SEEDS, strict);
    assert!(died > 0, "it is rough enough to matter");
}

#[test]
fn r_7_r_8_tokens_on_sqlite() {
    for provider in [RefreshTokens::Reusable, RefreshTokens::SingleUse] {
        let on_file =
            |seed| Play { storage: Storage::Sqlite, ..Play::new(seed, provider, Weather::Rough) };
        seeds(3_000_000, 100, on_file);
    }
}

#[test]
fn host_4_the_same_seed_refreshes_the_same_way() {
    let trace = |seed| play(Play::new(seed, RefreshTokens::Reusable, Weather::Rough)).trace;
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

fn is_caught(spoil: Spoil, provider: RefreshTokens, weather: Weather, says: &str) {
    for seed in 0..200 {
        let ended = play(Play { spoil, ..Play::new(seed, provider, weather) });
        if ended.wrong.iter().any(|what| what.contains(says)) {
            return;
        }
    }
    panic!("{spoil:?}: nobody sees anything");
}

#[test]
fn r_7_workers_without_a_lease_are_caught() {
    let says = "was sent twice";
    is_caught(Spoil::NoLease, RefreshTokens::Reusable, Weather::Fair, says);
}

#[test]
fn con_5_a_token_that_is_used_before_it_is_stored_is_caught() {
    let says = "is not stored";
    is_caught(Spoil::NotStored, RefreshTokens::Reusable, Weather::Fair, says);
}

#[test]
fn r_8_a_store_that_lets_late_workers_write_is_caught() {
    let says = "died although no answer was lost";
    is_caught(Spoil::NoCompare, RefreshTokens::SingleUse, Weather::Rough, says);
}

/// How long a pause of a process is that outlasts every lease.
const STALL: Duration = Duration::from_secs(7 * 60);
