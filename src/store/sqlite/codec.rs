//! How values stand in columns, in both directions.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, Rows};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::model::json::{date_text, parse_date};
use crate::model::{Amount, ConnectionId, WorkspaceId};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;

/// A value on its way into a statement.
pub(crate) type Put<'a> = ToSqlOutput<'a>;

/// The values of a statement, in the order of its parameters.
pub(crate) type Values<'a> = Vec<Put<'a>>;

/// Whose rows a step touches: the beginning of nearly every key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub(crate) workspace: WorkspaceId,
    pub(crate) connection: ConnectionId,
}

impl Owner {
    pub(crate) fn new(workspace: &WorkspaceId, connection: ConnectionId) -> Self {
        Self { workspace: workspace.clone(), connection }
    }

    /// Workspace and connection as the first two parameters.
    pub(crate) fn values(&self) -> Values<'_> {
        vec![text(self.workspace.as_str()), uuid(self.connection.as_uuid())]
    }

    /// The first two parameters with further ones behind them.
    pub(crate) fn with<'a>(&'a self, more: impl IntoIterator<Item = Put<'a>>) -> Values<'a> {
        let mut values = self.values();
        values.extend(more);
        values
    }
}

pub(crate) fn text(text: &str) -> Put<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
}

pub(crate) fn maybe_text(value: Option<&str>) -> Put<'_> {
    value.map_or(NULL, text)
}

pub(crate) fn owned_text(text: String) -> Put<'static> {
    ToSqlOutput::Owned(Value::Text(text))
}

pub(crate) fn blob(bytes: &[u8]) -> Put<'_> {
    ToSqlOutput::Borrowed(ValueRef::Blob(bytes))
}

pub(crate) fn uuid(uuid: Uuid) -> Put<'static> {
    ToSqlOutput::Owned(Value::Blob(uuid.as_bytes().to_vec()))
}

pub(crate) const fn integer(number: i64) -> Put<'static> {
    ToSqlOutput::Borrowed(ValueRef::Integer(number))
}

/// A number that may use all 64 bits: the same bits, so it is not compared in SQL.
pub(crate) const fn counter(number: u64) -> Put<'static> {
    integer(number.cast_signed())
}

pub(crate) fn maybe_integer(number: Option<impl Into<i64>>) -> Put<'static> {
    number.map_or(NULL, |number| integer(number.into()))
}

/// A time as microseconds; what is finer is dropped.
pub(crate) fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).unwrap_or(i64::MAX)
}

pub(crate) fn time(at: OffsetDateTime) -> Put<'static> {
    integer(micros(at))
}

pub(crate) fn maybe_time(at: Option<OffsetDateTime>) -> Put<'static> {
    at.map_or(NULL, time)
}

/// A time as it will be read back.
pub(crate) fn stored_time(at: OffsetDateTime) -> OffsetDateTime {
    from_micros(micros(at)).unwrap_or(at)
}

/// A time from microseconds; `None` when it is beyond the years that the type can hold.
pub(crate) fn from_micros(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

/// A date as text.
pub(crate) fn date(date: Date) -> Put<'static> {
    owned_text(date_text(date))
}

pub(crate) fn maybe_date(value: Option<Date>) -> Put<'static> {
    value.map_or(NULL, date)
}

/// An amount as 16 bytes that sort like the number.
pub(crate) fn amount(amount: Amount) -> Put<'static> {
    ToSqlOutput::Owned(Value::Blob(sortable(amount.to_scaled()).to_vec()))
}

pub(crate) fn maybe_amount(value: Option<Amount>) -> Put<'static> {
    value.map_or(NULL, amount)
}

/// Big-endian with the sign bit flipped: bytes then sort like numbers.
pub(crate) fn sortable(units: i128) -> [u8; 16] {
    (units ^ i128::MIN).to_be_bytes()
}

/// The number behind [`sortable`] bytes.
pub(crate) fn from_sortable(bytes: &[u8]) -> Option<i128> {
    Some(i128::from_be_bytes(bytes.try_into().ok()?) ^ i128::MIN)
}

/// A value as JSON text.
pub(crate) fn json(value: &impl Serialize) -> Result<Put<'static>, Trouble> {
    Ok(owned_text(serde_json::to_string(value)?))
}

pub(crate) fn maybe_json(value: Option<&impl Serialize>) -> Result<Put<'static>, Trouble> {
    value.map_or(Ok(NULL), json)
}

/// SQL's NULL.
pub(crate) const NULL: Put<'static> = ToSqlOutput::Borrowed(ValueRef::Null);

