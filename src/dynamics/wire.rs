//! Columns and rows as the service sends them: each column read by itself, so that one that cannot
//! be read spoils neither its row nor its page.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

use crate::model::Amount;

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

/// What is known of a column, whatever its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    Absent,
    Present,
    Unreadable,
}

impl<T> Column<T> {
    pub(crate) fn read<'a>(raw: &'a RawValue) -> Self
    where
        T: Scalar<'a>,
    {
        match raw.get() {
            "null" => Self::Null,
            json => T::read(json).map_or(Self::Unreadable, Self::Value),
        }
    }

    /// The value, when there is one.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Unreadable => None,
        }
    }

    pub(crate) const fn presence(&self) -> Presence {
        match self {
            Self::Absent => Presence::Absent,
            Self::Unreadable => Presence::Unreadable,
            Self::Null | Self::Value(_) => Presence::Present,
        }
    }
}

impl Column<Cow<'_, str>> {
    /// The text as the model keeps it; an empty one says nothing.
    pub(crate) fn text(self) -> Option<String> {
        self.value().map(Cow::into_owned).filter(|text| !text.is_empty())
    }

    pub(crate) fn is(&self, expected: &str) -> bool {
        matches!(self, Self::Value(text) if text == expected)
    }
}

impl Column<Uuid> {
    /// The id in the service's own spelling; the empty GUID stands for none.
    pub(crate) fn id<T: TryFrom<String>>(self) -> Option<T> {
        let uuid = self.value().filter(|uuid| !uuid.is_nil())?;
        T::try_from(uuid.hyphenated().to_string()).ok()
    }
}

/// A type that a column may have.
pub(crate) trait Scalar<'a>: Sized {
    /// Reads one JSON value.
    fn read(json: &'a str) -> Option<Self>;
}

impl<'a> Scalar<'a> for Cow<'a, str> {
    fn read(json: &'a str) -> Option<Self> {
        let inner = json.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            return serde_json::from_str(json).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }
}

impl Scalar<'_> for Uuid {
    fn read(json: &str) -> Option<Self> {
        Self::try_parse(unquoted(json)?).ok()
    }
}

impl Scalar<'_> for bool {
    fn read(json: &str) -> Option<Self> {
        json.parse().ok()
    }
}

impl Scalar<'_> for i64 {
    fn read(json: &str) -> Option<Self> {
        // Numbers of 64 bits may come in quotes.
        unquoted(json).unwrap_or(json).parse().ok()
    }
}

impl Scalar<'_> for Amount {
    fn read(json: &str) -> Option<Self> {
        unquoted(json).unwrap_or(json).parse().ok()
    }
}

impl Scalar<'_> for OffsetDateTime {
    fn read(json: &str) -> Option<Self> {
        let at = Self::parse(unquoted(json)?, &Rfc3339).ok()?;
        at.checked_to_offset(time::UtcOffset::UTC)
    }
}

impl Scalar<'_> for Date {
    /// Reads a plain date, or the time that older orgs write instead: midnight in the user's zone,
    /// told in UTC.
    ///
    /// Cutting that text would give the day before in the east, so the nearest midnight counts; 13
    /// hours reach from Hawaii to New Zealand.
    fn read(json: &str) -> Option<Self> {
        const PLAIN: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
        let text = unquoted(json)?;
        if let Ok(date) = Self::parse(text, PLAIN) {
            return Some(date);
        }
        let midnight = <OffsetDateTime as Scalar<'_>>::read(json)?;
        midnight.checked_add(Duration::hours(13)).map(OffsetDateTime::date)
    }
}

fn unquoted(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

/// A row of a table, filled column by column.
pub(crate) trait WireRow<'a>: Default {
    /// Every column that is asked for.
    const COLUMNS: &'static [&'static str];

    /// Takes a column in, if it is one of the row's.
    fn take(&mut self, column: &str, json: &'a RawValue);

    /// What is known of each of the [`COLUMNS`](WireRow::COLUMNS), in their order.
    fn presences(&self) -> impl Iterator<Item = Presence>;
}

/// Declares a row: its fields, their types and the columns they come from. The columns behind
/// `beside` are annotations: they come along without being asked for, or do not come.
macro_rules! wire_row {
    ($(#[$doc:meta])* $name:ident<$life:lifetime> {
        $($field:ident: $type:ty = $column:literal,)*
    } $(beside { $($note:ident: $note_type:ty = $annotation:literal,)* })?) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<$life> {
            $(pub(crate) $field: $crate::dynamics::wire::Column<$type>,)*
            $($(pub(crate) $note: $crate::dynamics::wire::Column<$note_type>,)*)?
            /// Rows without text borrow nothing.
            borrowed: std::marker::PhantomData<&$life str>,
        }

        impl<$life> $crate::dynamics::wire::WireRow<$life> for $name<$life> {
            const COLUMNS: &'static [&'static str] = &[$($column),*];

            fn take(&mut self, column: &str, json: &$life serde_json::value::RawValue) {
                match column {
                    $($column => self.$field = $crate::dynamics::wire::Column::read(json),)*
                    $($($annotation => self.$note = $crate::dynamics::wire::Column::read(json),)*)?
                    _ => {}
                }
            }

            fn presences(&self) -> impl Iterator<Item = $crate::dynamics::wire::Presence> {
                [$(self.$field.presence()),*].into_iter()
            }
        }
    };
}
pub(crate) use wire_row;

/// Reads a row from a JSON object.
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
            row.take(&column, map.next_value()?);
        }
        Ok(row)
    }
}

/// A member's name, borrowed when it holds no escape.
#[derive(serde::Deserialize)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[cfg(test)]
mod tests;
