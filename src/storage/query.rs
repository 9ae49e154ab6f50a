//! Questions over the mirror.

use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::{
    AccountQuery, Accounts, Changes, ChangesQuery, ContactQuery, Contacts, Groups, GroupsQuery,
    Opportunities, OpportunityQuery, Scope, StageQuery, Stages, Totals, TotalsQuery, UserQuery,
    Users,
};
use crate::model::{ConnectionId, RecordId, Rows, Table, WorkspaceId};
use crate::storage::fallback;

/// Questions over the mirror.
///
/// Only [`scan`](Query::scan) and [`as_of`](Query::as_of) are required: the questions have a
/// fallback that scans, which every store with indexes replaces. Rows marked missing still count
/// until their absence is proved.
///
/// # Errors
/// Every method fails with [`Error::Store`](crate::Error::Store) when the step could not be done;
/// then nothing of it was. A method that can fail otherwise says so.
#[async_trait]
pub trait Query: fmt::Debug + Send + Sync {
    /// Rows of one table and connection in the order of their ids, from after `after`.
    async fn scan(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Rows>;

    /// The rows of one table and connection that have these ids, in the order of their ids.
    ///
    /// Ids that are not there, or are gone, are left out. The fallback reads the whole table.
    async fn rows(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        ids: &[RecordId],
    ) -> Result<Rows> {
        fallback::rows(self, workspace, connection, table, ids).await
    }

    /// The connections in scope with the end of their last finished sync (UTC), in the order of
    /// their ids.
    ///
    /// A connection that was never pulled is listed without one; one that is disconnected and of
    /// which nothing is held is not listed.
    async fn as_of(&self, scope: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>>;

    /// Accounts, by name and then id.
    async fn accounts(&self, query: &AccountQuery) -> Result<Accounts> {
        fallback::accounts(self, query).await
    }

    /// The accounts whose names are nearest to one that somebody typed, the nearest first; ties by
    /// name and then id. At most `limit` of them, and never more than
    /// [`MAX_LIMIT`](crate::model::query::MAX_LIMIT); none when nothing comes near.
    async fn nearest_accounts(&self, scope: &Scope, name: &str, limit: u32) -> Result<Accounts> {
        fallback::nearest(self, scope, name, limit).await
    }

    /// The contacts whose names are nearest to one, as
    /// [`nearest_accounts`](Query::nearest_accounts).
    async fn nearest_contacts(&self, scope: &Scope, name: &str, limit: u32) -> Result<Contacts> {
        fallback::nearest(self, scope, name, limit).await
    }

    /// The opportunities whose names are nearest to one, as
    /// [`nearest_accounts`](Query::nearest_accounts).
    async fn nearest_opportunities(
        &self,
        scope: &Scope,
        name: &str,
        limit: u32,
    ) -> Result<Opportunities> {
        fallback::nearest(self, scope, name, limit).await
    }

    /// The users whose names are nearest to one, as [`nearest_accounts`](Query::nearest_accounts).
    async fn nearest_users(&self, scope: &Scope, name: &str, limit: u32) -> Result<Users> {
        fallback::nearest(self, scope, name, limit).await
    }

    /// Contacts, by name and then id.
    async fn contacts(&self, query: &ContactQuery) -> Result<Contacts> {
        fallback::contacts(self, query).await
    }

    /// Stages, by name and then id.
    async fn stages(&self, query: &StageQuery) -> Result<Stages> {
        fallback::stages(self, query).await
    }

    /// Users, by name and then id.
    async fn users(&self, query: &UserQuery) -> Result<Users> {
        fallback::users(self, query).await
    }

    /// Opportunities.
    async fn opportunities(&self, query: &OpportunityQuery) -> Result<Opportunities> {
        fallback::opportunities(self, query).await
    }

    /// Totals of opportunities, group by group.
    async fn groups(&self, query: &GroupsQuery) -> Result<Groups> {
        fallback::groups(self, query).await
    }

    /// What the last syncs found changed about accounts, contacts and opportunities, the newest first.
    ///
    /// A mirror that records changes does so in the step that stores the rows: what a table's second
    /// and later reads find, [`MAX_CHANGES`](crate::storage::steps::MAX_CHANGES) in one run at most,
    /// for the last [`KEEP_RUNS`](crate::storage::steps::KEEP_RUNS) runs that found any. One that
    /// keeps the default records none.
    async fn row_changes(&self, query: &ChangesQuery) -> Result<Changes> {
        let as_of = fallback::oldest(&self.as_of(&query.scope).await?);
        Ok(Changes { as_of, ..Changes::default() })
    }

    /// Totals of opportunities.
    async fn totals(&self, query: &TotalsQuery) -> Result<Totals> {
        fallback::totals(self, query).await
    }
}
