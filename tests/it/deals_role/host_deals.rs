//! A host's own deal table: a plain map, playing the deals role.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    ChangeSeq, ConnectionId, Deal, DealChange, DealChangeKind, DealDetails, DealId, DealState,
    Decided, Decision, OpportunityId, SkipReason, Skipped, WorkspaceId,
};
use fluint_crm::storage::{Applied, Claim, Deals, Work, WorkItem};
use fluint_crm::{Clock, Error, Result};
use time::OffsetDateTime;

type Place = (WorkspaceId, ConnectionId);

#[derive(Debug)]
pub(super) struct HostDeals {
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    deals: HashMap<DealId, Deal>,
    skipped: HashMap<(Place, OpportunityId), Skipped>,
    changes: HashMap<Place, Vec<DealChange>>,
    /// The claims are not ours, so the highest token that was seen stands in for them.
    tokens: HashMap<Work, u64>,
}

impl HostDeals {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: Mutex::default() }
    }

    pub(super) fn rows(&self) -> Vec<Deal> {
        self.held().deals.values().cloned().collect()
    }

    pub(super) fn changes_made(&self) -> usize {
        self.held().changes.values().map(Vec::len).sum()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// One step, done under one lock.
    fn step(&self, claim: &Claim, decisions: &[Decided]) -> Result<Applied> {
        let WorkItem::Pull(connection) = claim.work.item else {
            return Err(Error::invalid_input("claim", "it is not about pulling a connection"));
        };
        let mut held = self.held();
        let newest = held.tokens.entry(claim.work.clone()).or_default();
        if claim.token < *newest {
            return Err(Error::stale_claim(claim.work.to_string()));
        }
        *newest = claim.token;
        let place = (claim.work.workspace.clone(), connection);
        let mut applied = Applied::default();
        for decided in decisions {
            let step = Step { held: &mut held, place: &place, at: self.clock.now(), decided };
            step.apply(&mut applied);
        }
        Ok(applied)
    }
}

#[async_trait]
impl Deals for HostDeals {
    async fn by_id(&self, workspace: &WorkspaceId, ids: &[DealId]) -> Result<Vec<Deal>> {
        let held = self.held();
        let found = ids.iter().filter_map(|id| held.deals.get(id));
        Ok(found.filter(|deal| deal.workspace == *workspace).cloned().collect())
    }

    async fn list(&self, scope: &Scope, after: Option<DealId>, limit: u32) -> Result<Vec<Deal>> {
        let held = self.held();
        let ours = |deal: &&Deal| {
            deal.workspace == scope.workspace
                && scope.connection.is_none_or(|one| deal.connection == one)
        };
        let mut deals: Vec<Deal> = held.deals.values().filter(ours).cloned().collect();
        deals.sort_by_key(|deal| deal.id);
        deals.retain(|deal| after.is_none_or(|after| deal.id > after));
        deals.truncate(limit as usize);
        Ok(deals)
    }

    async fn apply(&self, claim: &Claim, decisions: &[Decided]) -> Result<Applied> {
        // As a database would, it lets others run before and after the step.
        tokio::task::yield_now().await;
        let applied = self.step(claim, decisions);
        tokio::task::yield_now().await;
        applied
    }

    async fn changes(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: ChangeSeq,
        limit: u32,
    ) -> Result<Vec<DealChange>> {
        tokio::task::yield_now().await;
        let held = self.held();
        let changes = held.changes.get(&(workspace.clone(), connection));
        let newer = changes.into_iter().flatten().filter(|change| change.seq > after);
        Ok(newer.take(limit as usize).cloned().collect())
    }

    async fn skipped(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Skipped>> {
        let held = self.held();
        let place = (workspace.clone(), connection);
        let ours = held.skipped.iter().filter(|((owner, _), _)| *owner == place);
        let mut skipped: Vec<Skipped> = ours.map(|(_, skipped)| skipped.clone()).collect();
        skipped.sort_by(|a, b| a.opportunity.cmp(&b.opportunity));
        skipped.retain(|one| after.is_none_or(|after| one.opportunity > *after));
        skipped.truncate(limit as usize);
        Ok(skipped)
    }
}

/// One decision on its way into the table.
struct Step<'a> {
    held: &'a mut Held,
    place: &'a Place,
    at: OffsetDateTime,
    decided: &'a Decided,
}

impl Step<'_> {
    fn apply(mut self, applied: &mut Applied) {
        let opportunity = self.decided.opportunity.clone();
        let id = DealId::derive(&self.place.0, self.place.1, &opportunity);
        let deal = self.held.deals.get(&id).cloned();
        if !matches!(self.decided.decision, Decision::Skip(_)) {
            self.held.skipped.remove(&(self.place.clone(), opportunity));
        }
        match (&self.decided.decision, deal) {
            (Decision::Create(details), None) => self.create(details, applied),
            (Decision::Create(details) | Decision::Update(details), Some(mut deal))
                if deal.details != *details || deal.state != DealState::Live =>
            {
                deal.details = details.clone();
                deal.state = DealState::Live;
                applied.updated += 1;
                self.put(deal, |deal| DealChangeKind::Updated { deal });
            }
            (Decision::Stop(reason), Some(mut deal)) => {
                let state = DealState::Stopped(reason.clone());
                if deal.state != state {
                    deal.state = state;
                    applied.stopped += 1;
                    self.put(deal, |deal| DealChangeKind::Stopped { deal });
                }
            }
            (Decision::End(outcome), Some(mut deal)) => {
                let state = DealState::Ended(*outcome);
                if deal.state != state {
                    deal.state = state;
                    applied.stopped += 1;
                    self.put(deal, |deal| DealChangeKind::Ended { deal });
                }
            }
            (Decision::Skip(reason), _) => {
                applied.skipped += 1;
                self.skip(reason);
            }
            _ => {}
        }
    }

    fn create(&mut self, details: &DealDetails, applied: &mut Applied) {
        let (workspace, connection) = self.place.clone();
        let opportunity = self.decided.opportunity.clone();
        let deal = Deal::new(workspace, connection, opportunity, details.clone(), self.at);
        self.held.deals.insert(deal.id, deal.clone());
        applied.created += 1;
        self.record(DealChangeKind::Created { deal: Box::new(deal) });
    }

    fn put(&mut self, mut deal: Deal, kind: impl FnOnce(Box<Deal>) -> DealChangeKind) {
        deal.revision += 1;
        deal.updated_at = self.at;
        self.held.deals.insert(deal.id, deal.clone());
        self.record(kind(Box::new(deal)));
    }

    fn skip(&mut self, reason: &SkipReason) {
        let key = (self.place.clone(), self.decided.opportunity.clone());
        let known = self.held.skipped.get(&key).filter(|known| known.reason == *reason);
        let since = known.map(|known| known.since);
        let skipped = Skipped {
            opportunity: self.decided.opportunity.clone(),
            name: self.decided.name.clone(),
            reason: reason.clone(),
            since: since.unwrap_or(self.at),
        };
        self.held.skipped.insert(key, skipped);
        if since.is_none() {
            self.record(DealChangeKind::Skipped { reason: reason.clone() });
        }
    }

    fn record(&mut self, kind: DealChangeKind) {
        let changes = self.held.changes.entry(self.place.clone()).or_default();
        changes.push(DealChange {
            seq: ChangeSeq::new(changes.len() as u64 + 1),
            at: self.at,
            opportunity: self.decided.opportunity.clone(),
            name: self.decided.name.clone(),
            kind,
        });
    }
}
