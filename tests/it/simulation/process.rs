//! A process on the shared store: its calls take turns with others, and it may die at any of them.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use fluint_crm::Clock as _;
use fluint_crm::storage::Stores;
use fluint_crm::testkit::{Access, CallEnd, CrashPoint, StoreCall, StoreWatch, WatchedStore};
use futures_util::future::BoxFuture;

use crate::simulation::stage::wait_for;
use crate::simulation::world::World;

#[derive(Debug)]
pub(crate) struct Process {
    world: Arc<World>,
    pub(crate) name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    writes: u64,
    armed: Option<CrashPoint>,
    dead: bool,
}

impl Process {
    pub(crate) fn new(world: &Arc<World>, name: String) -> Arc<Self> {
        Arc::new(Self { world: Arc::clone(world), name, state: Mutex::default() })
    }

    /// The store as this process sees it.
    pub(crate) fn watch(self: &Arc<Self>, stores: Stores) -> Stores {
        WatchedStore::wrap(stores, Arc::<Self>::clone(self))
    }

    /// Dies before or after the write with that number.
    pub(crate) fn die_at(&self, point: CrashPoint) {
        self.state.lock().unwrap().armed = Some(point);
    }

    /// How many writes were begun.
    pub(crate) fn writes(&self) -> u64 {
        self.state.lock().unwrap().writes
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state.lock().unwrap().dead
    }

    fn note(&self, what: &str) {
        self.world.book.note(self.world.clock.now(), &self.name, what);
    }

    /// Dies here if it is to; a dead process does nothing any more.
    async fn pass(&self, point: Option<CrashPoint>) {
        let dead = {
            let mut state = self.state.lock().unwrap();
            state.dead |= point.is_some() && state.armed == point;
            state.dead
        };
        if dead {
            self.note("dies");
            pending::<()>().await;
        }
    }

    /// Lets others go on, now and then.
    async fn turn(&self) {
        let mut turns = if self.world.dice.happens(0.2) { 1 } else { 0 };
        poll_fn(|context| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

#[async_trait]
impl StoreWatch for Process {
    async fn before(&self, call: &StoreCall<'_>) {
        self.turn().await;
        let point = match call.access {
            Access::Read => None,
            Access::Write(number) => {
                self.state.lock().unwrap().writes = number;
                Some(CrashPoint::Before(number))
            }
        };
        self.pass(point).await;
    }

    /// Blocks: a store's thread must not be the one to say who goes on when.
    async fn during(&self, call: BoxFuture<'_, ()>) {
        wait_for(call);
    }

    async fn after(&self, call: &StoreCall<'_>, end: CallEnd) {
        let Access::Write(number) = call.access else { return self.pass(None).await };
        if end == CallEnd::Failed {
            self.note(&format!("{} refused", call.name));
            self.world.book.count("writes refused");
        } else {
            self.note(call.name);
        }
        if let (Some(claim), CallEnd::Succeeded) = (call.claim, end) {
            let newest = self.world.tokens.lock().unwrap().get(&claim.work).copied();
            if newest.is_some_and(|newest| claim.token < newest) {
                let (name, token) = (call.name, claim.token);
                let what = format!("{name} under token {token}, when {newest:?} was out");
                self.world.book.wrong(what);
            }
        }
        self.pass(Some(CrashPoint::After(number))).await;
        self.turn().await;
    }
}
