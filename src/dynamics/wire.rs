//! Columns and rows as the service sends them: each column read by itself, so that one that cannot
//! be read spoils neither its row nor its page.

mod guid;
mod scalar;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(crate) use guid::Guid;
pub(crate) use scalar::Scalar;

/// A column of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Column<T> {
    /// Not in the row.
    #[default]
    Absent,
    /// Explicitly empty.
    Null,
    /// Something else than a `T`.
    Unreadable,
    /// A value.
    Value(T),
}

impl<T> Column<T> {
    pub(crate) fn read<'a>(raw: &'a RawValue) -> Self
    where
        T: Scalar<'a>,
    {
        match raw.get() {
            "null" => Self::Null,
            json => T::read(json).into(),
        }
    }

    /// The value, when there is one.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Unreadable => None,
        }
    }

    pub(crate) const fn known(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Unreadable => None,
        }
    }
}

impl<T> From<Option<T>> for Column<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unreadable, Self::Value)
    }
}

impl<'de, T: Scalar<'de>> Deserialize<'de> for Column<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::quick(deserializer)
    }
}

impl Column<Cow<'_, str>> {
    /// The text as the model keeps it; an empty one says nothing.
    pub(crate) fn text(&self) -> Option<String> {
        self.known().filter(|text| !text.is_empty()).map(|text| text.as_ref().to_owned())
    }

    pub(crate) fn is(&self, expected: &str) -> bool {
        matches!(self, Self::Value(text) if text == expected)
    }
}

impl Column<Guid<'_>> {
    /// The id in the service's own spelling; the empty GUID stands for none.
    pub(crate) fn id<T: TryFrom<String>>(&self) -> Option<T> {
        let guid = self.known().filter(|guid| !guid.is_nil())?;
        T::try_from(guid.as_str().to_owned()).ok()
    }
}

/// Which columns a row has, and which of them cannot be read: a bit each, in the order of
/// [`WireRow::COLUMNS`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) present: u64,
    pub(crate) unreadable: u64,
}

impl Marks {
    /// Notes down a column that was read. Of two with the same name, the last one counts.
    pub(crate) fn note<T>(&mut self, bit: u32, column: &Column<T>) {
        self.present |= 1 << bit;
        self.unreadable &= !(1 << bit);
        self.unreadable |= u64::from(matches!(column, Column::Unreadable)) << bit;
    }
}

/// What a column of the wire is to fields of the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// They come from this column. Several columns may feed one field; while one of them comes, it
    /// is known.
    Feeds,
    /// It makes them more precise; they are known without it, and not by it alone.
    Helps,
}

/// A row of a table, filled column by column.
pub(crate) trait WireRow<'a>: Default {
    /// Every column that is asked for.
    const COLUMNS: &'static [&'static str];

    /// What each of the columns is to which fields of the model, by their names in its JSON. A dot
    /// leads into a part: `record_stage.label`.
    const ROLES: &'static [(Role, &'static [&'static str])];

    /// One of the row's columns, annotations included.
    type Slot: Copy + fmt::Debug;

    /// The row's column of that name, if there is one.
    fn slot(column: &str) -> Option<Self::Slot>;

    /// Takes a column in that was cut out before.
    fn take(&mut self, slot: Self::Slot, json: &'a RawValue);

    /// Takes a column in right from the page.
    ///
    /// # Errors
    /// What [`take`](WireRow::take) has to look at.
    fn read<A: MapAccess<'a>>(&mut self, slot: Self::Slot, map: &mut A) -> Result<(), A::Error>;

    fn marks(&self) -> Marks;
}

/// Declares a row: its fields, their types, the columns they come from, and what each is to the
/// fields of the model. The columns behind `beside` are annotations: they come along without being
/// asked for, or do not come.
macro_rules! wire_row {
    ($(#[$doc:meta])* $name:ident<$life:lifetime> {
        $($field:ident: $type:ty = $column:literal => $role:ident[$($model:literal),+],)*
    } $(beside { $($note:ident: $note_type:ty = $annotation:literal,)* })?) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<$life> {
            $(pub(crate) $field: $crate::dynamics::wire::Column<$type>,)*
            $($(pub(crate) $note: $crate::dynamics::wire::Column<$note_type>,)*)?
            marks: $crate::dynamics::wire::Marks,
        }

        const _: () = {
            #[derive(Clone, Copy, Debug)]
            #[expect(non_camel_case_types, reason = "named after the fields")]
            pub(crate) enum Slot {
                $($field,)*
                $($($note,)*)?
            }

            impl<$life> $crate::dynamics::wire::WireRow<$life> for $name<$life> {
                const COLUMNS: &'static [&'static str] = &[$($column),*];

                const ROLES: &'static [($crate::dynamics::wire::Role, &'static [&'static str])] =
                    &[$(($crate::dynamics::wire::Role::$role, &[$($model),+])),*];

                type Slot = Slot;

                fn slot(column: &str) -> Option<Slot> {
                    match column {
                        $($column => Some(Slot::$field),)*
                        $($($annotation => Some(Slot::$note),)*)?
                        _ => None,
                    }
                }

                fn take(&mut self, slot: Slot, json: &$life serde_json::value::RawValue) {
                    match slot {
                        $(Slot::$field => {
                            self.$field = $crate::dynamics::wire::Column::read(json);
                            self.marks.note(slot as u32, &self.$field);
                        })*
                        $($(Slot::$note => {
                            self.$note = $crate::dynamics::wire::Column::read(json);
                        })*)?
                    }
                }

                fn read<A: serde::de::MapAccess<$life>>(
                    &mut self,
                    slot: Slot,
                    map: &mut A,
                ) -> Result<(), A::Error> {
                    match slot {
                        $(Slot::$field => {
                            self.$field = map.next_value()?;
                            self.marks.note(slot as u32, &self.$field);
                        })*
                        $($(Slot::$note => self.$note = map.next_value()?,)*)?
                    }
                    Ok(())
                }

                fn marks(&self) -> $crate::dynamics::wire::Marks {
                    self.marks
                }
            }
        };
    };
}
pub(crate) use wire_row;

/// Reads a row from a JSON object, each column cut out before it is read.
pub(crate) struct RowOf<W>(pub(crate) W);

impl<'de, W: WireRow<'de>> Deserialize<'de> for RowOf<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor(PhantomData)).map(Self)
    }
}

struct RowVisitor<W>(PhantomData<W>);

impl<'de, W: WireRow<'de>> Visitor<'de> for RowVisitor<W> {
    type Value = W;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<W, A::Error> {
        let mut row = W::default();
        while let Some(Key(column)) = map.next_key::<Key<'de>>()? {
            let json = map.next_value::<&'de RawValue>()?;
            if let Some(slot) = W::slot(&column) {
                row.take(slot, json);
            }
        }
        Ok(row)
    }
}

/// A member's name, borrowed when it holds no escape.
#[derive(serde::Deserialize)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[cfg(test)]
mod tests;
