//! How rows lie in a block: column beside column, so that most of it is read where it stands.

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memrchr};
use serde::{Deserialize, Serialize};
use time::Date;

use crate::model::OpportunityStatus;
use crate::rules::Sketch;
use crate::storage::fallback::{Currencies, Facts};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;

/// Rows that lie beside each other, as they are stored: a migration that changes this has to note all
/// rows as not packed. `B` are bytes and `S` is text: borrowed where it is read, owned where it is put
/// together.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Block<'a, B = &'a [u8], S = &'a str> {
    /// The places of its rows, in order.
    slots: B,
    /// Their folded names, one a line; the line of what has none is empty.
    names: S,
    /// How long each is, in 2 bytes, the least significant first.
    lengths: B,
    /// Their sketches, of 16 bytes.
    sketches: B,
    /// What is packed of opportunities besides.
    #[serde(borrow)]
    columns: Option<Opportunities<'a, B>>,
}

/// The figures of opportunities, column by column.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Opportunities<'a, B> {
    #[serde(borrow)]
    status: Texts<'a, B>,
    owner: Texts<'a, B>,
    stage: Texts<'a, B>,
    currency: Texts<'a, B>,
    /// Scaled amounts of 16 bytes, the least significant first.
    value: B,
    base_value: B,
    /// Julian days of 4 bytes, the least significant first.
    close_date: B,
    closed_on: B,
}

/// A column of texts: each is written once, and counted from one. Zero is none.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Texts<'a, B> {
    #[serde(borrow)]
    texts: Vec<&'a str>,
    numbers: B,
}

/// No amount; every amount is far above it.
const NO_AMOUNT: i128 = i128::MIN;
/// No day; years have four digits.
const NO_DAY: i32 = i32::MIN;

/// The figures of one opportunity.
#[derive(Debug)]
pub(super) struct Figures<T> {
    pub(super) status: T,
    pub(super) owner: Option<T>,
    pub(super) stage: Option<T>,
    pub(super) currency: Option<T>,
    pub(super) value: Option<i128>,
    pub(super) base_value: Option<i128>,
    pub(super) close_date: Option<Date>,
    pub(super) closed_on: Option<Date>,
}

impl Figures<String> {
    pub(super) fn as_str(&self) -> Figures<&str> {
        Figures {
            status: &self.status,
            owner: self.owner.as_deref(),
            stage: self.stage.as_deref(),
            currency: self.currency.as_deref(),
            value: self.value,
            base_value: self.base_value,
            close_date: self.close_date,
            closed_on: self.closed_on,
        }
    }
}

impl<'a> Block<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Trouble> {
        postcard::from_bytes(bytes).map_err(|cause| Trouble::Stored(Box::new(cause)))
    }

    /// The folded names, empty ones for rows that have none.
    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.split('\n')
    }

    /// The names with their sketches.
    pub(crate) fn sketched_names(&self) -> impl Iterator<Item = (&'a str, Sketch)> {
        let ((lengths, _), (sketches, _)) = (self.lengths.as_chunks(), self.sketches.as_chunks());
        let mut from = 0;
        lengths.iter().zip(sketches).filter_map(move |(length, sketch)| {
            let to = from + usize::from(u16::from_le_bytes(*length));
            let name = self.names.get(from..to);
            from = to + 1;
            Some((name?, Sketch::from_bytes(*sketch)))
        })
    }

    /// The names with a text somewhere in them, each with its slot.
    pub(crate) fn names_with(&self, text: &Finder<'_>) -> impl Iterator<Item = (i64, &'a str)> {
        let (names, mut from, mut line) = (self.names, 0, 0);
        std::iter::from_fn(move || {
            let rest = names.as_bytes().get(from..)?;
            let at = text.find(rest)?;
            let start = memrchr(b'\n', &rest[..at]).map_or(0, |before| before + 1);
            let end = memchr(b'\n', &rest[at..]).map_or(rest.len(), |after| at + after);
            line += memchr_iter(b'\n', &rest[..start]).count();
            let found = (i64::from(*self.slots.get(line)?), names.get(from + start..from + end)?);
            line += 1;
            from += end + 1;
            Some(found)
        })
    }

    /// Shows what totals look at of each opportunity, and its folded name.
    pub(crate) fn each_facts<'c>(
        &self,
        currencies: &'c Currencies,
        mut visit: impl FnMut(&str, &Facts<'_>),
    ) -> Result<(), Trouble>
    where
        'a: 'c,
    {
        let Some(columns) = &self.columns else { return Ok(()) };
        let statuses = columns.status.texts.iter().map(|word| OpportunityStatus::from_word(word));
        let statuses: Option<Vec<_>> = statuses.collect();
        let statuses = statuses.ok_or_else(|| Trouble::stored("a status is not one"))?;
        let codes = columns.currency.texts.iter().map(|id| currencies.code_of(Some(id)));
        let codes: Vec<_> = codes.collect();
        for (at, name) in self.names().enumerate() {
            let figures = columns.figures(at);
            let status = columns.status.number(at).and_then(|number| statuses.get(number).copied());
            visit(
                name,
                &Facts {
                    status: status.ok_or_else(|| Trouble::stored("a status is missing"))?,
                    account: None,
                    owner: figures.owner,
                    stage: figures.stage,
                    currency: columns.currency.number(at).and_then(|it| codes.get(it).copied()?),
                    value: figures.value,
                    base_value: figures.base_value,
                    close_date: figures.close_date,
                    closed_on: figures.closed_on,
                },
            );
        }
        Ok(())
    }

    /// Every row: its slot, its folded name and its figures.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u8, &'a str, Option<Figures<&'a str>>)> {
        self.slots.iter().zip(self.names()).enumerate().map(|(at, (&slot, name))| {
            (slot, name, self.columns.as_ref().map(|columns| columns.figures(at)))
        })
    }
}

