//! Totals of opportunities, as a whole and group by group.

use std::collections::{BTreeMap, HashMap};

use time::{Date, Month, OffsetDateTime};

use crate::error::{Error, Result};
use crate::model::query::{
    CurrencyTotal, GroupBy, GroupKey, Groups, GroupsQuery, OpportunityFilter, Scope, Totals,
    TotalsQuery,
};
use crate::model::{Amount, ConnectionId, CurrencyCode, Money, Opportunity, StageId, UserId};
use crate::storage::Query;
use crate::storage::fallback::filter::{Currencies, Facts, Filter};
use crate::storage::fallback::oldest;

pub(crate) async fn totals<Q: Query + ?Sized>(store: &Q, query: &TotalsQuery) -> Result<Totals> {
    let (scope, filter) = (&query.scope, &query.filter);
    let (tallies, as_of) = tallied(store, scope, filter, None).await?;
    tallies.whole(as_of)
}

pub(crate) async fn groups<Q: Query + ?Sized>(store: &Q, query: &GroupsQuery) -> Result<Groups> {
    let (scope, filter) = (&query.scope, &query.filter);
    let (tallies, as_of) = tallied(store, scope, filter, Some(query.by)).await?;
    tallies.groups(as_of)
}

async fn tallied<Q: Query + ?Sized>(
    store: &Q,
    scope: &Scope,
    filter: &OpportunityFilter,
    by: Option<GroupBy>,
) -> Result<(Tallies, Option<OffsetDateTime>)> {
    let connections = store.as_of(scope).await?;
    let mut tallies = Tallies::new(by);
    for &(connection, _) in &connections {
        let currencies = Currencies::read(store, scope, connection).await?;
        let filter = Filter::new(filter, connection, &currencies);
        if !filter.is_of_connection() {
            continue;
        }
        let mut group = tallies.of(connection, &currencies);
        if by == Some(GroupBy::Stage) {
            let add = |found: Opportunity, stage: Option<StageId>| {
                group.add(&Facts::of(&found, stage.as_ref(), &currencies));
            };
            filter.each_with_stage(store, scope, add).await?;
        } else {
            filter
                .each(store, scope, |found| group.add(&Facts::of(&found, None, &currencies)))
                .await?;
        }
        group.finish()?;
    }
    Ok((tallies, oldest(&connections)))
}

/// Opportunities added up, group by group.
pub(crate) struct Tallies {
    by: Option<GroupBy>,
    groups: BTreeMap<GroupKey, Tally>,
}

impl Tallies {
    /// Without a way to group them, all are in one.
    pub(crate) fn new(by: Option<GroupBy>) -> Self {
        Self { by, groups: BTreeMap::new() }
    }

    /// Begins with the opportunities of a connection.
    pub(crate) fn of<'a>(
        &'a mut self,
        connection: ConnectionId,
        currencies: &'a Currencies,
    ) -> ConnectionTallies<'a> {
        ConnectionTallies {
            all: self,
            connection,
            currencies,
            without: Tally::default(),
            months: HashMap::new(),
            ids: HashMap::new(),
            of_ids: Vec::new(),
        }
    }

    /// The totals of all, when they are in one group.
    pub(crate) fn whole(mut self, as_of: Option<OffsetDateTime>) -> Result<Totals> {
        self.groups.remove(&GroupKey::Nothing).unwrap_or_default().finish(as_of)
    }

    /// The totals of the groups.
    pub(crate) fn groups(self, as_of: Option<OffsetDateTime>) -> Result<Groups> {
        let groups = self.groups.into_iter().map(|(key, tally)| Ok((key, tally.finish(None)?)));
        Ok(Groups::of(groups.collect::<Result<Vec<_>>>()?, as_of))
    }
}

/// The opportunities of one connection: their groups go by what the rows hold, which takes less to
/// find than the keys of all.
pub(crate) struct ConnectionTallies<'a> {
    all: &'a mut Tallies,
    connection: ConnectionId,
    currencies: &'a Currencies,
    without: Tally,
    months: HashMap<(i32, Month), Tally>,
    /// Where the tally of an id stands.
    ids: HashMap<Box<str>, usize>,
    of_ids: Vec<Tally>,
}

