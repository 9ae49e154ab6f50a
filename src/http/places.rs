//! The places of requests under way, whose number may change while some are taken.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, Result};

/// So many places, and a limit that their number never passes.
#[derive(Debug)]
pub(crate) struct Places {
    permits: Semaphore,
    limit: usize,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    width: usize,
    /// Places that are taken still and go away when they are left.
    leaving: usize,
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    places: &'a Places,
    permit: Option<SemaphorePermit<'a>>,
}

impl Places {
    /// So many places, at least one and at most `limit`.
    pub(crate) fn new(width: usize, limit: usize) -> Self {
        let limit = limit.max(1);
        let width = width.clamp(1, limit);
        let size = Mutex::new(Size { width, leaving: 0 });
        Self { permits: Semaphore::new(width), limit, size }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// Never: nobody closes the semaphore.
    pub(crate) async fn enter(&self) -> Result<Place<'_>> {
        let permit = self.permits.acquire().await.map_err(|cause| Error::Unavailable {
            operation: "send a request".into(),
            retry_at: None,
            source: Some(Box::new(cause)),
        })?;
        Ok(Place { places: self, permit: Some(permit) })
    }

    /// Changes the number of places, up to the limit; none at all is no advice. Whoever has a place
    /// keeps it.
    pub(crate) fn resize(&self, width: usize) {
        if width == 0 {
            return;
        }
        let width = width.min(self.limit);
        let mut size = self.size();
        if let Some(more) = width.checked_sub(size.width) {
            let staying = more.min(size.leaving);
            size.leaving -= staying;
            self.permits.add_permits(more - staying);
        } else {
            let fewer = size.width - width;
            size.leaving += fewer - self.permits.forget_permits(fewer);
        }
        size.width = width;
    }

    /// How many places there are.
    pub(crate) fn width(&self) -> usize {
        self.size().width
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut size = self.places.size();
        if let Some(permit) = self.permit.take()
            && let Some(left) = size.leaving.checked_sub(1)
        {
            size.leaving = left;
            permit.forget();
        }
    }
}
