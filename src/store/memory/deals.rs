//! Deals, the opportunities that are none, and the change feed of both.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{
    ChangeSeq, ConnectionId, Deal, DealChange, DealChangeKind, DealDetails, DealId, DealState,
    Decided, Decision, OpportunityId, SkipReason, Skipped, WorkspaceId,
};
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

    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<DealId>,
        limit: u32,
    ) -> Result<Vec<Deal>> {
        let state = self.lock();
        let Some(book) = state.deals.books.get(&place(workspace, connection)) else {
            return Ok(Vec::new());
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let deals = book.deals.range((start, Bound::Unbounded));
        Ok(deals.take(at_most(limit)).map(|(_, deal)| deal.clone()).collect())
    }

    async fn apply(&self, claim: &Claim, decisions: &[Decided]) -> Result<Applied> {
        let at = self.now();
        let mut state = self.lock();
        let place = state.pulled(claim)?;
        let book = state.deals.books.entry(place.clone()).or_default();
        let mut applied = Applied::default();
        for decided in decisions {
            Step { book: &mut *book, place: &place, at, decided }.apply(&mut applied);
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

/// One decision on its way into the book.
struct Step<'a> {
    book: &'a mut Book,
    place: &'a Place,
    at: OffsetDateTime,
    decided: &'a Decided,
}

impl Step<'_> {
    fn apply(mut self, applied: &mut Applied) {
        let decided = self.decided;
        if !matches!(decided.decision, Decision::Skip(_)) {
            self.book.skipped.remove(&decided.opportunity);
        }
        match &decided.decision {
            Decision::Create(details) => match self.deal() {
                Some(deal) => self.update(deal, details, applied),
                None => self.create(details, applied),
            },
            Decision::Update(details) => {
                if let Some(deal) = self.deal() {
                    self.update(deal, details, applied);
                }
            }
            Decision::Stop(reason) => self.retire(DealState::Stopped(reason.clone()), applied),
            Decision::End(outcome) => self.retire(DealState::Ended(*outcome), applied),
            Decision::Skip(reason) => self.skip(reason, applied),
            Decision::Unchanged => {}
        }
    }

    /// A copy of the opportunity's deal, to change and put back.
    fn deal(&self) -> Option<Deal> {
        let (workspace, connection) = self.place;
        let id = DealId::derive(workspace, *connection, &self.decided.opportunity);
        self.book.deals.get(&id).cloned()
    }

    fn create(&mut self, details: &DealDetails, applied: &mut Applied) {
        let (workspace, connection) = self.place.clone();
        let opportunity = self.decided.opportunity.clone();
        let deal = Deal::new(workspace, connection, opportunity, details.clone(), self.at);
        self.book.deals.insert(deal.id, deal.clone());
        self.record(DealChangeKind::Created { deal: Box::new(deal) });
        applied.created += 1;
    }

    fn update(&mut self, mut deal: Deal, details: &DealDetails, applied: &mut Applied) {
        if deal.details == *details && deal.state == DealState::Live {
            return;
        }
        deal.details = details.clone();
        deal.state = DealState::Live;
        let deal = self.put(deal);
        self.record(DealChangeKind::Updated { deal });
        applied.updated += 1;
    }

    /// Stops or ends a deal, if it is there and not so already.
    fn retire(&mut self, state: DealState, applied: &mut Applied) {
        let Some(mut deal) = self.deal().filter(|deal| deal.state != state) else {
            return;
        };
        let ends = matches!(state, DealState::Ended(_));
        deal.state = state;
        let deal = self.put(deal);
        self.record(if ends {
            DealChangeKind::Ended { deal }
        } else {
            DealChangeKind::Stopped { deal }
        });
        applied.stopped += 1;
    }

    fn skip(&mut self, reason: &SkipReason, applied: &mut Applied) {
        applied.skipped += 1;
        let Decided { opportunity, name, .. } = self.decided;
        if let Some(known) = self.book.skipped.get_mut(opportunity)
            && known.reason == *reason
        {
            known.name.clone_from(name);
            return;
        }
        let skipped = Skipped {
            opportunity: opportunity.clone(),
            name: name.clone(),
            reason: reason.clone(),
            since: self.at,
        };
        self.book.skipped.insert(opportunity.clone(), skipped);
        self.record(DealChangeKind::Skipped { reason: reason.clone() });
    }

    /// Writes a changed deal.
    fn put(&mut self, mut deal: Deal) -> Box<Deal> {
        deal.revision += 1;
        deal.updated_at = self.at;
        self.book.deals.insert(deal.id, deal.clone());
        Box::new(deal)
    }

    fn record(&mut self, kind: DealChangeKind) {
        self.book.changes.push(DealChange {
            seq: ChangeSeq::new(self.book.changes.len() as u64 + 1),
            at: self.at,
            opportunity: self.decided.opportunity.clone(),
            name: self.decided.name.clone(),
            kind,
        });
    }
}
