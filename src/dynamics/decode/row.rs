//! Reads a row right from its page.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::dynamics::decode::Source;
use crate::dynamics::decode::rows::Rows;
use crate::dynamics::wire::WireRow;

/// Reads a row and adds it to the others at once: a row of the wire is too big to be handed around.
pub(super) struct RowSeed<'r, 's, S: Source>(pub(super) &'r mut Rows<'s, S>);

impl<'de, S: Source> DeserializeSeed<'de> for RowSeed<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, S: Source> Visitor<'de> for RowSeed<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut row = S::Wire::<'de>::default();
        while let Some(slot) = map.next_key_seed(SlotSeed::<S::Wire<'de>>(PhantomData))? {
            match slot {
                Some(slot) => row.read(slot, &mut map)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.0.take(&row);
        Ok(())
    }
}

/// Reads a column's name.
///
/// Guessing it from the row before was measured: it gains nothing over the comparison by length and
/// text that the compiler makes of [`WireRow::slot`].
struct SlotSeed<W>(PhantomData<W>);

impl<'de, W: WireRow<'de>> DeserializeSeed<'de> for SlotSeed<W> {
    type Value = Option<W::Slot>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de, W: WireRow<'de>> Visitor<'de> for SlotSeed<W> {
    type Value = Option<W::Slot>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(W::slot(name))
    }
}
