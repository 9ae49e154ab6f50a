//! Runs: a pull under way, how far it came, and what is left of it afterwards.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::error::Error;
use crate::model::{ChangeSeq, RunId, Table};
use crate::storage::steps::KEEP_GONE;
use crate::storage::{
    MirrorPage, NewRun, PageWritten, Pull, PullPhase, PullProgress, Reader, TableProgress,
    TableRead, Unfinished,
};
use crate::store::sqlite::codec::{
    Columns, Owner, collect, counter, integer, json, maybe_json, maybe_text, text, time, uuid,
};
use crate::store::sqlite::mirror::{changes, sweeps};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;
use crate::walk::{ChainCursor, Reached, ResumeToken};

/// A connection's newest run.
struct Run {
    id: RunId,
    number: u64,
    phase: PullPhase,
    reader: Reader,
    followed: ChangeSeq,
    started_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
}

/// Goes on with the unfinished run, or starts one. A repeated call finds the run that its first
/// try started.
pub(crate) fn start(
    tx: &Transaction<'_>,
    owner: &Owner,
    fresh: &NewRun,
    unfinished: Unfinished,
    now: OffsetDateTime,
) -> Result<Pull, Trouble> {
    let run = match newest(tx, owner)? {
        Some(run) if run.id == fresh.run => run,
        Some(run) if run.phase == PullPhase::Finished => {
            insert(tx, owner, fresh, run.number + 1, now)?
        }
        Some(run) if unfinished == Unfinished::Resume => run,
        Some(run) => {
            abandon(tx, owner, run.id)?;
            changes::hand_on(tx, owner, run.id, fresh.run)?;
            // In its place, so that the last finished run stays the one before.
            insert(tx, owner, fresh, run.number, now)?
        }
        None => insert(tx, owner, fresh, 1, now)?,
    };
    let mut expected = BTreeMap::new();
    for table in Table::ALL {
        if let Some(rows) = last_count(tx, owner, table)? {
            expected.insert(table, rows);
        }
    }
    let tables = tables(tx, owner, run.id)?;
    let Run { id, reader, followed, started_at, phase, .. } = run;
    Ok(Pull { run: id, reader, followed, started_at, phase, tables, expected })
}

fn newest(tx: &Transaction<'_>, owner: &Owner) -> Result<Option<Run>, Trouble> {
    tx.prepare_cached(
        "SELECT run, number, phase, reader, followed, started_at, finished_at FROM runs \
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
        reader: columns.json()?,
        followed: ChangeSeq::new(columns.counter()?),
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
    fresh: &NewRun,
    number: u64,
    now: OffsetDateTime,
) -> Result<Run, Trouble> {
    for table in ["chains", "run_tables", "runs"] {
        tx.prepare_cached(&format!(
            "DELETE FROM {table} WHERE workspace = ?1 AND connection = ?2 AND run IN (\
                 SELECT run FROM runs WHERE workspace = ?1 AND connection = ?2 AND number < ?3)"
        ))?
        .execute(params_from_iter(owner.with([counter(number.saturating_sub(1))])))?;
    }
    let phase = PullPhase::Reading;
    tx.prepare_cached(
        "INSERT INTO runs (workspace, connection, run, number, phase, reader, followed, \
             started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params_from_iter(owner.with([
        uuid(fresh.run.as_uuid()),
        counter(number),
        text(phase.as_word()),
        json(&fresh.reader)?,
        counter(fresh.followed.as_u64()),
        time(now),
    ])))?;
    let NewRun { run: id, reader, followed } = fresh.clone();
    Ok(Run { id, number, phase, reader, followed, started_at: now, finished_at: None })
}

/// Forgets an unfinished run and what was kept to resume it.
fn abandon(tx: &Transaction<'_>, owner: &Owner, run: RunId) -> Result<(), Trouble> {
    for kept in ["seen_pages", "chains", "run_tables", "runs"] {
        tx.prepare_cached(&format!(
            "DELETE FROM {kept} WHERE workspace = ? AND connection = ? AND run = ?"
        ))?
        .execute(params_from_iter(owner.with([uuid(run.as_uuid())])))?;
    }
    Ok(())
}

