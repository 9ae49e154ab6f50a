//! Work that is due, and who holds it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::storage::{Claim, Due, Work, WorkKind};
use crate::store::memory::{MemoryStore, at_most};

#[derive(Default)]
pub(super) struct Held {
    items: BTreeMap<Work, Item>,
}

/// An item of work. It is never forgotten, so that its token never starts again.
#[derive(Default)]
struct Item {
    /// When it is due; while it is held, when it was.
    due_at: Option<OffsetDateTime>,
    /// The token of the newest claim.
    token: u64,
    /// The end of the lease, until the item is given back or claimed anew.
    held_until: Option<OffsetDateTime>,
    /// When it was scheduled for while it was held.
    again_at: Option<OffsetDateTime>,
}

impl Item {
    /// Since when it can be claimed, or will be.
    fn claimable_at(&self) -> Option<OffsetDateTime> {
        self.held_until.or(self.due_at)
    }
}

impl Held {
    /// Refuses a claim that is not the newest of its item. A lease that has merely run out still
    /// counts: nobody else has begun.
    pub(super) fn check(&self, claim: &Claim) -> Result<()> {
        match self.items.get(&claim.work) {
            Some(item) if item.token == claim.token && claim.token > 0 => Ok(()),
            _ => Err(stale(claim)),
        }
    }

    /// Makes an item due at a time, or earlier if it already is.
    pub(super) fn schedule(&mut self, work: &Work, at: OffsetDateTime) {
        let item = self.items.entry(work.clone()).or_default();
        let slot = match item.held_until {
            Some(_) => &mut item.again_at,
            None => &mut item.due_at,
        };
        *slot = earliest(*slot, Some(at));
    }

    fn current(&mut self, claim: &Claim) -> Result<&mut Item> {
        self.check(claim)?;
        self.items.get_mut(&claim.work).ok_or_else(|| stale(claim))
    }

    /// The items that can be claimed, the longest overdue first.
    fn claimable(&self, kind: WorkKind, now: OffsetDateTime, limit: u32) -> Vec<Work> {
        let mut ready: Vec<_> = self
            .items
            .iter()
            .filter(|(work, _)| work.item.kind() == kind)
            .filter(|(_, item)| item.claimable_at().is_some_and(|at| at <= now))
            .map(|(work, item)| (item.due_at, work))
            .collect();
        ready.sort();
        ready.into_iter().take(at_most(limit)).map(|(_, work)| work.clone()).collect()
    }

    fn claim(&mut self, work: Work, now: OffsetDateTime, lease: Duration) -> Claim {
        let item = self.items.entry(work.clone()).or_default();
        // What was scheduled for a time that has come is what this claim now does.
        item.again_at = item.again_at.filter(|at| *at > now);
        item.token += 1;
        let expires_at = now + lease;
        item.held_until = Some(expires_at);
        let due_at = item.due_at.unwrap_or(now);
        Claim { work, token: item.token, due_at, claimed_at: now, expires_at }
    }
}

#[async_trait]
impl Due for MemoryStore {
    async fn schedule(&self, work: &Work, at: OffsetDateTime) -> Result<()> {
        self.lock().due.schedule(work, at);
        Ok(())
    }

    async fn claim(&self, kind: WorkKind, limit: u32, lease: Duration) -> Result<Vec<Claim>> {
        let now = self.now();
        let due = &mut self.lock().due;
        let ready = due.claimable(kind, now, limit);
        Ok(ready.into_iter().map(|work| due.claim(work, now, lease)).collect())
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let item = state.due.current(claim)?;
        if item.held_until.is_none() {
            return Err(stale(claim));
        }
        item.held_until = Some(now + lease);
        Ok(())
    }

    async fn complete(&self, claim: &Claim, next: Option<OffsetDateTime>) -> Result<()> {
        let mut state = self.lock();
        let item = state.due.current(claim)?;
        // Given back before: what was scheduled since then must not be lost.
        if item.held_until.take().is_some() {
            item.due_at = earliest(next, item.again_at.take());
        }
        Ok(())
    }

    async fn next_due(&self) -> Result<Option<OffsetDateTime>> {
        Ok(self.lock().due.items.values().filter_map(Item::claimable_at).min())
    }
}

fn earliest(a: Option<OffsetDateTime>, b: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    a.into_iter().chain(b).min()
}

fn stale(claim: &Claim) -> Error {
    Error::stale_claim(claim.work.to_string())
}
