//! Missing rows: which there are, what became of them, and what a person decides about it.

use rusqlite::{Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::error::Error;
use crate::model::{Account, Contact, Opportunity, RecordId, RunId, Table};
use crate::storage::steps::{approve_sweep, record_sweep};
use crate::storage::{Approval, MissingRow, NewSweep, Settled, Sweep, SweepDecision};
use crate::store::sqlite::codec::{
    Columns, Owner, collect, counter, integer, maybe_json, maybe_time, text, time, uuid,
};
use crate::store::sqlite::mirror::changes::Recorder;
use crate::store::sqlite::mirror::rows::stored;
use crate::store::sqlite::mirror::standing::restage_for;
use crate::store::sqlite::mirror::{apply, changes, runs};
use crate::store::sqlite::trouble::Trouble;

/// Rows that are missing and were never swept, in the order of their ids.
pub(crate) fn missing(
    tx: &Transaction<'_>,
    owner: &Owner,
    table: Table,
    after: Option<&RecordId>,
    limit: u32,
) -> Result<Vec<MissingRow>, Trouble> {
    let after = after.map_or("", RecordId::as_str);
    let mut statement = tx.prepare_cached(&format!(
        "SELECT id, missing_since FROM {table} INDEXED BY {table}_marked \
         WHERE workspace = ? AND connection = ? AND id > ? \
             AND (missing_since IS NOT NULL OR gone_at IS NOT NULL) \
             AND missing_since IS NOT NULL AND gone_at IS NULL AND swept_by IS NULL \
         ORDER BY id LIMIT ?"
    ))?;
    let values = owner.with([text(after), integer(limit.into())]);
    collect(statement.query(params_from_iter(values))?, |row| {
        let mut columns = Columns::of(row);
        Ok(MissingRow { id: columns.id()?, since: columns.time()? })
    })
}

/// Stores the rows that were found, and marks those that are gone.
pub(crate) fn settle(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    settled: &Settled,
    now: OffsetDateTime,
) -> Result<(), Trouble> {
    runs::phase(tx, owner, run)?;
    apply::put_rows(tx, owner, run, (&settled.found, &settled.absent), now)?;
    let recorder = Recorder::open(tx, owner, run, settled.found.table(), now)?;
    let mut mark = tx.prepare_cached(&format!(
        "UPDATE OR ROLLBACK {} SET gone_at = ?4, swept_by = ?5 \
         WHERE workspace = ?1 AND connection = ?2 AND id = ?3 \
             AND missing_since IS NOT NULL AND gone_at IS NULL",
        settled.found.table()
    ))?;
    for id in &settled.gone {
        let values = owner.with([text(id.as_str()), time(now), uuid(run.as_uuid())]);
        let is_marked = mark.execute(params_from_iter(values))? > 0;
        if is_marked && settled.found.table() == Table::StageAssignments {
            restage_for(tx, owner, id)?;
        }
        if let Some(recorder) = recorder.as_ref().filter(|_| is_marked) {
            match settled.found.table() {
                Table::Accounts => recorder.went(stored::<Account>(tx, owner, id)?.as_ref())?,
                Table::Contacts => recorder.went(stored::<Contact>(tx, owner, id)?.as_ref())?,
                Table::Opportunities => {
                    recorder.went(stored::<Opportunity>(tx, owner, id)?.as_ref())?
                }
                Table::Users | Table::Stages | Table::StageAssignments | Table::Currencies => {}
            }
        }
    }
    Ok(())
}

/// Keeps how a sweep ended, in place of the table's last.
pub(crate) fn record(
    tx: &Transaction<'_>,
    owner: &Owner,
    sweep: &NewSweep,
    now: OffsetDateTime,
) -> Result<(), Trouble> {
    runs::phase(tx, owner, sweep.run)?;
    let earlier = list(tx, owner)?.into_iter().find(|earlier| earlier.table == sweep.table);
    put(tx, owner, &record_sweep(earlier.as_ref(), sweep, now))
}

fn put(tx: &Transaction<'_>, owner: &Owner, sweep: &Sweep) -> Result<(), Trouble> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO sweeps (workspace, connection, name, run, at, missing, \
             withheld, approved_at, approves_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params_from_iter(owner.with([
        text(sweep.table.as_str()),
        uuid(sweep.run.as_uuid()),
        time(sweep.at),
        counter(sweep.missing),
        maybe_json(sweep.withheld.as_ref())?,
        maybe_time(sweep.approval.map(|approval| approval.at)),
        maybe_time(sweep.approval.map(|approval| approval.until)),
    ])))?;
    Ok(())
}