/// Keeps a plan, unless this attempt or a later one has one, and gives the one that counts.
pub(crate) fn plan(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    fresh: &TableRead,
) -> Result<TableRead, Trouble> {
    let stands = tables(tx, owner, run)?.into_iter().find(|read| read.table == fresh.table);
    let reading = phase(tx, owner, run)? == PullPhase::Reading;
    match stands {
        Some(stands) if stands.attempt >= fresh.attempt || !reading => return Ok(stands),
        Some(_) => forget(tx, owner, run, fresh.table)?,
        None if !reading => return Ok(fresh.clone()),
        None => {}
    }
    let key = || owner.with([uuid(run.as_uuid()), text(fresh.table.as_str())]);
    let mut values = key();
    values.extend([integer(fresh.attempt.into()), json(&fresh.plan)?]);
    tx.prepare_cached(
        "INSERT INTO run_tables (workspace, connection, run, name, attempt, plan, written) \
         VALUES (?, ?, ?, ?, ?, ?, 0)",
    )?
    .execute(params_from_iter(values))?;
    let mut begin = tx.prepare_cached(
        "INSERT INTO chains (workspace, connection, run, name, place, pages, rows, reached) \
         VALUES (?, ?, ?, ?, ?, 0, 0, 'start')",
    )?;
    for place in 0..fresh.plan.chains.len() {
        let mut values = key();
        values.push(counter(place as u64));
        begin.execute(params_from_iter(values))?;
    }
    Ok(fresh.clone())
}

/// Forgets what an unfinished run has read of one table.
fn forget(tx: &Transaction<'_>, owner: &Owner, run: RunId, table: Table) -> Result<(), Trouble> {
    for kept in ["chains", "run_tables", "seen_pages"] {
        tx.prepare_cached(&format!(
            "DELETE FROM {kept} WHERE workspace = ? AND connection = ? AND run = ? AND name = ?"
        ))?
        .execute(params_from_iter(owner.with([uuid(run.as_uuid()), text(table.as_str())])))?;
    }
    Ok(())
}

/// The tables that a run has begun, in the order in which a settings page lists them.
fn tables(tx: &Transaction<'_>, owner: &Owner, run: RunId) -> Result<Vec<TableRead>, Trouble> {
    let mut statement = tx.prepare_cached(
        "SELECT name, attempt, plan, doubt FROM run_tables \
         WHERE workspace = ? AND connection = ? AND run = ? AND attempt >= 0",
    )?;
    let mut tables =
        collect(statement.query(params_from_iter(owner.with([uuid(run.as_uuid())])))?, |row| {
            let mut columns = Columns::of(row);
            Ok(TableRead {
                table: columns.word()?,
                attempt: columns.small()?,
                plan: columns.json()?,
                chains: Vec::new(),
                doubt: columns.maybe_json()?,
            })
        })?;
    tables.sort_by_key(|read| read.table);
    let mut statement = tx.prepare_cached(
        "SELECT name, pages, rows, reached, resume FROM chains \
         WHERE workspace = ? AND connection = ? AND run = ? ORDER BY name, place",
    )?;
    let mut rows = statement.query(params_from_iter(owner.with([uuid(run.as_uuid())])))?;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let table: Table = columns.word()?;
        let (pages, rows) = (columns.counter()?, columns.counter()?);
        let reached = match (columns.str()?, columns.maybe_text()?) {
            ("start", _) => Reached::Start,
            ("at", Some(resume)) => Reached::At(ResumeToken::new(resume)),
            ("end", _) => Reached::End,
            _ => return Err(Trouble::stored("a chain is nowhere")),
        };
        if let Some(known) = tables.iter_mut().find(|known| known.table == table) {
            known.chains.push(ChainCursor { reached, pages, rows });
        }
    }
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

