//! Exact totals of opportunities.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params_from_iter};

use crate::error::Result;
use crate::model::query::{CurrencyTotal, Scope, Totals};
use crate::model::{Amount, ConnectionId, CurrencyCode, CurrencyId, Money};
use crate::store::sqlite::codec::{Columns, text};
use crate::store::sqlite::query::conditions::Conditions;
use crate::store::sqlite::trouble::Trouble;

/// Adds up the opportunities that meet conditions, in one pass.
pub(crate) fn read(
    tx: &Transaction<'_>,
    scope: &Scope,
    conditions: &Conditions<'_>,
) -> Result<Totals, Trouble> {
    let currencies = Currencies::read(tx, scope)?;
    let mut statement = tx.prepare_cached(&format!(
        "SELECT r.connection, r.currency, count(*), count(r.value), exact_sum(r.value), \
             count(r.base_value), exact_sum(r.base_value) \
         FROM opportunities r WHERE {} GROUP BY r.connection, r.currency",
        conditions.sql()
    ))?;
    let mut rows = statement.query(params_from_iter(conditions.values()))?;
    let mut totals = Totals::default();
    let (mut own, mut base) = (Sums::default(), Sums::default());
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let connection = ConnectionId::new(columns.uuid()?);
        let currency: Option<CurrencyId> = columns.maybe_id()?;
        let code = currency.and_then(|id| currencies.codes.get(&(connection, id)));
        let count = columns.counter()?;
        totals.count += count;
        let valued = own.add(code, &mut columns)?;
        totals.without_value += count - valued;
        base.add(currencies.base.get(&connection), &mut columns)?;
    }
    totals.by_currency = own.finish()?;
    totals.by_base_currency = base.finish()?;
    Ok(totals)
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

/// Exact sums per currency, in units that always fit.
#[derive(Default)]
struct Sums(BTreeMap<CurrencyCode, (i128, u64)>);

impl Sums {
    /// Adds a group: reads how many amounts it has and their sum.
    ///
    /// Gives how many were added, none when the currency is not known.
    fn add(
        &mut self,
        code: Option<&CurrencyCode>,
        columns: &mut Columns<'_>,
    ) -> Result<u64, Trouble> {
        let (count, units) = (columns.counter()?, columns.maybe_units()?);
        let (Some(code), Some(units), 1..) = (code, units, count) else {
            return Ok(0);
        };
        let (sum, added) = self.0.entry(code.clone()).or_default();
        *sum = sum.checked_add(units).ok_or_else(|| Trouble::stored("a sum is too large"))?;
        *added += count;
        Ok(count)
    }

    fn finish(self) -> Result<Vec<CurrencyTotal>> {
        let total = |(code, (sum, count))| {
            let total = Money::new(Amount::from_scaled(sum)?, code);
            Ok(CurrencyTotal { total, count })
        };
        self.0.into_iter().map(total).collect()
    }
}
