//! Questions for totals of opportunities, in all and group by group.

use std::cmp::Ordering;

use serde::Serialize;
use time::{Date, OffsetDateTime};

use super::{MAX_LIMIT, OpportunityFilter, Scope};
use crate::model::{ConnectionId, Money, StageId, UserId};

/// A question for totals.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TotalsQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Which ones.
    pub filter: OpportunityFilter,
}

impl TotalsQuery {
    /// The totals of every opportunity in scope.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { scope, filter: OpportunityFilter::default() }
    }
}

/// A question for totals of groups.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct GroupsQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Which ones.
    pub filter: OpportunityFilter,
    /// In which groups.
    pub by: GroupBy,
}

impl GroupsQuery {
    /// Every opportunity in scope, in groups.
    #[must_use]
    pub fn new(scope: Scope, by: GroupBy) -> Self {
        Self { scope, filter: OpportunityFilter::default(), by }
    }
}

/// What opportunities are put together by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum GroupBy {
    /// The month in which they are expected to close.
    Month,
    /// The CRM user who owns them.
    Owner,
    /// The stage that they are at, by the best source known.
    Stage,
}

/// What the opportunities of a group have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupKey {
    /// The month that begins on this day.
    Month(Date),
    /// This CRM user of this connection.
    Owner(ConnectionId, UserId),
    /// This stage of this connection.
    Stage(ConnectionId, StageId),
    /// They have none.
    Nothing,
}

/// The totals of groups: months in their order, others with the most opportunities first; those that
/// have nothing in common come last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Groups {
    /// The groups, [`MAX_LIMIT`] at most.
    pub groups: Vec<(GroupKey, Totals)>,
    /// How many groups were left off.
    pub left_off: u64,
    /// The end of the oldest last sync among the connections in scope (UTC).
    #[serde(with = "time::serde::rfc3339::option")]
    pub as_of: Option<OffsetDateTime>,
}

impl Groups {
    /// Puts groups in their order, and leaves off what is too much.
    ///
    /// Stores call it, so that every store answers alike.
    #[must_use]
    pub fn of(mut groups: Vec<(GroupKey, Totals)>, as_of: Option<OffsetDateTime>) -> Self {
        groups.sort_by(|(a, of_a), (b, of_b)| {
            let by_count = match (a, b) {
                (GroupKey::Month(_) | GroupKey::Nothing, _)
                | (_, GroupKey::Month(_) | GroupKey::Nothing) => Ordering::Equal,
                _ => of_b.count.cmp(&of_a.count),
            };
            by_count.then_with(|| a.cmp(b))
        });
        let most = usize::try_from(MAX_LIMIT).unwrap_or(usize::MAX);
        let left_off = groups.len().saturating_sub(most) as u64;
        groups.truncate(most);
        Self { groups, left_off, as_of }
    }
}

/// Exact totals.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// How many opportunities were counted.
    pub count: u64,
    /// How many of them carry no amount, or no known currency.
    pub without_value: u64,
    /// The sums per currency, in the order of the codes.
    pub by_currency: Vec<CurrencyTotal>,
    /// The sums in each org's base currency as the CRM reported them, in the order of the codes.
    pub by_base_currency: Vec<CurrencyTotal>,
    /// The end of the oldest last sync among the connections in scope (UTC).
    #[serde(with = "time::serde::rfc3339::option")]
    pub as_of: Option<OffsetDateTime>,
}

/// The exact sum of one currency.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct CurrencyTotal {
    /// The sum.
    pub total: Money,
    /// How many opportunities it is made of.
    pub count: u64,
}
