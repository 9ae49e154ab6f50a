//! A host that keeps a table of its own in step by reading our change feed.

use std::collections::BTreeMap;

use fluint_crm::Crm;
use fluint_crm::model::{
    ChangeSeq, ConnectionId, Deal, DealChange, DealChangeKind, DealId, DealState, WorkspaceId,
};

/// What survives the host's crashes: its rows, and how far it followed.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<DealId, Row>,
    followed: ChangeSeq,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    name: String,
    state: DealState,
    /// A repeated change is an older one: the deal's revision says so.
    revision: u64,
}

impl Table {
    /// Follows the feed two changes at a time and crashes after `writes` writes; gives how many
    /// were made. Rows and the place are written apart, so a crash in between repeats changes.
    pub(super) async fn follow(
        &mut self,
        crm: &Crm,
        (workspace, connection): &(WorkspaceId, ConnectionId),
        writes: usize,
    ) -> usize {
        let mut made = 0;
        loop {
            let changes = crm.deal_changes(workspace, *connection, self.followed, 2).await.unwrap();
            let Some(last) = changes.last().map(|change| change.seq) else { return made };
            for change in changes {
                if made == writes {
                    return made;
                }
                self.write(change);
                made += 1;
            }
            if made == writes {
                return made;
            }
            self.followed = last;
            made += 1;
        }
    }

    fn write(&mut self, change: DealChange) {
        let deal = match change.kind {
            DealChangeKind::Created { deal }
            | DealChangeKind::Updated { deal }
            | DealChangeKind::Stopped { deal }
            | DealChangeKind::Ended { deal } => *deal,
            // Nothing to keep of an opportunity that is no deal.
            _ => return,
        };
        let known = self.rows.get(&deal.id).map_or(0, |row| row.revision);
        if deal.revision > known {
            let row = Row { name: deal.details.name, state: deal.state, revision: deal.revision };
            self.rows.insert(deal.id, row);
        }
    }

    pub(super) fn followed(&self) -> ChangeSeq {
        self.followed
    }

    /// Whether it has followed as far as another.
    pub(super) fn is_done(&self, other: &Self) -> bool {
        self.followed == other.followed
    }

    pub(super) fn agrees_with(&self, deals: &[Deal]) -> bool {
        self.rows.len() == deals.len()
            && deals.iter().all(|deal| {
                let row = self.rows.get(&deal.id);
                row.is_some_and(|row| {
                    (row.name.as_str(), &row.state, row.revision)
                        == (deal.details.name.as_str(), &deal.state, deal.revision)
                })
            })
    }
}
