//! The rows of one table: held ones, and ones that are computed when they are read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::Bound;

use uuid::Uuid;

use crate::testkit::dataverse::cell::{Cell, SqlId};
use crate::testkit::dataverse::schema::{Definition, Kind, Origin};
use crate::testkit::dataverse::synthetic::Synthetic;

/// A row that is kept in memory.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) cells: Vec<Cell>,
    pub(crate) version: u64,
}

/// A table of the fake org.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) definition: Definition,
    held: BTreeMap<SqlId, Held>,
    synthetic: Option<Synthetic>,
    /// Computed rows that were deleted since.
    deleted: BTreeSet<SqlId>,
}

/// A row, wherever it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RowRef<'a> {
    Held(&'a Definition, &'a Held),
    Synthetic(&'a Definition, &'a Synthetic, u64),
}

impl<'a> RowRef<'a> {
    pub(crate) fn definition(self) -> &'a Definition {
        match self {
            Self::Held(definition, _) | Self::Synthetic(definition, ..) => definition,
        }
    }

    /// The value of a column.
    pub(crate) fn cell(self, column: usize) -> Cow<'a, Cell> {
        match self.definition().columns[column].origin {
            Origin::Stored => self.stored(column),
            Origin::Version => {
                Cow::Owned(Cell::Int(i64::try_from(self.version()).unwrap_or(i64::MAX)))
            }
            Origin::OwningUser => self.owner_in("systemuser"),
            Origin::OwningTeam => self.owner_in("team"),
        }
    }

    fn stored(self, column: usize) -> Cow<'a, Cell> {
        match self {
            Self::Held(_, row) => Cow::Borrowed(&row.cells[column]),
            Self::Synthetic(definition, synthetic, index) => {
                Cow::Owned(synthetic.cell(index, &definition.columns[column].name))
            }
        }
    }

    /// The owner when it is of this table, else null.
    fn owner_in(self, wanted: &str) -> Cow<'a, Cell> {
        let owner = self.named("ownerid");
        let fits = matches!(&*owner, Cell::Lookup { table, .. } if table == wanted);
        if fits { owner } else { Cow::Owned(Cell::Null) }
    }

    /// The value of a column by its logical name; null when there is no such column.
    pub(crate) fn named(self, column: &str) -> Cow<'a, Cell> {
        match self.definition().column(column) {
            Some(column) => self.cell(column),
            None => Cow::Owned(Cell::Null),
        }
    }

    pub(crate) fn id(self) -> Uuid {
        self.cell(0).id().unwrap_or_default()
    }

    pub(crate) fn version(self) -> u64 {
        match self {
            Self::Held(_, row) => row.version,
            Self::Synthetic(_, synthetic, index) => synthetic.version(index),
        }
    }

    pub(crate) fn etag(self) -> String {
        format!("W/\"{}\"", self.version())
    }
}

impl Table {
    pub(crate) fn new(definition: Definition) -> Self {
        Self { definition, held: BTreeMap::new(), synthetic: None, deleted: BTreeSet::new() }
    }

    /// Adds rows that are computed when they are read.
    pub(crate) fn synthesise(&mut self, rows: Synthetic) {
        self.synthetic = Some(rows);
    }

    /// How many rows there are, whatever a user may see.
    pub(crate) fn len(&self) -> u64 {
        let shadowed = self.held.keys().filter(|id| self.computes(**id)).count() as u64;
        let computed = self.synthetic.as_ref().map_or(0, Synthetic::len);
        self.held.len() as u64 + computed - shadowed - self.deleted.len() as u64
    }

    fn computes(&self, id: SqlId) -> bool {
        self.synthetic.as_ref().is_some_and(|rows| rows.position(id).is_some())
    }

