//! The rows whose names are nearest to one.

use rusqlite::{Transaction, params_from_iter};

use crate::model::query::{Answer, Found, MAX_LIMIT, Scope};
use crate::model::{ConnectionId, RecordId};
use crate::rules::Nearest;
use crate::storage::fallback::oldest;
use crate::store::sqlite::codec::{Columns, Owner};
use crate::store::sqlite::mirror::rows::{Mirrored, present};
use crate::store::sqlite::query::as_of;
use crate::store::sqlite::query::conditions::Conditions;
use crate::store::sqlite::trouble::Trouble;

/// Walks the index of names, and reads only the rows that are kept.
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
        let mut named = Conditions::in_scope(scope, &connections);
        named.and("r.name_key IS NOT NULL", []);
        let mut statement = tx.prepare_cached(&format!(
            "SELECT r.name_key, r.connection, r.id FROM {} r WHERE {}",
            R::TABLE,
            named.sql()
        ))?;
        let mut rows = statement.query(params_from_iter(named.values()))?;
        while let Some(row) = rows.next()? {
            let mut columns = Columns::of(row);
            let key = columns.maybe_str()?.unwrap_or_default();
            if let Some(likeness) = nearest.weigh(key) {
                let connection = ConnectionId::new(columns.uuid()?);
                let id: RecordId = columns.id()?;
                nearest.keep(likeness, key, (connection, id), ());
            }
        }
    }
    let mut rows = Vec::new();
    for ((connection, id), ()) in nearest.finish() {
        let owner = Owner::new(&scope.workspace, connection);
        let found = present(tx, &owner, &id)?;
        rows.extend(found.map(|row| Found { connection, row }));
    }
    Ok(Answer { rows, next: None, as_of: oldest(&connections) })
}
