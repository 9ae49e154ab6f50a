//! What runs find changed about rows, recorded in the step that stores them.

use std::cell::Cell;
use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::model::query::{Changes, ChangesQuery, Found, MAX_LIMIT};
use crate::model::{
    AccountId, ConnectionId, FoundChange, OpportunityId, RowChange, RowChangeKind, RunId, Table,
};
use crate::rules::{merge_changes, stage_change, without_stage};
use crate::storage::steps::{KEEP_RUNS, MAX_CHANGES};
use crate::store::sqlite::codec::{
    Columns, NULL, Owner, collect, counter, integer, json, maybe_text, text, time, uuid,
};
use crate::store::sqlite::mirror::rows::Mirrored;
use crate::store::sqlite::mirror::runs;
use crate::store::sqlite::trouble::Trouble;

/// Records what a run finds changed about the rows of a table.
pub(crate) struct Recorder<'a> {
    tx: &'a Transaction<'a>,
    owner: &'a Owner,
    run: RunId,
    number: u64,
    at: OffsetDateTime,
    /// How many changes of the run are kept; counted once and then followed.
    kept: Cell<Option<u64>>,
}

/// Where opportunities stand.
pub(crate) type Stands = Vec<(OpportunityId, Option<Stand>)>;

/// Where an opportunity stands that is held and not gone, and what is told with it.
pub(crate) struct Stand {
    name: Option<String>,
    account: Option<AccountId>,
    stage: Option<String>,
}

impl<'a> Recorder<'a> {
    /// `None` for a table that the last finished run did not read: all of it would be new.
    pub(crate) fn open(
        tx: &'a Transaction<'_>,
        owner: &'a Owner,
        run: RunId,
        table: Table,
        at: OffsetDateTime,
    ) -> Result<Option<Self>, Trouble> {
        if runs::last_count(tx, owner, table)?.is_none() {
            return Ok(None);
        }
        let number = runs::number(tx, owner, run)?;
        Ok(Some(Self { tx, owner, run, number, at, kept: Cell::new(None) }))
    }

    /// Records that a row came, in place of the stored one, if there is one to compare with.
    pub(crate) fn came<R: Mirrored>(&self, before: Option<&R>, after: &R) -> Result<(), Trouble> {
        let Some(change) = R::change(before, Some(after)) else { return Ok(()) };
        match self.as_told::<R>(change)? {
            Some(change) => self.record(change),
            None => Ok(()),
        }
    }

    /// Records that a row is gone.
    pub(crate) fn went<R: Mirrored>(&self, row: Option<&R>) -> Result<(), Trouble> {
        R::change(row, None).map_or(Ok(()), |change| self.record(change))
    }

    /// The stage on an opportunity's own row counts only where no assignment says more.
    fn as_told<R: Mirrored>(&self, change: RowChange) -> Result<Option<RowChange>, Trouble> {
        match R::TABLE {
            Table::Opportunities if self.has_assignment(&change)? => Ok(without_stage(change)),
            _ => Ok(Some(change)),
        }
    }

    /// Where opportunities stand before rows are written that have a say in it.
    pub(crate) fn stands(&self, of: &BTreeSet<OpportunityId>) -> Result<Stands, Trouble> {
        of.iter().map(|id| Ok((id.clone(), self.stand(id)?))).collect()
    }

    /// Records where they stand now that the rows are written.
    pub(crate) fn moved(&self, stands: Stands) -> Result<(), Trouble> {
        for (id, before) in stands {
            let (Some(before), Some(after)) = (before, self.stand(&id)?) else { continue };
            let stages = (before.stage.as_deref(), after.stage.as_deref());
            let change = stage_change(&id, after.name.as_deref(), after.account.as_ref(), stages);
            change.map_or(Ok(()), |change| self.record(change))?;
        }
        Ok(())
    }