impl ConnectionTallies<'_> {
    /// Adds one.
    pub(crate) fn add(&mut self, found: &Facts<'_>) {
        let base = self.currencies.base.as_ref();
        let tally = match self.all.by {
            None => &mut self.without,
            Some(GroupBy::Month) => match found.close_date {
                Some(date) => self.months.entry((date.year(), date.month())).or_default(),
                None => &mut self.without,
            },
            Some(GroupBy::Owner) => self.of_id(found.owner),
            Some(GroupBy::Stage) => self.of_id(found.stage),
        };
        tally.add(found, base);
    }

    fn of_id(&mut self, id: Option<&str>) -> &mut Tally {
        let Some(id) = id else { return &mut self.without };
        let at = match self.ids.get(id) {
            Some(&at) => at,
            None => {
                self.ids.insert(id.into(), self.of_ids.len());
                self.of_ids.push(Tally::default());
                self.of_ids.len() - 1
            }
        };
        &mut self.of_ids[at]
    }

    /// Ends with this connection.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { all, connection, without, months, ids, mut of_ids, .. } = self;
        let mut keyed = Vec::with_capacity(months.len() + ids.len() + 1);
        if without.count > 0 {
            keyed.push((GroupKey::Nothing, without));
        }
        for ((year, month), tally) in months {
            let first = Date::from_calendar_date(year, month, 1);
            let first = first.map_err(|cause| Error::store("add up opportunities", cause))?;
            keyed.push((GroupKey::Month(first), tally));
        }
        for (id, at) in ids {
            let tally = std::mem::take(&mut of_ids[at]);
            let key = match all.by {
                Some(GroupBy::Stage) => {
                    StageId::new(&*id).map(|id| GroupKey::Stage(connection, id))
                }
                _ => UserId::new(&*id).map(|id| GroupKey::Owner(connection, id)),
            };
            let key = key.map_err(|cause| Error::store("add up opportunities", cause))?;
            keyed.push((key, tally));
        }
        for (key, tally) in keyed {
            all.groups.entry(key).or_default().merge(tally);
        }
        Ok(())
    }
}

/// Opportunities added up.
#[derive(Default)]
struct Tally {
    count: u64,
    without_value: u64,
    own: Sums,
    base: Sums,
}

impl Tally {
    fn add(&mut self, found: &Facts<'_>, base: Option<&CurrencyCode>) {
        self.count += 1;
        match (found.value, found.currency) {
            (Some(value), Some(code)) => self.own.add(code, value, 1),
            _ => self.without_value += 1,
        }
        if let (Some(value), Some(code)) = (found.base_value, base) {
            self.base.add(code, value, 1);
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.without_value += other.without_value;
        for (sums, others) in [(&mut self.own, other.own), (&mut self.base, other.base)] {
            for (code, value, count) in others.0 {
                sums.add(&code, value, count);
            }
        }
    }

    fn finish(self, as_of: Option<OffsetDateTime>) -> Result<Totals> {
        let Self { count, without_value, own, base } = self;
        let (by_currency, by_base_currency) = (own.finish()?, base.finish()?);
        Ok(Totals { count, without_value, by_currency, by_base_currency, as_of })
    }
}

/// Exact sums per currency, scaled so that they always fit. There are a few: looking through them
/// takes less than any key.
#[derive(Default)]
struct Sums(Vec<(CurrencyCode, i128, u64)>);

impl Sums {
    fn add(&mut self, code: &CurrencyCode, value: i128, count: u64) {
        match self.0.iter_mut().find(|(of, ..)| of == code) {
            Some((_, sum, counted)) => {
                // Beyond what fits it is too large to be told, which ends as an error.
                *sum = sum.saturating_add(value);
                *counted += count;
            }
            None => self.0.push((code.clone(), value, count)),
        }
    }

    fn finish(mut self) -> Result<Vec<CurrencyTotal>> {
        self.0.sort();
        let total = |(code, sum, count)| {
            // Every amount is below 10^18, all of them together may not be.
            let sum = Amount::from_scaled(sum);
            let sum = sum.map_err(|cause| Error::store("add up opportunities", cause))?;
            Ok(CurrencyTotal { total: Money::new(sum, code), count })
        };
        self.0.into_iter().map(total).collect()
    }
}
