//! Pulls through the Dynamics connector from an org that lives while it is paged through.
//!
//! *Flow.* A small org behind a strict fake, answered in tiny pages, in one chain or in ranges. At
//! the store's calls, between two pages, rows are created (also with a creation time that lies far
//! back), changed, closed, opened again and deleted; requests meet faults; the process crashes at
//! writes, and another one goes on. After some such runs it calms down.
//!
//! *What must hold.* Nothing that is there is ever called gone. A row that was there all through a
//! run is in the mirror after it. After two quiet runs the mirror is the org.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fluint_crm::connector::{Callback, Split};
use fluint_crm::dynamics::DYNAMICS;
use fluint_crm::storage::Stores;
use fluint_crm::store::{MemoryStore, SqliteStore};
use fluint_crm::testkit::{CrashControl, CrashPoint, CrashStore, FakeMicrosoft};
use fluint_crm::{Budget, Clock as _, ConnectRequest, Crm, Randomness};
use time::macros::datetime;

use crate::simulation::book::{Book, Dice};
use crate::simulation::clock::SimClock;
use crate::simulation::odata::life::Life;
use crate::simulation::odata::mirror::LivelyMirror;
use crate::simulation::odata::oracle::Oracle;
use crate::simulation::world::Storage;
use crate::simulation::{Ended, every_seed};
use crate::support::{ada, keys, member, workspace};

mod life;
mod mirror;
mod oracle;

/// How a seed is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Play {
    pub(crate) seed: u64,
    pub(crate) storage: Storage,
    pub(crate) spoil: Spoil,
}

/// What is broken on purpose, to see that it is caught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spoil {
    /// A mirror that loses a row of a page now and then.
    LosesRows,
    Nothing,
    /// A mirror that calls rows gone although their own read found them.
    SweepsTheLiving,
}

impl Play {
    /// With nothing broken on purpose.
    pub(crate) const fn fair(seed: u64, storage: Storage) -> Self {
        Self { seed, storage, spoil: Spoil::Nothing }
    }
}

/// One seed: the org, the store, and the process that is running now.
struct Scene {
    dice: Arc<Dice>,
    book: Arc<Book>,
    clock: Arc<SimClock>,
    life: Arc<Life>,
    /// Survives every crash.
    stores: Stores,
    split: Split,
    control: CrashControl,
    crm: Crm,
}

/// Plays one seed to its end.
pub(crate) fn play(play: Play) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut scene = Scene::new(play);
        scene.connect().await;
        let oracle = Oracle::new(&scene.life, &scene.stores, &scene.book);
        for _ in 0..2 + scene.dice.below(3) {
            scene.life.set_rough(true);
            scene.life.plan_faults(&scene.dice);
            oracle.run_begins().await;
            scene.run(&oracle).await;
            oracle.run_ended().await;
        }
        scene.life.set_rough(false);
        for _ in 0..2 {
            oracle.run_begins().await;
            scene.run(&oracle).await;
            oracle.run_ended().await;
        }
        oracle.all_is_quiet().await;
        Ended::of(&scene.book)
    })
}

impl Scene {
    fn new(play: Play) -> Self {
        let clock = Arc::new(SimClock::new(datetime!(2026-02-02 09:00 UTC)));
        let (dice, book) = (Arc::new(Dice::new(play.seed)), Arc::new(Book::default()));
        let life = Arc::new(Life::new(&dice, &book, &clock));
        let inner = match play.storage {
            Storage::Memory => Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _))),
            Storage::Sqlite => {
                let store = SqliteStore::in_memory(Arc::clone(&clock) as _).unwrap();
                mirror::blocking(Stores::all(Arc::new(store)))
            }
        };
        let stores = LivelyMirror::put_before(inner, &life, &dice, play.spoil);
        let split = match dice.below(2) {
            0 => Split::Off,
            _ => Split::Fixed(NonZeroU32::new(2 + u32::try_from(dice.below(3)).unwrap()).unwrap()),
        };
        let (crm, control) = start(&stores, &life, &dice, &clock, split);
        Self { dice, book, clock, life, stores, split, control, crm }
    }

    async fn connect(&self) {
        let request = ConnectRequest::new(workspace(), ada(), DYNAMICS, FakeMicrosoft::ORG_ADDRESS);
        let started = self.crm.begin_connect(request).await.unwrap();
        let callback = Callback::from_url(&self.life.fake.browse(&started.url).unwrap());
        let (workspace, ada) = (workspace(), ada());
        let finished = self.crm.finish_connect(&workspace, &ada, &callback);
        self.drive(finished).await.unwrap();
    }

    /// Runs a future; whenever nothing goes on any more, the time comes that somebody waits for.
    async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            // The runtime's own time is paused, so this ends as soon as everybody waits.
            match tokio::time::timeout(Duration::from_millis(1), work.as_mut()).await {
                Ok(done) => return done,
                Err(_) => self.clock.set(self.clock.next_wait().expect("somebody waits")),
            }
        }
    }

    /// A run from its beginning to its end, in as many processes as it takes.
    async fn run(&mut self, oracle: &Oracle) {
        let connection = self.crm.connections(&workspace()).await.unwrap().remove(0).id;
        self.crm.sync_now(&workspace(), connection).await.unwrap();
        for turn in 0..MOST {
            // Nobody is struck for ever.
            if turn == PATIENCE {
                self.life.fake.dataverse().clear_faults();
            }
            if self.life.is_rough() && self.dice.happens(0.6) {
                let number = self.control.writes() + 1 + self.dice.below(60) as u64;
                let point = match self.dice.below(2) {
                    0 => CrashPoint::Before(number),
                    _ => CrashPoint::After(number),
                };
                self.control.arm(point);
            }
            let report = self.drive(self.turn()).await;
            oracle.nothing_false().await;
            let Some(report) = report else {
                self.crash();
                // The sync may have ended well before the crash, and nobody has heard of it.
                self.crm.sync_now(&workspace(), connection).await.unwrap();
                continue;
            };
            // A crash that was planned for later must not strike whoever asks for the next run.
            self.control.disarm();
            for sync in &report.unwrap().syncs {
                match &sync.outcome {
                    Ok(done) => {
                        self.book.count("runs");
                        return self.book.note(self.clock.now(), "run", done.counts);
                    }
                    Err(error) => {
                        self.book.count("runs cut off");
                        self.book.note(self.clock.now(), "cut off", error.to_string());
                    }
                }
            }
            self.clock.set(self.clock.now() + time::Duration::minutes(10));
        }
        self.book.wrong("a run never ends".to_owned());
    }

    /// Works on what is due; `None` when the process crashed meanwhile.
    async fn turn(&self) -> Option<fluint_crm::Result<fluint_crm::RunReport>> {
        let budget = Budget::default();
        tokio::select! {
            biased;
            report = self.crm.run_due(&budget) => Some(report),
            crash = self.control.crashed() => {
                self.book.note(self.clock.now(), "crash", crash.to_string());
                None
            }
        }
    }

    /// Puts another process in the place of the one that crashed; the lease of that one ends first.
    fn crash(&mut self) {
        self.book.count("crashes");
        (self.crm, self.control) =
            start(&self.stores, &self.life, &self.dice, &self.clock, self.split);
        self.clock.set(self.clock.now() + time::Duration::minutes(15));
    }
}

