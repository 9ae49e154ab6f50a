//! Exact totals of opportunities.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params_from_iter};

use crate::error::Result;
use crate::model::query::{CurrencyTotal, Scope, Totals};
use crate::model::{Amount, ConnectionId, CurrencyCode, CurrencyId, Money};
use crate::store::sqlite::codec::{Columns, text};
use crate::store::sqlite::query::conditions::Conditions;
use crate::store::sqlite::trouble::Trouble;

/// Adds up the opportunities that meet conditions, in one pass over an index that has all it needs.
///
/// The rows are grouped here: SQLite would sort them all first, which takes longer than adding.
pub(crate) fn read(
    tx: &Transaction<'_>,
    scope: &Scope,
    conditions: &Conditions<'_>,
) -> Result<Totals, Trouble> {
    let currencies = Currencies::read(tx, scope)?;
    let mut statement = tx.prepare_cached(&format!(
        "SELECT r.connection, r.currency, r.value, r.base_value FROM opportunities r WHERE {}",
        conditions.sql()
    ))?;
    let mut rows = statement.query(params_from_iter(conditions.values()))?;
    let mut groups: Vec<Group> = Vec::new();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let (connection, currency) = (columns.blob()?, columns.maybe_str()?);
        let is_it = |group: &Group| group.connection == connection && group.is_of(currency);
        let at = groups.iter().position(is_it).unwrap_or(groups.len());
        if at == groups.len() {
            groups.push(Group::of(connection, currency));
        }
        let group = &mut groups[at];
        group.count += 1;
        group.own.add(columns.maybe_units()?)?;
        group.base.add(columns.maybe_units()?)?;
    }
    let mut totals = Totals::default();
    let (mut own, mut base) = (Sums::default(), Sums::default());
    for group in groups {
        let connection = uuid::Uuid::from_slice(&group.connection);
        let connection =
            ConnectionId::new(connection.map_err(|cause| Trouble::Stored(Box::new(cause)))?);
        let currency = group.currency.as_deref().map(CurrencyId::new).transpose();
        let currency = currency.map_err(|cause| Trouble::Stored(Box::new(cause)))?;
        let code = currency.and_then(|id| currencies.codes.get(&(connection, id)));
        totals.count += group.count;
        totals.without_value += group.count - own.add(code, group.own)?;
        base.add(currencies.base.get(&connection), group.base)?;
    }
    totals.by_currency = own.finish()?;
    totals.by_base_currency = base.finish()?;
    Ok(totals)
}

/// The opportunities of one connection in one currency: a handful of groups in all.
struct Group {
    connection: Vec<u8>,
    currency: Option<String>,
    count: u64,
    own: Sum,
    base: Sum,
}

impl Group {
    fn of(connection: &[u8], currency: Option<&str>) -> Self {
        Self {
            connection: connection.to_vec(),
            currency: currency.map(ToOwned::to_owned),
            count: 0,
            own: Sum::default(),
            base: Sum::default(),
        }
    }

    fn is_of(&self, currency: Option<&str>) -> bool {
        self.currency.as_deref() == currency
    }
}

/// An exact sum of amounts, in units that always fit.
#[derive(Clone, Copy, Default)]
struct Sum {
    units: i128,
    count: u64,
}

impl Sum {
    fn add(&mut self, units: Option<i128>) -> Result<(), Trouble> {
        let Some(units) = units else { return Ok(()) };
        self.units = self.units.checked_add(units).ok_or_else(too_large)?;
        self.count += 1;
        Ok(())
    }
}

fn too_large() -> Trouble {
    Trouble::stored("a sum is too large")
}

/// The currencies of every connection of a workspace: a few dozen each.
#[derive(Default)]
struct Currencies {
    codes: BTreeMap<(ConnectionId, CurrencyId), CurrencyCode>,
    base: BTreeMap<ConnectionId, CurrencyCode>,
}

impl Currencies {
    fn read(tx: &Transaction<'_>, scope: &Scope) -> Result<Self, Trouble> {
        let mut statement = tx.prepare_cached(
            "SELECT connection, id, code, role = 'base' FROM currencies WHERE workspace = ? \
             ORDER BY connection, id",
        )?;
        let mut rows = statement.query(params_from_iter([text(scope.workspace.as_str())]))?;
        let mut found = Self::default();
        while let Some(row) = rows.next()? {
            let mut columns = Columns::of(row);
            let connection = ConnectionId::new(columns.uuid()?);
            let (id, code): (CurrencyId, CurrencyCode) = (columns.id()?, columns.id()?);
            if columns.integer()? == 1 {
                found.base.entry(connection).or_insert_with(|| code.clone());
            }
            found.codes.insert((connection, id), code);
        }
        Ok(found)
    }
}

/// Exact sums per currency.
#[derive(Default)]
struct Sums(BTreeMap<CurrencyCode, Sum>);

impl Sums {
    /// Adds a group; gives how many were added, none when the currency is not known.
    fn add(&mut self, code: Option<&CurrencyCode>, group: Sum) -> Result<u64, Trouble> {
        let (Some(code), 1..) = (code, group.count) else { return Ok(0) };
        let sum = self.0.entry(code.clone()).or_default();
        sum.units = sum.units.checked_add(group.units).ok_or_else(too_large)?;
        sum.count += group.count;
        Ok(group.count)
    }

    fn finish(self) -> Result<Vec<CurrencyTotal>> {
        let total = |(code, Sum { units, count })| {
            let total = Money::new(Amount::from_scaled(units)?, code);
            Ok(CurrencyTotal { total, count })
        };
        self.0.into_iter().map(total).collect()
    }
}