/// The number of the connection's newest run.
///
/// # Errors
/// [`Error::NotFound`] when it is another one.
pub(crate) fn number(tx: &Transaction<'_>, owner: &Owner, run: RunId) -> Result<u64, Trouble> {
    let newest = newest(tx, owner)?.filter(|newest| newest.id == run);
    newest.map(|newest| newest.number).ok_or_else(|| Error::not_found(format!("run {run}")).into())
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

/// Which page a page's chain goes on with; `None` where the chain was not planned in the page's
/// attempt.
pub(crate) fn next_page(
    tx: &Transaction<'_>,
    owner: &Owner,
    page: &MirrorPage,
) -> Result<Option<u64>, Trouble> {
    let key = owner.with([
        uuid(page.run.as_uuid()),
        text(page.rows.table().as_str()),
        counter(page.chain as u64),
        integer(page.attempt.into()),
    ]);
    let pages: Option<i64> = tx
        .prepare_cached(
            "SELECT c.pages FROM chains c JOIN run_tables t \
                 ON t.workspace = c.workspace AND t.connection = c.connection \
                     AND t.run = c.run AND t.name = c.name \
             WHERE c.workspace = ? AND c.connection = ? AND c.run = ? AND c.name = ? \
                 AND c.place = ? AND t.attempt = ?",
        )?
        .query_row(params_from_iter(key), |row| row.get(0))
        .optional()?;
    Ok(pages.map(i64::cast_unsigned))
}

/// Counts a stored page in, and moves its chain on.
pub(crate) fn advance(
    tx: &Transaction<'_>,
    owner: &Owner,
    page: &MirrorPage,
    written: PageWritten,
) -> Result<(), Trouble> {
    let key = || owner.with([uuid(page.run.as_uuid()), text(page.rows.table().as_str())]);
    let mut values = key();
    values.extend([counter(written.inserted + written.updated), maybe_json(page.doubt.as_ref())?]);
    tx.prepare_cached(
        "UPDATE run_tables SET written = written + ?5, doubt = coalesce(?6, doubt) \
         WHERE workspace = ?1 AND connection = ?2 AND run = ?3 AND name = ?4",
    )?
    .execute(params_from_iter(values))?;
    let mut values = key();
    values.extend([
        counter(page.chain as u64),
        counter((page.rows.len() + page.also_seen.len()) as u64),
        text(if page.resume.is_some() { "at" } else { "end" }),
        maybe_text(page.resume.as_ref().map(ResumeToken::as_str)),
    ]);
    tx.prepare_cached(
        "UPDATE chains SET pages = pages + 1, rows = rows + ?6, reached = ?7, resume = ?8 \
         WHERE workspace = ?1 AND connection = ?2 AND run = ?3 AND name = ?4 AND place = ?5",
    )?
    .execute(params_from_iter(values))?;
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
    tx.prepare_cached("DELETE FROM seen_pages WHERE workspace = ? AND connection = ?")?
        .execute(params_from_iter(owner.values()))?;
    // The counts stay; the places, which are long, do not.
    tx.prepare_cached(
        "UPDATE chains SET reached = 'end', resume = NULL \
         WHERE workspace = ?1 AND connection = ?2 AND run = ?3",
    )?
    .execute(params_from_iter(owner.with([uuid(run.as_uuid())])))?;
    changes::prune(tx, owner)?;
    sweeps::forget_gone(tx, owner, now - KEEP_GONE)
}

/// The newest run, as a settings page sees it.
pub(crate) fn progress(
    tx: &Transaction<'_>,
    owner: &Owner,
) -> Result<Option<PullProgress>, Trouble> {
    let Some(run) = newest(tx, owner)? else {
        return Ok(None);
    };
    let mut progress = Vec::new();
    for read in tables(tx, owner, run.id)? {
        let counted = last_count(tx, owner, read.table)?;
        progress.push(TableProgress {
            table: read.table,
            rows: read.chains.iter().map(|chain| chain.rows).sum(),
            written: written(tx, owner, run.id, read.table)?,
            pages: read.chains.iter().map(|chain| chain.pages).sum(),
            expected: counted.or(read.plan.estimate),
        });
    }
    Ok(Some(PullProgress {
        run: run.id,
        started_at: run.started_at,
        finished_at: run.finished_at,
        phase: run.phase,
        tables: progress,
    }))
}

/// How many rows of a table a run has written.
fn written(tx: &Transaction<'_>, owner: &Owner, run: RunId, table: Table) -> Result<u64, Trouble> {
    let key = owner.with([uuid(run.as_uuid()), text(table.as_str())]);
    let written: i64 = tx
        .prepare_cached(
            "SELECT written FROM run_tables \
             WHERE workspace = ? AND connection = ? AND run = ? AND name = ?",
        )?
        .query_row(params_from_iter(key), |row| row.get(0))?;
    Ok(written.cast_unsigned())
}

/// How many rows of a table the last finished run saw.
pub(crate) fn last_count(
    tx: &Transaction<'_>,
    owner: &Owner,
    table: Table,
) -> Result<Option<u64>, Trouble> {
    let count: Option<i64> = tx
        .prepare_cached(
            "SELECT t.seen FROM run_tables t JOIN runs r \
                 ON r.workspace = t.workspace AND r.connection = t.connection AND r.run = t.run \
             WHERE t.workspace = ? AND t.connection = ? AND t.name = ? \
                 AND t.seen IS NOT NULL AND r.finished_at IS NOT NULL \
                 AND EXISTS (SELECT 1 FROM chains c WHERE c.workspace = t.workspace \
                     AND c.connection = t.connection AND c.run = t.run AND c.name = t.name \
                     AND c.pages > 0) \
             ORDER BY r.number DESC LIMIT 1",
        )?
        .query_row(params_from_iter(owner.with([text(table.as_str())])), |row| row.get(0))
        .optional()?;
    Ok(count.map(i64::cast_unsigned))
}