/// Turns of one run after which it never ends, and after which no more faults strike.
const MOST: usize = 100;
const PATIENCE: usize = 12;

fn start(
    stores: &Stores,
    life: &Life,
    dice: &Dice,
    clock: &Arc<SimClock>,
    split: Split,
) -> (Crm, CrashControl) {
    let (stores, control) = CrashStore::wrap(stores.clone());
    let people = vec![member("ada", "ada@contoso.com")];
    let chance = u64::try_from(dice.number() & 0xffff_ffff).unwrap();
    let crm = Crm::builder(stores, Arc::new(people), keys())
        .provider(life.fake.provider().unwrap())
        .clock(Arc::clone(clock) as _)
        .randomness(Randomness::seeded(chance))
        .split(split)
        .build()
        .unwrap();
    (crm, control)
}

fn seeds(first: u64, seeds: u64, storage: Storage) {
    every_seed(first, seeds, |seed| play(Play::fair(seed, storage)));
}

/// Seeds of one test; there are four such tests, so that they run side by side.
const SEEDS: u64 = 250;

#[test]
fn r_20_syn_8_an_org_that_lives_while_it_is_paged_through_is_mirrored_0() {
    seeds(0, SEEDS, Storage::Memory);
}

#[test]
fn r_20_syn_8_an_org_that_lives_while_it_is_paged_through_is_mirrored_1() {
    seeds(1_000_000, SEEDS, Storage::Memory);
}

#[test]
fn r_20_syn_8_an_org_that_lives_while_it_is_paged_through_is_mirrored_2() {
    seeds(2_000_000, SEEDS, Storage::Memory);
}

#[test]
fn r_20_syn_8_an_org_that_lives_while_it_is_paged_through_is_mirrored_3() {
    seeds(3_000_000, SEEDS, Storage::Memory);
}

#[test]
fn r_20_syn_8_an_org_that_lives_while_it_is_paged_through_is_mirrored_on_sqlite() {
    seeds(20_000_000, 60, Storage::Sqlite);
}

/// Breaks something on purpose; the oracle must say what it is expected to say.
fn is_caught(spoil: Spoil, says: &str) {
    for seed in 0..25 {
        let ended = play(Play { seed, storage: Storage::Memory, spoil });
        if ended.wrong.iter().any(|what| what.contains(says)) {
            return println!("{spoil:?}: caught by seed {seed}");
        }
    }
    panic!("{spoil:?}: nobody sees anything");
}

#[test]
fn r_20_a_mirror_that_loses_rows_of_a_page_is_caught() {
    is_caught(Spoil::LosesRows, "was there all through the run and is not held");
}

#[test]
fn r_20_a_mirror_that_calls_living_rows_gone_is_caught() {
    is_caught(Spoil::SweepsTheLiving, "is there and called gone");
}

#[test]
fn host_4_the_same_seed_pages_through_the_same_org() {
    for storage in [Storage::Memory, Storage::Sqlite] {
        let print = |seed| play(Play::fair(seed, storage)).fingerprint;
        assert_eq!(print(1), print(1), "{storage:?}");
        assert_ne!(print(1), print(2), "{storage:?}");
    }
}
