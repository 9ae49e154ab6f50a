//! Hours of publishing in virtual time: two workspaces on one org, two to four workers with
//! clocks of their own, lost answers, requests that land late, crashes, pauses that outlast leases,
//! users who delete and replace, large documents, and orgs that compare no versions.
//!
//! A failure names its seed and shows what landed when. `FLUINT_PUBLISH_MINUTES=60 cargo test r_22_publishing_for_long -- --nocapture` plays seeds for an
//! hour and says how many.

mod crm;
mod ledger;
mod weather;
mod world;

use std::sync::Arc;

use futures_util::future::join;
use time::Duration;

use self::crm::POISON;
use self::weather::{Nature, Spoil};
use self::world::World;
use crate::clock::Clock as _;
use crate::model::PublicationState;
use crate::storage::Stores;
use crate::store::MemoryStore;

/// What became of a run.
struct Ended {
    wrong: Vec<String>,
    trace: Vec<String>,
}

fn in_memory(nature: &Arc<Nature>) -> Stores {
    Stores::all(Arc::new(MemoryStore::new(Arc::clone(&nature.clock) as _)))
}

fn play(seed: u64, spoil: Spoil, store: impl FnOnce(&Arc<Nature>) -> Stores) -> Ended {
    let nature = Nature::new(seed, true, spoil);
    let clock = Arc::clone(&nature.clock);
    clock.run(async {
        let world = World::new(nature, store).await;
        let workers = 2 + usize::try_from(seed % 3).unwrap();
        world.live(Duration::minutes(90), workers).await;
        let wrong = world.judge().await;
        let trace = std::mem::take(&mut world.timeline.at(clock.now()).trace);
        Ended { wrong, trace }
    })
}

fn seeds(seeds: impl IntoIterator<Item = u64>) {
    for seed in seeds {
        let ended = play(seed, Spoil::Nothing, in_memory);
        assert!(ended.wrong.is_empty(), "seed {seed}: {:#?}\n{:#?}", ended.wrong, ended.trace);
    }
}

// In four tests, so that they run side by side.

#[test]
fn r_22_publishing_histories_of_the_first_quarter() {
    seeds(0..2_500);
}

#[test]
fn r_22_publishing_histories_of_the_second_quarter() {
    seeds(2_500..5_000);
}

#[test]
fn r_22_publishing_histories_of_the_third_quarter() {
    seeds(5_000..7_500);
}

#[test]
fn r_22_publishing_histories_of_the_last_quarter() {
    seeds(7_500..10_000);
}

#[cfg(feature = "sqlite")]
#[test]
fn r_22_publishing_histories_on_sqlite() {
    for seed in 20_000..20_100 {
        let ended = play(seed, Spoil::Nothing, |nature| {
            let clock = Arc::clone(&nature.clock) as _;
            Stores::all(Arc::new(crate::store::SqliteStore::in_memory(clock).unwrap()))
        });
        assert!(ended.wrong.is_empty(), "seed {seed}: {:#?}", ended.wrong);
    }
}

#[test]
fn host_4_the_same_seed_publishes_the_same_way() {
    let trace = |seed| play(seed, Spoil::Nothing, in_memory).trace;
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it plays for so many real minutes as it is told, and says how far it came"
)]
fn r_22_publishing_for_long() {
    let minutes = std::env::var("FLUINT_PUBLISH_MINUTES").ok();
    let Some(minutes) = minutes.and_then(|text| text.parse::<u64>().ok()) else { return };
    let start = std::time::Instant::now();
    let mut seed = 1_000_000;
    while start.elapsed().as_secs() < minutes * 60 {
        seeds([seed]);
        seed += 1;
    }
    println!("{} seeds in {minutes} minutes: nothing lost, doubled or regressed", seed - 1_000_000);
}

fn is_caught(spoil: Spoil, says: &str) {
    for seed in 0..300 {
        let ended = play(seed, spoil, in_memory);
        if ended.wrong.iter().any(|what| what.contains(says)) {
            return;
        }
    }
    panic!("{spoil:?}: nobody sees anything");
}

#[test]
fn r_22_ids_that_the_server_chooses_are_caught() {
    is_caught(Spoil::ServerChosenId, "duplicate");
}

#[test]
fn r_22_updates_that_match_any_version_are_caught() {
    is_caught(Spoil::MatchesAny, "regressed");
}

#[test]
fn r_22_a_flag_instead_of_compared_revisions_is_caught() {
    is_caught(Spoil::DirtyFlag, "regressed");
}

#[test]
fn r_22_a_store_that_lets_late_workers_write_is_caught() {
    is_caught(Spoil::NoFencing, "is still");
}

#[test]
fn r_22_uploads_that_nobody_waits_for_are_caught() {
    is_caught(Spoil::NoDrain, "regressed");
}

#[test]
fn r_22_requests_that_are_begun_too_late_are_caught() {
    is_caught(Spoil::SendsLate, "regressed");
}

/// somebody edits every twenty seconds, all day long.
#[test]
fn r_24_under_edits_all_day_a_note_is_never_older_than_the_longest_wait_and_a_cycle() {
    let nature = Nature::new(1, false, Spoil::Nothing);
    let clock = Arc::clone(&nature.clock);
    let changes = clock.run(async {
        let world = World::new(nature, in_memory).await;
        let end = clock.now() + Duration::DAY;
        let author = async {
            for revision in 1.. {
                if clock.now() >= end {
                    return;
                }
                world.publish(0, "plan", revision).await;
                clock.sleep_until(clock.now() + Duration::seconds(20)).await;
            }
        };
        join(author, world.workers(2, end)).await;
        std::mem::take(&mut world.timeline.at(clock.now()).changes)
    });
    let longest = changes.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    // The cycle of an idle worker, and the few seconds that a large revision takes.
    assert!(longest <= Duration::seconds(600 + 8 + 20), "{longest}");
    assert!(longest > Duration::seconds(500), "it was debounced: {longest}");
    assert!(changes.len() >= 130, "{} changes", changes.len());
}

/// one of a thousand documents is refused.
#[test]
fn r_25_a_poison_document_delays_no_other_and_a_new_revision_starts_it_again() {
    let ends: Vec<_> = ["harmless", POISON]
        .into_iter()
        .map(|odd| {
            let nature = Nature::new(0, false, Spoil::Nothing);
            let clock = Arc::clone(&nature.clock);
            clock.run(async {
                let world = World::new(nature, in_memory).await;
                world.publish(0, odd, 1).await;
                for number in 1..1_000 {
                    world.publish(0, &format!("d{number}"), 1).await;
                }
                let start = clock.now();
                world.workers(4, start + Duration::hours(1)).await;
                let all = world.publications().await;
                let parked = all.iter().filter(|p| p.state != PublicationState::Published);
                let parked: Vec<_> = parked.map(|p| p.key.document.to_string()).collect();
                assert_eq!(parked, if odd == POISON { vec![POISON] } else { vec![] });
                let (last, requests) = {
                    let book = world.timeline.at(clock.now());
                    (*book.changes.last().unwrap() - start, book.requests)
                };
                assert_eq!(requests, 1_000, "one request each");
                world.publish(0, odd, 2).await;
                world.workers(4, clock.now() + Duration::minutes(5)).await;
                assert_eq!(world.judge().await, Vec::<String>::new());
                last
            })
        })
        .collect();
    assert!(ends[1] <= ends[0] + Duration::seconds(5), "{ends:?}");
}
