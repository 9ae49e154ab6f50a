//! Reads of the synced copy.

use async_trait::async_trait;
use rusqlite::{Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::Scope;
use crate::model::{
    Account, ConnectionId, Contact, Currency, Opportunity, RecordId, Rows, Stage, StageAssignment,
    Table, User, WorkspaceId,
};
use crate::storage::Query;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::codec::{Columns, NULL, Owner, integer, text, uuid};
use crate::store::sqlite::mirror::rows::{Mirrored, select_list};
use crate::store::sqlite::trouble::Trouble;

#[async_trait]
impl Query for SqliteStore {
    async fn scan(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Rows> {
        let scan = Scan { owner: Owner::new(workspace, connection), after: after.cloned(), limit };
        self.database
            .read("scan a table", move |tx| match table {
                Table::Users => scan.rows::<User>(tx),
                Table::Accounts => scan.rows::<Account>(tx),
                Table::Contacts => scan.rows::<Contact>(tx),
                Table::Opportunities => scan.rows::<Opportunity>(tx),
                Table::Stages => scan.rows::<Stage>(tx),
                Table::StageAssignments => scan.rows::<StageAssignment>(tx),
                Table::Currencies => scan.rows::<Currency>(tx),
            })
            .await
    }

    async fn as_of(&self, scope: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>> {
        let scope = scope.clone();
        self.database.read("see how fresh the copy is", move |tx| as_of(tx, &scope)).await
    }
}

struct Scan {
    owner: Owner,
    after: Option<RecordId>,
    limit: u32,
}

impl Scan {
    fn rows<R: Mirrored>(&self, tx: &Transaction<'_>) -> Result<Rows, Trouble> {
        let mut statement = tx.prepare_cached(&format!(
            "SELECT {} FROM {} r WHERE workspace = ? AND connection = ? AND id > ? \
             ORDER BY id LIMIT ?",
            select_list::<R>("r"),
            R::TABLE
        ))?;
        let after = self.after.as_ref().map_or("", RecordId::as_str);
        let values = self.owner.with([text(after), integer(self.limit.into())]);
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(R::read(&mut Columns::of(row))?);
        }
        Ok(R::batch(found))
    }
}

/// The connections in scope with the end of their last finished sync.
fn as_of(
    tx: &Transaction<'_>,
    scope: &Scope,
) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>, Trouble> {
    let mut statement = tx.prepare_cached(
        "SELECT c.id, (SELECT max(r.finished_at) FROM runs r \
             WHERE r.workspace = c.workspace AND r.connection = c.id) \
         FROM connections c WHERE c.workspace = ?1 AND (?2 IS NULL OR c.id = ?2) ORDER BY c.id",
    )?;
    let only = scope.connection.map_or(NULL, |connection| uuid(connection.as_uuid()));
    let mut rows = statement.query(params_from_iter([text(scope.workspace.as_str()), only]))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        found.push((ConnectionId::new(columns.uuid()?), columns.maybe_time()?));
    }
    Ok(found)
}
