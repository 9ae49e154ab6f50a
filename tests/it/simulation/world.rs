//! What all workers share: time, chance, the org, the store, and the book.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fluint_crm::host::Members;
use fluint_crm::model::{Member, WorkspaceId};
use fluint_crm::storage::{Stores, Work};
use fluint_crm::store::{MemoryStore, SqliteStore};
use fluint_crm::{Clock as _, Crm, Randomness, Result, SyncEnded};
use time::macros::datetime;

use crate::simulation::book::{Book, Dice, Shows};
use crate::simulation::clock::SimClock;
use crate::simulation::crm::LivingCrm;
use crate::simulation::org::{Org, SELLERS};
use crate::simulation::process::Process;
use crate::simulation::witness::Witness;
use crate::support::{PlainCrm, keys, member};

/// What is broken on purpose, to see that it is caught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spoil {
    /// A CRM that takes hidden rows for gone ones.
    CallsHiddenGone,
    /// A mirror whose cursors move on without the rows of the page.
    DropsRows,
    /// A connector that ends chains early.
    EndsEarly,
    Nothing,
    /// A connector that sends again, under another id, what it got no answer to.
    SendsAgain,
    /// A mirror that calls rows gone because they are missing.
    SweepsOnAbsence,
    /// A mirror that takes writes of whoever lost the work.
    TakesStaleClaims,
}

/// How a world is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    /// Steps while it is rough.
    pub(crate) rough: usize,
    pub(crate) spoil: Spoil,
    pub(crate) storage: Storage,
}

/// What the workers share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Storage {
    Memory,
    /// In memory, too, but on a thread of its own.
    Sqlite,
}

impl Setting {
    pub(crate) const fn in_memory(seed: u64) -> Self {
        Self { seed, rough: 1_800, spoil: Spoil::Nothing, storage: Storage::Memory }
    }

    /// With fewer steps, since each takes longer.
    pub(crate) const fn on_sqlite(seed: u64) -> Self {
        Self { rough: 700, storage: Storage::Sqlite, ..Self::in_memory(seed) }
    }

    fn open(self, clock: Arc<SimClock>) -> Stores {
        match self.storage {
            Storage::Memory => Stores::all(Arc::new(MemoryStore::new(clock))),
            Storage::Sqlite => Stores::all(Arc::new(SqliteStore::in_memory(clock).unwrap())),
        }
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) spoil: Spoil,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) dice: Dice,
    pub(crate) book: Book,
    pub(crate) org: Mutex<Org>,
    pub(crate) people: Mutex<Vec<Member>>,
    pub(crate) page_size: usize,
    /// The store, watched by the witness.
    pub(crate) stores: Mutex<Option<Stores>>,
    /// The newest token handed out for each item of work.
    pub(crate) tokens: Mutex<BTreeMap<Work, u64>>,
    pub(crate) shows: Mutex<Shows>,
    pub(crate) notes: PlainCrm,
    /// Who has signed in last, or tried to.
    pub(crate) signed_in: Mutex<String>,
    rough: AtomicBool,
}

/// The host's members as they are now.
#[derive(Debug)]
struct People(Arc<World>);

#[async_trait]
impl Members for People {
    async fn members(&self, _: &WorkspaceId) -> Result<Vec<Member>> {
        Ok(self.0.people.lock().unwrap().clone())
    }
}

impl World {
    pub(crate) fn new(setting: Setting) -> Arc<Self> {
        let clock = Arc::new(SimClock::new(datetime!(2026-02-02 09:00 UTC)));
        let dice = Dice::new(setting.seed);
        let opportunities = 20 + dice.below(70);
        let org = Org::new(&dice, opportunities, clock.now());
        let known = 1 + dice.below(SELLERS.len());
        let people =
            SELLERS[..known].iter().map(|name| member(name, &format!("{name}@contoso.com")));
        let stores = setting.open(Arc::clone(&clock));
        let world = Arc::new(Self {
            spoil: setting.spoil,
            clock,
            book: Book::default(),
            org: Mutex::new(org),
            people: Mutex::new(people.collect()),
            page_size: 5 + dice.below(25),
            dice,
            stores: Mutex::new(None),
            tokens: Mutex::default(),
            shows: Mutex::default(),
            notes: PlainCrm::default(),
            signed_in: Mutex::default(),
            rough: AtomicBool::new(false),
        });
        *world.stores.lock().unwrap() = Some(Witness::watch(&world, stores));
        world
    }

    pub(crate) fn stores(&self) -> Stores {
        self.stores.lock().unwrap().clone().unwrap()
    }

    /// Starts a process on the store.
    pub(crate) fn start(self: &Arc<Self>, process: &Arc<Process>) -> Crm {
        let crm = LivingCrm { world: Arc::clone(self), notes: self.notes.clone() };
        let low = u64::try_from(self.dice.number() & 0xffff_ffff).unwrap();
        Crm::builder(process.watch(self.stores()), Arc::new(People(Arc::clone(self))), keys())
            .provider(crm)
            .clock(Arc::clone(&self.clock) as _)
            .randomness(Randomness::seeded(low))
            .build()
            .unwrap()
    }

    /// Whether faults may happen, and the org lives.
    pub(crate) fn is_rough(&self) -> bool {
        self.rough.load(Ordering::Relaxed)
    }

    pub(crate) fn set_rough(&self, rough: bool) {
        self.rough.store(rough, Ordering::Relaxed);
    }

    /// What happens in the org between two requests.
    pub(crate) fn live_a_little(&self) {
        if !self.is_rough() || !self.dice.happens(0.6) {
            return;
        }
        let now = self.clock.now();
        let happened = self.org.lock().unwrap().live(&self.dice, now);
        self.book.count(happened.0);
        self.book.note(now, "org", happened);
    }

    /// Takes down how a sync ended; its counts must be what it was shown.
    pub(crate) fn take_report(&self, sync: &SyncEnded) {
        let now = self.clock.now();
        match &sync.outcome {
            Ok(report) => {
                self.book.count("syncs");
                self.book.note(now, "sync ended", report.counts);
                self.book.done(report.run, report.started_at);
                let shows = self.shows.lock().unwrap();
                let of_run = shows.iter().filter(|((run, _), _)| *run == report.run);
                let (mut least, mut most) = (0, 0);
                for (_, shown) in of_run {
                    least += shown.rows_read().0;
                    most += shown.rows_read().1;
                }
                let counted = report.counts.rows_read;
                if !(least..=most).contains(&counted) {
                    let came = format!("{least} to {most} rows came on pages");
                    self.book.wrong(format!("{came}, {counted} were counted"));
                }
            }
            Err(error) => {
                self.book.count("syncs cut off");
                self.book.note(now, "sync cut off", error.to_string());
            }
        }
    }
}
