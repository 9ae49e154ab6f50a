//! What the stores know of one opportunity: its copy, its deal, or why it has none.

use crate::error::Result;
use crate::model::{Candidate, ConnectionId, Deal, DealId, OpportunityId, Skipped, WorkspaceId};
use crate::storage::Stores;

/// Lists are read in the order of ids from after one; a few rows, should an odd id come between.
const NEIGHBOURS: u32 = 4;

/// What is known of one opportunity.
pub(super) struct Facts {
    /// The synced copy; `None` once it was erased.
    pub(super) candidate: Option<Candidate>,
    pub(super) deal: Option<Deal>,
    /// What the last sync that decided about it says.
    pub(super) skipped: Option<Skipped>,
}

impl Facts {
    /// `None` when the connection knows nothing of it.
    pub(super) async fn read(
        stores: &Stores,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        id: &OpportunityId,
    ) -> Result<Option<Self>> {
        let deal = DealId::derive(workspace, connection, id);
        let deal = stores.deals.by_id(workspace, &[deal]).await?.pop();
        let (mut candidate, mut skipped) = (None, None);
        if let Some(after) = just_before(id) {
            let after = Some(&after);
            let found = stores.mirror.candidates(workspace, connection, after, NEIGHBOURS).await?;
            candidate = found.into_iter().find(|found| found.opportunity.id == *id);
            let found = stores.deals.skipped(workspace, connection, after, NEIGHBOURS).await?;
            skipped = found.into_iter().find(|found| found.opportunity == *id);
        }
        let is_known = candidate.is_some() || deal.is_some() || skipped.is_some();
        Ok(is_known.then_some(Self { candidate, deal, skipped }))
    }
}

/// A text that sorts before an id, with no id of a CRM in between: the id with its last character
/// one lower and the highest character after it.
///
/// `None` where that is no id itself: for one of nearly 200 bytes, and one that ends in a blank,
/// neither of which any CRM gives.
fn just_before(id: &OpportunityId) -> Option<OpportunityId> {
    let mut text = id.as_str().to_owned();
    let last = text.pop()?;
    text.push(('\0'..last).next_back()?);
    text.push(char::MAX);
    OpportunityId::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever sorts before an id sorts before or at its neighbour, too.
        #[test]
        fn act_2_nothing_sorts_between_an_id_and_its_neighbour(
            id in "[-0-9A-Za-zé\u{e000}]{1,12}",
            others in proptest::collection::vec("[-0-9A-Za-zé\u{e000}]{1,12}", 0..20),
        ) {
            let before = just_before(&OpportunityId::new(&*id).unwrap()).unwrap();
            prop_assert!(before.as_str() < &*id);
            for other in others.iter().filter(|other| **other < id) {
                prop_assert!(other.as_str() <= before.as_str(), "{other} before {id}");
            }
        }
    }
}
