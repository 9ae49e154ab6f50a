//! Mirrored rows once more, packed many to a blob, for questions that look at all rows of a table.
//!
//! Names are searched and totals are added up over every row there is. Stepping through a hundred
//! thousand of them one by one takes SQLite longer than a person should wait, whatever the index. A
//! block holds what such questions ask of up to [`BLOCK`] rows that lie beside each other, and is
//! read in one step.
//!
//! Triggers note each row whose entry may have changed, whoever changes it, and [`refresh`] packs
//! these anew at the end of the same step. So a block is never behind its rows, and nothing that
//! writes rows has to think of blocks.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{OptionalExtension, Transaction, params_from_iter};
use serde::{Deserialize, Serialize};
use time::Date;

use crate::model::{ConnectionId, OpportunityStatus, Table, WorkspaceId};
use crate::storage::fallback::Facts;
use crate::store::sqlite::codec::{Columns, Owner, Values, blob, integer, text};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;

/// How many rows a block has room for. Whoever changes one of them writes some kilobytes.
const BLOCK: i64 = 128;

/// The tables that are packed; the others have few rows. Of accounts and contacts the names are.
const PACKED: [Table; 3] = [Table::Accounts, Table::Contacts, Table::Opportunities];

/// Whether a table is packed.
pub(crate) fn is_packed(table: Table) -> bool {
    PACKED.contains(&table)
}

/// Rows that lie beside each other, as they are stored: a migration that changes this has to note all
/// rows as not packed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Block<'a> {
    /// What entries refer to: ids, and words of [`Word`].
    #[serde(borrow)]
    texts: Vec<&'a str>,
    pub(crate) entries: Vec<Entry<'a>>,
}

/// What is packed of a row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry<'a> {
    /// Its place in the block.
    slot: u8,
    /// The folded name.
    #[serde(borrow)]
    pub(crate) name: Option<&'a str>,
    figures: Option<Figures<u16>>,
}

/// What is packed of an opportunity besides its name. A `T` stands for a text.
#[derive(Debug, Serialize, Deserialize)]
struct Figures<T> {
    status: T,
    owner: Option<T>,
    stage: Option<T>,
    currency: Option<T>,
    value: Option<i128>,
    base_value: Option<i128>,
    close_date: Option<Date>,
    closed_on: Option<Date>,
}

impl<T> Figures<T> {
    fn map<'t, U>(&'t self, mut text: impl FnMut(&'t T) -> U) -> Figures<U> {
        Figures {
            status: text(&self.status),
            owner: self.owner.as_ref().map(&mut text),
            stage: self.stage.as_ref().map(&mut text),
            currency: self.currency.as_ref().map(&mut text),
            value: self.value,
            base_value: self.base_value,
            close_date: self.close_date,
            closed_on: self.closed_on,
        }
    }
}

impl<'a> Block<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Trouble> {
        postcard::from_bytes(bytes).map_err(stored)
    }

    fn text(&self, number: u16) -> &'a str {
        self.texts.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// What totals look at of an entry, if it is an opportunity's.
    pub(crate) fn facts(&self, entry: &Entry<'_>) -> Result<Option<Facts<'a>>, Trouble> {
        let Some(figures) = &entry.figures else { return Ok(None) };
        let status = OpportunityStatus::from_word(self.text(figures.status));
        Ok(Some(Facts {
            status: status.ok_or_else(|| Trouble::stored("a status is not one"))?,
            account: None,
            owner: figures.owner.map(|owner| self.text(owner)),
            stage: figures.stage.map(|stage| self.text(stage)),
            currency: figures.currency.map(|currency| self.text(currency)),
            value: figures.value,
            base_value: figures.base_value,
            close_date: figures.close_date,
            closed_on: figures.closed_on,
        }))
    }
}

/// A block as it is stored.
pub(crate) struct Packed<'r> {
    number: i64,
    bytes: &'r [u8],
}

impl<'r> Packed<'r> {
    /// The bytes, which hold every name as it is.
    pub(crate) const fn bytes(&self) -> &'r [u8] {
        self.bytes
    }

    pub(crate) fn unpack(&self) -> Result<Block<'r>, Trouble> {
        Block::read(self.bytes)
    }

    /// Which row an entry is of.
    pub(crate) fn row(&self, entry: &Entry<'_>) -> i64 {
        self.number * BLOCK + i64::from(entry.slot)
    }
}

