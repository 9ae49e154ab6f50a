//! Promotion: every mirrored opportunity is decided about, and the decisions are applied.
//!
//! *Flow.* Candidates come in pages in the order of their ids; each is compared with its deal by
//! [`decide`]; the page's decisions are applied in one step.
//!
//! *Guarantees.* Applying a page again changes nothing, so an interrupted promotion is simply run
//! again from the start.
//!
//! *Assumptions.* Members and filter are the same for the whole run.

use std::collections::HashMap;

use crate::error::Result;
use crate::model::{
    Candidate, Connection, Deal, DealId, Decided, FeedEvent, Member, OpportunityId, Presence,
    StageFilter,
};
use crate::rules::{MemberIndex, decide, vanished_stages};
use crate::sync::Sync;

/// Opportunities decided about in one step: enough to keep a store busy, few enough to stay small.
const PAGE: u32 = 500;

/// What a promotion did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promotion {
    /// Open opportunities that are no deal.
    pub(super) skipped: u64,
    /// Opportunities that the last complete read did not show.
    pub(super) missing: u64,
}

/// Decides about every opportunity of the connection.
pub(super) async fn promote(sync: &Sync<'_>, members: &[Member]) -> Result<Promotion> {
    report_vanished_stages(sync).await?;
    let members = MemberIndex::new(members);
    let Connection { workspace, id, .. } = sync.connection;
    let mut promotion = Promotion::default();
    let mut after: Option<OpportunityId> = None;
    loop {
        let candidates =
            sync.stores.mirror.candidates(workspace, *id, after.as_ref(), PAGE).await?;
        let Some(last) = candidates.last() else { return Ok(promotion) };
        after = Some(last.opportunity.id.clone());
        let decisions = decide_page(sync, &candidates, &members).await?;
        let applied = sync.stores.deals.apply(sync.claim, &decisions).await?;
        promotion.skipped += applied.skipped;
        promotion.missing += candidates
            .iter()
            .filter(|candidate| matches!(candidate.presence, Presence::Missing { .. }))
            .count() as u64;
    }
}

async fn decide_page(
    sync: &Sync<'_>,
    candidates: &[Candidate],
    members: &MemberIndex,
) -> Result<Vec<Decided>> {
    let Connection { workspace, id, filter, .. } = sync.connection;
    let deal_id = |candidate: &Candidate| DealId::derive(workspace, *id, &candidate.opportunity.id);
    let ids: Vec<DealId> = candidates.iter().map(deal_id).collect();
    let deals = sync.stores.deals.by_id(workspace, &ids).await?;
    let deals: HashMap<DealId, Deal> = deals.into_iter().map(|deal| (deal.id, deal)).collect();
    let decide_one = |(candidate, deal_id): (&Candidate, &DealId)| Decided {
        opportunity: candidate.opportunity.id.clone(),
        name: candidate.opportunity.name.clone(),
        decision: decide(
            candidate,
            members,
            filter,
            deals.get(deal_id),
            sync.connector.opportunity_url(&candidate.opportunity.id),
        ),
    };
    Ok(candidates.iter().zip(&ids).map(decide_one).collect())
}

/// Tells the feed about stages in the filter that the CRM does not have any more (DEA-3).
async fn report_vanished_stages(sync: &Sync<'_>) -> Result<()> {
    let Connection { workspace, id, filter, .. } = sync.connection;
    if *filter == StageFilter::EMPTY {
        return Ok(());
    }
    let known = sync.stores.mirror.stages(workspace, *id).await?;
    let known: Vec<_> = known.into_iter().map(|choice| choice.stage).collect();
    for stage in vanished_stages(filter, &known) {
        let key = format!("stage-gone/{stage}");
        sync.tell_once_a_day(&key, FeedEvent::FilterStageGone { stage }).await?;
    }
    Ok(())
}
