//! Ends the reading part of a pull: finds what the run did not see.

use rusqlite::{Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::model::{RunId, Table};
use crate::storage::{PullPhase, TableSummary};
use crate::store::sqlite::codec::{Columns, Owner, collect, counter, integer, text, time, uuid};
use crate::store::sqlite::mirror::runs;
use crate::store::sqlite::mirror::seen::{self, Compared};
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
                let proved = proved.contains(&table);
                let Compared { seen, held, unseen } = seen::compare(tx, owner, run, table)?;
                let newly_missing = if proved { miss(tx, table, &unseen, now)? } else { 0 };
                let found = Found { seen, held, newly_missing, proved };
                summarise(tx, owner, run, table, found)?;
            }
        }
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

/// Marks rows missing that were not seen; counts the new ones.
fn miss(
    tx: &Transaction<'_>,
    table: Table,
    unseen: &[i64],
    since: OffsetDateTime,
) -> Result<u64, Trouble> {
    let mut mark = tx.prepare_cached(&format!(
        "UPDATE {table} SET missing_since = ? WHERE rowid = ? AND missing_since IS NULL \
             AND gone_at IS NULL AND {}",
        may_be_missing(table)
    ))?;
    let mut marked = 0;
    for row in unseen {
        marked += mark.execute(params_from_iter([time(since), integer(*row)]))? as u64;
    }
    Ok(marked)
}

/// Which rows a read may show: won and lost opportunities are not among the open ones.
const fn may_be_missing(table: Table) -> &'static str {
    match table {
        Table::Opportunities => "status NOT IN ('won', 'lost')",
        _ => "TRUE",
    }
}

/// What ending the reading of a table found.
#[derive(Clone, Copy)]
struct Found {
    seen: u64,
    held: u64,
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
    let (missing, gone) = marked(tx, owner, table)?;
    let present = found.held - missing - gone - closed(tx, owner, table)?;
    tx.prepare_cached(
        "INSERT INTO run_tables (workspace, connection, run, name, attempt, plan, written, seen, \
             newly_missing, proved, present, missing) \
         VALUES (?1, ?2, ?3, ?4, -1, '', 0, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT DO UPDATE SET seen = excluded.seen, present = excluded.present, \
             missing = excluded.missing, newly_missing = excluded.newly_missing, \
             proved = excluded.proved",
    )?
    .execute(params_from_iter(owner.with([
        uuid(run.as_uuid()),
        text(table.as_str()),
        counter(found.seen),
        counter(found.newly_missing),
        integer(found.proved.into()),
        counter(present),
        counter(missing),
    ])))?;
    Ok(())
}

/// How many rows are missing, and how many gone, among those that a read may show.
fn marked(tx: &Transaction<'_>, owner: &Owner, table: Table) -> Result<(u64, u64), Trouble> {
    let counts: (i64, i64) = tx
        .prepare_cached(&format!(
            "SELECT count(*) FILTER (WHERE gone_at IS NULL), count(gone_at) FROM {table} \
             INDEXED BY {table}_marked \
             WHERE workspace = ? AND connection = ? \
                 AND (missing_since IS NOT NULL OR gone_at IS NOT NULL) AND {}",
            may_be_missing(table)
        ))?
        .query_row(params_from_iter(owner.values()), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((counts.0.cast_unsigned(), counts.1.cast_unsigned()))
}

/// How many rows are held that a read does not show.
fn closed(tx: &Transaction<'_>, owner: &Owner, table: Table) -> Result<u64, Trouble> {
    if table != Table::Opportunities {
        return Ok(0);
    }
    let closed: i64 = tx
        .prepare_cached(
            "SELECT count(*) FROM opportunities INDEXED BY opportunities_closed \
             WHERE workspace = ? AND connection = ? AND status IN ('won', 'lost')",
        )?
        .query_row(params_from_iter(owner.values()), |row| row.get(0))?;
    Ok(closed.cast_unsigned())
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
