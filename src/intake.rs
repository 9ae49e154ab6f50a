//! What pages on their way into the mirror may use in one process: bytes, and cores to decode on.
//!
//! Without a bound, many chains of many connections would hold as many pages as arrive at once.
//! Here each page takes its share before it is asked for and gives it back once it is stored, so
//! that memory stays flat however large an org is. Nobody knows a first page's size beforehand:
//! what it takes too much is a debt, which is paid from what comes back next.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits are counted in KiB, so that they fit a `u32`.
const UNIT: usize = 1024;

/// Decoded pages in memory at once, for each core: rows take a little more than the body that they
/// came in, and leave holes behind. One is stored while the other is decoded.
const DECODED_PER_CORE: usize = 2;

/// Bounds the pages in flight over all connections of a process.
#[derive(Debug)]
pub struct Intake {
    bytes: Arc<Account>,
    cores: Arc<Semaphore>,
    decoded: Arc<Semaphore>,
}

impl Intake {
    /// What is in flight by default: 48 MiB.
    pub const USUAL_BYTES: usize = 48 * 1024 * 1024;

    /// Bounds the bytes in flight. [`compute`](Self::compute) uses every core, and no more.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            bytes: Arc::new(Account::new(units(bytes))),
            cores: Arc::new(Semaphore::new(cores)),
            decoded: Arc::new(Semaphore::new(DECODED_PER_CORE * cores.max(2))),
        }
    }

    /// Waits until `bytes` more may be in flight. More than the whole bound waits for all of it.
    pub async fn reserve(&self, bytes: usize) -> BytesHeld {
        let units = units(bytes).min(self.bytes.size);
        // The semaphore is never closed.
        let permit = Arc::clone(&self.bytes.free).acquire_many_owned(units).await;
        self.held(permit.ok())
    }

    /// What [`reserve`](Self::reserve) gives, if nobody has to wait for it.
    #[must_use]
    pub fn try_reserve(&self, bytes: usize) -> Option<BytesHeld> {
        let units = units(bytes).min(self.bytes.size);
        let permit = Arc::clone(&self.bytes.free).try_acquire_many_owned(units).ok()?;
        Some(self.held(Some(permit)))
    }

    /// Makes a reservation fit what really came, without waiting: what is too much is given back,
    /// and what is missing is taken, if need be ahead of those who wait.
    pub fn adjust(&self, held: &mut BytesHeld, bytes: usize) {
        let needed = units(bytes).min(self.bytes.size);
        let taken = held.units();
        if taken > needed {
            held.give_back(taken - needed);
        } else if held.account.is_some() {
            held.overdraw(needed - taken);
        }
    }

    /// Decodes a page away from the runtime's own threads, as many at once as there are cores.
    ///
    /// Pages wait here as bodies while too many are decoded and not stored yet: whoever takes a page
    /// from a connector drops its bytes before too long. From now on the page counts a fifth
    /// more, for its body and its rows are there together. `None` when the work panicked or the
    /// runtime is shutting down. The bytes are held until the work is over, although nobody may be
    /// waiting for it any more.
    pub async fn compute<T: Send + 'static>(
        &self,
        mut held: BytesHeld,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<(T, BytesHeld)> {
        held.decoded = Some(Arc::clone(&self.decoded).acquire_owned().await.ok()?);
        let core = Arc::clone(&self.cores).acquire_owned().await.ok()?;
        held.overdraw(held.units() / 5);
        let work = move || {
            let done = work();
            drop(core);
            (done, held)
        };
        tokio::task::spawn_blocking(work).await.ok()
    }

    fn held(&self, permit: Option<OwnedSemaphorePermit>) -> BytesHeld {
        BytesHeld { permit, account: Some(Arc::clone(&self.bytes)), overdrawn: 0, decoded: None }
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self::new(Self::USUAL_BYTES)
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// The bytes that may be in flight, in units.
#[derive(Debug)]
struct Account {
    free: Arc<Semaphore>,
    size: u32,
    /// Units that are used without having been free. They are taken from those that come back.
    debt: Mutex<u32>,
}

impl Account {
    fn new(size: u32) -> Self {
        let free = Semaphore::new(size.try_into().unwrap_or(Semaphore::MAX_PERMITS));
        Self { free: Arc::new(free), size, debt: Mutex::new(0) }
    }

    /// Never held across an await.
    fn debt(&self) -> MutexGuard<'_, u32> {
        self.debt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees a permit's units, those first that pay the debt.
    fn take_back(&self, mut permit: OwnedSemaphorePermit) {
        let mut debt = self.debt();
        let units = u32::try_from(permit.num_permits()).unwrap_or(u32::MAX);
        let paid = units.min(*debt);
        *debt -= paid;
        if let Some(paid) = permit.split(paid.try_into().unwrap_or(0)) {
            paid.forget();
        }
    }

    /// Ends an overdraft: what others have paid of it is free again.
    fn settle(&self, overdrawn: u32) {
        let mut debt = self.debt();
        let unpaid = overdrawn.min(*debt);
        *debt -= unpaid;
        self.free.add_permits((overdrawn - unpaid).try_into().unwrap_or(0));
    }
}

/// A share of the bytes in flight, given back when it is dropped.
#[derive(Default)]
pub struct BytesHeld {
    permit: Option<OwnedSemaphorePermit>,
    account: Option<Arc<Account>>,
    /// Units in use beside the permit's.
    overdrawn: u32,
    /// One of the few places for decoded pages.
    decoded: Option<OwnedSemaphorePermit>,
}

impl BytesHeld {
    /// No share: for connectors whose pages are small.
    pub const NONE: Self = Self { permit: None, account: None, overdrawn: 0, decoded: None };

    /// Whether it is no share.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.account.is_none()
    }

    fn units(&self) -> u32 {
        let permit = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        u32::try_from(permit).unwrap_or(u32::MAX).saturating_add(self.overdrawn)
    }

    fn give_back(&mut self, units: u32) {
        let Some(account) = &self.account else { return };
        let borrowed = units.min(self.overdrawn);
        self.overdrawn -= borrowed;
        account.settle(borrowed);
        let rest = (units - borrowed).try_into().unwrap_or(0);
        if let Some(part) = self.permit.as_mut().and_then(|permit| permit.split(rest)) {
            account.take_back(part);
        }
    }

    fn overdraw(&mut self, units: u32) {
        let Some(account) = &self.account else { return };
        let mut debt = account.debt();
        // What is free is taken at once; the semaphore's waiters come after it.
        let found = account.free.forget_permits(units.try_into().unwrap_or(0));
        *debt += units - u32::try_from(found).unwrap_or(units);
        self.overdrawn += units;
    }
}

