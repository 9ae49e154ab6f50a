//! Stores one page: rows, what was seen, and the cursor.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rusqlite::{CachedStatement, OptionalExtension, Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::error::Error;
use crate::model::{OpportunityId, RecordId, RowVersion, Rows, RunId, Table};
use crate::storage::{MirrorPage, PageWritten, PullPhase};
use crate::store::sqlite::codec::{Columns, Owner, counter, integer, owned_text, text, uuid};
use crate::store::sqlite::mirror::changes::{Recorder, Stands};
use crate::store::sqlite::mirror::rows::{Mirrored, stored};
use crate::store::sqlite::mirror::standing::{restage, restage_for};
use crate::store::sqlite::mirror::{drift, runs};
use crate::store::sqlite::packed::{self, Numbers};
use crate::store::sqlite::trouble::Trouble;

/// Stores a page of the connection's run, unless it was stored before.
pub(crate) fn apply(
    tx: &Transaction<'_>,
    owner: &Owner,
    page: &MirrorPage,
    now: OffsetDateTime,
) -> Result<PageWritten, Trouble> {
    let refused = || Error::conflict(format!("run {}", page.run)).into();
    let phase = runs::phase(tx, owner, page.run)?;
    let next = runs::next_page(tx, owner, page)?.ok_or_else(refused)?;
    if let Some(written) = stored_before(tx, owner, page)? {
        return Ok(written);
    }
    if phase != PullPhase::Reading || page.seq != next {
        return Err(refused());
    }
    let written = put_rows(tx, owner, page.run, (&page.rows, &page.absent), now)?;
    see(tx, owner, page)?;
    remember(tx, owner, page, written)?;
    runs::advance(tx, owner, page, written)?;
    Ok(written)
}

fn stored_before(
    tx: &Transaction<'_>,
    owner: &Owner,
    page: &MirrorPage,
) -> Result<Option<PageWritten>, Trouble> {
    let key = owner.with([
        uuid(page.run.as_uuid()),
        text(page.rows.table().as_str()),
        counter(page.chain as u64),
        counter(page.seq),
    ]);
    tx.prepare_cached(
        "SELECT inserted, updated, unchanged FROM seen_pages WHERE workspace = ? \
             AND connection = ? AND run = ? AND name = ? AND chain = ? AND seq = ?",
    )?
    .query_row(params_from_iter(key), |row| {
        let mut columns = Columns::of(row);
        Ok(read_written(&mut columns))
    })
    .optional()?
    .transpose()
}

fn read_written(columns: &mut Columns<'_>) -> Result<PageWritten, Trouble> {
    Ok(PageWritten {
        inserted: columns.counter()?,
        updated: columns.counter()?,
        unchanged: columns.counter()?,
    })
}

