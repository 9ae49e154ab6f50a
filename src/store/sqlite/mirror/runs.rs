//! Runs: a pull under way, how far it came, and what is left of it afterwards.

use rusqlite::{OptionalExtension, Row, Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::error::Error;
use crate::model::{RunId, Table};
use crate::storage::{
    MirrorPage, PageWritten, Pull, PullPhase, PullProgress, TableCursors, TableProgress,
};
use crate::store::sqlite::codec::{
    Columns, Owner, collect, counter, maybe_integer, maybe_json, text, time, uuid,
};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;
use crate::walk::{Chain, ChainCursor, Incomplete, ResumeToken};

/// A connection's newest run.
struct Run {
    id: RunId,
    number: u64,
    phase: PullPhase,
    started_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
}

/// Goes on with the unfinished run, or starts one. A repeated call finds the run that its first
/// try started.
pub(crate) fn start(
    tx: &Transaction<'_>,
    owner: &Owner,
    fresh: RunId,
    now: OffsetDateTime,
) -> Result<Pull, Trouble> {
    let newest = newest(tx, owner)?;
    let number = newest.as_ref().map_or(1, |run| run.number + 1);
    let run = match newest.filter(|run| run.phase != PullPhase::Finished || run.id == fresh) {
        Some(run) => run,
        None => insert(tx, owner, fresh, number, now)?,
    };
    let tables = cursors(tx, owner, run.id)?;
    Ok(Pull { run: run.id, started_at: run.started_at, phase: run.phase, tables })
}

fn newest(tx: &Transaction<'_>, owner: &Owner) -> Result<Option<Run>, Trouble> {
    tx.prepare_cached(
        "SELECT run, number, phase, started_at, finished_at FROM runs \
         WHERE workspace = ? AND connection = ? ORDER BY number DESC LIMIT 1",
    )?
    .query_row(params_from_iter(owner.values()), |row| Ok(read_run(row)))
    .optional()?
    .transpose()
}

fn read_run(row: &Row<'_>) -> Result<Run, Trouble> {
    let mut columns = Columns::of(row);
    Ok(Run {
        id: RunId::new(columns.uuid()?),
        number: columns.counter()?,
        phase: columns.word()?,
        started_at: columns.time()?,
        finished_at: columns.maybe_time()?,
    })
}

/// Starts a run.
///
/// Of the earlier ones only the last is kept: it says when the copy was last whole and how many
/// rows to expect.
fn insert(
    tx: &Transaction<'_>,
    owner: &Owner,
    id: RunId,
    number: u64,
    now: OffsetDateTime,
) -> Result<Run, Trouble> {
    for table in ["run_tables", "runs"] {
        tx.prepare_cached(&format!(
            "DELETE FROM {table} WHERE workspace = ?1 AND connection = ?2 AND run IN (\
                 SELECT run FROM runs WHERE workspace = ?1 AND connection = ?2 AND number < ?3)"
        ))?
        .execute(params_from_iter(owner.with([counter(number.saturating_sub(1))])))?;
    }
    let phase = PullPhase::Reading;
    tx.prepare_cached(
        "INSERT INTO runs (workspace, connection, run, number, phase, started_at) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params_from_iter(owner.with([
        uuid(id.as_uuid()),
        counter(number),
        text(phase.as_word()),
        time(now),
    ])))?;
    Ok(Run { id, number, phase, started_at: now, finished_at: None })
}

/// How far each table was read.
fn cursors(tx: &Transaction<'_>, owner: &Owner, run: RunId) -> Result<Vec<TableCursors>, Trouble> {
    let mut tables: Vec<TableCursors> = table_rows(tx, owner, run)?
        .into_iter()
        .map(|read| TableCursors {
            table: read.table,
            chains: Vec::new(),
            pages: read.pages,
            doubt: read.doubt,
        })
        .collect();
    let mut statement = tx.prepare_cached(
        "SELECT name, place, of, resume FROM chains \
         WHERE workspace = ? AND connection = ? AND run = ? ORDER BY name, place",
    )?;
    let mut rows = statement.query(params_from_iter(owner.with([uuid(run.as_uuid())])))?;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let table: Table = columns.word()?;
        let chain = Chain { index: columns.small()?, of: columns.small()? };
        let resume = columns.maybe_text()?.map(ResumeToken::new);
        if let Some(known) = tables.iter_mut().find(|known| known.table == table) {
            known.chains.push(ChainCursor { chain, resume });
        }
    }
    Ok(tables)
}

/// How far a table was read, for progress.
struct TableRow {
    table: Table,
    rows: u64,
    written: u64,
    pages: u64,
    estimate: Option<u64>,
    doubt: Option<Incomplete>,
}

/// The tables that a run has begun, in the order in which a settings page lists them.
fn table_rows(tx: &Transaction<'_>, owner: &Owner, run: RunId) -> Result<Vec<TableRow>, Trouble> {
    let mut statement = tx.prepare_cached(
        "SELECT name, rows, written, pages, estimate, doubt FROM run_tables \
         WHERE workspace = ? AND connection = ? AND run = ? AND pages > 0",
    )?;
    let mut tables =
        collect(statement.query(params_from_iter(owner.with([uuid(run.as_uuid())])))?, |row| {
            let mut columns = Columns::of(row);
            Ok(TableRow {
                table: columns.word()?,
                rows: columns.counter()?,
                written: columns.counter()?,
                pages: columns.counter()?,
                estimate: columns.maybe_counter()?,
                doubt: columns.maybe_json()?,
            })
        })?;
    tables.sort_by_key(|read| read.table);
    Ok(tables)
}

