//! The rows whose names are nearest to one.

use std::sync::Arc;

use rusqlite::{Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::model::ConnectionId;
use crate::model::query::{Answer, Found, MAX_LIMIT, Scope};
use crate::rules::{Nearest, Sketch};
use crate::storage::fallback::oldest;
use crate::store::sqlite::codec::{Columns, integer, text};
use crate::store::sqlite::mirror::rows::Mirrored;
use crate::store::sqlite::packed;
use crate::store::sqlite::query::conditions::Conditions;
use crate::store::sqlite::query::{Reading, as_of};
use crate::store::sqlite::trouble::Trouble;

/// Looks at every name, and reads only the rows that are kept.
pub(crate) fn rows<R: Mirrored>(
    tx: &Transaction<'_>,
    scope: &Scope,
    name: &str,
    limit: u32,
) -> Result<Answer<R>, Trouble> {
    let connections = as_of(tx, scope)?;
    let limit = usize::try_from(limit.min(MAX_LIMIT)).unwrap_or(usize::MAX);
    let mut nearest = Nearest::new(name, limit);
    if !nearest.is_empty() {
        each_name::<R>(tx, scope, &connections, |folded, sketch| nearest.offer(folded, sketch))?;
    }
    let rows = called(tx, scope, &connections, &nearest.finish(), limit)?;
    Ok(Answer { rows, next: None, as_of: oldest(&connections) })
}

/// Shows the folded name of every row in scope.
fn each_name<R: Mirrored>(
    tx: &Transaction<'_>,
    scope: &Scope,
    connections: &[(ConnectionId, Option<OffsetDateTime>)],
    mut visit: impl FnMut(&str, Sketch),
) -> Result<(), Trouble> {
    if packed::is_packed(R::TABLE) {
        for (connection, _) in connections {
            packed::each(tx, (&scope.workspace, *connection), R::TABLE, |_, block| {
                block.sketched_names().for_each(|(name, sketch)| visit(name, sketch));
                Ok(())
            })?;
        }
        return Ok(());
    }
    let mut named = Conditions::in_scope(scope, connections);
    named.and("r.name_key IS NOT NULL", []);
    let mut statement =
        tx.prepare_cached(&format!("SELECT r.name_key FROM {} r WHERE {}", R::TABLE, named.sql()))?;
    let mut rows = statement.query(params_from_iter(named.values()))?;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let folded = columns.str()?;
        visit(folded, Sketch::of(folded));
    }
    Ok(())
}

/// The rows of each name, one name after the other.
fn called<R: Mirrored>(
    tx: &Transaction<'_>,
    scope: &Scope,
    connections: &[(ConnectionId, Option<OffsetDateTime>)],
    names: &[Arc<str>],
    limit: usize,
) -> Result<Vec<Found<R>>, Trouble> {
    let reading = Reading::<R>::mirrored();
    let mut called = Conditions::in_scope(scope, connections);
    called.and("r.name_key = ?", []);
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {} FROM {} r WHERE {} ORDER BY r.connection, r.id LIMIT ?",
        reading.columns,
        R::TABLE,
        called.sql()
    ))?;
    let mut found = Vec::new();
    for name in names {
        let left = i64::try_from(limit.saturating_sub(found.len())).unwrap_or(i64::MAX);
        if left == 0 {
            break;
        }
        let values = called.values().into_iter().chain([text(name), integer(left)]);
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let ((connection, _), row) = (reading.read)(row)?;
            found.push(Found { connection, row });
        }
    }
    Ok(found)
}
