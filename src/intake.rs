//! What pages on their way into the mirror may use in one process: bytes, and cores to decode on.
//!
//! Without a bound, many chains of many connections would hold as many pages as arrive at once.
//! Here each page takes its share before it is asked for and gives it back once it is stored, so
//! that memory stays flat however large an org is.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits are counted in KiB, so that they fit a `u32`.
const UNIT: usize = 1024;

/// Bounds the pages in flight over all connections of a process.
#[derive(Debug)]
pub struct Intake {
    bytes: Arc<Semaphore>,
    units: u32,
    cores: Semaphore,
}

impl Intake {
    /// What is in flight by default: 48 MiB.
    pub const USUAL_BYTES: usize = 48 * 1024 * 1024;

    /// Bounds the bytes in flight. [`compute`](Self::compute) uses every core, and no more.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let units = units(bytes);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            bytes: Arc::new(Semaphore::new(units.try_into().unwrap_or(Semaphore::MAX_PERMITS))),
            units,
            cores: Semaphore::new(cores),
        }
    }

    /// Waits until `bytes` more may be in flight. More than the whole bound waits for all of it.
    pub async fn reserve(&self, bytes: usize) -> BytesHeld {
        let units = units(bytes).min(self.units);
        // The semaphore is never closed.
        BytesHeld(Arc::clone(&self.bytes).acquire_many_owned(units).await.ok())
    }

    /// Makes a reservation fit what really came, without waiting: what is too much is given back,
    /// and what is missing is taken as far as it is there.
    pub fn adjust(&self, held: &mut BytesHeld, bytes: usize) {
        let (Some(permit), needed) = (&mut held.0, units(bytes).min(self.units)) else {
            return;
        };
        let taken = u32::try_from(permit.num_permits()).unwrap_or(u32::MAX);
        if taken > needed {
            drop(permit.split((taken - needed).try_into().unwrap_or(0)));
        } else {
            let free = u32::try_from(self.bytes.available_permits()).unwrap_or(u32::MAX);
            let more = free.min(needed - taken);
            // Somebody else may have been quicker; then the next page makes up for it.
            if let Ok(more) = Arc::clone(&self.bytes).try_acquire_many_owned(more) {
                permit.merge(more);
            }
        }
    }

    /// Runs work that keeps a core busy away from the runtime's own threads, as many pieces at once
    /// as there are cores. `None` when the work panicked or the runtime is shutting down.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _core = self.cores.acquire().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok()
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

/// A share of the bytes in flight, given back when it is dropped.
#[derive(Default)]
pub struct BytesHeld(Option<OwnedSemaphorePermit>);

impl BytesHeld {
    /// No share: for connectors whose pages are small.
    pub const NONE: Self = Self(None);
}

impl fmt::Debug for BytesHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        write!(f, "BytesHeld({kib} KiB)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

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
        intake.adjust(&mut held, 9 * UNIT);
        assert_eq!(format!("{held:?}"), "BytesHeld(3 KiB)", "nothing more was there to take");
        drop(other);
        intake.adjust(&mut held, 9 * UNIT);
        assert_eq!(format!("{held:?}"), "BytesHeld(9 KiB)");
    }
}