/// How far a run came.
///
/// # Errors
/// [`Error::NotFound`] when it is not the connection's newest.
pub(crate) fn phase(tx: &Transaction<'_>, owner: &Owner, run: RunId) -> Result<PullPhase, Trouble> {
    let newest = newest(tx, owner)?.filter(|newest| newest.id == run);
    newest.map(|newest| newest.phase).ok_or_else(|| Error::not_found(format!("run {run}")).into())
}

/// Moves a run on to another phase.
pub(crate) fn enter(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    phase: PullPhase,
) -> Result<(), Trouble> {
    tx.prepare_cached(
        "UPDATE runs SET phase = ?4 WHERE workspace = ?1 AND connection = ?2 AND run = ?3",
    )?
    .execute(params_from_iter(owner.with([uuid(run.as_uuid()), text(phase.as_word())])))?;
    Ok(())
}

/// Counts a stored page in.
pub(crate) fn advance(
    tx: &Transaction<'_>,
    owner: &Owner,
    page: &MirrorPage,
    written: PageWritten,
) -> Result<(), Trouble> {
    let rows = (page.rows.len() + page.also_seen.len()) as u64;
    tx.prepare_cached(
        "INSERT INTO run_tables \
             (workspace, connection, run, name, rows, written, estimate, doubt, pages) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET \
             rows = rows + excluded.rows, written = written + excluded.written, \
             estimate = coalesce(excluded.estimate, estimate), \
             doubt = coalesce(excluded.doubt, doubt), pages = pages + 1",
    )?
    .execute(params_from_iter(owner.with([
        uuid(page.run.as_uuid()),
        text(page.rows.table().as_str()),
        counter(rows),
        counter(written.inserted + written.updated),
        maybe_integer(page.estimate.map(u64::cast_signed)),
        maybe_json(page.doubt.as_ref())?,
    ])))?;
    Ok(())
}

/// Forgets what an unfinished run has read of one table.
pub(crate) fn restart(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    table: Table,
) -> Result<(), Trouble> {
    if phase(tx, owner, run)? != PullPhase::Reading {
        return Ok(());
    }
    for kept in ["chains", "run_tables", "seen_pages"] {
        tx.prepare_cached(&format!(
            "DELETE FROM {kept} WHERE workspace = ? AND connection = ? AND run = ? AND name = ?"
        ))?
        .execute(params_from_iter(owner.with([uuid(run.as_uuid()), text(table.as_str())])))?;
    }
    Ok(())
}

/// Ends a run and drops what was kept to resume it.
pub(crate) fn finish(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    now: OffsetDateTime,
) -> Result<(), Trouble> {
    if phase(tx, owner, run)? == PullPhase::Finished {
        return Ok(());
    }
    tx.prepare_cached(
        "UPDATE runs SET phase = ?4, finished_at = ?5 \
         WHERE workspace = ?1 AND connection = ?2 AND run = ?3",
    )?
    .execute(params_from_iter(owner.with([
        uuid(run.as_uuid()),
        text(PullPhase::Finished.as_word()),
        time(now),
    ])))?;
    for kept in ["chains", "seen_pages"] {
        tx.prepare_cached(&format!("DELETE FROM {kept} WHERE workspace = ? AND connection = ?"))?
            .execute(params_from_iter(owner.values()))?;
    }
    Ok(())
}

/// The newest run, as a settings page sees it.
pub(crate) fn progress(
    tx: &Transaction<'_>,
    owner: &Owner,
) -> Result<Option<PullProgress>, Trouble> {
    let Some(run) = newest(tx, owner)? else {
        return Ok(None);
    };
    let mut tables = Vec::new();
    for read in table_rows(tx, owner, run.id)? {
        let counted = last_count(tx, owner, read.table)?;
        tables.push(TableProgress {
            table: read.table,
            rows: read.rows,
            written: read.written,
            pages: read.pages,
            expected: counted.or(read.estimate),
        });
    }
    Ok(Some(PullProgress {
        run: run.id,
        started_at: run.started_at,
        finished_at: run.finished_at,
        phase: run.phase,
        tables,
    }))
}

/// How many rows of a table the last finished run saw.
fn last_count(tx: &Transaction<'_>, owner: &Owner, table: Table) -> Result<Option<u64>, Trouble> {
    let count: Option<i64> = tx
        .prepare_cached(
            "SELECT coalesce(t.seen, t.rows) FROM run_tables t JOIN runs r \
                 ON r.workspace = t.workspace AND r.connection = t.connection AND r.run = t.run \
             WHERE t.workspace = ? AND t.connection = ? AND t.name = ? \
                 AND t.pages > 0 AND r.finished_at IS NOT NULL ORDER BY r.number DESC LIMIT 1",
        )?
        .query_row(params_from_iter(owner.with([text(table.as_str())])), |row| row.get(0))
        .optional()?;
    Ok(count.map(i64::cast_unsigned))
}
