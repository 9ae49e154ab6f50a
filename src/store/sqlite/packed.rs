//! Mirrored rows once more, packed many to a blob, for questions that look at all rows of a table.
//!
//! Names are searched and totals are added up over every row there is. Stepping through a hundred
//! thousand of them one by one takes SQLite longer than a person should wait, whatever the index. A
//! block holds what such questions ask of up to [`BLOCK`] rows that lie beside each other, and is
//! read in one step.
//!
//! Triggers note each row whose line may have changed, whoever changes it, and [`refresh`] packs
//! these anew at the end of the same step. So a block is never behind its rows, and nothing that
//! writes rows has to think of blocks.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, params_from_iter};

use crate::model::{ConnectionId, Table, WorkspaceId};
use crate::store::sqlite::codec::{Columns, Owner, Values, blob, integer, text};
use crate::store::sqlite::trouble::Trouble;

mod block;

pub(crate) use block::Block;

use block::{Builder, Figures};

/// How many rows a block has room for. Whoever changes one of them writes some kilobytes.
const BLOCK: i64 = 128;

/// The tables that are packed, whose rows are searched by name or added up. Of accounts and contacts
/// the names are.
const PACKED: [Table; 3] = [Table::Accounts, Table::Contacts, Table::Opportunities];

/// Whether a table is packed.
pub(crate) fn is_packed(table: Table) -> bool {
    PACKED.contains(&table)
}

/// Shows every block of a packed table of a connection, with the row that its first slot stands for.
pub(crate) fn each(
    tx: &Transaction<'_>,
    (workspace, connection): (&WorkspaceId, ConnectionId),
    table: Table,
    mut visit: impl FnMut(i64, &Block<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let owner = Owner::new(workspace, connection);
    let mut statement = tx.prepare_cached(
        "SELECT block, entries FROM packed WHERE workspace = ? AND connection = ? AND name = ?",
    )?;
    let mut rows = statement.query(params_from_iter(owner.with([text(table.as_str())])))?;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let first = columns.integer()?.saturating_mul(BLOCK);
        visit(first, &Block::read(columns.blob()?)?)?;
    }
    Ok(())
}

/// Numbers for new rows of a connection in a packed table.
///
/// A block has rows of one connection alone, so that it fills up however many connections take turns
/// in a file.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    next: Option<i64>,
}

impl Numbers {
    /// The number for one more row.
    pub(crate) fn take(
        &mut self,
        tx: &Transaction<'_>,
        owner: &Owner,
        table: Table,
    ) -> Result<i64, Trouble> {
        let number = match self.next {
            Some(number) => number,
            None => free(tx, owner, table)?,
        };
        self.next = Some(number + 1).filter(|next| next % BLOCK != 0);
        Ok(number)
    }
}

/// The first number that is free in the last block of a connection, else that of a new block.
fn free(tx: &Transaction<'_>, owner: &Owner, table: Table) -> Result<i64, Trouble> {
    let last: Option<i64> = tx
        .prepare_cached(
            "SELECT max(block) FROM packed WHERE workspace = ? AND connection = ? AND name = ?",
        )?
        .query_row(params_from_iter(owner.with([text(table.as_str())])), |row| row.get(0))?;
    if let Some(block) = last {
        let behind: i64 = tx
            .prepare_cached(&format!(
                "SELECT coalesce(max(row) + 1, ?1) FROM {table} WHERE row >= ?1 AND row < ?1 + ?2"
            ))?
            .query_row([block * BLOCK, BLOCK], |row| row.get(0))?;
        if behind.div_euclid(BLOCK) == block {
            return Ok(behind);
        }
    }
    let newest: i64 = tx
        .prepare_cached(&format!("SELECT coalesce(max(row), -1) FROM {table}"))?
        .query_row([], |row| row.get(0))?;
    Ok((newest.div_euclid(BLOCK) + 1) * BLOCK)
}

