//! Decodes pages without building a tree: UTF-8 is checked once, then a visitor walks the rows and
//! turns each into the model's while the next is still text.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::dynamics::error::Refusal;
use crate::dynamics::wire::{Key, Presence, RowOf, WireRow};
use crate::error::BoxError;
use crate::model::Record;
use crate::walk::Notice;

/// Where rows come from: a table of the service, and what becomes of its rows.
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    /// The row as it is sent.
    type Wire<'a>: WireRow<'a>;
    /// The row of the model.
    type Row: Record;

    /// The name of the table in URLs.
    fn set(&self) -> &str;

    /// The column of the primary key.
    fn key(&self) -> &'static str;

    /// Which rows are read, when not all.
    fn filter(&self) -> Option<String> {
        None
    }

    /// Which columns are asked for.
    fn select(&self) -> Vec<&'static str> {
        Self::Wire::COLUMNS.to_vec()
    }

    /// Turns a row into the model's.
    fn convert(&self, wire: Self::Wire<'_>) -> Converted<Self::Row>;

    /// Finishes the rows of a page where a row depends on its neighbours.
    fn finish(&self, rows: &mut [Self::Row]) {
        let _ = rows;
    }

    /// What to say when the table refuses to be read but others of its kind go on; `None` when the
    /// refusal ends the whole read.
    fn degrade(&self, refusal: &Refusal) -> Option<Vec<Notice>> {
        let _ = refusal;
        None
    }
}

/// What became of a row.
pub(crate) enum Converted<R> {
    /// It is none of ours, for example a process that runs on something else.
    Foreign,
    /// A row.
    Row(R),
    /// Its id, or what the model cannot do without, cannot be read.
    Unreadable,
}

impl<R> From<Option<R>> for Converted<R> {
    fn from(row: Option<R>) -> Self {
        row.map_or(Self::Unreadable, Self::Row)
    }
}

/// The content of a page.
#[derive(Debug)]
pub(crate) struct Decoded<R> {
    pub(crate) rows: Vec<R>,
    pub(crate) unreadable: u32,
    pub(crate) notices: Vec<Notice>,
    pub(crate) next_link: Option<String>,
}

/// Why a body is no page.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// It holds an error, although its status was success.
    Refused(Refusal),
    /// It is something else.
    Unexpected {
        /// What is wrong with it.
        detail: String,
        /// The cause, when there is one.
        source: Option<BoxError>,
    },
}

/// Decodes a page.
pub(crate) fn page<S: Source>(source: &S, body: &[u8]) -> Result<Decoded<S::Row>, BodyFault> {
    let text = std::str::from_utf8(body).map_err(|cause| BodyFault::Unexpected {
        detail: "a body that is not UTF-8".to_owned(),
        source: Some(Box::new(cause)),
    })?;
    let mut rows = Rows::new(source);
    let mut json = serde_json::Deserializer::from_str(text);
    let ends = PageSeed { rows: &mut rows }
        .deserialize(&mut json)
        .and_then(|ends| json.end().map(|()| ends))
        .map_err(not_json)?;
    if let Some(error) = ends.error {
        return Err(BodyFault::Refused(Refusal::within_success(error)));
    }
    if !ends.has_value {
        return Err(BodyFault::Unexpected { detail: "no list of rows".to_owned(), source: None });
    }
    Ok(rows.into_decoded(ends.next_link))
}

/// Decodes one row by itself.
pub(crate) fn row<S: Source>(source: &S, body: &[u8]) -> Result<Converted<S::Row>, BodyFault> {
    let row = serde_json::from_slice::<RowOf<S::Wire<'_>>>(body).map_err(not_json)?;
    Ok(source.convert(row.0))
}

/// Says where a body stops being the expected JSON. The cause itself is left out: it quotes values,
/// and those are the customer's.
#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err by name")]
pub(crate) fn not_json(cause: serde_json::Error) -> BodyFault {
    BodyFault::Unexpected {
        detail: format!("no such JSON (line {}, column {})", cause.line(), cause.column()),
        source: None,
    }
}

