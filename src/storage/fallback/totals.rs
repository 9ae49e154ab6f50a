//! Totals of opportunities, as a whole and group by group.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::{
    CurrencyTotal, GroupBy, GroupKey, Groups, GroupsQuery, Totals, TotalsQuery,
};
use crate::model::{Amount, ConnectionId, CurrencyCode, Money, Opportunity, OwnerRef, StageId};
use crate::storage::Query;
use crate::storage::fallback::filter::{Currencies, Filter};
use crate::storage::fallback::oldest;

pub(crate) async fn totals<Q: Query + ?Sized>(store: &Q, query: &TotalsQuery) -> Result<Totals> {
    let connections = store.as_of(&query.scope).await?;
    let mut tally = Tally::default();
    for &(connection, _) in &connections {
        let currencies = Currencies::read(store, &query.scope, connection).await?;
        let filter = Filter::new(&query.filter, connection, &currencies);
        filter.each(store, &query.scope, |found| tally.add(&found, &currencies)).await?;
    }
    tally.finish(oldest(&connections))
}

pub(crate) async fn groups<Q: Query + ?Sized>(store: &Q, query: &GroupsQuery) -> Result<Groups> {
    let connections = store.as_of(&query.scope).await?;
    let mut tallies: BTreeMap<GroupKey, Tally> = BTreeMap::new();
    for &(connection, _) in &connections {
        let currencies = Currencies::read(store, &query.scope, connection).await?;
        let filter = Filter::new(&query.filter, connection, &currencies);
        let mut add = |found: Opportunity, stage: Option<StageId>| {
            let key = key_of(query.by, connection, &found, stage);
            tallies.entry(key).or_default().add(&found, &currencies);
        };
        if query.by == GroupBy::Stage {
            filter.each_with_stage(store, &query.scope, add).await?;
        } else {
            filter.each(store, &query.scope, |found| add(found, None)).await?;
        }
    }
    let as_of = oldest(&connections);
    let groups = tallies.into_iter().map(|(key, tally)| Ok((key, tally.finish(None)?)));
    Ok(Groups::of(groups.collect::<Result<Vec<_>>>()?, as_of))
}

/// The group that an opportunity is in.
fn key_of(
    by: GroupBy,
    connection: ConnectionId,
    found: &Opportunity,
    stage: Option<StageId>,
) -> GroupKey {
    let key = match by {
        GroupBy::Month => {
            found.close_date.and_then(|date| date.replace_day(1).ok()).map(GroupKey::Month)
        }
        GroupBy::Owner => match &found.owner {
            Some(OwnerRef::User(owner)) => Some(GroupKey::Owner(connection, owner.clone())),
            Some(OwnerRef::Team(_)) | None => None,
        },
        GroupBy::Stage => stage.map(|stage| GroupKey::Stage(connection, stage)),
    };
    key.unwrap_or(GroupKey::Nothing)
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
    fn add(&mut self, found: &Opportunity, currencies: &Currencies) {
        self.count += 1;
        match (found.value, currencies.code_of(found)) {
            (Some(value), Some(code)) => self.own.add(code, value),
            _ => self.without_value += 1,
        }
        if let (Some(value), Some(code)) = (found.base_value, &currencies.base) {
            self.base.add(code, value);
        }
    }

    fn finish(self, as_of: Option<OffsetDateTime>) -> Result<Totals> {
        let Self { count, without_value, own, base } = self;
        let (by_currency, by_base_currency) = (own.finish()?, base.finish()?);
        Ok(Totals { count, without_value, by_currency, by_base_currency, as_of })
    }
}

/// Exact sums per currency, in units that always fit.
#[derive(Default)]
struct Sums(BTreeMap<CurrencyCode, (i128, u64)>);

impl Sums {
    fn add(&mut self, code: &CurrencyCode, value: Amount) {
        let (sum, count) = self.0.entry(code.clone()).or_default();
        *sum += value.to_scaled();
        *count += 1;
    }

    fn finish(self) -> Result<Vec<CurrencyTotal>> {
        let total = |(code, (sum, count))| {
            let total = Money::new(Amount::from_scaled(sum)?, code);
            Ok(CurrencyTotal { total, count })
        };
        self.0.into_iter().map(total).collect()
    }
}
