//! What a column may hold, read from the text of its JSON or right from the page.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, Month, OffsetDateTime};

use crate::dynamics::wire::{Column, Guid};
use crate::model::Amount;

/// A type that a column may have.
pub(crate) trait Scalar<'a>: Sized {
    /// Reads one JSON value. What this says counts.
    fn read(json: &'a str) -> Option<Self>;

    /// Reads one JSON value that is not cut out before: the same answer, or an error where the type
    /// of the value surprises.
    fn quick<D: Deserializer<'a>>(json: D) -> Result<Column<Self>, D::Error>;

    /// Reads what stands between quotes, when there is no escape in it.
    fn of_text(text: &'a str) -> Option<Self>;

    /// Reads text that had escapes in it, which no id, number or time has.
    fn of_unescaped(_text: &str) -> Option<Self> {
        None
    }

    fn of_bool(_value: bool) -> Option<Self> {
        None
    }

    fn of_integer(_number: i64) -> Option<Self> {
        None
    }
}

/// Reads what the service writes in quotes, or nothing.
fn quick_text<'a, T: Scalar<'a>, D: Deserializer<'a>>(json: D) -> Result<Column<T>, D::Error> {
    json.deserialize_option(Quick(PhantomData))
}

/// Reads a value by its look.
fn quick_any<'a, T: Scalar<'a>, D: Deserializer<'a>>(json: D) -> Result<Column<T>, D::Error> {
    json.deserialize_any(Quick(PhantomData))
}

impl<'a> Scalar<'a> for Cow<'a, str> {
    fn read(json: &'a str) -> Option<Self> {
        let inner = unquoted(json)?;
        if inner.contains('\\') {
            return serde_json::from_str(json).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }

    fn quick<D: Deserializer<'a>>(json: D) -> Result<Column<Self>, D::Error> {
        quick_text(json)
    }

    fn of_text(text: &'a str) -> Option<Self> {
        Some(Cow::Borrowed(text))
    }

    fn of_unescaped(text: &str) -> Option<Self> {
        Some(Cow::Owned(text.to_owned()))
    }
}

impl<'a> Scalar<'a> for Guid<'a> {
    fn read(json: &'a str) -> Option<Self> {
        Self::of_text(unquoted(json)?)
    }

    fn quick<D: Deserializer<'a>>(json: D) -> Result<Column<Self>, D::Error> {
        quick_text(json)
    }

    fn of_text(text: &'a str) -> Option<Self> {
        Self::parse(text)
    }
}

impl<'a> Scalar<'a> for bool {
    fn read(json: &'a str) -> Option<Self> {
        json.parse().ok()
    }

    fn quick<D: Deserializer<'a>>(json: D) -> Result<Column<Self>, D::Error> {
        quick_any(json)
    }

    fn of_text(_text: &'a str) -> Option<Self> {
        None
    }

    fn of_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl<'a> Scalar<'a> for i64 {
    fn read(json: &'a str) -> Option<Self> {
        // Numbers of 64 bits may come in quotes.
        Self::of_text(unquoted(json).unwrap_or(json))
    }

    fn quick<D: Deserializer<'a>>(json: D) -> Result<Column<Self>, D::Error> {
        quick_any(json)
    }

    fn of_text(text: &'a str) -> Option<Self> {
        text.parse().ok()
    }

    fn of_integer(number: i64) -> Option<Self> {
        Some(number)
    }
}

impl<'a> Scalar<'a> for Amount {
    fn read(json: &'a str) -> Option<Self> {
        Self::of_text(unquoted(json).unwrap_or(json))
    }

    /// Money is exact only in its own text.
    fn quick<D: Deserializer<'a>>(json: D) -> Result<Column<Self>, D::Error> {
        <&'a RawValue>::deserialize(json).map(Column::read)
    }

    fn of_text(text: &'a str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<'a> Scalar<'a> for OffsetDateTime {
    fn read(json: &'a str) -> Option<Self> {
        Self::of_text(unquoted(json)?)
    }

    fn quick<D: Deserializer<'a>>(json: D) -> Result<Column<Self>, D::Error> {
        quick_text(json)
    }

    fn of_text(text: &'a str) -> Option<Self> {
        seconds_utc(text)
            .or_else(|| Self::parse(text, &Rfc3339).ok()?.checked_to_offset(time::UtcOffset::UTC))
    }
}

impl<'a> Scalar<'a> for Date {
    fn read(json: &'a str) -> Option<Self> {
        Self::of_text(unquoted(json)?)
    }

    fn quick<D: Deserializer<'a>>(json: D) -> Result<Column<Self>, D::Error> {
        quick_text(json)
    }

    /// Reads a plain date, or the time that older orgs write instead: midnight in the user's zone,
    /// told in UTC.
    ///
    /// Cutting that text would give the day before in the east, so the nearest midnight counts; 13
    /// hours reach from Hawaii to New Zealand.
    fn of_text(text: &'a str) -> Option<Self> {
        const PLAIN: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
        if let Some(date) = text.as_bytes().try_into().ok().and_then(day) {
            return Some(date);
        }
        if let Ok(date) = Self::parse(text, PLAIN) {
            return Some(date);
        }
        let midnight = <OffsetDateTime as Scalar<'_>>::of_text(text)?;
        midnight.checked_add(Duration::hours(13)).map(OffsetDateTime::date)
    }
}

fn unquoted(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

/// Reads `2026-02-01T21:59:01Z`, the one form in which the service writes times. Any other is left
/// to a real parser.
fn seconds_utc(text: &str) -> Option<OffsetDateTime> {
    let (date, time) = text.as_bytes().split_first_chunk::<10>()?;
    let &[b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] = time else { return None };
    let time = [number([h1, h2])?, number([m1, m2])?, number([s1, s2])?];
    day(date)?.with_hms(time[0], time[1], time[2]).ok().map(time::PrimitiveDateTime::assume_utc)
}

/// Reads `2026-02-01`.
fn day(text: &[u8; 10]) -> Option<Date> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = i32::from(number([y1, y2])?) * 100 + i32::from(number([y3, y4])?);
    let month = Month::try_from(number([m1, m2])?).ok()?;
    Date::from_calendar_date(year, month, number([d1, d2])?).ok()
}

/// Reads two digits.
fn number([tens, ones]: [u8; 2]) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

struct Quick<T>(PhantomData<T>);

impl<'de, T: Scalar<'de>> Visitor<'de> for Quick<T> {
    type Value = Column<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's value")
    }

    fn visit_none<E: Error>(self) -> Result<Column<T>, E> {
        Ok(Column::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Column<T>, E> {
        Ok(Column::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Column<T>, D::Error> {
        json.deserialize_str(self)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Column<T>, E> {
        Ok(T::of_text(text).into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Column<T>, E> {
        Ok(T::of_unescaped(text).into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Column<T>, E> {
        Ok(T::of_bool(value).into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Column<T>, E> {
        Ok(T::of_integer(number).into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Column<T>, E> {
        Ok(i64::try_from(number).ok().and_then(T::of_integer).into())
    }
}