/// Writes rows; of the absent fields what is stored stays.
pub(crate) fn put_rows(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    (rows, absent): (&Rows, &[Cow<'_, str>]),
    now: OffsetDateTime,
) -> Result<PageWritten, Trouble> {
    let recorder = Recorder::open(tx, owner, run, rows.table(), now)?;
    let recorder = recorder.as_ref();
    if absent.is_empty() {
        return put_whole(tx, owner, rows, recorder);
    }
    let absent: Vec<&str> = absent.iter().map(|field| &**field).collect();
    put_whole(tx, owner, &drift::merged(tx, owner, rows, &absent)?, recorder)
}

fn put_whole(
    tx: &Transaction<'_>,
    owner: &Owner,
    rows: &Rows,
    recorder: Option<&Recorder<'_>>,
) -> Result<PageWritten, Trouble> {
    match rows {
        Rows::Users(rows) => put(tx, owner, rows, recorder),
        Rows::Accounts(rows) => put(tx, owner, rows, recorder),
        Rows::Contacts(rows) => put(tx, owner, rows, recorder),
        Rows::Opportunities(rows) => put(tx, owner, rows, recorder),
        Rows::Stages(rows) => put(tx, owner, rows, recorder),
        Rows::StageAssignments(rows) => put(tx, owner, rows, recorder),
        Rows::Currencies(rows) => put(tx, owner, rows, recorder),
    }
}

/// Writes the rows that are new or whose version is not the stored one.
fn put<R: Mirrored>(
    tx: &Transaction<'_>,
    owner: &Owner,
    rows: &[R],
    recorder: Option<&Recorder<'_>>,
) -> Result<PageWritten, Trouble> {
    let mut known = tx.prepare_cached(&format!(
        "SELECT version, missing_since IS NOT NULL, gone_at IS NOT NULL FROM {} \
         WHERE workspace = ? AND connection = ? AND id = ?",
        R::TABLE
    ))?;
    let mut insert = tx.prepare_cached(&insert::<R>())?;
    let mut replace = tx.prepare_cached(&replace::<R>())?;
    let mut reappear = tx.prepare_cached(&reappear(R::TABLE.as_str()))?;
    let mut numbers = Numbers::default();
    let mut written = PageWritten::default();
    for (id, row) in by_id(rows) {
        let held = held(&mut known, owner, &id)?;
        let is_same = held.is_some_and(|held| held.version == row.version());
        let is_news = held.is_none_or(|held| held.is_gone || !is_same);
        // What is stored is read only where it is compared, or may let go of an opportunity.
        let is_read = is_news && (recorder.is_some() || row.places().is_some());
        let before: Option<R> =
            if is_read && held.is_some() { stored(tx, owner, &id)? } else { None };
        if let Some(recorder) = recorder.filter(|_| is_news) {
            match held {
                Some(held) if !held.is_gone => recorder.came(before.as_ref(), row)?,
                // To whom it was gone, it is new.
                Some(_) if is_same => recorder.came(None, before.as_ref().unwrap_or(row))?,
                Some(_) | None => recorder.came(None, row)?,
            }
        }
        let rows = [before.as_ref(), Some(row).filter(|_| is_news)];
        let moving = Moving::begin(recorder, rows)?;
        match held {
            Some(held) if held.version == row.version() => {
                written.unchanged += 1;
                if held.is_missing || held.is_gone {
                    reappear.execute(params_from_iter(owner.with([text(id.as_str())])))?;
                }
                moving.end(tx, owner, recorder)?;
                continue;
            }
            Some(_) => written.updated += 1,
            None => written.inserted += 1,
        }
        let mut values = owner.with([text(id.as_str()), integer(row.version().as_i64())]);
        values.reserve(R::COLUMNS.len());
        row.bind(&mut values)?;
        row.bind_derived(tx, owner, &mut values)?;
        if held.is_some() {
            replace.execute(params_from_iter(values))?;
        } else {
            if packed::is_packed(R::TABLE) {
                values.push(integer(numbers.take(tx, owner, R::TABLE)?));
            }
            insert.execute(params_from_iter(values))?;
        }
        moving.end(tx, owner, recorder)?;
    }
    Ok(written)
}

/// Opportunities that a row moves.
struct Moving {
    ids: BTreeSet<OpportunityId>,
    /// Where they stood, for what is told.
    stands: Stands,
}

impl Moving {
    /// Notes whom the row has a say in, as it is stored and as it comes, before it is written.
    fn begin<R: Mirrored>(
        recorder: Option<&Recorder<'_>>,
        rows: [Option<&R>; 2],
    ) -> Result<Self, Trouble> {
        let ids: BTreeSet<_> = rows.into_iter().flatten().filter_map(R::places).cloned().collect();
        let stands = match recorder {
            Some(recorder) => recorder.stands(&ids)?,
            None => Stands::new(),
        };
        Ok(Self { ids, stands })
    }

    /// Writes where they stand now that it is written.
    fn end(
        self,
        tx: &Transaction<'_>,
        owner: &Owner,
        recorder: Option<&Recorder<'_>>,
    ) -> Result<(), Trouble> {
        self.ids.iter().try_for_each(|id| restage(tx, owner, id))?;
        recorder.map_or(Ok(()), |recorder| recorder.moved(self.stands))
    }
}

/// The rows in the order of their ids, which is that of the index: the same page of it is then
/// touched once, not again and again.
fn by_id<R: Mirrored>(rows: &[R]) -> Vec<(RecordId, &R)> {
    let mut sorted: Vec<_> = rows.iter().map(|row| (row.record_id(), row)).collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    sorted
}

/// How a row is stored.
#[derive(Clone, Copy)]
struct Held {
    version: RowVersion,
    is_missing: bool,
    is_gone: bool,
}

fn held(
    known: &mut CachedStatement<'_>,
    owner: &Owner,
    id: &RecordId,
) -> Result<Option<Held>, Trouble> {
    let found = known.query_row(params_from_iter(owner.with([text(id.as_str())])), |row| {
        let version = RowVersion::new(row.get(0)?);
        Ok(Held { version, is_missing: row.get(1)?, is_gone: row.get(2)? })
    });
    Ok(found.optional()?)
}

/// Inserts a row; of a packed table with its number behind.
///
/// Should it fail, the step is given up anyway. Saying so (`OR ROLLBACK`) spares SQLite from keeping
/// every page as it was before the statement, which a table with triggers costs otherwise: a quarter
/// of the time of a first pull. An upsert cannot say so.
fn insert<R: Mirrored>() -> String {
    let number: &[_] = if packed::is_packed(R::TABLE) { &["row"] } else { &[] };
    let columns = [R::COLUMNS, R::DERIVED, number].concat();
    let places: Vec<_> = (1..=columns.len() + 4).map(|place| format!("?{place}")).collect();
    format!(
        "INSERT OR ROLLBACK INTO {} (workspace, connection, id, version, {}) VALUES ({})",
        R::TABLE,
        columns.join(", "),
        places.join(", ")
    )
}

/// Replaces a row, from the values that would insert it; it is missing no more.
fn replace<R: Mirrored>() -> String {
    let columns = [R::COLUMNS, R::DERIVED].concat();
    let new: Vec<_> =
        columns.iter().zip(5..).map(|(name, place)| format!("{name} = ?{place}")).collect();
    format!(
        "UPDATE OR ROLLBACK {} SET version = ?4, missing_since = NULL, gone_at = NULL, \
             swept_by = NULL, {} \
         WHERE workspace = ?1 AND connection = ?2 AND id = ?3",
        R::TABLE,
        new.join(", ")
    )
}

fn reappear(table: &str) -> String {
    format!(
        "UPDATE OR ROLLBACK {table} SET missing_since = NULL, gone_at = NULL, swept_by = NULL \
         WHERE workspace = ? AND connection = ? AND id = ? \
             AND (missing_since IS NOT NULL OR gone_at IS NOT NULL)"
    )
}

/// Takes the mark off rows that were seen though their content could not be read.
fn see(tx: &Transaction<'_>, owner: &Owner, page: &MirrorPage) -> Result<(), Trouble> {
    let mut statement = tx.prepare_cached(&reappear(page.rows.table().as_str()))?;
    for id in &page.also_seen {
        let marks = statement.execute(params_from_iter(owner.with([text(id.as_str())])))?;
        if marks > 0 && page.rows.table() == Table::StageAssignments {
            restage_for(tx, owner, id)?;
        }
    }
    Ok(())
}

/// Remembers which ids the page showed.
fn remember(
    tx: &Transaction<'_>,
    owner: &Owner,
    page: &MirrorPage,
    written: PageWritten,
) -> Result<(), Trouble> {
    let table = page.rows.table();
    tx.prepare_cached(
        "INSERT INTO seen_pages (workspace, connection, run, name, chain, seq, inserted, \
             updated, unchanged, ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params_from_iter(owner.with([
        uuid(page.run.as_uuid()),
        text(table.as_str()),
        counter(page.chain as u64),
        counter(page.seq),
        counter(written.inserted),
        counter(written.updated),
        counter(written.unchanged),
        owned_text(ids(page)),
    ])))?;
    Ok(())
}

/// The ids, one a line: an id holds no control character.
fn ids(page: &MirrorPage) -> String {
    let mut lines = String::with_capacity((page.rows.len() + page.also_seen.len()) * 37);
    for id in page.rows.ids().iter().chain(&page.also_seen) {
        lines.push_str(id.as_str());
        lines.push('\n');
    }
    lines
}
