//! The accounts whose names are nearest to one.

use rusqlite::{OptionalExtension, Transaction, params_from_iter};

use crate::model::query::{Accounts, Answer, Found, MAX_LIMIT, Scope};
use crate::model::{Account, AccountId, ConnectionId};
use crate::rules::Nearest;
use crate::storage::fallback::oldest;
use crate::store::sqlite::codec::{Columns, text, uuid};
use crate::store::sqlite::mirror::rows::{Mirrored, select_list};
use crate::store::sqlite::query::as_of;
use crate::store::sqlite::query::conditions::Conditions;
use crate::store::sqlite::trouble::Trouble;

/// Walks the index of names, and reads only the rows that are kept.
pub(crate) fn accounts(
    tx: &Transaction<'_>,
    scope: &Scope,
    name: &str,
    limit: u32,
) -> Result<Accounts, Trouble> {
    let connections = as_of(tx, scope)?;
    let limit = usize::try_from(limit.min(MAX_LIMIT)).unwrap_or(usize::MAX);
    let mut nearest = Nearest::new(name, limit);
    if !nearest.is_empty() {
        let mut named = Conditions::in_scope(scope, &connections);
        named.and("r.name_key IS NOT NULL", []);
        let mut statement = tx.prepare_cached(&format!(
            "SELECT r.name_key, r.connection, r.id FROM accounts r WHERE {}",
            named.sql()
        ))?;
        let mut rows = statement.query(params_from_iter(named.values()))?;
        while let Some(row) = rows.next()? {
            let mut columns = Columns::of(row);
            let key = columns.maybe_str()?.unwrap_or_default();
            if let Some(likeness) = nearest.weigh(key) {
                let connection = ConnectionId::new(columns.uuid()?);
                let id: AccountId = columns.id()?;
                nearest.keep(likeness, key, (connection, id), ());
            }
        }
    }
    let mut rows = Vec::new();
    for ((connection, id), ()) in nearest.finish() {
        let found = read(tx, scope, connection, &id)?;
        rows.extend(found.map(|row| Found { connection, row }));
    }
    Ok(Answer { rows, next: None, as_of: oldest(&connections) })
}

fn read(
    tx: &Transaction<'_>,
    scope: &Scope,
    connection: ConnectionId,
    id: &AccountId,
) -> Result<Option<Account>, Trouble> {
    tx.prepare_cached(&format!(
        "SELECT {} FROM accounts r WHERE workspace = ? AND connection = ? AND id = ?",
        select_list::<Account>("r")
    ))?
    .query_row(
        params_from_iter([
            text(scope.workspace.as_str()),
            uuid(connection.as_uuid()),
            text(id.as_str()),
        ]),
        |row| Ok(Account::read(&mut Columns::of(row))),
    )
    .optional()?
    .transpose()
}