/// The rows of a page as they come in.
struct Rows<'s, S: Source> {
    source: &'s S,
    rows: Vec<S::Row>,
    taken: usize,
    unreadable: u32,
    notices: Vec<Notice>,
    /// Which of the wire's columns stood in any row.
    seen: Vec<bool>,
}

impl<'s, S: Source> Rows<'s, S> {
    fn new(source: &'s S) -> Self {
        let seen = vec![false; <S::Wire<'static> as WireRow<'static>>::COLUMNS.len()];
        Self { source, rows: Vec::new(), taken: 0, unreadable: 0, notices: Vec::new(), seen }
    }

    fn take(&mut self, json: &RawValue) {
        let Ok(RowOf(wire)) = serde_json::from_str::<RowOf<S::Wire<'_>>>(json.get()) else {
            self.unreadable += 1;
            return;
        };
        self.taken += 1;
        let unread = self.look_at(&wire);
        match self.source.convert(wire) {
            Converted::Foreign => {}
            Converted::Unreadable => self.unreadable += 1,
            Converted::Row(row) => {
                if !unread.is_empty() {
                    let detail = format!("{} could not be read", unread.join(", "));
                    self.notices.push(Notice::RowIncomplete { id: row.record_id(), detail });
                }
                self.rows.push(row);
            }
        }
    }

    /// Marks the columns that are there, and lists those that cannot be read.
    fn look_at<'a>(&mut self, wire: &S::Wire<'a>) -> Vec<&'static str> {
        let columns = <S::Wire<'a> as WireRow<'a>>::COLUMNS;
        let mut unread = Vec::new();
        for ((presence, column), seen) in wire.presences().zip(columns).zip(&mut self.seen) {
            *seen |= presence != Presence::Absent;
            if presence == Presence::Unreadable {
                unread.push(*column);
            }
        }
        unread
    }

    fn into_decoded(mut self, next_link: Option<String>) -> Decoded<S::Row> {
        self.source.finish(&mut self.rows);
        if self.taken > 0 {
            let columns = <S::Wire<'static> as WireRow<'static>>::COLUMNS;
            let asked = self.source.select();
            let drifted = columns
                .iter()
                .zip(&self.seen)
                .filter(|(column, seen)| !**seen && asked.contains(column))
                .map(|(column, _)| Notice::ColumnMissing { column: (*column).to_owned() });
            self.notices.extend(drifted);
        }
        let Self { rows, unreadable, notices, .. } = self;
        Decoded { rows, unreadable, notices, next_link }
    }
}

struct PageSeed<'r, 's, S: Source> {
    rows: &'r mut Rows<'s, S>,
}

/// What stands around the rows.
#[derive(Default)]
struct Ends<'de> {
    has_value: bool,
    next_link: Option<String>,
    error: Option<&'de RawValue>,
}

impl<'de, S: Source> DeserializeSeed<'de> for PageSeed<'_, '_, S> {
    type Value = Ends<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Ends<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: Source> Visitor<'de> for PageSeed<'_, '_, S> {
    type Value = Ends<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ends<'de>, A::Error> {
        let mut ends = Ends::default();
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            match &*name {
                "value" => {
                    map.next_value_seed(RowsSeed { rows: self.rows })?;
                    ends.has_value = true;
                }
                "@odata.nextLink" => ends.next_link = map.next_value()?,
                "error" => ends.error = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(ends)
    }
}

struct RowsSeed<'r, 's, S: Source> {
    rows: &'r mut Rows<'s, S>,
}

impl<'de, S: Source> DeserializeSeed<'de> for RowsSeed<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: Source> Visitor<'de> for RowsSeed<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(json) = rows.next_element::<&'de RawValue>()? {
            self.rows.take(json);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