/// Packs the rows that this step has changed.
pub(crate) fn refresh(tx: &Transaction<'_>) -> Result<(), Trouble> {
    let any = "SELECT EXISTS (SELECT 1 FROM unpacked)";
    if !tx.prepare_cached(any)?.query_row([], |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    for table in PACKED {
        pack(tx, table)?;
    }
    tx.prepare_cached("DELETE FROM unpacked")?.execute([])?;
    Ok(())
}

/// Packs the changed rows of a table, block by block.
fn pack(tx: &Transaction<'_>, table: Table) -> Result<(), Trouble> {
    let mut statement = tx.prepare_cached(&changed(table))?;
    let mut rows = statement.query(params_from_iter([text(table.as_str())]))?;
    let mut open: Option<Changes> = None;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let workspace = columns.id()?;
        let owner = Owner { workspace, connection: ConnectionId::new(columns.uuid()?) };
        let row = columns.integer()?;
        let number = row.div_euclid(BLOCK);
        let is_same = |open: &&mut Changes| open.number == number && open.owner == owner;
        let changes = match open.as_mut().filter(is_same) {
            Some(changes) => changes,
            None => {
                if let Some(full) = open.take() {
                    full.store(tx, table)?;
                }
                open.insert(Changes { owner, number, rows: BTreeMap::new() })
            }
        };
        let slot = u8::try_from(row.rem_euclid(BLOCK)).unwrap_or_default();
        changes.rows.insert(slot, Line::read(table, &mut columns)?);
    }
    open.map_or(Ok(()), |last| last.store(tx, table))
}

/// Reads the changed rows in the order of blocks. A row that is gone has no id, nor has one that
/// since belongs to somebody else.
fn changed(table: Table) -> String {
    let figures = match table {
        Table::Opportunities => {
            ", r.status, iif(r.owner_kind = 'user', r.owner, NULL), r.stage, r.currency, r.value, \
             r.base_value, r.close_date, r.closed_on"
        }
        _ => "",
    };
    format!(
        "SELECT u.workspace, u.connection, u.row, r.id IS NOT NULL, r.name_key{figures} \
         FROM unpacked u LEFT JOIN {table} r ON r.row = u.row AND r.workspace = u.workspace \
             AND r.connection = u.connection AND r.gone_at IS NULL \
         WHERE u.name = ? ORDER BY u.workspace, u.connection, u.row"
    )
}

/// What is to be packed of a row.
struct Line {
    name: Option<String>,
    figures: Option<Figures<String>>,
}

impl Line {
    /// Reads a row of [`changed`]; `None` when there is nothing to pack.
    fn read(table: Table, columns: &mut Columns<'_>) -> Result<Option<Self>, Trouble> {
        let is_there = columns.integer()? == 1;
        let name = columns.maybe_text()?;
        if !is_there {
            return Ok(None);
        }
        let figures = match table {
            Table::Opportunities => Some(Figures {
                status: columns.text()?,
                owner: columns.maybe_text()?,
                stage: columns.maybe_text()?,
                currency: columns.maybe_text()?,
                value: columns.maybe_units()?,
                base_value: columns.maybe_units()?,
                close_date: columns.maybe_date()?,
                closed_on: columns.maybe_date()?,
            }),
            _ => None,
        };
        Ok((name.is_some() || figures.is_some()).then_some(Self { name, figures }))
    }
}

/// Changes of one block.
struct Changes {
    owner: Owner,
    number: i64,
    rows: BTreeMap<u8, Option<Line>>,
}

impl Changes {
    /// Writes the block with the changes.
    fn store(&self, tx: &Transaction<'_>, table: Table) -> Result<(), Trouble> {
        let key = self.owner.with([text(table.as_str()), integer(self.number)]);
        let before: Option<Vec<u8>> = tx
            .prepare_cached(&format!("SELECT entries FROM packed WHERE {KEY}"))?
            .query_row(params_from_iter(key.clone()), |row| row.get(0))
            .optional()?;
        let block = before.as_deref().map(Block::read).transpose()?;
        let mut after = Builder::new(table == Table::Opportunities);
        let kept = block.iter().flat_map(Block::lines);
        let mut lines: Vec<_> = kept.filter(|(slot, ..)| !self.rows.contains_key(slot)).collect();
        for (&slot, line) in &self.rows {
            let Some(Line { name, figures }) = line else { continue };
            lines.push((
                slot,
                name.as_deref().unwrap_or_default(),
                figures.as_ref().map(Figures::as_str),
            ));
        }
        lines.sort_by_key(|(slot, ..)| *slot);
        let is_empty = lines.is_empty();
        for (slot, name, figures) in lines {
            after.push(slot, name, figures);
        }
        if is_empty {
            tx.prepare_cached(&format!("DELETE FROM packed WHERE {KEY}"))?
                .execute(params_from_iter(key))?;
            return Ok(());
        }
        let bytes = after.finish()?;
        let values: Values<'_> = key.into_iter().chain([blob(&bytes)]).collect();
        tx.prepare_cached(
            "INSERT INTO packed (workspace, connection, name, block, entries) \
             VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET entries = excluded.entries",
        )?
        .execute(params_from_iter(values))?;
        Ok(())
    }
}

const KEY: &str = "workspace = ? AND connection = ? AND name = ? AND block = ?";

#[cfg(test)]
mod tests;
