//! Copies the deals' change feed into the activity feed.
//!
//! The deals role may be the host's own, so both cannot be written in one step. The change feed is
//! durable and ordered; the activity feed remembers how far it was followed, together with the
//! lines it took over. A crash in between repeats lines, and their keys make that harmless.

use crate::error::Result;
use crate::model::{
    Connection, Deal, DealChange, DealChangeKind, DealState, FeedEvent, NewFeedEntry,
};
use crate::sync::Sync;

/// Changes copied in one step.
const PAGE: u32 = 500;

/// Follows the change feed to its end.
pub(super) async fn follow_changes(sync: &Sync<'_>) -> Result<()> {
    let Connection { workspace, id, .. } = sync.connection;
    let mut followed = sync.stores.feed.followed(workspace, *id).await?;
    loop {
        let changes = sync.stores.deals.changes(workspace, *id, followed, PAGE).await?;
        let Some(last) = changes.last() else { return Ok(()) };
        followed = last.seq;
        let entries: Vec<NewFeedEntry> = changes.into_iter().map(line).collect();
        sync.stores.feed.append(workspace, *id, &entries, Some(followed)).await?;
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
