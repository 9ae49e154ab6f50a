//! Walks over a page, row by row, in one of two ways.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::dynamics::decode::Source;
use crate::dynamics::decode::row::RowSeed;
use crate::dynamics::decode::rows::Rows;
use crate::dynamics::wire::{Key, RowOf};

/// What stands around the rows.
#[derive(Default)]
pub(super) struct Ends<'de> {
    pub(super) has_value: bool,
    pub(super) next_link: Option<String>,
    pub(super) error: Option<&'de RawValue>,
}

/// Walks over a whole page.
pub(super) fn walk<'de>(text: &'de str, way: &mut impl Way<'de>) -> serde_json::Result<Ends<'de>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let ends = PageSeed(way).deserialize(&mut json)?;
    json.end().map(|()| ends)
}

/// How rows are taken from their list.
pub(super) trait Way<'de> {
    /// Takes the next row; `false` at the end of the list.
    fn step<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error>;
}

/// Reads each row right where it stands, and gives up where anything surprises.
pub(super) struct Quick<'r, 's, S: Source>(pub(super) &'r mut Rows<'s, S>);

impl<'de, S: Source> Way<'de> for Quick<'_, '_, S> {
    fn step<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        Ok(list.next_element_seed(RowSeed(self.0))?.is_some())
    }
}

/// Cuts each row out before it is read, and each column out of its row, so that what is wrong with
/// one costs only itself.
pub(super) struct Careful<'r, 's, S: Source>(pub(super) &'r mut Rows<'s, S>);

impl<'de, S: Source> Way<'de> for Careful<'_, '_, S> {
    fn step<A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Some(json) = list.next_element::<&'de RawValue>()? else {
            return Ok(false);
        };
        match serde_json::from_str::<RowOf<S::Wire<'de>>>(json.get()) {
            Ok(RowOf(row)) => self.0.take(&row),
            Err(_) => self.0.refuse(),
        }
        Ok(true)
    }
}

struct PageSeed<'w, W>(&'w mut W);

impl<'de, W: Way<'de>> DeserializeSeed<'de> for PageSeed<'_, W> {
    type Value = Ends<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Ends<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, W: Way<'de>> Visitor<'de> for PageSeed<'_, W> {
    type Value = Ends<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ends<'de>, A::Error> {
        let mut ends = Ends::default();
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            match &*name {
                "value" => {
                    map.next_value_seed(ListSeed(&mut *self.0))?;
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

struct ListSeed<'w, W>(&'w mut W);

impl<'de, W: Way<'de>> DeserializeSeed<'de> for ListSeed<'_, W> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, W: Way<'de>> Visitor<'de> for ListSeed<'_, W> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.step(&mut list)? {}
        Ok(())
    }
}