    pub(crate) fn row(&self, id: Uuid) -> Option<RowRef<'_>> {
        let key = SqlId::from(id);
        if let Some(row) = self.held.get(&key) {
            return Some(RowRef::Held(&self.definition, row));
        }
        let synthetic = self.synthetic.as_ref()?;
        let index = synthetic.position(key).filter(|_| !self.deleted.contains(&key))?;
        Some(RowRef::Synthetic(&self.definition, synthetic, index))
    }

    /// Adds a row with only its key; the other columns are null.
    pub(crate) fn insert(&mut self, id: Uuid, version: u64) {
        let mut cells = vec![Cell::Null; self.definition.columns.len()];
        cells[0] = Cell::Guid(id);
        self.deleted.remove(&SqlId::from(id));
        self.held.insert(SqlId::from(id), Held { cells, version });
    }

    /// Changes one value; false when the row or the column is not there.
    pub(crate) fn set(&mut self, id: Uuid, column: &str, value: Cell, version: u64) -> bool {
        let (Some(at), Some(row)) = (self.definition.column(column), self.row(id)) else {
            return false;
        };
        let value = self.fit(at, value);
        if let RowRef::Synthetic(..) = row {
            let cells = (0..self.definition.columns.len()).map(|c| row.cell(c).into_owned());
            let held = Held { cells: cells.collect(), version };
            self.held.insert(SqlId::from(id), held);
        }
        if let Some(held) = self.held.get_mut(&SqlId::from(id)) {
            held.cells[at] = value;
            held.version = version;
        }
        true
    }

    /// Makes an id a lookup and gives money its four places, as the column asks.
    fn fit(&self, column: usize, value: Cell) -> Cell {
        match (&self.definition.columns[column].kind, value) {
            (Kind::Lookup(targets), Cell::Guid(id)) => match targets.first() {
                Some(table) => Cell::Lookup { table: table.clone(), id },
                None => Cell::Guid(id),
            },
            (Kind::Money, Cell::Decimal(amount)) => Cell::money(&amount.to_string()),
            (Kind::Text, Cell::Text(text)) if text.is_empty() => Cell::Null,
            (_, value) => value,
        }
    }

    /// Removes a row; false when it is not there.
    pub(crate) fn remove(&mut self, id: Uuid) -> bool {
        let key = SqlId::from(id);
        let there = self.row(id).is_some();
        self.held.remove(&key);
        if self.computes(key) {
            self.deleted.insert(key);
        }
        there
    }

    /// The rows after a key, in the order of the primary key.
    pub(crate) fn after(&self, key: Option<SqlId>) -> impl Iterator<Item = RowRef<'_>> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        let held = self.held.range((from, Bound::Unbounded));
        let held = held.map(|(key, row)| (*key, RowRef::Held(&self.definition, row)));
        let first = match (&self.synthetic, key) {
            (Some(rows), Some(key)) => rows.first_after(key),
            _ => 0,
        };
        let computed = self.synthetic.iter().flat_map(move |rows| {
            (first..rows.len()).map(move |index| {
                let row = RowRef::Synthetic(&self.definition, rows, index);
                (SqlId::from(rows.id(index)), row)
            })
        });
        let computed =
            computed.filter(|(key, _)| !self.deleted.contains(key) && !self.held.contains_key(key));
        Merge { left: held.peekable(), right: computed.peekable() }
    }

    pub(crate) fn synthetic(&self) -> Option<&Synthetic> {
        self.synthetic.as_ref()
    }

    /// The held rows, and which computed rows they and the deletions replace.
    pub(crate) fn held(&self) -> impl Iterator<Item = RowRef<'_>> {
        self.held.values().map(|row| RowRef::Held(&self.definition, row))
    }

    /// A computed row, unless it was replaced or deleted.
    pub(crate) fn computed(&self, index: u64) -> Option<RowRef<'_>> {
        let rows = self.synthetic.as_ref()?;
        let key = SqlId::from(rows.id(index));
        let replaced = self.deleted.contains(&key) || self.held.contains_key(&key);
        (!replaced).then_some(RowRef::Synthetic(&self.definition, rows, index))
    }
}

/// Two sorted sequences as one.
struct Merge<L: Iterator, R: Iterator> {
    left: Peekable<L>,
    right: Peekable<R>,
}

impl<K: Ord, V, L, R> Iterator for Merge<L, R>
where
    L: Iterator<Item = (K, V)>,
    R: Iterator<Item = (K, V)>,
{
    type Item = V;

    fn next(&mut self) -> Option<V> {
        let left_first = match (self.left.peek(), self.right.peek()) {
            (Some((a, _)), Some((b, _))) => a <= b,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let next = if left_first { self.left.next() } else { self.right.next() };
        next.map(|(_, value)| value)
    }
}
