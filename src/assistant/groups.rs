//! Totals group by group, with the names that people know the groups by.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::Result;
use crate::model::query::{CurrencyTotal, GroupKey, GroupsQuery, Scope, Totals};
use crate::model::{ConnectionId, RecordId, Rows, Table};
use crate::storage::Query;

/// The most groups that one answer carries.
const MAX_GROUPS: usize = 50;

/// Rows read at once when names are looked for.
const NAMES: u32 = 500;

/// The most reads for the names of one connection: groups beyond keep their ids.
const MAX_READS: usize = 20;

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

/// The groups of a question with their names, and how many were left off.
pub(crate) async fn rows(
    query: &dyn Query,
    scope: &Scope,
    question: &GroupsQuery,
) -> Result<(Vec<GroupRow>, u64)> {
    let found = query.groups(question).await?;
    let beyond = found.groups.len().saturating_sub(MAX_GROUPS) as u64;
    let groups: Vec<_> = found.groups.into_iter().take(MAX_GROUPS).collect();
    let names = Names::read(query, scope, groups.iter().map(|(key, _)| key)).await?;
    let rows = groups.into_iter().map(|(key, totals)| names.row(&key, totals));
    Ok((rows.collect(), found.left_off + beyond))
}

/// What owners and stages are called.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<(ConnectionId, String), String>);

impl Names {
    pub(crate) async fn read(
        query: &dyn Query,
        scope: &Scope,
        keys: impl Iterator<Item = &GroupKey>,
    ) -> Result<Self> {
        let mut wanted: BTreeMap<(ConnectionId, Table), BTreeSet<String>> = BTreeMap::new();
        for key in keys {
            let (connection, table, id) = match key {
                GroupKey::Owner(connection, owner) => (connection, Table::Users, owner.as_str()),
                GroupKey::Stage(connection, stage) => (connection, Table::Stages, stage.as_str()),
                GroupKey::Month(_) | GroupKey::Nothing => continue,
            };
            wanted.entry((*connection, table)).or_default().insert(id.to_owned());
        }
        let mut names = Self::default();
        for ((connection, table), mut ids) in wanted {
            let mut after: Option<RecordId> = None;
            for _ in 0..MAX_READS {
                let page =
                    query.scan(&scope.workspace, connection, table, after.as_ref(), NAMES).await?;
                let named = named(page);
                let Some((last, _)) = named.last() else { break };
                after = Some(RecordId::new(last.as_str())?);
                for (id, name) in named {
                    if ids.remove(&id) {
                        names.0.extend(name.map(|name| ((connection, id), name)));
                    }
                }
                if ids.is_empty() {
                    break;
                }
            }
        }
        Ok(names)
    }

    fn row(&self, key: &GroupKey, totals: Totals) -> GroupRow {
        let (group, id, connection) = match key {
            GroupKey::Month(first) => {
                let text = format!("{}-{:02}", first.year(), u8::from(first.month()));
                (text, None, None)
            }
            GroupKey::Owner(connection, id) => self.called(*connection, id.as_str()),
            GroupKey::Stage(connection, id) => self.called(*connection, id.as_str()),
            GroupKey::Nothing => ("none".to_owned(), None, None),
        };
        let Totals { count, without_value, by_currency, by_base_currency, .. } = totals;
        GroupRow { group, id, connection, count, without_value, by_currency, by_base_currency }
    }

    /// What an owner or a stage is called, when that is known.
    pub(crate) fn name(&self, connection: ConnectionId, id: &str) -> Option<String> {
        self.0.get(&(connection, id.to_owned())).cloned()
    }

    fn called(
        &self,
        connection: ConnectionId,
        id: &str,
    ) -> (String, Option<String>, Option<ConnectionId>) {
        let name = self.name(connection, id).unwrap_or_else(|| id.to_owned());
        (name, Some(id.to_owned()), Some(connection))
    }
}

/// Ids and names of a page of users or stages.
fn named(rows: Rows) -> Vec<(String, Option<String>)> {
    match rows {
        Rows::Users(users) => {
            users.into_iter().map(|one| (one.id.as_str().to_owned(), one.name)).collect()
        }
        Rows::Stages(stages) => {
            stages.into_iter().map(|one| (one.id.as_str().to_owned(), one.name)).collect()
        }
        _ => Vec::new(),
    }
}