/// Shows every block of a packed table of a connection.
pub(crate) fn each(
    tx: &Transaction<'_>,
    (workspace, connection): (&WorkspaceId, ConnectionId),
    table: Table,
    mut visit: impl FnMut(&Packed<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let owner = Owner::new(workspace, connection);
    let mut statement = tx.prepare_cached(
        "SELECT block, entries FROM packed WHERE workspace = ? AND connection = ? AND name = ?",
    )?;
    let mut rows = statement.query(params_from_iter(owner.with([text(table.as_str())])))?;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        visit(&Packed { number: columns.integer()?, bytes: columns.blob()? })?;
    }
    Ok(())
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
        changes.rows.insert(slot, Loose::read(table, &mut columns)?);
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
struct Loose {
    name: Option<String>,
    figures: Option<Figures<String>>,
}

impl Loose {
    /// Reads a row of [`changed`]; `None` when there is nothing to pack.
    fn read(table: Table, columns: &mut Columns<'_>) -> Result<Option<Self>, Trouble> {
        let is_there = columns.integer()? == 1;
        let name = columns.maybe_text()?;
        if !is_there {
            return Ok(None);
        }
        let figures = match table {
            Table::Opportunities => Some(Figures::read(columns)?),
            _ => None,
        };
        Ok((name.is_some() || figures.is_some()).then_some(Self { name, figures }))
    }
}

impl Figures<String> {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble> {
        Ok(Self {
            status: columns.text()?,
            owner: columns.maybe_text()?,
            stage: columns.maybe_text()?,
            currency: columns.maybe_text()?,
            value: columns.maybe_units()?,
            base_value: columns.maybe_units()?,
            close_date: columns.maybe_date()?,
            closed_on: columns.maybe_date()?,
        })
    }
}

/// Changes of one block.
struct Changes {
    owner: Owner,
    number: i64,
    rows: BTreeMap<u8, Option<Loose>>,
}

impl Changes {
    /// Writes the block with the changes.
    fn store(&self, tx: &Transaction<'_>, table: Table) -> Result<(), Trouble> {
        let key = self.owner.with([text(table.as_str()), integer(self.number)]);
        let before: Option<Vec<u8>> = tx
            .prepare_cached(&format!("SELECT entries FROM packed WHERE {KEY}"))?
            .query_row(params_from_iter(key.clone()), |row| row.get(0))
            .optional()?;
        let block = before.as_deref().map_or(Ok(Block::default()), Block::read)?;
        let after = self.applied_to(&block);
        if after.entries.is_empty() {
            tx.prepare_cached(&format!("DELETE FROM packed WHERE {KEY}"))?
                .execute(params_from_iter(key))?;
            return Ok(());
        }
        let bytes = postcard::to_allocvec(&after).map_err(stored)?;
        let values: Values<'_> = key.into_iter().chain([blob(&bytes)]).collect();
        tx.prepare_cached(
            "INSERT INTO packed (workspace, connection, name, block, entries) \
             VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET entries = excluded.entries",
        )?
        .execute(params_from_iter(values))?;
        Ok(())
    }

    fn applied_to<'a>(&'a self, block: &Block<'a>) -> Block<'a> {
        let mut texts = Texts::default();
        let kept = block.entries.iter().filter(|entry| !self.rows.contains_key(&entry.slot));
        let mut entries: Vec<_> = kept
            .map(|Entry { slot, name, figures }| {
                let figures = figures.as_ref();
                let figures = figures.map(|it| it.map(|&text| texts.number(block.text(text))));
                Entry { slot: *slot, name: *name, figures }
            })
            .collect();
        for (&slot, row) in &self.rows {
            let Some(Loose { name, figures }) = row else { continue };
            let figures = figures.as_ref().map(|it| it.map(|text| texts.number(text)));
            entries.push(Entry { slot, name: name.as_deref(), figures });
        }
        entries.sort_by_key(|entry| entry.slot);
        Block { texts: texts.texts, entries }
    }
}

const KEY: &str = "workspace = ? AND connection = ? AND name = ? AND block = ?";

/// Texts of a block, each once.
#[derive(Default)]
struct Texts<'a> {
    texts: Vec<&'a str>,
    numbers: HashMap<&'a str, u16>,
}

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a str) -> u16 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text);
            // A block has four texts for each of its rows at most.
            u16::try_from(self.texts.len() - 1).unwrap_or(u16::MAX)
        })
    }
}

fn stored(cause: postcard::Error) -> Trouble {
    Trouble::Stored(Box::new(cause))
}
