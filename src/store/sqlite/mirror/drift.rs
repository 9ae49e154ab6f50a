//! Rows of which some fields did not come, with what is stored of those.

use rusqlite::Transaction;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Rows;
use crate::storage::steps::merge_drifted;
use crate::store::sqlite::codec::Owner;
use crate::store::sqlite::mirror::rows::{Mirrored, stored};
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
    let merge = |row: &R| {
        let held = stored(tx, owner, &row.record_id())?;
        Ok(merge_drifted(row.clone(), held, absent))
    };
    rows.iter().map(merge).collect()
}
