//! Deals, the opportunities that are none, and the change feed of both.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::Scope;
use crate::model::{
    ChangeSeq, ConnectionId, Deal, DealChange, DealId, Decided, OpportunityId, Skipped, WorkspaceId,
};
use crate::storage::steps::{Listing, Standing, apply_decision};
use crate::storage::{Applied, Claim, Deals};
use crate::store::memory::{MemoryStore, Place, at_most, place};

#[derive(Default)]
pub(super) struct Held {
    books: BTreeMap<Place, Book>,
}

/// The deals of one connection.
#[derive(Default)]
struct Book {
    deals: BTreeMap<DealId, Deal>,
    skipped: BTreeMap<OpportunityId, Skipped>,
    /// In the order of their places, which count from 1 without gaps.
    changes: Vec<DealChange>,
}

#[async_trait]
impl Deals for MemoryStore {
    async fn by_id(&self, workspace: &WorkspaceId, ids: &[DealId]) -> Result<Vec<Deal>> {
        let state = self.lock();
        let books = state.deals.books.iter().filter(|((owner, _), _)| owner == workspace);
        let books: Vec<_> = books.map(|(_, book)| book).collect();
        let find = |id| books.iter().find_map(|book| book.deals.get(id)).cloned();
        Ok(ids.iter().filter_map(find).collect())
    }

    async fn list(&self, scope: &Scope, after: Option<DealId>, limit: u32) -> Result<Vec<Deal>> {
        let state = self.lock();
        let books = state.deals.books.iter().filter(|((workspace, connection), _)| {
            *workspace == scope.workspace && scope.connection.is_none_or(|one| one == *connection)
        });
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let of_each = books.flat_map(|(_, book)| {
            book.deals.range((start, Bound::Unbounded)).take(at_most(limit)).map(|(_, deal)| deal)
        });
        let mut deals: Vec<Deal> = of_each.cloned().collect();
        deals.sort_by_key(|deal| deal.id);
        deals.truncate(at_most(limit));
        Ok(deals)
    }

    async fn apply(&self, claim: &Claim, decisions: &[Decided]) -> Result<Applied> {
        let at = self.now();
        let mut state = self.lock();
        let place = state.pulled(claim)?;
        let book = state.deals.books.entry(place.clone()).or_default();
        let mut applied = Applied::default();
        for decided in decisions {
            applied += book.apply(&place, at, decided);
        }
        Ok(applied)
    }

    async fn changes(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: ChangeSeq,
        limit: u32,
    ) -> Result<Vec<DealChange>> {
        let state = self.lock();
        let Some(book) = state.deals.books.get(&place(workspace, connection)) else {
            return Ok(Vec::new());
        };
        let changes = book.changes.iter().filter(|change| change.seq > after);
        Ok(changes.take(at_most(limit)).cloned().collect())
    }

    async fn skipped(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Skipped>> {
        let state = self.lock();
        let Some(book) = state.deals.books.get(&place(workspace, connection)) else {
            return Ok(Vec::new());
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let skipped = book.skipped.range::<OpportunityId, _>((start, Bound::Unbounded));
        Ok(skipped.take(at_most(limit)).map(|(_, skipped)| skipped.clone()).collect())
    }
}

impl Book {
    fn apply(&mut self, place: &Place, at: OffsetDateTime, decided: &Decided) -> Applied {
        let (workspace, connection) = place;
        let Decided { opportunity, name, .. } = decided;
        let id = DealId::derive(workspace, *connection, opportunity);
        let standing = Standing {
            deal: self.deals.get(&id).cloned(),
            skipped: self.skipped.get(opportunity).cloned(),
        };
        let step = apply_decision((workspace, *connection), standing, decided, at);
        match step.listing {
            Listing::Keep => {}
            Listing::Remove => drop(self.skipped.remove(opportunity)),
            Listing::Write(line) => drop(self.skipped.insert(opportunity.clone(), line)),
        }
        if let Some(deal) = step.deal {
            self.deals.insert(id, deal);
        }
        if let Some(kind) = step.change {
            let seq = ChangeSeq::new(self.changes.len() as u64 + 1);
            let (opportunity, name) = (opportunity.clone(), name.clone());
            self.changes.push(DealChange { seq, at, opportunity, name, kind });
        }
        step.applied
    }
}
