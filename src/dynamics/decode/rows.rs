//! The rows of a page as they come in, and what is to be said about them.

use crate::dynamics::decode::{Converted, Decoded, Source};
use crate::dynamics::wire::{Role, WireRow};
use crate::model::Record;
use crate::walk::Notice;

/// As many rows as a page ever has, and the fewest bytes that a row takes: what is made room for
/// before the first row.
const MOST_ROWS: usize = 5_000;
const ROW_BYTES: usize = 512;

/// The rows so far.
pub(super) struct Rows<'s, S: Source> {
    source: &'s S,
    rows: Vec<S::Row>,
    /// Rows whose columns could be told apart.
    taken: usize,
    unreadable: u32,
    notices: Vec<Notice>,
    /// Which of the wire's columns stood in any row: a bit each.
    seen: u64,
}

impl<'s, S: Source> Rows<'s, S> {
    pub(super) fn new(source: &'s S, bytes: usize) -> Self {
        let rows = Vec::with_capacity((bytes / ROW_BYTES).min(MOST_ROWS));
        Self { source, rows, taken: 0, unreadable: 0, notices: Vec::new(), seen: 0 }
    }

    /// Takes a row in.
    pub(super) fn take(&mut self, wire: &S::Wire<'_>) {
        self.taken += 1;
        if self.has_too_many() {
            return;
        }
        let marks = wire.marks();
        self.seen |= marks.present;
        match self.source.convert(wire) {
            Converted::Foreign => {}
            Converted::Unreadable => self.unreadable += 1,
            Converted::Row(row) => {
                if marks.unreadable != 0 {
                    self.report(&row, marks.unreadable);
                }
                self.rows.push(row);
            }
        }
    }

    /// Whether there are more rows than were asked for. They are not kept: small as each may be, a
    /// body of them would grow far beyond its own size.
    pub(super) const fn has_too_many(&self) -> bool {
        self.taken > MOST_ROWS
    }

    /// Counts a row that is none.
    pub(super) const fn refuse(&mut self) {
        self.unreadable += 1;
    }

    #[cold]
    fn report(&mut self, row: &S::Row, unreadable: u64) {
        let columns = columns::<S>().filter(|(bit, _)| unreadable & bit != 0);
        let columns: Vec<_> = columns.map(|(_, column)| column).collect();
        let detail = format!("{} could not be read", columns.join(", "));
        self.notices.push(Notice::RowIncomplete { id: row.record_id(), detail });
    }

    /// Ends the page.
    pub(super) fn into_decoded(mut self, next_link: Option<String>) -> Decoded<S::Row> {
        self.source.finish(&mut self.rows);
        let asked = self.source.select();
        if self.taken > 0 {
            let missing = columns::<S>().filter(|(bit, _)| self.seen & bit == 0);
            let missing = missing.filter(|(_, column)| asked.contains(column));
            let notice = |column: &str| Notice::ColumnMissing { column: column.to_owned() };
            self.notices.extend(missing.map(|(_, column)| notice(column)));
        }
        let absent = if self.rows.is_empty() { Vec::new() } else { self.absent(&asked) };
        let Self { rows, unreadable, notices, .. } = self;
        Decoded { rows, unreadable, notices, absent, next_link }
    }

    /// The model's fields of which no row of the page knows anything.
    fn absent(&self, asked: &[&str]) -> Vec<&'static str> {
        let (mut fed, mut absent) = (Vec::new(), Vec::new());
        let roles = <S::Wire<'static> as WireRow<'static>>::ROLES;
        for ((bit, column), (role, fields)) in columns::<S>().zip(roles) {
            if *role == Role::Helps {
                continue;
            }
            if self.seen & bit != 0 {
                fed.extend_from_slice(fields);
            } else if asked.contains(&column) {
                absent.extend_from_slice(fields);
            }
        }
        absent.retain(|field| !fed.contains(field));
        absent.sort_unstable();
        absent.dedup();
        absent
    }
}

/// The wire's columns, each with its bit.
fn columns<S: Source>() -> impl Iterator<Item = (u64, &'static str)> {
    let columns = <S::Wire<'static> as WireRow<'static>>::COLUMNS;
    columns.iter().enumerate().map(|(bit, column)| (1 << bit, *column))
}