impl Drop for BytesHeld {
    fn drop(&mut self) {
        self.give_back(self.units());
    }
}

impl fmt::Debug for BytesHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BytesHeld({} KiB)", self.units())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::time::Duration;

    #[tokio::test]
    async fn syn_4_bytes_in_flight_are_bounded_and_given_back() {
        let intake = Intake::new(10 * UNIT);
        let first = intake.reserve(6 * UNIT).await;
        assert!(intake.reserve(5 * UNIT).now_or_never().is_none(), "11 of 10");
        let second = intake.reserve(4 * UNIT).now_or_never().expect("10 of 10");
        drop(first);
        assert!(intake.reserve(6 * UNIT).now_or_never().is_some());
        drop(second);
    }

    #[tokio::test]
    async fn syn_4_a_page_larger_than_the_bound_passes_alone() {
        let intake = Intake::new(2 * UNIT);
        let whale = intake.reserve(usize::MAX).now_or_never().expect("alone it may pass");
        assert!(intake.reserve(1).now_or_never().is_none());
        drop(whale);
        assert!(intake.reserve(1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn syn_4_a_reservation_is_made_to_fit() {
        let intake = Intake::new(10 * UNIT);
        let mut held = intake.reserve(8 * UNIT).await;
        intake.adjust(&mut held, 3 * UNIT);
        let other = intake.reserve(7 * UNIT).now_or_never().expect("7 of 10 are free");
        drop(other);
        intake.adjust(&mut held, 9 * UNIT);
        assert_eq!(format!("{held:?}"), "BytesHeld(9 KiB)");
        assert!(intake.try_reserve(2 * UNIT).is_none());
        assert!(intake.try_reserve(UNIT).is_some());
    }

    #[tokio::test]
    async fn syn_4_what_is_taken_too_much_is_paid_from_what_comes_back() {
        let intake = Intake::new(10 * UNIT);
        let mut first = intake.reserve(2 * UNIT).await;
        let mut second = intake.reserve(8 * UNIT).await;
        intake.adjust(&mut first, 7 * UNIT);
        assert_eq!(format!("{first:?}"), "BytesHeld(7 KiB)", "15 of 10 are in use");
        intake.adjust(&mut second, 2 * UNIT);
        assert!(intake.try_reserve(2 * UNIT).is_none(), "9 of 10 are in use");
        let last = intake.try_reserve(UNIT).expect("10 of 10");
        drop((second, first, last));
        assert!(intake.try_reserve(10 * UNIT).is_some(), "everything came back");
        assert!(intake.try_reserve(11 * UNIT).is_some(), "and a page may pass alone");
    }

    #[tokio::test]
    async fn syn_4_an_overdraft_that_ends_first_leaves_no_debt() {
        let intake = Intake::new(10 * UNIT);
        let mut first = intake.reserve(2 * UNIT).await;
        let second = intake.reserve(8 * UNIT).await;
        intake.adjust(&mut first, 9 * UNIT);
        drop(first);
        assert!(intake.try_reserve(2 * UNIT).is_some());
        assert!(intake.try_reserve(3 * UNIT).is_none(), "8 of 10 are in use");
        drop(second);
        assert!(intake.try_reserve(10 * UNIT).is_some());
    }

    #[tokio::test]
    async fn syn_4_few_decoded_pages_wait_for_the_store() {
        let intake = Intake::default();
        let mut pages = Vec::new();
        let soon = Duration::from_millis(200);
        let next = || tokio::time::timeout(soon, intake.compute(BytesHeld::NONE, || ()));
        while let Ok(Some((_, held))) = next().await {
            pages.push(held);
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        assert_eq!(pages.len(), DECODED_PER_CORE * cores.max(2));
        pages.pop();
        assert!(intake.compute(BytesHeld::NONE, || ()).await.is_some());
    }

    #[tokio::test]
    async fn syn_4_bytes_are_held_until_the_work_is_over() {
        let intake = Arc::new(Intake::new(10 * UNIT));
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let held = intake.reserve(10 * UNIT).await;
        let work = {
            let intake = Arc::clone(&intake);
            tokio::spawn(async move { intake.compute(held, move || wait.recv().ok()).await })
        };
        tokio::task::yield_now().await;
        work.abort();
        let _ = work.await;
        assert!(intake.try_reserve(UNIT).is_none(), "the page is being decoded still");
        drop(go);
        intake.reserve(10 * UNIT).await;
    }
}
