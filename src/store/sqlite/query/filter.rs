//! Which opportunities pass a filter, and by which index they are found.

use std::collections::BTreeSet;
use std::iter::repeat_n;

use rusqlite::{Transaction, params_from_iter};

use crate::model::ConnectionId;
use crate::model::query::{OpportunityFilter, Scope};
use crate::store::sqlite::codec::{Values, amount, date, text, uuid};
use crate::store::sqlite::query::conditions::{Conditions, Leads};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;

/// Up to this many rows are read one by one and sorted. Of more, every order has so many at its
/// beginning that walking it finds a page as fast.
const FEW: i64 = 2_000;

/// Adds that an opportunity passes a filter, and finds out where an index leads.
pub(super) fn add<'a>(
    tx: &Transaction<'_>,
    scope: &'a Scope,
    conditions: &mut Conditions<'a>,
    filter: &'a OpportunityFilter,
) -> Result<(), Trouble> {
    plain(conditions, filter);
    if let Some(account) = &filter.account {
        conditions.and("r.of_account = ?", [text(account.as_str())]);
        conditions.lead(Leads::ToFew("INDEXED BY opportunities_by_account"));
    }
    if let Some(owners) = Pairs::of(filter.owners.iter().map(|(at, id)| (*at, id.as_str()))) {
        conditions.and("r.owner_kind = 'user'", []);
        conditions.and(&owners.are("r.owner"), owners.values());
        if conditions.leads() == Leads::Nowhere
            && is_few(tx, &owners.owned(), owners.in_workspace(scope))?
        {
            conditions.lead(Leads::ToFew("INDEXED BY opportunities_by_owner"));
        }
    }
    if let Some(stages) = Pairs::of(filter.stages.iter().map(|(at, id)| (*at, id.as_str()))) {
        conditions.and(&stages.are("r.stage"), stages.values());
        if conditions.leads() == Leads::Nowhere
            && is_few(tx, &stages.staged(), stages.in_workspace(scope))?
        {
            conditions.lead(Leads::ToFew("INDEXED BY opportunities_by_stage"));
        }
    }
    Ok(())
}

/// What the row itself says, but for its name.
fn plain<'a>(conditions: &mut Conditions<'a>, filter: &'a OpportunityFilter) {
    if let Some(status) = filter.status {
        conditions.and("r.status = ?", [text(status.as_word())]);
    }
    if let Some(code) = &filter.currency {
        conditions.and(OF_CURRENCY, [text(code.as_str())]);
    }
    for (condition, bound) in
        [("r.value >= ?", filter.min_value), ("r.value <= ?", filter.max_value)]
    {
        if let Some(bound) = bound {
            conditions.and(condition, [amount(bound)]);
        }
    }
    for (condition, day) in [
        ("r.close_date >= ?", filter.close_from),
        ("r.close_date < ?", filter.close_before),
        ("r.closed_on >= ?", filter.closed_from),
        ("r.closed_on < ?", filter.closed_before),
    ] {
        if let Some(day) = day {
            conditions.and(condition, [date(day)]);
        }
    }
}

/// Whether a query finds few rows; counts no further than that.
fn is_few(tx: &Transaction<'_>, query: &str, values: Values<'_>) -> Result<bool, Trouble> {
    let counting = format!("SELECT count(*) FROM ({query} LIMIT {FEW} + 1)");
    let mut statement = tx.prepare_cached(&counting)?;
    let count: i64 = statement.query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(count <= FEW)
}

/// Ids, each of one connection.
struct Pairs<'a> {
    pairs: Vec<(ConnectionId, &'a str)>,
    connections: BTreeSet<ConnectionId>,
    ids: BTreeSet<&'a str>,
}

impl<'a> Pairs<'a> {
    /// `None` when there are none, which asks for nothing.
    fn of(pairs: impl Iterator<Item = (ConnectionId, &'a str)>) -> Option<Self> {
        let pairs: Vec<_> = pairs.collect();
        let connections = pairs.iter().map(|(connection, _)| *connection).collect();
        let ids = pairs.iter().map(|(_, id)| *id).collect();
        (!pairs.is_empty()).then_some(Self { pairs, connections, ids })
    }

    /// Places for the pairs.
    fn list(&self) -> String {
        format!("(VALUES {})", places("(?, ?)", self.pairs.len()))
    }

    fn pairs(&self) -> Values<'a> {
        let values = self.pairs.iter().flat_map(|(at, id)| [uuid(at.as_uuid()), text(id)]);
        values.collect()
    }

    /// That a column of `r` has one of the ids of its connection.
    fn are(&self, column: &str) -> String {
        let split = self.split("r.connection", column);
        format!("{split} AND (r.connection, {column}) IN {}", self.list())
    }

    /// The same in the form that an index serves: it finds ids of the other connections, too.
    fn split(&self, connection: &str, column: &str) -> String {
        let (connections, ids) = (self.connections.len(), self.ids.len());
        format!(
            "{connection} IN ({}) AND {column} IN ({})",
            places("?", connections),
            places("?", ids)
        )
    }

    fn split_values(&self) -> impl Iterator<Item = crate::store::sqlite::codec::Put<'a>> + '_ {
        let connections = self.connections.iter().map(|connection| uuid(connection.as_uuid()));
        connections.chain(self.ids.iter().map(|id| text(id)))
    }

    /// The values of [`are`](Self::are).
    fn values(&self) -> Values<'a> {
        self.split_values().chain(self.pairs()).collect()
    }

    /// The values of a query over a workspace.
    fn in_workspace(&self, scope: &'a Scope) -> Values<'a> {
        [text(scope.workspace.as_str())].into_iter().chain(self.split_values()).collect()
    }

    /// A query for the opportunities of these owners.
    fn owned(&self) -> String {
        let split = self.split("o.connection", "o.owner");
        format!(
            "SELECT 1 FROM opportunities o INDEXED BY opportunities_by_owner \
             WHERE o.workspace = ? AND {split} AND o.owner_kind = 'user' AND o.gone_at IS NULL"
        )
    }

    /// A query for the opportunities at these stages.
    fn staged(&self) -> String {
        let split = self.split("o.connection", "o.stage");
        format!(
            "SELECT 1 FROM opportunities o INDEXED BY opportunities_by_stage \
             WHERE o.workspace = ? AND {split} AND o.gone_at IS NULL"
        )
    }
}

fn places(place: &str, count: usize) -> String {
    repeat_n(place, count).collect::<Vec<_>>().join(", ")
}

const OF_CURRENCY: &str = "EXISTS (SELECT 1 FROM currencies c WHERE c.workspace = r.workspace \
    AND c.connection = r.connection AND c.id = r.currency AND c.code = ? \
    AND c.gone_at IS NULL)";
