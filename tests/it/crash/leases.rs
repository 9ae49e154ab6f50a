//! Two workers on one store whose leases end while they work: no stale write gets in.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fluint_crm::storage::Stores;
use fluint_crm::testkit::{CallEnd, ManualClock, StoreCall, StoreWatch, WatchedStore};
use fluint_crm::{MirrorFate, Randomness};
use time::Duration;

use crate::crash::faulty::{ClaimLog, Tokens, UnfencedLedger};
use crate::crash::scenario::Scenario;
use crate::crash::scenario::Step::{Connect, Disconnect, Filter, Org, Publish, Settle, SyncNow};
use crate::crash::snapshot::Snapshot;
use crate::crash::world::{World, day_later};

/// Runs tried with each scenario.
const SEEDS: u64 = 150;

const BUSY_DAY: Scenario = Scenario {
    name: "a sync and three publications at once",
    before: &[
        Connect,
        Settle,
        Publish("o1", "d1", 1),
        Settle,
        Org(day_later),
        Filter(&["s1", "s3"]),
        Publish("o1", "d1", 2),
        Publish("o2", "d2", 1),
        Publish("o1", "d3", 1),
        SyncNow,
    ],
    crashed: &[Settle],
};

const DELETED: Scenario = Scenario {
    name: "a note was deleted, another file replaced, and the user had reconnected",
    before: &[
        Connect,
        Settle,
        Publish("o1", "d1", 1),
        Settle,
        Disconnect(MirrorFate::Purge),
        Org(|org| org.timeline.clear()),
        Publish("o1", "d1", 2),
        Connect,
    ],
    crashed: &[Settle],
};

/// Lets workers take turns at random, moves the clock past their leases, and keeps the books.
#[derive(Debug)]
struct Chaos {
    clock: Arc<ManualClock>,
    chance: Randomness,
    tokens: Tokens,
    /// Writes that got in under a claim that somebody newer held.
    stale: Mutex<Vec<String>>,
    refused: Mutex<u64>,
}

impl Chaos {
    async fn turns(&self) {
        let mut chance = self.chance.fraction();
        if chance < 0.03 {
            self.clock.advance(Duration::seconds(61));
        }
        while chance > 0.4 {
            tokio::task::yield_now().await;
            chance = self.chance.fraction();
        }
    }
}

#[async_trait]
impl StoreWatch for Chaos {
    async fn before(&self, _: &StoreCall<'_>) {
        self.turns().await;
    }

    async fn after(&self, call: &StoreCall<'_>, end: CallEnd) {
        if let Some(claim) = call.claim {
            let newest = self.tokens.newest(&claim.work);
            match end {
                CallEnd::Failed => *self.refused.lock().unwrap() += 1,
                CallEnd::Succeeded if claim.token < newest => {
                    let (name, work, token) = (call.name, &claim.work, claim.token);
                    let line = format!("{name} of {work} under {token}, when {newest} was out");
                    self.stale.lock().unwrap().push(line);
                }
                CallEnd::Succeeded => {}
            }
        }
        self.turns().await;
    }
}

/// What two workers made of a scenario.
struct Contest {
    ended: Snapshot,
    stale: Vec<String>,
    refused: u64,
}

async fn contest(scenario: &Scenario, seed: u64, spoil: fn(&mut Stores, &Tokens)) -> Contest {
    let world = World::in_memory();
    let mut stores = world.stores();
    let tokens = ClaimLog::watch(&mut stores);
    spoil(&mut stores, &tokens);
    let chaos = Arc::new(Chaos {
        clock: Arc::clone(&world.clock),
        chance: Randomness::seeded(seed),
        tokens,
        stale: Mutex::default(),
        refused: Mutex::default(),
    });
    let stores = WatchedStore::wrap(stores, Arc::clone(&chaos) as _);
    let ended = scenario.contested(&world, &stores).await;
    let (stale, refused) = (chaos.stale.lock().unwrap().clone(), *chaos.refused.lock().unwrap());
    Contest { ended, stale, refused }
}

async fn no_stale_write_gets_in(scenario: &Scenario) {
    let (expected, _) = scenario.undisturbed(&World::in_memory()).await;
    let mut refused = 0;
    for seed in 0..SEEDS {
        let contest = contest(scenario, seed, |_, _| {}).await;
        assert!(contest.stale.is_empty(), "{}, seed {seed}: {:?}", scenario.name, contest.stale);
        let difference = contest.ended.compare(&expected);
        let difference = difference.join("\n  ");
        assert!(difference.is_empty(), "{}, seed {seed}:\n  {difference}", scenario.name);
        refused += contest.refused;
    }
    println!("{}: {refused} stale writes were refused in {SEEDS} runs", scenario.name);
    assert!(refused > SEEDS / 4, "leases were hardly ever lost: {refused}");
}

#[tokio::test]
async fn r_26_two_workers_with_ending_leases_do_a_busy_day_once() {
    no_stale_write_gets_in(&BUSY_DAY).await;
}

#[tokio::test]
async fn r_26_doc_7_two_workers_with_ending_leases_make_one_fresh_note() {
    no_stale_write_gets_in(&DELETED).await;
}

#[tokio::test]
async fn r_26_a_ledger_that_takes_stale_claims_is_caught() {
    let mut caught = 0;
    for seed in 0..SEEDS {
        let spoilt = contest(&BUSY_DAY, seed, |stores, tokens| {
            let inner = Arc::clone(&stores.publications);
            stores.publications = Arc::new(UnfencedLedger { inner, tokens: tokens.clone() });
        });
        caught += u64::from(!spoilt.await.stale.is_empty());
    }
    assert!(caught > 0, "the oracle sees nothing");
}
