//! Ends the reading part of a pull: finds what the run did not see.

use rusqlite::{Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::model::{RunId, Table};
use crate::storage::{PullPhase, TableSummary};
use crate::store::sqlite::codec::{Columns, Owner, collect, counter, integer, text, time, uuid};
use crate::store::sqlite::mirror::runs;
use crate::store::sqlite::trouble::Trouble;

/// Marks the rows of the proved tables that the run did not see, and counts what it saw of every
/// table that it began.
pub(crate) fn finish_pull(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    proved: &[Table],
    now: OffsetDateTime,
) -> Result<Vec<TableSummary>, Trouble> {
    if runs::phase(tx, owner, run)? == PullPhase::Reading {
        for table in Table::ALL {
            if proved.contains(&table) || has_begun(tx, owner, run, table)? {
                let seen = gather_seen(tx, owner, run, table)?;
                let newly_missing =
                    if proved.contains(&table) { miss(tx, owner, table, now)? } else { 0 };
                let found = Found { seen, newly_missing, proved: proved.contains(&table) };
                summarise(tx, owner, run, table, found)?;
            }
        }
        tx.prepare_cached("DELETE FROM temp.seen")?.execute([])?;
        runs::enter(tx, owner, run, PullPhase::Promoting)?;
    }
    summaries(tx, owner, run)
}

fn has_begun(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    table: Table,
) -> Result<bool, Trouble> {
    let key = owner.with([uuid(run.as_uuid()), text(table.as_str())]);
    Ok(tx
        .prepare_cached(
            "SELECT 1 FROM run_tables \
             WHERE workspace = ? AND connection = ? AND run = ? AND name = ?",
        )?
        .exists(params_from_iter(key))?)
}

/// Unfolds the pages of a table into one row an id, a page at a time; counts the ids.
fn gather_seen(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    table: Table,
) -> Result<u64, Trouble> {
    tx.prepare_cached("DELETE FROM temp.seen")?.execute([])?;
    let mut add = tx.prepare_cached("INSERT OR IGNORE INTO temp.seen (id) VALUES (?)")?;
    let mut pages = tx.prepare_cached(
        "SELECT ids FROM seen_pages \
         WHERE workspace = ? AND connection = ? AND run = ? AND name = ?",
    )?;
    let key = owner.with([uuid(run.as_uuid()), text(table.as_str())]);
    let mut rows = pages.query(params_from_iter(key))?;
    let mut seen = 0_u64;
    while let Some(row) = rows.next()? {
        for id in Columns::of(row).str()?.lines() {
            seen += add.execute([id])? as u64;
        }
    }
    Ok(seen)
}

/// Marks the rows missing that were not seen; counts the new ones.
fn miss(
    tx: &Transaction<'_>,
    owner: &Owner,
    table: Table,
    since: OffsetDateTime,
) -> Result<u64, Trouble> {
    let marked = tx
        .prepare_cached(&format!(
            "UPDATE {table} SET missing_since = ?3 \
             WHERE workspace = ?1 AND connection = ?2 AND missing_since IS NULL \
                 AND gone_at IS NULL AND {} \
                 AND NOT EXISTS (SELECT 1 FROM temp.seen WHERE seen.id = {table}.id)",
            may_be_missing(table)
        ))?
        .execute(params_from_iter(owner.with([time(since)])))?;
    Ok(marked as u64)
}

/// Which rows a read may show: won and lost opportunities are not among the open ones.
const fn may_be_missing(table: Table) -> &'static str {
    match table {
        Table::Opportunities => "status NOT IN ('won', 'lost')",
        _ => "TRUE",
    }
}

/// What ending the reading of a table found.
struct Found {
    seen: u64,
    newly_missing: u64,
    proved: bool,
}

/// Keeps what ending the reading found, to report it again: also of a table that was proved empty
/// without a plan.
fn summarise(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    table: Table,
    found: Found,
) -> Result<(), Trouble> {
    tx.prepare_cached(&format!(
        "INSERT INTO run_tables (workspace, connection, run, name, attempt, plan, written, seen, \
             newly_missing, proved, present, missing) \
         SELECT ?1, ?2, ?3, ?4, -1, '', 0, ?5, ?6, ?7, \
             count(*) FILTER (WHERE missing_since IS NULL), count(missing_since) \
         FROM {table} WHERE workspace = ?1 AND connection = ?2 AND gone_at IS NULL AND {} \
         ON CONFLICT DO UPDATE SET seen = excluded.seen, present = excluded.present, \
             missing = excluded.missing, newly_missing = excluded.newly_missing, \
             proved = excluded.proved",
        may_be_missing(table)
    ))?
    .execute(params_from_iter(owner.with([
        uuid(run.as_uuid()),
        text(table.as_str()),
        counter(found.seen),
        counter(found.newly_missing),
        integer(found.proved.into()),
    ])))?;
    Ok(())
}

fn summaries(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
) -> Result<Vec<TableSummary>, Trouble> {
    let mut statement = tx.prepare_cached(
        "SELECT name, seen, present, missing, newly_missing, proved FROM run_tables \
         WHERE workspace = ? AND connection = ? AND run = ? AND seen IS NOT NULL",
    )?;
    let mut found =
        collect(statement.query(params_from_iter(owner.with([uuid(run.as_uuid())])))?, |row| {
            let mut columns = Columns::of(row);
            Ok(TableSummary {
                table: columns.word()?,
                seen: columns.counter()?,
                present: columns.counter()?,
                missing: columns.counter()?,
                newly_missing: columns.counter()?,
                proved: columns.counter()? != 0,
            })
        })?;
    found.sort_by_key(|summary| summary.table);
    Ok(found)
}
