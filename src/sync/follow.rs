//! Copies the deals' change feed into the activity feed.
//!
//! The deals role may be the host's own, so both cannot be written in one step. The change feed is
//! durable and ordered; the activity feed remembers how far it was followed, together with the
//! lines it took over. A crash in between repeats lines, and their keys make that harmless.

use crate::error::Result;
use crate::model::{
    ChangeSeq, Connection, Deal, DealChange, DealChangeKind, DealState, FeedEvent, NewFeedEntry,
};
use crate::sync::Sync;

/// Changes copied in one step.
const PAGE: u32 = 500;

/// What a run did to deals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changed {
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) stopped: u64,
}

/// Follows the change feed from where it was followed before the run to its end, and counts what
/// the run did, the part before an interruption included.
pub(super) async fn follow_changes(sync: &Sync<'_>, before: ChangeSeq) -> Result<Changed> {
    let Connection { workspace, id, .. } = sync.connection;
    let (mut followed, mut changed) = (before, Changed::default());
    loop {
        let changes = sync.stores.deals.changes(workspace, *id, followed, PAGE).await?;
        let Some(last) = changes.last() else { return Ok(changed) };
        followed = last.seq;
        changes.iter().for_each(|change| changed.count(&change.kind));
        let entries: Vec<NewFeedEntry> = changes.into_iter().map(line).collect();
        sync.stores.feed.append(workspace, *id, &entries, Some(followed)).await?;
    }
}

impl Changed {
    const fn count(&mut self, kind: &DealChangeKind) {
        match kind {
            DealChangeKind::Created { .. } => self.created += 1,
            DealChangeKind::Updated { .. } => self.updated += 1,
            DealChangeKind::Ended { .. } | DealChangeKind::Stopped { .. } => self.stopped += 1,
            DealChangeKind::Skipped { .. } => {}
        }
    }
}

fn line(change: DealChange) -> NewFeedEntry {
    let key = format!("change/{}", change.seq.as_u64());
    let (opportunity, name) = (change.opportunity, change.name);
    let event = match change.kind {
        DealChangeKind::Created { deal } => {
            FeedEvent::DealCreated { deal: deal.id, opportunity, name: deal.details.name }
        }
        DealChangeKind::Skipped { reason } => {
            FeedEvent::OpportunitySkipped { opportunity, name, reason }
        }
        DealChangeKind::Updated { deal }
        | DealChangeKind::Stopped { deal }
        | DealChangeKind::Ended { deal } => deal_line(*deal),
    };
    NewFeedEntry { key, at: change.at, event }
}

/// The line for a deal that changed, by the state that it is in now.
fn deal_line(deal: Deal) -> FeedEvent {
    let (id, name) = (deal.id, deal.details.name);
    match deal.state {
        DealState::Ended(outcome) => FeedEvent::DealEnded { deal: id, name, outcome },
        DealState::Live => FeedEvent::DealUpdated { deal: id, name },
        DealState::Stopped(reason) => FeedEvent::DealStopped { deal: id, name, reason },
    }
}
