//! The order of a page's columns, learned from its own rows: the service writes every row in the
//! same order, so that one comparison tells most columns.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::dynamics::decode::Source;
use crate::dynamics::decode::rows::Rows;
use crate::dynamics::wire::WireRow;

/// More names than this are looked up each time; a table asks for fewer than 30 columns, and each
/// may have an annotation.
const MOST: usize = 128;

/// The names met so far, and which of the row's columns they are, if any.
#[derive(Debug)]
pub(super) struct Layout<'de, W: WireRow<'de>> {
    known: Vec<(&'de str, Option<W::Slot>)>,
    /// Where the next name should stand.
    next: usize,
}

impl<'de, W: WireRow<'de>> Layout<'de, W> {
    pub(super) const fn new() -> Self {
        Self { known: Vec::new(), next: 0 }
    }

    pub(super) const fn begin_row(&mut self) {
        self.next = 0;
    }

    fn slot(&mut self, name: &'de str) -> Option<W::Slot> {
        match self.known.get(self.next) {
            Some((expected, slot)) if *expected == name => {
                self.next += 1;
                *slot
            }
            _ => self.search(name),
        }
    }

    /// Finds a name that does not stand where it did: an annotation is left out where its column is
    /// empty, so what follows is tried first.
    fn search(&mut self, name: &'de str) -> Option<W::Slot> {
        let ahead = self.known.get(self.next..).unwrap_or_default();
        if let Some(skipped) = ahead.iter().position(|(known, _)| *known == name) {
            self.next += skipped + 1;
            return ahead[skipped].1;
        }
        let slot = W::slot(name);
        if self.known.len() < MOST {
            self.known.insert(self.next, (name, slot));
            self.next += 1;
        }
        slot
    }
}

/// Reads the name of a column.
pub(super) struct NameSeed<'l, 'de, W: WireRow<'de>>(pub(super) &'l mut Layout<'de, W>);

impl<'de, W: WireRow<'de>> DeserializeSeed<'de> for NameSeed<'_, 'de, W> {
    type Value = Option<W::Slot>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de, W: WireRow<'de>> Visitor<'de> for NameSeed<'_, 'de, W> {
    type Value = Option<W::Slot>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(self.0.slot(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(W::slot(name))
    }
}

/// Reads a row right from the page.
pub(super) struct RowSeed<'r, 's, 'de, S: Source> {
    pub(super) layout: &'r mut Layout<'de, S::Wire<'de>>,
    pub(super) rows: &'r mut Rows<'s, S>,
}

impl<'de, S: Source> DeserializeSeed<'de> for RowSeed<'_, '_, 'de, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, S: Source> Visitor<'de> for RowSeed<'_, '_, 'de, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut row = S::Wire::<'de>::default();
        self.layout.begin_row();
        while let Some(slot) = map.next_key_seed(NameSeed(&mut *self.layout))? {
            match slot {
                Some(slot) => row.read(slot, &mut map)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.rows.take(&row);
        Ok(())
    }
}
