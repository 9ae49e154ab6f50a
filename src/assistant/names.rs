//! What the rows are called that an answer refers to by their ids.

use std::collections::{BTreeMap, BTreeSet};

use crate::assistant::words::clipped;
use crate::error::Result;
use crate::model::query::Scope;
use crate::model::{ConnectionId, Opportunity, OwnerRef, Record, RecordId, Rows, Table, UserId};
use crate::storage::Query;

/// A row that an answer refers to.
pub(crate) type Reference = (ConnectionId, Table, RecordId);

/// What rows are called.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<Reference, String>);

impl Names {
    /// Reads the names of these rows; what is not there, or has no name, has none.
    pub(crate) async fn read(
        query: &dyn Query,
        scope: &Scope,
        wanted: impl IntoIterator<Item = Reference>,
    ) -> Result<Self> {
        let mut ids: BTreeMap<(ConnectionId, Table), BTreeSet<RecordId>> = BTreeMap::new();
        for (connection, table, id) in wanted {
            ids.entry((connection, table)).or_default().insert(id);
        }
        let mut names = Self::default();
        for ((connection, table), ids) in ids {
            let ids: Vec<RecordId> = ids.into_iter().collect();
            let rows = query.rows(&scope.workspace, connection, table, &ids).await?;
            let named = named(rows).into_iter();
            names.0.extend(
                named.filter_map(|(id, name)| Some(((connection, table, id), clipped(&name?)))),
            );
        }
        Ok(names)
    }

    /// What a row is called, when that is known.
    pub(crate) fn of(
        &self,
        connection: ConnectionId,
        table: Table,
        id: impl Into<RecordId>,
    ) -> Option<String> {
        self.0.get(&(connection, table, id.into())).cloned()
    }
}

/// The user who owns an opportunity.
pub(crate) fn owner(row: &Opportunity) -> Option<UserId> {
    match &row.owner {
        Some(OwnerRef::User(user)) => Some(user.clone()),
        Some(OwnerRef::Team(_)) | None => None,
    }
}

/// Ids and names of rows; a currency is called by its code.
fn named(rows: Rows) -> Vec<(RecordId, Option<String>)> {
    fn of<R: Record>(
        rows: Vec<R>,
        name: impl Fn(R) -> Option<String>,
    ) -> Vec<(RecordId, Option<String>)> {
        rows.into_iter().map(|row| (row.record_id(), name(row))).collect()
    }
    match rows {
        Rows::Users(rows) => of(rows, |row| row.name),
        Rows::Accounts(rows) => of(rows, |row| row.name),
        Rows::Contacts(rows) => of(rows, |row| row.name),
        Rows::Opportunities(rows) => of(rows, |row| row.name),
        Rows::Stages(rows) => of(rows, |row| row.name),
        Rows::Currencies(rows) => of(rows, |row| Some(row.code.to_string())),
        Rows::StageAssignments(_) => Vec::new(),
    }
}
