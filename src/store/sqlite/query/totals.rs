//! Exact totals of opportunities.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;

use rusqlite::{Transaction, params_from_iter};
use uuid::Uuid;

use crate::error::Result;
use crate::model::json::parse_date;
use crate::model::query::{CurrencyTotal, GroupBy, GroupKey, Scope, Totals};
use crate::model::{Amount, ConnectionId, CurrencyCode, CurrencyId, Money, StageId, UserId};
use crate::store::sqlite::codec::{Columns, text};
use crate::store::sqlite::query::conditions::{Conditions, Leads};
use crate::store::sqlite::trouble::Trouble;

/// Adds up the opportunities that meet conditions, in one pass over an index that has all it needs.
///
/// The rows are grouped here: SQLite would sort them all first, which takes longer than adding.
pub(crate) fn read(
    tx: &Transaction<'_>,
    scope: &Scope,
    conditions: &Conditions<'_>,
) -> Result<Totals, Trouble> {
    let mut groups = read_groups(tx, scope, conditions, None)?;
    Ok(groups.pop().map(|(_, totals)| totals).unwrap_or_default())
}

/// Adds them up group by group; in no order. Without `by` there is one group at most.
pub(crate) fn read_groups(
    tx: &Transaction<'_>,
    scope: &Scope,
    conditions: &Conditions<'_>,
    by: Option<GroupBy>,
) -> Result<Vec<(GroupKey, Totals)>, Trouble> {
    let currencies = Currencies::read(tx, scope)?;
    let key = match by {
        None => "NULL",
        Some(GroupBy::Month) => "substr(r.close_date, 1, 7)",
        Some(GroupBy::Owner) => "iif(r.owner_kind = 'user', r.owner, NULL)",
        Some(GroupBy::Stage) => "r.stage",
    };
    let index = match conditions.leads() {
        Leads::Nowhere => "INDEXED BY opportunities_by_close",
        _ => conditions.index(),
    };
    let mut statement = tx.prepare_cached(&format!(
        "SELECT r.connection, r.currency, {key}, r.value, r.base_value FROM opportunities r \
             {index} WHERE {}",
        conditions.sql()
    ))?;
    let mut rows = statement.query(params_from_iter(conditions.values()))?;
    let mut parts = Parts::default();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let (connection, currency) = (columns.blob()?, columns.maybe_str()?);
        let part = parts.part(connection, currency, columns.maybe_str()?);
        part.count += 1;
        part.own.add(columns.maybe_units()?)?;
        part.base.add(columns.maybe_units()?)?;
    }
    let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
    for part in parts.all {
        let connection = Uuid::from_slice(&part.connection);
        let connection = ConnectionId::new(connection.map_err(stored)?);
        let currency = part.currency.as_deref().map(CurrencyId::new).transpose().map_err(stored)?;
        let code = currency.and_then(|id| currencies.codes.get(&(connection, id)));
        let key = key_of(by, connection, part.key.as_deref())?;
        let group = groups.entry(key).or_default();
        group.totals.count += part.count;
        group.totals.without_value += part.count - group.own.add(code, part.own)?;
        group.base.add(currencies.base.get(&connection), part.base)?;
    }
    let groups = groups.into_iter().map(|(key, mut group)| {
        group.totals.by_currency = group.own.finish()?;
        group.totals.by_base_currency = group.base.finish()?;
        Ok((key, group.totals))
    });
    groups.collect::<Result<Vec<_>>>().map_err(Trouble::from)
}

fn key_of(
    by: Option<GroupBy>,
    connection: ConnectionId,
    key: Option<&str>,
) -> Result<GroupKey, Trouble> {
    let Some((by, key)) = by.zip(key) else { return Ok(GroupKey::Nothing) };
    Ok(match by {
        GroupBy::Month => {
            let first = parse_date(&format!("{key}-01"));
            GroupKey::Month(first.ok_or_else(|| Trouble::stored("a date is not one"))?)
        }
        GroupBy::Owner => GroupKey::Owner(connection, UserId::new(key).map_err(stored)?),
        GroupBy::Stage => GroupKey::Stage(connection, StageId::new(key).map_err(stored)?),
    })
}

fn stored(cause: impl std::error::Error + Send + Sync + 'static) -> Trouble {
    Trouble::Stored(Box::new(cause))
}

/// A group under way.
#[derive(Default)]
struct Group {
    totals: Totals,
    own: Sums,
    base: Sums,
}

/// How many parts are looked through before one is sought by its hash: few are all that there are
/// where nothing is grouped.
const LOOKED_THROUGH: usize = 8;

/// The parts so far.
#[derive(Default)]
struct Parts {
    all: Vec<Part>,
    /// Where those beyond the first few stand.
    places: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

impl Parts {
    fn part(&mut self, connection: &[u8], currency: Option<&str>, key: Option<&str>) -> &mut Part {
        let Self { all, places, hasher } = self;
        let is_it = |part: &Part| part.is_of(connection, currency, key);
        let at = match all.iter().take(LOOKED_THROUGH).position(is_it) {
            Some(at) => at,
            None if all.len() < LOOKED_THROUGH => {
                all.push(Part::of(connection, currency, key));
                all.len() - 1
            }
            None => {
                let same_hash =
                    places.entry(hasher.hash_one((connection, currency, key))).or_default();
                match same_hash.iter().copied().find(|&at| is_it(&all[at])) {
                    Some(at) => at,
                    None => {
                        same_hash.push(all.len());
                        all.push(Part::of(connection, currency, key));
                        all.len() - 1
                    }
                }
            }
        };
        &mut all[at]
    }
}

/// The opportunities of one connection and group in one currency.
struct Part {
    connection: Vec<u8>,
    currency: Option<String>,
    key: Option<String>,
    count: u64,
    own: Sum,
    base: Sum,
}

impl Part {
    fn of(connection: &[u8], currency: Option<&str>, key: Option<&str>) -> Self {
        Self {
            connection: connection.to_vec(),
            currency: currency.map(ToOwned::to_owned),
            key: key.map(ToOwned::to_owned),
            count: 0,
            own: Sum::default(),
            base: Sum::default(),
        }
    }

    fn is_of(&self, connection: &[u8], currency: Option<&str>, key: Option<&str>) -> bool {
        self.connection == connection
            && self.currency.as_deref() == currency
            && self.key.as_deref() == key
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
            "SELECT connection, id, code, role = 'base' FROM currencies \
             WHERE workspace = ? AND gone_at IS NULL \
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
