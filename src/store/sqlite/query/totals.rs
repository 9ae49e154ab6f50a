//! Exact totals of opportunities.

use rusqlite::{Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::model::query::{GroupBy, OpportunityFilter, Scope};
use crate::model::{ConnectionId, Currency, Opportunity, Table};
use crate::storage::fallback::{Currencies, Facts, Filter, Tallies};
use crate::store::sqlite::codec::{Columns, Owner};
use crate::store::sqlite::mirror::rows::{Mirrored, select_list};
use crate::store::sqlite::packed;
use crate::store::sqlite::query::conditions::{Conditions, Leads};
use crate::store::sqlite::query::filter;
use crate::store::sqlite::trouble::Trouble;

/// Adds up the opportunities that pass a filter, group by group.
pub(crate) fn read(
    tx: &Transaction<'_>,
    scope: &Scope,
    connections: &[(ConnectionId, Option<OffsetDateTime>)],
    filter: &OpportunityFilter,
    by: Option<GroupBy>,
) -> Result<Tallies, Trouble> {
    let mut tallies = Tallies::new(by);
    for connection in connections {
        let currencies = currencies(tx, &Owner::new(&scope.workspace, connection.0))?;
        let passing = Filter::new(filter, connection.0, &currencies);
        if !passing.is_of_connection() {
            continue;
        }
        let mut conditions = Conditions::in_scope(scope, std::slice::from_ref(connection));
        filter::add(tx, scope, &mut conditions, filter)?;
        conditions.named(filter.name.as_deref());
        let mut group = tallies.of(connection.0, &currencies);
        let add = |found: &Facts<'_>| group.add(found);
        match conditions.leads() {
            Leads::ToFew(_) => few(tx, &conditions, &currencies, add)?,
            _ => all(tx, (scope, connection.0), &currencies, &passing, add)?,
        }
        group.finish()?;
    }
    Ok(tallies)
}

/// The opportunities that an index leads to.
fn few(
    tx: &Transaction<'_>,
    conditions: &Conditions<'_>,
    currencies: &Currencies,
    mut add: impl FnMut(&Facts<'_>),
) -> Result<(), Trouble> {
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {}, r.stage FROM opportunities r {} WHERE {}",
        select_list::<Opportunity>("r"),
        conditions.index(),
        conditions.sql()
    ))?;
    let mut rows = statement.query(params_from_iter(conditions.values()))?;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let found = Opportunity::read(&mut columns)?;
        let stage = columns.maybe_id()?;
        add(&Facts::of(&found, stage.as_ref(), currencies));
    }
    Ok(())
}

/// All that a connection has, of which those are added that pass. Accounts are not packed: a filter
/// that names one always leads to few.
fn all(
    tx: &Transaction<'_>,
    (scope, connection): (&Scope, ConnectionId),
    currencies: &Currencies,
    filter: &Filter<'_>,
    mut add: impl FnMut(&Facts<'_>),
) -> Result<(), Trouble> {
    packed::each(tx, (&scope.workspace, connection), Table::Opportunities, |_, block| {
        block.each_facts(currencies, |name, found| {
            if filter.admits(found) && filter.is_at(found.stage) && filter.is_named(name) {
                add(found);
            }
        })
    })
}

/// The currencies of a connection: a few dozen.
fn currencies(tx: &Transaction<'_>, owner: &Owner) -> Result<Currencies, Trouble> {
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {} FROM currencies r WHERE workspace = ? AND connection = ? AND gone_at IS NULL \
         ORDER BY id",
        select_list::<Currency>("r")
    ))?;
    let mut rows = statement.query(params_from_iter(owner.values()))?;
    let mut found = Currencies::default();
    while let Some(row) = rows.next()? {
        found.add(Currency::read(&mut Columns::of(row))?);
    }
    Ok(found)
}