    fn stand(&self, id: &OpportunityId) -> Result<Option<Stand>, Trouble> {
        self.tx
            .prepare_cached(
                "SELECT name, of_account, stage FROM opportunities \
                 WHERE workspace = ? AND connection = ? AND id = ? AND gone_at IS NULL",
            )?
            .query_row(params_from_iter(self.owner.with([text(id.as_str())])), |row| {
                let mut columns = Columns::of(row);
                let mut read = || {
                    let (name, account) = (columns.maybe_text()?, columns.maybe_id()?);
                    Ok(Stand { name, account, stage: columns.maybe_text()? })
                };
                Ok(read())
            })
            .optional()?
            .transpose()
    }

    fn has_assignment(&self, change: &RowChange) -> Result<bool, Trouble> {
        Ok(self
            .tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM stage_assignments WHERE workspace = ? \
                     AND connection = ? AND opportunity = ? AND state IN ('active', 'finished') \
                     AND gone_at IS NULL)",
            )?
            .query_row(params_from_iter(self.owner.with([text(change.id.as_str())])), |row| {
                row.get(0)
            })?)
    }

    /// Keeps a change, made one with what this run found about the row before.
    fn record(&self, change: RowChange) -> Result<(), Trouble> {
        let (table, id) = (change.table, change.id.clone());
        let key =
            || self.owner.with([counter(self.number), text(table.as_str()), text(id.as_str())]);
        let known = self
            .tx
            .prepare_cached(&format!(
                "SELECT {CHANGE} FROM row_changes r WHERE workspace = ? AND connection = ? \
                     AND number = ? AND name = ? AND id = ?"
            ))?
            .query_row(params_from_iter(key()), |row| Ok(read_change(&mut Columns::of(row))))
            .optional()?
            .transpose()?;
        let change = match known {
            None if self.kept()? >= MAX_CHANGES => return self.leave_off(),
            None => {
                self.kept.set(self.kept.get().map(|kept| kept + 1));
                change
            }
            Some(known) => match merge_changes(known, change) {
                Some(merged) => merged,
                None => {
                    self.tx
                        .prepare_cached(
                            "DELETE FROM row_changes WHERE workspace = ? AND connection = ? \
                                 AND number = ? AND name = ? AND id = ?",
                        )?
                        .execute(params_from_iter(key()))?;
                    self.kept.set(self.kept.get().map(|kept| kept.saturating_sub(1)));
                    return Ok(());
                }
            },
        };
        let mut values = key();
        values.extend([
            uuid(self.run.as_uuid()),
            time(self.at),
            maybe_text(change.name.as_deref()),
            maybe_text(change.account.as_ref().map(AccountId::as_str)),
            json(&change.kind)?,
        ]);
        self.tx
            .prepare_cached(
                "INSERT OR REPLACE INTO row_changes (workspace, connection, number, name, id, \
                     run, at, label, account, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params_from_iter(values))?;
        Ok(())
    }

    fn kept(&self) -> Result<u64, Trouble> {
        if let Some(kept) = self.kept.get() {
            return Ok(kept);
        }
        let kept: i64 = self
            .tx
            .prepare_cached(
                "SELECT count(*) FROM row_changes \
                 WHERE workspace = ? AND connection = ? AND number = ?",
            )?
            .query_row(params_from_iter(self.owner.with([counter(self.number)])), |row| {
                row.get(0)
            })?;
        self.kept.set(Some(kept.cast_unsigned()));
        Ok(kept.cast_unsigned())
    }

    fn leave_off(&self) -> Result<(), Trouble> {
        self.tx
            .prepare_cached(
                "INSERT INTO changes_left_off (workspace, connection, number, left_off) \
                 VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET left_off = left_off + 1",
            )?
            .execute(params_from_iter(self.owner.with([counter(self.number)])))?;
        Ok(())
    }
}

/// The columns of a change.
const CHANGE: &str = "r.name, r.id, r.label, r.account, r.change";

fn read_change(columns: &mut Columns<'_>) -> Result<RowChange, Trouble> {
    Ok(RowChange {
        table: columns.word()?,
        id: columns.id()?,
        name: columns.maybe_text()?,
        account: columns.maybe_id()?,
        kind: columns.json()?,
    })
}