/// How each table's last sweep ended.
pub(crate) fn list(tx: &Transaction<'_>, owner: &Owner) -> Result<Vec<Sweep>, Trouble> {
    let mut statement = tx.prepare_cached(
        "SELECT name, run, at, missing, withheld, approved_at, approves_until FROM sweeps \
         WHERE workspace = ? AND connection = ?",
    )?;
    let mut sweeps = collect(statement.query(params_from_iter(owner.values()))?, |row| {
        let mut columns = Columns::of(row);
        Ok(Sweep {
            table: columns.word()?,
            run: RunId::new(columns.uuid()?),
            at: columns.time()?,
            missing: columns.counter()?,
            withheld: columns.maybe_json()?,
            approval: read_approval(&mut columns)?,
        })
    })?;
    sweeps.sort_by_key(|sweep| sweep.table);
    Ok(sweeps)
}

fn read_approval(columns: &mut Columns<'_>) -> Result<Option<Approval>, Trouble> {
    let (at, until) = (columns.maybe_time()?, columns.maybe_time()?);
    Ok(at.zip(until).map(|(at, until)| Approval { at, until }))
}

/// Carries out a person's decision; gives how many rows it concerns.
pub(crate) fn decide(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    decision: SweepDecision,
    now: OffsetDateTime,
) -> Result<u64, Trouble> {
    let none = || Error::not_found(format!("a sweep of run {run}"));
    match decision {
        SweepDecision::Approve(table) => {
            let mut sweeps = list(tx, owner)?.into_iter();
            let sweep = sweeps.find(|sweep| sweep.table == table && sweep.run == run);
            let mut sweep = sweep.ok_or_else(none)?;
            approve_sweep(&mut sweep, now)?;
            put(tx, owner, &sweep)?;
            Ok(sweep.missing)
        }
        SweepDecision::Undo => match put_back(tx, owner, run, now)? {
            0 => Err(none().into()),
            rows => Ok(rows),
        },
    }
}

fn put_back(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
    now: OffsetDateTime,
) -> Result<u64, Trouble> {
    changes::take_back_gone(tx, owner, run)?;
    let mut assignments = tx.prepare_cached(
        "SELECT id FROM stage_assignments INDEXED BY stage_assignments_marked \
         WHERE workspace = ? AND connection = ? \
             AND (missing_since IS NOT NULL OR gone_at IS NOT NULL) \
             AND swept_by = ? AND gone_at IS NOT NULL",
    )?;
    let swept = params_from_iter(owner.with([uuid(run.as_uuid())]));
    let swept: Vec<RecordId> = collect(assignments.query(swept)?, |row| Columns::of(row).id())?;
    let mut rows = 0;
    for table in Table::ALL {
        rows += tx
            .prepare_cached(&format!(
                "UPDATE OR ROLLBACK {table} SET gone_at = NULL, missing_since = ?4 \
                 WHERE workspace = ?1 AND connection = ?2 AND swept_by = ?3 \
                     AND gone_at IS NOT NULL"
            ))?
            .execute(params_from_iter(owner.with([uuid(run.as_uuid()), time(now)])))?
            as u64;
    }
    swept.iter().try_for_each(|id| restage_for(tx, owner, id))?;
    Ok(rows)
}

/// Forgets the rows that have been gone since before `until`.
pub(crate) fn forget_gone(
    tx: &Transaction<'_>,
    owner: &Owner,
    until: OffsetDateTime,
) -> Result<(), Trouble> {
    for table in Table::ALL {
        tx.prepare_cached(&format!(
            "DELETE FROM {table} INDEXED BY {table}_marked \
             WHERE workspace = ? AND connection = ? \
                 AND (missing_since IS NOT NULL OR gone_at IS NOT NULL) AND gone_at < ?"
        ))?
        .execute(params_from_iter(owner.with([time(until)])))?;
    }
    Ok(())
}
