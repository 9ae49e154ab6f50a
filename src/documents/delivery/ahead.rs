//! The record of a write that no version holds back, made right before it is sent.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use crate::clock::Clock;
use crate::connector::WriteAhead;
use crate::documents::delivery::{Delivery, SEND_WINDOW};
use crate::error::Result;
use crate::model::{Unsettled, UnsettledWrite};
use crate::storage::{Claim, Stores};

/// Records the writes of one attempt.
#[derive(Debug)]
pub(super) struct Ahead<'a> {
    stores: &'a Stores,
    clock: &'a dyn Clock,
    claim: &'a Claim,
    epoch: u32,
    drain: Duration,
    /// What is under way already.
    before: Option<Unsettled>,
    recorded: Mutex<Option<Unsettled>>,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(delivery: &Delivery<'a>, epoch: u32, before: Option<Unsettled>) -> Self {
        let drain = delivery.connector.capabilities().write_drain;
        Self {
            stores: delivery.stores,
            clock: delivery.clock,
            claim: delivery.claim,
            epoch,
            drain: Duration::try_from(drain).unwrap_or(Duration::DAY),
            before,
            recorded: Mutex::new(None),
        }
    }

    /// All that may land, if anything was recorded.
    pub(super) fn recorded(&self) -> Option<Unsettled> {
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a write; gives the time by which it must be begun.
    pub(super) async fn record_as(&self, write: UnsettledWrite) -> Result<OffsetDateTime> {
        let now = self.clock.now();
        let write = Unsettled { write, until: now.saturating_add(self.drain) }.and(self.before);
        self.stores.publications.record_sending(self.claim, self.epoch, write).await?;
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = Some(write);
        Ok(now.saturating_add(SEND_WINDOW.min(self.drain / 5)))
    }
}

#[async_trait]
impl WriteAhead for Ahead<'_> {
    async fn record(&self) -> Result<OffsetDateTime> {
        self.record_as(UnsettledWrite::Overwrite).await
    }
}
