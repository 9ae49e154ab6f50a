//! Counts the requests to the CRM by listening to the crate's own tracing spans.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// How many requests were sent since the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<AtomicU64>);

impl Requests {
    /// Starts counting.
    pub(crate) fn install() -> Self {
        let requests = Self::default();
        // Only one subscriber can be installed; there is none before this one.
        let _ = tracing_subscriber::registry().with(requests.clone()).try_init();
        requests
    }

    /// The requests since the last look.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl<S: Subscriber> Layer<S> for Requests {
    fn on_new_span(&self, span: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        if span.metadata().target().starts_with("fluint_crm") && span.metadata().name() == "request"
        {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