/// Forgets what runs have found before the last ones that found any.
pub(crate) fn prune(tx: &Transaction<'_>, owner: &Owner) -> Result<(), Trouble> {
    let oldest_kept: Option<i64> = tx
        .prepare_cached(
            "SELECT number FROM (SELECT DISTINCT number FROM row_changes \
                 WHERE workspace = ? AND connection = ? ORDER BY number DESC LIMIT ?) \
             ORDER BY number LIMIT 1",
        )?
        .query_row(params_from_iter(owner.with([counter(KEEP_RUNS as u64)])), |row| row.get(0))
        .optional()?;
    let oldest_kept = oldest_kept.unwrap_or(i64::MAX);
    for table in ["row_changes", "changes_left_off"] {
        tx.prepare_cached(&format!(
            "DELETE FROM {table} WHERE workspace = ? AND connection = ? AND number < ?"
        ))?
        .execute(params_from_iter(owner.with([integer(oldest_kept)])))?;
    }
    Ok(())
}

/// Makes what a run found that is replaced the other's.
pub(crate) fn hand_on(
    tx: &Transaction<'_>,
    owner: &Owner,
    from: RunId,
    to: RunId,
) -> Result<(), Trouble> {
    tx.prepare_cached(
        "UPDATE row_changes SET run = ?4 WHERE workspace = ?1 AND connection = ?2 AND run = ?3",
    )?
    .execute(params_from_iter(owner.with([uuid(from.as_uuid()), uuid(to.as_uuid())])))?;
    Ok(())
}

/// Takes back what was said about rows that a run has swept and that are put back.
pub(crate) fn take_back_gone(
    tx: &Transaction<'_>,
    owner: &Owner,
    run: RunId,
) -> Result<(), Trouble> {
    tx.prepare_cached(
        "DELETE FROM row_changes WHERE workspace = ? AND connection = ? AND run = ? \
             AND change = ?",
    )?
    .execute(params_from_iter(owner.with([uuid(run.as_uuid()), json(&RowChangeKind::Gone)?])))?;
    Ok(())
}

/// Answers a question for changes in these connections.
pub(crate) fn read(
    tx: &Transaction<'_>,
    query: &ChangesQuery,
    as_of: Option<OffsetDateTime>,
) -> Result<Changes, Trouble> {
    let workspace = || text(query.scope.workspace.as_str());
    let only = || query.scope.connection.map_or(NULL, |only| uuid(only.as_uuid()));
    let account = query.account.as_ref().map(AccountId::as_str);
    let of_account = if account.is_some() { "r.account = ?3" } else { "?3 IS NULL" };
    let mut statement = tx.prepare_cached(&format!(
        "SELECT r.connection, r.run, r.at, {CHANGE} FROM row_changes r \
         WHERE r.workspace = ?1 AND (?2 IS NULL OR r.connection = ?2) AND {of_account} \
         ORDER BY r.at DESC, r.connection, r.name, r.id LIMIT ?4",
    ))?;
    let limit = integer(query.limit.clamp(1, MAX_LIMIT).into());
    let values = [workspace(), only(), maybe_text(account), limit];
    let rows = collect(statement.query(params_from_iter(values))?, |row| {
        let mut columns = Columns::of(row);
        Ok(Found {
            connection: ConnectionId::new(columns.uuid()?),
            row: FoundChange {
                run: RunId::new(columns.uuid()?),
                at: columns.time()?,
                change: read_change(&mut columns)?,
            },
        })
    })?;
    let left_off: i64 = tx
        .prepare_cached(
            "SELECT coalesce(sum(left_off), 0) FROM changes_left_off \
             WHERE workspace = ?1 AND (?2 IS NULL OR connection = ?2)",
        )?
        .query_row(params_from_iter([workspace(), only()]), |row| row.get(0))?;
    Ok(Changes { rows, left_off: left_off.cast_unsigned(), as_of })
}