impl<'a> Opportunities<'a, &'a [u8]> {
    fn figures(&self, at: usize) -> Figures<&'a str> {
        Figures {
            status: self.status.get(at).unwrap_or_default(),
            owner: self.owner.get(at),
            stage: self.stage.get(at),
            currency: self.currency.get(at),
            value: amount(self.value, at),
            base_value: amount(self.base_value, at),
            close_date: day(self.close_date, at),
            closed_on: day(self.closed_on, at),
        }
    }
}

impl<'a> Texts<'a, &'a [u8]> {
    /// Which text a row has.
    fn number(&self, at: usize) -> Option<usize> {
        self.numbers.get(at).and_then(|number| usize::from(*number).checked_sub(1))
    }

    fn get(&self, at: usize) -> Option<&'a str> {
        self.number(at).and_then(|number| self.texts.get(number)).copied()
    }
}

fn amount(column: &[u8], at: usize) -> Option<i128> {
    let (amounts, _) = column.as_chunks::<16>();
    amounts.get(at).map(|bytes| i128::from_le_bytes(*bytes)).filter(|units| *units != NO_AMOUNT)
}

fn day(column: &[u8], at: usize) -> Option<Date> {
    let (days, _) = column.as_chunks::<4>();
    let day = days.get(at).map(|bytes| i32::from_le_bytes(*bytes));
    day.filter(|day| *day != NO_DAY).and_then(|day| Date::from_julian_day(day).ok())
}

/// A block that is put together, row by row in the order of their slots.
pub(super) struct Builder<'a>(Block<'a, Vec<u8>, String>);

impl<'a> Builder<'a> {
    pub(super) fn new(has_figures: bool) -> Self {
        let columns = has_figures.then(Opportunities::default);
        let (slots, lengths, sketches) = (Vec::new(), Vec::new(), Vec::new());
        Self(Block { slots, names: String::new(), lengths, sketches, columns })
    }

    pub(super) fn push(&mut self, slot: u8, name: &str, figures: Option<Figures<&'a str>>) {
        let Block { slots, names, lengths, sketches, columns } = &mut self.0;
        if !slots.is_empty() {
            names.push('\n');
        }
        slots.push(slot);
        names.push_str(name);
        // A folded name has 300 characters at most.
        lengths.extend(u16::try_from(name.len()).unwrap_or_default().to_le_bytes());
        sketches.extend(Sketch::of(name).to_bytes());
        let (Some(columns), Some(figures)) = (columns, figures) else { return };
        columns.status.push(Some(figures.status));
        columns.owner.push(figures.owner);
        columns.stage.push(figures.stage);
        columns.currency.push(figures.currency);
        for (column, amount) in
            [(&mut columns.value, figures.value), (&mut columns.base_value, figures.base_value)]
        {
            column.extend(amount.unwrap_or(NO_AMOUNT).to_le_bytes());
        }
        for (column, day) in [
            (&mut columns.close_date, figures.close_date),
            (&mut columns.closed_on, figures.closed_on),
        ] {
            column.extend(day.map_or(NO_DAY, Date::to_julian_day).to_le_bytes());
        }
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Trouble> {
        postcard::to_allocvec(&self.0).map_err(|cause| Trouble::Stored(Box::new(cause)))
    }
}

impl<'a> Texts<'a, Vec<u8>> {
    fn push(&mut self, text: Option<&'a str>) {
        let number = text.map_or(0, |text| {
            let known = self.texts.iter().position(|known| *known == text);
            let at = known.unwrap_or_else(|| {
                self.texts.push(text);
                self.texts.len() - 1
            });
            // A block has no more texts than rows.
            u8::try_from(at + 1).unwrap_or_default()
        });
        self.numbers.push(number);
    }
}
