//! Throttle deadlines.

use std::collections::BTreeMap;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::storage::{GateKey, Gates};
use crate::store::memory::MemoryStore;

#[derive(Default)]
pub(super) struct Held {
    until: BTreeMap<GateKey, OffsetDateTime>,
}

#[async_trait]
impl Gates for MemoryStore {
    async fn hold(&self, key: &GateKey, until: OffsetDateTime) -> Result<()> {
        let gates = &mut self.lock().gates;
        let held = gates.until.entry(key.clone()).or_insert(until);
        *held = until.max(*held);
        Ok(())
    }

    async fn held_until(&self, key: &GateKey) -> Result<Option<OffsetDateTime>> {
        let now = self.now();
        Ok(self.lock().gates.until.get(key).copied().filter(|until| *until > now))
    }
}
