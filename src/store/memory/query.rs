//! Reads of the synced copy. The questions are answered by the fallback, which scans.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::{Changes, ChangesQuery, Found, MAX_LIMIT, Scope};
use crate::model::{Connection, ConnectionId, Health, RecordId, Rows, Table, WorkspaceId};
use crate::storage::Query;
use crate::storage::fallback::oldest;
use crate::store::memory::{MemoryStore, at_most, place};

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
            None => Rows::concat(table, Vec::new()),
        })
    }

    async fn rows(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        ids: &[RecordId],
    ) -> Result<Rows> {
        let ids: BTreeSet<&RecordId> = ids.iter().collect();
        let state = self.lock();
        Ok(match state.mirror.copies.get(&place(workspace, connection)) {
            Some(copy) => copy.rows.by_ids(table, &ids),
            None => Rows::concat(table, Vec::new()),
        })
    }

    async fn as_of(&self, scope: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>> {
        let state = self.lock();
        let synced_at = |place| state.mirror.copies.get(place).and_then(|copy| copy.synced_at);
        let ours = state.connections.connections.iter().filter(|((workspace, connection), _)| {
            *workspace == scope.workspace && scope.connection.is_none_or(|one| one == *connection)
        });
        let ours = ours.map(|(place, record)| (record, (place.1, synced_at(place))));
        // Nothing of what was disconnected before its first sync, or erased since, will ever come.
        let is_known = |record: &Connection, synced: Option<OffsetDateTime>| {
            synced.is_some() || record.health != Health::Disconnected
        };
        Ok(ours.filter(|(record, one)| is_known(record, one.1)).map(|(_, one)| one).collect())
    }

    async fn row_changes(&self, query: &ChangesQuery) -> Result<Changes> {
        let as_of = oldest(&self.as_of(&query.scope).await?);
        let state = self.lock();
        let of = query.account.as_ref();
        let (mut rows, mut left_off) = (Vec::new(), 0);
        for ((workspace, connection), copy) in &state.mirror.copies {
            let is_other = query.scope.connection.is_some_and(|only| only != *connection);
            if *workspace != query.scope.workspace || is_other {
                continue;
            }
            let found = copy.changes.iter();
            let found =
                found.filter(|it| of.is_none_or(|of| it.change.account.as_ref() == Some(of)));
            rows.extend(found.map(|row| Found { connection: *connection, row: row.clone() }));
            left_off += copy.changes.left_off();
        }
        drop(state);
        rows.sort_by_cached_key(|Found { connection, row }| {
            let change = &row.change;
            (Reverse(row.at), *connection, change.table.as_str(), change.id.clone())
        });
        rows.truncate(at_most(query.limit.clamp(1, MAX_LIMIT)));
        Ok(Changes { rows, left_off, as_of })
    }
}
