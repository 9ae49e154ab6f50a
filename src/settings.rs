//! What a settings page changes on a connection.

use std::sync::Arc;

use crate::clock::Clock;
use crate::connect;
use crate::error::Result;
use crate::model::{Connection, ConnectionChange, ConnectionId, RunId, StageFilter, WorkspaceId};
use crate::rules::validate_filter;
use crate::storage::{Stores, SweepDecision, Work, WorkItem};

/// Changes settings of connections.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    stores: Stores,
    clock: Arc<dyn Clock>,
}

impl Settings {
    pub(crate) fn new(stores: Stores, clock: Arc<dyn Clock>) -> Self {
        Self { stores, clock }
    }

    /// Sets the stage filter; it applies from the next sync on (DEA-4).
    pub(crate) async fn set_stage_filter(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        filter: StageFilter,
    ) -> Result<Connection> {
        let known = self.stores.mirror.stages(workspace, id).await?;
        let known: Vec<_> = known.into_iter().map(|choice| choice.stage).collect();
        validate_filter(&filter, &known)?;
        let current = connect::find(&self.stores, workspace, id).await?;
        let changed = if current.filter == filter {
            // Perhaps set by a call that was cut off before it told the feed.
            current
        } else {
            let change = ConnectionChange::Filter(filter);
            connect::change(&self.stores, workspace, id, &change).await?
        };
        connect::tell_filter(&self.stores, &changed, self.clock.now()).await?;
        Ok(changed)
    }

    /// Makes a sync due at once.
    pub(crate) async fn sync_now(&self, workspace: &WorkspaceId, id: ConnectionId) -> Result<()> {
        connect::find(&self.stores, workspace, id).await?;
        let work = Work { workspace: workspace.clone(), item: WorkItem::Pull(id) };
        self.stores.due.schedule(&work, self.clock.now()).await
    }

    /// Carries out a person's decision about a sweep; the next sync, due at once, acts on it.
    pub(crate) async fn decide_sweep(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        run: RunId,
        decision: SweepDecision,
    ) -> Result<u64> {
        let rows = self.stores.mirror.decide_sweep(workspace, id, run, decision).await?;
        self.sync_now(workspace, id).await?;
        Ok(rows)
    }
}