/// Reads every row that a query gives. The query bounds how many there are.
pub(crate) fn collect<T>(
    mut rows: Rows<'_>,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The columns of a row, read from left to right.
#[derive(Debug)]
pub(crate) struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Starts at the first column.
    pub(crate) const fn of(row: &'r Row<'r>) -> Self {
        Self { row, next: 0 }
    }

    fn take(&mut self) -> Result<ValueRef<'r>, Trouble> {
        let value = self.row.get_ref(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// Passes over columns.
    pub(crate) const fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    /// Whether the next column is NULL; it stays the next one.
    pub(crate) fn next_is_null(&self) -> Result<bool, Trouble> {
        Ok(self.row.get_ref(self.next)? == ValueRef::Null)
    }

    pub(crate) fn maybe_str(&mut self) -> Result<Option<&'r str>, Trouble> {
        match self.take()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|cause| Trouble::Stored(Box::new(cause))),
            _ => Err(Trouble::stored("a column that should hold text holds something else")),
        }
    }

    pub(crate) fn str(&mut self) -> Result<&'r str, Trouble> {
        self.maybe_str()?.ok_or_else(|| Trouble::stored("a text is missing"))
    }

    pub(crate) fn maybe_text(&mut self) -> Result<Option<String>, Trouble> {
        Ok(self.maybe_str()?.map(str::to_owned))
    }

    pub(crate) fn text(&mut self) -> Result<String, Trouble> {
        self.str().map(str::to_owned)
    }

    pub(crate) fn maybe_id<T>(&mut self) -> Result<Option<T>, Trouble>
    where
        T: TryFrom<String, Error = crate::error::Error>,
    {
        self.maybe_text()?
            .map(|text| T::try_from(text).map_err(|cause| Trouble::Stored(Box::new(cause))))
            .transpose()
    }

    pub(crate) fn id<T>(&mut self) -> Result<T, Trouble>
    where
        T: TryFrom<String, Error = crate::error::Error>,
    {
        self.maybe_id()?.ok_or_else(|| Trouble::stored("an id is missing"))
    }

    pub(crate) fn maybe_integer(&mut self) -> Result<Option<i64>, Trouble> {
        match self.take()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            _ => Err(Trouble::stored("a column that should hold a number holds something else")),
        }
    }

    pub(crate) fn integer(&mut self) -> Result<i64, Trouble> {
        self.maybe_integer()?.ok_or_else(|| Trouble::stored("a number is missing"))
    }

    pub(crate) fn maybe_small<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, Trouble> {
        self.maybe_integer()?
            .map(|number| {
                T::try_from(number).map_err(|_| Trouble::stored("a number is out of its range"))
            })
            .transpose()
    }

    pub(crate) fn small<T: TryFrom<i64>>(&mut self) -> Result<T, Trouble> {
        self.maybe_small()?.ok_or_else(|| Trouble::stored("a number is missing"))
    }

    pub(crate) fn counter(&mut self) -> Result<u64, Trouble> {
        self.integer().map(i64::cast_unsigned)
    }

    pub(crate) fn maybe_blob(&mut self) -> Result<Option<&'r [u8]>, Trouble> {
        match self.take()? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => Ok(Some(bytes)),
            _ => Err(Trouble::stored("a column that should hold bytes holds something else")),
        }
    }

    pub(crate) fn blob(&mut self) -> Result<&'r [u8], Trouble> {
        self.maybe_blob()?.ok_or_else(|| Trouble::stored("bytes are missing"))
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, Trouble> {
        Uuid::from_slice(self.blob()?).map_err(|cause| Trouble::Stored(Box::new(cause)))
    }

    pub(crate) fn maybe_time(&mut self) -> Result<Option<OffsetDateTime>, Trouble> {
        self.maybe_integer()?
            .map(|micros| {
                from_micros(micros).ok_or_else(|| Trouble::stored("a time is out of range"))
            })
            .transpose()
    }

    pub(crate) fn time(&mut self) -> Result<OffsetDateTime, Trouble> {
        self.maybe_time()?.ok_or_else(|| Trouble::stored("a time is missing"))
    }

    pub(crate) fn maybe_date(&mut self) -> Result<Option<Date>, Trouble> {
        self.maybe_str()?
            .map(|text| parse_date(text).ok_or_else(|| Trouble::stored("a date is not one")))
            .transpose()
    }

    pub(crate) fn maybe_units(&mut self) -> Result<Option<i128>, Trouble> {
        self.maybe_blob()?
            .map(|bytes| {
                from_sortable(bytes).ok_or_else(|| Trouble::stored("an amount is not 16 bytes"))
            })
            .transpose()
    }

    pub(crate) fn maybe_amount(&mut self) -> Result<Option<Amount>, Trouble> {
        self.maybe_units()?
            .map(|units| {
                Amount::from_scaled(units).map_err(|cause| Trouble::Stored(Box::new(cause)))
            })
            .transpose()
    }

    pub(crate) fn maybe_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Trouble> {
        Ok(self.maybe_str()?.map(serde_json::from_str).transpose()?)
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        Ok(serde_json::from_str(self.str()?)?)
    }

    /// A word of a fixed list.
    pub(crate) fn word<W: Word>(&mut self) -> Result<W, Trouble> {
        W::from_word(self.str()?).ok_or_else(|| Trouble::stored("a word is not one of its list"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dea_5_amounts_sort_as_bytes_like_they_sort_as_numbers(a in any::<i128>(), b in any::<i128>()) {
            prop_assert_eq!(sortable(a).cmp(&sortable(b)), a.cmp(&b));
            prop_assert_eq!(from_sortable(&sortable(a)), Some(a));
        }

        #[test]
        fn a_time_comes_back_to_the_microsecond(nanos in -62_135_596_800_000_000_000_i128..253_402_300_799_999_999_999) {
            let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap();
            let back = stored_time(at);
            prop_assert!((at - back).whole_nanoseconds() < 1_000);
            prop_assert!(back <= at);
            prop_assert_eq!(stored_time(back), back);
        }
    }
}
