//! Rows of which some fields did not come, with what is stored of those.

use rusqlite::{OptionalExtension, Transaction, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Rows;
use crate::storage::steps::merge_drifted;
use crate::store::sqlite::codec::{Columns, Owner, text};
use crate::store::sqlite::mirror::rows::{Mirrored, select_list};
use crate::store::sqlite::trouble::Trouble;

/// The rows as they are to be stored.
pub(crate) fn merged(
    tx: &Transaction<'_>,
    owner: &Owner,
    rows: &Rows,
    absent: &[&str],
) -> Result<Rows, Trouble> {
    Ok(match rows {
        Rows::Users(rows) => Rows::Users(merge(tx, owner, rows, absent)?),
        Rows::Accounts(rows) => Rows::Accounts(merge(tx, owner, rows, absent)?),
        Rows::Contacts(rows) => Rows::Contacts(merge(tx, owner, rows, absent)?),
        Rows::Opportunities(rows) => Rows::Opportunities(merge(tx, owner, rows, absent)?),
        Rows::Stages(rows) => Rows::Stages(merge(tx, owner, rows, absent)?),
        Rows::StageAssignments(rows) => Rows::StageAssignments(merge(tx, owner, rows, absent)?),
        Rows::Currencies(rows) => Rows::Currencies(merge(tx, owner, rows, absent)?),
    })
}

fn merge<R: Mirrored + Serialize + DeserializeOwned>(
    tx: &Transaction<'_>,
    owner: &Owner,
    rows: &[R],
    absent: &[&str],
) -> Result<Vec<R>, Trouble> {
    let mut held = tx.prepare_cached(&format!(
        "SELECT {} FROM {} r WHERE workspace = ? AND connection = ? AND id = ?",
        select_list::<R>("r"),
        R::TABLE
    ))?;
    let mut merged = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.record_id();
        let found = held
            .query_row(params_from_iter(owner.with([text(id.as_str())])), |row| {
                Ok(R::read(&mut Columns::of(row)))
            })
            .optional()?
            .transpose()?;
        merged.push(merge_drifted(row.clone(), found, absent));
    }
    Ok(merged)
}
