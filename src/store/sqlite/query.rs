//! Questions over the synced copy, and plain reads of it.
//!
//! Rows, order and cursors are those of the answers that scan: one says what another means.

use std::collections::BTreeSet;

use async_trait::async_trait;
use rusqlite::{Row, Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::{
    AccountQuery, Accounts, Answer, Changes, ChangesQuery, ContactQuery, Contacts, Groups,
    GroupsQuery, Opportunities, OpportunityQuery, OpportunitySort, Scope, StageQuery, Stages,
    Totals, TotalsQuery, UserQuery, Users,
};
use crate::model::{
    Account, ConnectionId, Contact, Currency, Opportunity, RecordId, Rows, Stage, StageAssignment,
    Table, User, WorkspaceId,
};
use crate::storage::Query;
use crate::storage::fallback::{Called, SortKey, SortedPage, oldest};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::codec::{Columns, NULL, Owner, Put, collect, integer, text, uuid};
use crate::store::sqlite::mirror::rows::{Mirrored, select_list};
use crate::store::sqlite::mirror::{changes, rows};
use crate::store::sqlite::trouble::Trouble;

mod conditions;
mod filter;
mod named;
mod nearest;
mod totals;

pub(crate) use conditions::{Conditions, Leads, Order};

use conditions::Stretch;

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

    async fn rows(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        ids: &[RecordId],
    ) -> Result<Rows> {
        let owner = Owner::new(workspace, connection);
        let ids: BTreeSet<RecordId> = ids.iter().cloned().collect();
        self.database
            .read("read rows by their ids", move |tx| match table {
                Table::Users => present::<User>(tx, &owner, &ids),
                Table::Accounts => present::<Account>(tx, &owner, &ids),
                Table::Contacts => present::<Contact>(tx, &owner, &ids),
                Table::Opportunities => present::<Opportunity>(tx, &owner, &ids),
                Table::Stages => present::<Stage>(tx, &owner, &ids),
                Table::StageAssignments => present::<StageAssignment>(tx, &owner, &ids),
                Table::Currencies => present::<Currency>(tx, &owner, &ids),
            })
            .await
    }

    async fn as_of(&self, scope: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>> {
        let scope = scope.clone();
        self.database.read("see how fresh the copy is", move |tx| as_of(tx, &scope)).await
    }

    async fn accounts(&self, query: &AccountQuery) -> Result<Accounts> {
        let page = SortedPage::of(query)?;
        let query = query.clone();
        self.database
            .read("answer a question for accounts", move |tx| {
                let connections = as_of(tx, &query.scope)?;
                let mut rows = Conditions::in_scope(&query.scope, &connections);
                if let Some(id) = &query.id {
                    rows.and("r.id = ?", [text(id.as_str())]);
                    rows.lead(Leads::ToFew("INDEXED BY sqlite_autoindex_accounts_1"));
                }
                if let Some(domain) = &query.domain {
                    rows.and("r.domain = ?", [text(domain)]);
                    rows.lead(Leads::ToFew("INDEXED BY accounts_by_domain"));
                }
                by_name(tx, page, rows, &connections, (&query.scope, query.name.as_deref()))
            })
            .await
    }

    async fn nearest_accounts(&self, scope: &Scope, name: &str, limit: u32) -> Result<Accounts> {
        self.nearest(scope, name, limit).await
    }

    async fn nearest_contacts(&self, scope: &Scope, name: &str, limit: u32) -> Result<Contacts> {
        self.nearest(scope, name, limit).await
    }

    async fn nearest_opportunities(
        &self,
        scope: &Scope,
        name: &str,
        limit: u32,
    ) -> Result<Opportunities> {
        self.nearest(scope, name, limit).await
    }

    async fn nearest_users(&self, scope: &Scope, name: &str, limit: u32) -> Result<Users> {
        self.nearest(scope, name, limit).await
    }

    async fn contacts(&self, query: &ContactQuery) -> Result<Contacts> {
        let page = SortedPage::of(query)?;
        let query = query.clone();
        self.database
            .read("answer a question for contacts", move |tx| {
                let connections = as_of(tx, &query.scope)?;
                let mut rows = Conditions::in_scope(&query.scope, &connections);
                if let Some(account) = &query.account {
                    rows.and(
                        "r.parent_kind = 'account' AND r.parent = ?",
                        [text(account.as_str())],
                    );
                    rows.lead(Leads::ToFew("INDEXED BY contacts_by_account"));
                }
                by_name(tx, page, rows, &connections, (&query.scope, query.name.as_deref()))
            })
            .await
    }

    async fn stages(&self, query: &StageQuery) -> Result<Stages> {
        let page = SortedPage::of(query)?;
        let query = query.clone();
        self.database
            .read("answer a question for stages", move |tx| {
                let connections = as_of(tx, &query.scope)?;
                let mut rows = Conditions::in_scope(&query.scope, &connections);
                if let Some(id) = &query.id {
                    rows.and("r.id = ?", [text(id.as_str())]);
                    rows.lead(Leads::ToFew("INDEXED BY sqlite_autoindex_stages_1"));
                }
                if let Some(process) = &query.process {
                    rows.and("r.process = ?", [text(process.as_str())]);
                }
                by_name(tx, page, rows, &connections, (&query.scope, query.name.as_deref()))
            })
            .await
    }

    async fn users(&self, query: &UserQuery) -> Result<Users> {
        let page = SortedPage::of(query)?;
        let query = query.clone();
        self.database
            .read("answer a question for users", move |tx| {
                let connections = as_of(tx, &query.scope)?;
                let mut rows = Conditions::in_scope(&query.scope, &connections);
                if let Some(id) = &query.id {
                    rows.and("r.id = ?", [text(id.as_str())]);
                    rows.lead(Leads::ToFew("INDEXED BY sqlite_autoindex_users_1"));
                }
                if let Some(email) = &query.email {
                    rows.and("r.email = ?", [text(email.as_str())]);
                    rows.lead(Leads::ToFew("INDEXED BY users_by_email"));
                }
                by_name(tx, page, rows, &connections, (&query.scope, query.name.as_deref()))
            })
            .await
    }

    async fn opportunities(&self, query: &OpportunityQuery) -> Result<Opportunities> {
        let page = SortedPage::of(query)?;
        let query = query.clone();
        self.database
            .read("answer a question for opportunities", move |tx| {
                let connections = as_of(tx, &query.scope)?;
                let mut rows = Conditions::in_scope(&query.scope, &connections);
                filter::add(tx, &query.scope, &mut rows, &query.filter)?;
                let order = match query.sort {
                    OpportunitySort::CloseDate => Order::Ascending("r.close_date"),
                    OpportunitySort::Name => Order::Ascending("r.name_key"),
                    OpportunitySort::ValueDescending => Order::Descending("r.value"),
                };
                let key = |found: &Opportunity| match query.sort {
                    OpportunitySort::CloseDate => SortKey::date(found.close_date),
                    OpportunitySort::Name => SortKey::name(found.name.as_deref()),
                    OpportunitySort::ValueDescending => SortKey::value_descending(found.value),
                };
                let words = query.filter.name.as_deref();
                let legs =
                    named::legs(tx, &query.scope, &connections, words, (&page, order), rows)?;
                let page = fill(tx, page, &Reading::mirrored(), &legs, order, key)?;
                Ok(page.answer(oldest(&connections))?)
            })
            .await
    }

    async fn groups(&self, query: &GroupsQuery) -> Result<Groups> {
        let query = query.clone();
        self.database
            .read("answer a question for totals of groups", move |tx| {
                let connections = as_of(tx, &query.scope)?;
                let GroupsQuery { scope, filter, by } = &query;
                let tallies = totals::read(tx, scope, &connections, filter, Some(*by))?;
                Ok(tallies.groups(oldest(&connections))?)
            })
            .await
    }

    async fn row_changes(&self, query: &ChangesQuery) -> Result<Changes> {
        let query = query.clone();
        self.database
            .read("read what syncs found changed", move |tx| {
                let as_of = oldest(&as_of(tx, &query.scope)?);
                changes::read(tx, &query, as_of)
            })
            .await
    }

    async fn totals(&self, query: &TotalsQuery) -> Result<Totals> {
        let query = query.clone();
        self.database
            .read("answer a question for totals", move |tx| {
                let connections = as_of(tx, &query.scope)?;
                let TotalsQuery { scope, filter } = &query;
                let tallies = totals::read(tx, scope, &connections, filter, None)?;
                Ok(tallies.whole(oldest(&connections))?)
            })
            .await
    }
}

impl SqliteStore {
    async fn nearest<R: Mirrored>(
        &self,
        scope: &Scope,
        name: &str,
        limit: u32,
    ) -> Result<Answer<R>> {
        let (scope, name) = (scope.clone(), name.to_owned());
        self.database
            .read("find rows by a name", move |tx| nearest::rows(tx, &scope, &name, limit))
            .await
    }
}

/// A page of the rows that meet conditions and whose names hold words, by name.
fn by_name<R: Mirrored + Called>(
    tx: &Transaction<'_>,
    page: SortedPage<R>,
    conditions: Conditions<'_>,
    connections: &[(ConnectionId, Option<OffsetDateTime>)],
    (scope, words): (&Scope, Option<&str>),
) -> Result<Answer<R>, Trouble> {
    let key = |row: &R| SortKey::name(row.name());
    let order = Order::Ascending("r.name_key");
    let legs = named::legs(tx, scope, connections, words, (&page, order), conditions)?;
    let page = fill(tx, page, &Reading::mirrored(), &legs, order, key)?;
    Ok(page.answer(oldest(connections))?)
}

/// How the rows of a table are read.
pub(crate) struct Reading<R> {
    pub(crate) table: &'static str,
    /// The columns, each with `r.` in front.
    pub(crate) columns: String,
    /// An id as it stands in the table.
    pub(crate) id: fn(&RecordId) -> Put<'_>,
    /// Reads a row, and where it stands.
    pub(crate) read: ReadRow<R>,
}

type ReadRow<R> = fn(&Row<'_>) -> Result<((ConnectionId, RecordId), R), Trouble>;

impl<R: Mirrored> Reading<R> {
    fn mirrored() -> Self {
        Self {
            table: R::TABLE.as_str(),
            columns: format!("r.connection, {}", select_list::<R>("r")),
            id: |id| text(id.as_str()),
            read: |row| {
                let mut columns = Columns::of(row);
                let connection = ConnectionId::new(columns.uuid()?);
                let row = R::read(&mut columns)?;
                Ok(((connection, row.record_id()), row))
            },
        }
    }
}

impl<R> Reading<R> {
    /// The statement that reads a stretch of an order.
    fn sql(&self, conditions: &Conditions<'_>, order: Order, stretch: &Stretch<'_>) -> String {
        format!(
            "SELECT {} FROM {} r {} WHERE {} ORDER BY {} LIMIT ?",
            self.columns,
            self.table,
            conditions.index(),
            conditions.sql(),
            order.sql(stretch),
        )
    }
}

/// Fills a page with the rows that meet one of some conditions, in an order; what meets the first
/// ones comes first.
pub(crate) fn fill<R>(
    tx: &Transaction<'_>,
    mut page: SortedPage<R>,
    reading: &Reading<R>,
    legs: &[Conditions<'_>],
    order: Order,
    key: impl Fn(&R) -> SortKey,
) -> Result<SortedPage<R>, Trouble> {
    let after = page.after().map(|(key, connection, id)| (key.clone(), connection, id.clone()));
    let after = after.as_ref().map(|(key, connection, id)| (key, *connection, (reading.id)(id)));
    let stretches = Stretch::after(after);
    for (conditions, stretch) in
        legs.iter().flat_map(|leg| stretches.iter().map(move |at| (leg, at)))
    {
        if page.is_full() {
            break;
        }
        let mut conditions = conditions.clone();
        conditions.in_stretch(order, stretch.clone());
        let mut statement = tx.prepare_cached(&reading.sql(&conditions, order, stretch))?;
        // One more than the page, to know whether another follows.
        let limit = i64::try_from(page.limit().saturating_add(1)).unwrap_or(i64::MAX);
        let values = conditions.values_and(integer(limit));
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let ((connection, id), row) = (reading.read)(row)?;
            page.offer_at((key(&row), connection, id), row);
        }
    }
    Ok(page)
}

/// The rows with these ids that are not gone.
fn present<R: Mirrored>(
    tx: &Transaction<'_>,
    owner: &Owner,
    ids: &BTreeSet<RecordId>,
) -> Result<Rows, Trouble> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(rows::present::<R>(tx, owner, id)?);
    }
    Ok(R::batch(found))
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
                 AND gone_at IS NULL ORDER BY id LIMIT ?",
            select_list::<R>("r"),
            R::TABLE
        ))?;
        let after = self.after.as_ref().map_or("", RecordId::as_str);
        let values = self.owner.with([text(after), integer(self.limit.into())]);
        let found = collect(statement.query(params_from_iter(values))?, |row| {
            R::read(&mut Columns::of(row))
        })?;
        Ok(R::batch(found))
    }
}

/// The connections in scope with the end of their last finished sync.
fn as_of(
    tx: &Transaction<'_>,
    scope: &Scope,
) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>, Trouble> {
    let mut statement = tx.prepare_cached(
        "SELECT id, synced_at FROM (SELECT c.id, c.record ->> '$.health.health' AS health, \
             (SELECT max(r.finished_at) FROM runs r \
                 WHERE r.workspace = c.workspace AND r.connection = c.id) AS synced_at \
             FROM connections c WHERE c.workspace = ?1 AND (?2 IS NULL OR c.id = ?2)) \
         WHERE synced_at IS NOT NULL OR health IS NOT 'disconnected' ORDER BY id",
    )?;
    let only = scope.connection.map_or(NULL, |connection| uuid(connection.as_uuid()));
    collect(statement.query(params_from_iter([text(scope.workspace.as_str()), only]))?, |row| {
        let mut columns = Columns::of(row);
        Ok((ConnectionId::new(columns.uuid()?), columns.maybe_time()?))
    })
}

#[cfg(test)]
mod tests;
