//! A store that crashes the program that uses it, at a chosen write.
//!
//! *Flow.* [`CrashStore::wrap`] numbers the durable writes of every role from 1. A first run without
//! a crash says how many there are; then, for every number, before and after the write, the test
//! runs the scenario anew on a fresh store, drops everything when [`CrashControl::crashed`] resolves,
//! starts a new [`Crm`](crate::Crm) on the store underneath, and compares where that ends.
//!
//! *Guarantees.* From the moment of the crash no call returns, as in a process that was killed; what
//! was written before stays.

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::storage::Stores;
use crate::testkit::watched_store::{Access, CallEnd, StoreCall, StoreWatch, WatchedStore};

/// Wraps a store so that its user crashes at a chosen write; see [`CrashStore::wrap`].
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::SystemClock;
/// use fluint_crm::model::{CrmKind, WorkspaceId};
/// use fluint_crm::storage::{GateKey, Stores};
/// use fluint_crm::store::MemoryStore;
/// use fluint_crm::testkit::{CrashPoint, CrashStore};
/// use time::{Duration, OffsetDateTime};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fluint_crm::Result<()> {
/// let inner = Stores::all(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// let (stores, control) = CrashStore::wrap(inner.clone());
/// control.arm(CrashPoint::After(1));
/// let key = GateKey { kind: CrmKind::new("dynamics"), scope: "org".into() };
/// let until = OffsetDateTime::now_utc() + Duration::hours(1);
/// tokio::select! {
///     _ = stores.gates.hold(&key, until) => unreachable!("it crashes before it returns"),
///     crash = control.crashed() => assert_eq!(crash.to_string(), "after write 1 (hold)"),
/// }
/// assert_eq!(inner.gates.held_until(&key).await?, Some(until), "the write itself was done");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CrashStore;

/// Where to crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a write is atomic: there is no moment in between")]
pub enum CrashPoint {
    /// The write with this number is done, and its caller never hears of it.
    After(u64),
    /// The write with this number never begins.
    Before(u64),
}

/// A crash that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Crash {
    /// Where.
    pub point: CrashPoint,
    /// The write's name.
    pub write: &'static str,
}

/// Says when a [`CrashStore`] crashes, and hears when it did.
#[derive(Clone, Debug)]
pub struct CrashControl(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    crash: watch::Sender<Option<Crash>>,
}

#[derive(Debug, Default)]
struct State {
    armed: Option<CrashPoint>,
    writes: u64,
}

impl CrashStore {
    /// Wraps a store. It never crashes until [`CrashControl::arm`] says where.
    #[must_use]
    pub fn wrap(inner: Stores) -> (Stores, CrashControl) {
        let crash = watch::Sender::new(None);
        let shared = Arc::new(Shared { state: Mutex::default(), crash });
        let control = CrashControl(Arc::clone(&shared));
        (WatchedStore::wrap(inner, shared), control)
    }
}

impl CrashControl {
    /// Crashes at that point. It must lie ahead: writes that were begun are not looked at again.
    pub fn arm(&self, point: CrashPoint) {
        self.0.state().armed = Some(point);
    }

    /// Crashes no more; later calls work again. A call that met the crash still never returns.
    pub fn disarm(&self) {
        self.0.state().armed = None;
        self.0.crash.send_replace(None);
    }

    /// How many writes were begun so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.state().writes
    }

    /// Waits for the crash.
    pub async fn crashed(&self) -> Crash {
        let mut crash = self.0.crash.subscribe();
        loop {
            // Read out at once: the guard must not live across the await.
            let happened = *crash.borrow_and_update();
            match happened {
                Some(happened) => return happened,
                // The sender lives as long as `self`, so this only ever reports a change.
                None => drop(crash.changed().await),
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Crashes here if it is the armed point, and never goes on after a crash.
    async fn pass(&self, write: &'static str, point: Option<CrashPoint>) {
        if point.is_some() && self.state().armed == point {
            self.crash.send_replace(point.map(|point| Crash { point, write }));
        }
        if self.crash.borrow().is_some() {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl StoreWatch for Shared {
    async fn before(&self, call: &StoreCall<'_>) {
        let Access::Write(number) = call.access else { return self.pass(call.name, None).await };
        {
            let mut state = self.state();
            state.writes = state.writes.max(number);
        }
        self.pass(call.name, Some(CrashPoint::Before(number))).await;
    }

    async fn after(&self, call: &StoreCall<'_>, _end: CallEnd) {
        let point = match call.access {
            Access::Read => None,
            Access::Write(number) => Some(CrashPoint::After(number)),
        };
        self.pass(call.name, point).await;
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.point, self.write)
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(number) => write!(f, "after write {number}"),
            Self::Before(number) => write!(f, "before write {number}"),
        }
    }
}
