//! Reads of the synced copy. The questions are answered by the fallback, which scans.

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::Scope;
use crate::model::{ConnectionId, RecordId, Rows, Table, WorkspaceId};
use crate::storage::Query;
use crate::store::memory::rows::MirroredRows;
use crate::store::memory::{MemoryStore, place};

#[async_trait]
impl Query for MemoryStore {
    async fn scan(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Rows> {
        let state = self.lock();
        Ok(match state.mirror.copies.get(&place(workspace, connection)) {
            Some(copy) => copy.rows.scan(table, after, limit),
            None => MirroredRows::default().scan(table, after, limit),
        })
    }

    async fn as_of(&self, scope: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>> {
        let state = self.lock();
        let ours = state.connections.connections.keys();
        let ours = ours.filter(|(workspace, connection)| {
            *workspace == scope.workspace && scope.connection.is_none_or(|one| one == *connection)
        });
        let synced_at = |place| state.mirror.copies.get(place).and_then(|copy| copy.synced_at);
        Ok(ours.map(|place| (place.1, synced_at(place))).collect())
    }
}
