//! Which rows of a table a run has not seen, found without a second table.
//!
//! The ids that the pages showed are held in memory, 16 bytes each and at most a million at a time,
//! and the table's own ids stream past them. Of a bigger table, each pass takes a share.

use rusqlite::{Transaction, params_from_iter};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::{RunId, Table};
use crate::store::sqlite::codec::{Columns, Owner, text, uuid};
use crate::store::sqlite::trouble::Trouble;

/// Ids in memory at once: 4 MB.
const AT_ONCE: u64 = 250_000;

/// What a run saw of a table, beside what the table holds.
#[derive(Default)]
pub(crate) struct Compared {
    /// How many different ids the run saw.
    pub(crate) seen: u64,
    /// How many rows the table holds, whatever their mark.
    pub(crate) held: u64,
    /// The rows that the run did not see: `rowid`s.
    pub(crate) unseen: Vec<i64>,
}

/// Compares what a run saw with what the table holds.
pub(crate) fn compare(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    table: Table,
) -> Result<Compared, Trouble> {
    compare_by(tx, owner, run, table, AT_ONCE)
}

fn compare_by(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    table: Table,
    at_once: u64,
) -> Result<Compared, Trouble> {
    let rows = rows_read(tx, owner, run, table)?;
    let passes = u128::from(rows.div_ceil(at_once).max(1));
    let mut compared = Compared::default();
    for pass in 0..passes {
        let mine = |id: &str| Some(fingerprint(id)).filter(|print| print % passes == pass);
        let seen = seen(tx, owner, run, table, rows, mine)?;
        compared.seen += seen.len() as u64;
        let mut held = tx.prepare_cached(&format!(
            "SELECT rowid, id FROM {table} WHERE workspace = ? AND connection = ? ORDER BY id"
        ))?;
        let mut held = held.query(params_from_iter(owner.values()))?;
        while let Some(row) = held.next()? {
            let mut columns = Columns::of(row);
            let (row, id) = (columns.integer()?, columns.str()?);
            let Some(print) = mine(id) else { continue };
            compared.held += 1;
            if seen.binary_search(&print).is_err() {
                compared.unseen.push(row);
            }
        }
    }
    Ok(compared)
}

/// How many rows the run's pages had, to know how much memory their ids take.
fn rows_read(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    table: Table,
) -> Result<u64, Trouble> {
    let rows: i64 = tx
        .prepare_cached(
            "SELECT coalesce(sum(rows), 0) FROM chains \
             WHERE workspace = ? AND connection = ? AND run = ? AND name = ?",
        )?
        .query_row(params_from_iter(key(owner, run, table)), |row| row.get(0))?;
    Ok(rows.cast_unsigned())
}

/// The fingerprints of the ids that the run's pages showed, sorted, each once.
fn seen(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    table: Table,
    rows: u64,
    mine: impl Fn(&str) -> Option<u128>,
) -> Result<Vec<u128>, Trouble> {
    let mut prints = Vec::with_capacity(usize::try_from(rows.min(AT_ONCE)).unwrap_or(0));
    let mut pages = tx.prepare_cached(
        "SELECT ids FROM seen_pages \
         WHERE workspace = ? AND connection = ? AND run = ? AND name = ?",
    )?;
    let mut pages = pages.query(params_from_iter(key(owner, run, table)))?;
    while let Some(page) = pages.next()? {
        prints.extend(Columns::of(page).str()?.lines().filter_map(&mine));
    }
    prints.sort_unstable();
    prints.dedup();
    Ok(prints)
}

fn key(owner: &Owner, run: RunId, table: Table) -> Vec<rusqlite::types::ToSqlOutput<'_>> {
    owner.with([uuid(run.as_uuid()), text(table.as_str())])
}

/// 16 bytes that stand for an id: itself where it is a GUID as we write them, else a digest.
fn fingerprint(id: &str) -> u128 {
    let may_be_guid = id.len() == 36 && !id.bytes().any(|byte| byte.is_ascii_uppercase());
    match Uuid::try_parse(id) {
        Ok(guid) if may_be_guid => guid.as_u128(),
        _ => Sha256::digest(id).iter().take(16).fold(0, |all, byte| all << 8 | u128::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syn_7_ids_that_differ_have_different_fingerprints() {
        let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let same = [guid, &guid.to_uppercase(), &guid.replace('-', ""), "a", "A", ""];
        let mut prints: Vec<_> = same.into_iter().map(fingerprint).collect();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), same.len());
    }
}
