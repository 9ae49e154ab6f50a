//! Totals group by group, with the names that people know the groups by.

use serde::Serialize;

use crate::assistant::names::{Names, Reference};
use crate::assistant::sums::Sums;
use crate::error::Result;
use crate::model::query::{CurrencyTotal, GroupKey, GroupsQuery, Scope, Totals};
use crate::model::{ConnectionId, Table};
use crate::storage::Query;

/// The most groups that one answer carries.
const MAX_GROUPS: usize = 50;

/// One group of an answer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct GroupRow {
    /// The month as `2026-03`, the name of the owner or stage, or "none".
    group: String,
    /// The id of the owner or stage, to ask further with.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionId>,
    count: u64,
    without_value: u64,
    by_currency: Vec<CurrencyTotal>,
    by_base_currency: Vec<CurrencyTotal>,
}

/// Totals broken down.
pub(crate) struct Broken {
    /// The groups, with their names.
    pub(crate) rows: Vec<GroupRow>,
    pub(crate) left_off: u64,
    /// What all groups add up to, unless some were not told. Read in the same step as these, for a
    /// sync may be writing.
    pub(crate) whole: Option<Totals>,
}

/// The groups of a question.
pub(crate) async fn broken_down(
    query: &dyn Query,
    scope: &Scope,
    question: &GroupsQuery,
) -> Result<Broken> {
    let found = query.groups(question).await?;
    let mut sums = Sums::default();
    for (_, totals) in &found.groups {
        sums.add(totals)?;
    }
    let mut whole = sums.totals();
    whole.as_of = found.as_of;
    let beyond = found.groups.len().saturating_sub(MAX_GROUPS) as u64;
    let groups: Vec<_> = found.groups.into_iter().take(MAX_GROUPS).collect();
    let names = Names::read(query, scope, groups.iter().filter_map(|(key, _)| reference(key)));
    let names = names.await?;
    let rows = groups.into_iter().map(|(key, totals)| row(&names, &key, totals)).collect();
    let whole = Some(whole).filter(|_| found.left_off == 0);
    Ok(Broken { rows, left_off: found.left_off + beyond, whole })
}

/// The row that a group is named after.
fn reference(key: &GroupKey) -> Option<Reference> {
    match key {
        GroupKey::Owner(connection, id) => Some((*connection, Table::Users, id.clone().into())),
        GroupKey::Stage(connection, id) => Some((*connection, Table::Stages, id.clone().into())),
        GroupKey::Month(_) | GroupKey::Nothing => None,
    }
}

fn row(names: &Names, key: &GroupKey, totals: Totals) -> GroupRow {
    let reference = reference(key);
    let (group, id, connection) = match (key, reference) {
        (GroupKey::Month(first), _) => {
            (format!("{}-{:02}", first.year(), u8::from(first.month())), None, None)
        }
        (_, Some((connection, table, id))) => {
            let name = names.of(connection, table, id.clone()).unwrap_or_else(|| id.to_string());
            (name, Some(id.to_string()), Some(connection))
        }
        (_, None) => ("none".to_owned(), None, None),
    };
    let Totals { count, without_value, by_currency, by_base_currency, .. } = totals;
    GroupRow { group, id, connection, count, without_value, by_currency, by_base_currency }
}
