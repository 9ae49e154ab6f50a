//! One value of a row, and how it is written, compared and parsed.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;

use rust_decimal::Decimal;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::testkit::dataverse::schema::Kind;

/// A value in a column of a fake row.
///
/// Money is a decimal of exactly four places; [`Cell::money`] reads it from text.
///
/// # Example
/// ```
/// use fluint_crm::testkit::Cell;
///
/// assert_eq!(Cell::from(Some("Fabrikam")), Cell::from("Fabrikam"));
/// assert_eq!(Cell::from(None::<&str>), Cell::Null);
/// assert_eq!(Cell::money("1200.5"), Cell::money("1200.5000"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// No value.
    Null,
    /// A two-option value.
    Bool(bool),
    /// A whole number or a choice.
    Int(i64),
    /// An exact number, written with its own count of places.
    Decimal(Decimal),
    /// Text.
    Text(String),
    /// An id that is no lookup.
    Guid(Uuid),
    /// A reference to a row of another table.
    Lookup {
        /// The logical name of the table it points to.
        table: Cow<'static, str>,
        /// The row it points to.
        id: Uuid,
    },
    /// A moment in UTC, to the second.
    Moment(OffsetDateTime),
    /// A calendar day without a zone.
    Day(Date),
}

impl Cell {
    /// An amount of money with four places; text that is no number becomes [`Cell::Null`].
    #[must_use]
    pub fn money(amount: &str) -> Self {
        let Ok(mut amount) = Decimal::from_str_exact(amount) else {
            return Self::Null;
        };
        amount.rescale(4);
        Self::Decimal(amount)
    }

    /// A reference to a row of `table` (its logical name).
    #[must_use]
    pub fn lookup(table: impl Into<Cow<'static, str>>, id: Uuid) -> Self {
        Self::Lookup { table: table.into(), id }
    }

    /// The id this cell holds or points to.
    pub(crate) fn id(&self) -> Option<Uuid> {
        match self {
            Self::Guid(id) | Self::Lookup { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Reads the text of a data file, a cookie or a filter list; `None` when it does not fit.
    pub(crate) fn parse(kind: &Kind, text: &str) -> Option<Self> {
        Some(match kind {
            Kind::Guid => Self::Guid(text.parse().ok()?),
            Kind::Text => Self::Text(text.to_owned()),
            Kind::Int | Kind::Choice => Self::Int(text.parse().ok()?),
            Kind::Money => Self::Decimal(Decimal::from_str_exact(text).ok().map(four_places)?),
            Kind::Decimal => Self::Decimal(Decimal::from_str_exact(text).ok()?),
            Kind::Bool => Self::Bool(text.parse().ok()?),
            Kind::Moment => Self::Moment(OffsetDateTime::parse(text, &Rfc3339).ok()?),
            Kind::Day => {
                Self::Day(Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?)
            }
            Kind::Lookup(targets) => match text.split_once(':') {
                Some((table, id)) => {
                    Self::Lookup { table: Cow::Owned(table.to_owned()), id: id.parse().ok()? }
                }
                None => Self::Lookup { table: targets.first()?.clone(), id: text.parse().ok()? },
            },
        })
    }

    /// The text that [`Cell::parse`] reads back; `None` for null.
    pub(crate) fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Decimal(value) => value.to_string(),
            Self::Text(value) => value.clone(),
            Self::Guid(value) => value.to_string(),
            Self::Lookup { table, id } => format!("{table}:{id}"),
            Self::Moment(value) => moment_text(*value),
            Self::Day(value) => value.to_string(),
        })
    }

    /// Appends the JSON that Dataverse answers.
    pub(crate) fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Text(text) => write_json_string(text, out),
            // Writing to a string cannot fail.
            Self::Bool(value) => _ = write!(out, "{value}"),
            Self::Int(value) => _ = write!(out, "{value}"),
            Self::Decimal(value) => _ = write!(out, "{value}"),
            Self::Lookup { id, .. } | Self::Guid(id) => {
                out.push('"');
                out.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
                out.push('"');
            }
            Self::Moment(moment) => {
                out.push('"');
                write_moment(*moment, out);
                out.push('"');
            }
            Self::Day(day) => _ = write!(out, "\"{day}\""),
        }
    }

    /// The order that the database sorts by: nulls first, text without case, ids its own way.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Self::Null) => Ordering::Greater,
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
            (Self::Moment(a), Self::Moment(b)) => a.cmp(b),
            (Self::Day(a), Self::Day(b)) => a.cmp(b),
            _ => match (self.id(), other.id(), self.number(), other.number()) {
                (Some(a), Some(b), ..) => SqlId::from(a).cmp(&SqlId::from(b)),
                (_, _, Some(a), Some(b)) => a.cmp(&b),
                _ => Ordering::Equal,
            },
        }
    }

    pub(crate) fn number(&self) -> Option<Decimal> {
        match self {
            Self::Int(value) => Some(Decimal::from(*value)),
            Self::Decimal(value) => Some(*value),
            _ => None,
        }
    }
}

fn four_places(mut amount: Decimal) -> Decimal {
    amount.rescale(4);
    amount
}

/// The form of a moment in answers: seconds, and `Z`.
pub(crate) fn moment_text(moment: OffsetDateTime) -> String {
    let mut text = String::new();
    write_moment(moment, &mut text);
    text
}

/// Appends a moment digit by digit: every row has several.
fn write_moment(moment: OffsetDateTime, out: &mut String) {
    let utc = moment.to_offset(time::UtcOffset::UTC);
    let (date, clock) = (utc.date(), utc.time());
    for pair in [date.year() / 100, date.year() % 100] {
        write_pair(u8::try_from(pair).unwrap_or_default(), out);
    }
    let pairs = [
        ('-', u8::from(date.month())),
        ('-', date.day()),
        ('T', clock.hour()),
        (':', clock.minute()),
        (':', clock.second()),
    ];
    for (before, pair) in pairs {
        out.push(before);
        write_pair(pair, out);
    }
    out.push('Z');
}

fn write_pair(number: u8, out: &mut String) {
    out.push(char::from(b'0' + number / 10 % 10));
    out.push(char::from(b'0' + number % 10));
}

/// Appends a JSON string.
pub(crate) fn write_json_string(text: &str, out: &mut String) {
    let is_plain = text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if is_plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    // Writing a string as JSON cannot fail; the fallback keeps the answer well formed.
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
}

/// An id in the order of SQL Server, which is not the order of its text.
///
/// The last group counts most, then the fourth, then the first three from their ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SqlId([u8; 16]);

const SQL_ORDER: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 7, 6, 5, 4, 3, 2, 1, 0];

impl From<Uuid> for SqlId {
    fn from(id: Uuid) -> Self {
        let bytes = id.as_bytes();
        Self(SQL_ORDER.map(|at| bytes[at]))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Decimal> for Cell {
    fn from(value: Decimal) -> Self {
        Self::Decimal(value)
    }
}

impl From<Uuid> for Cell {
    fn from(id: Uuid) -> Self {
        Self::Guid(id)
    }
}

impl From<OffsetDateTime> for Cell {
    /// In whole seconds, as the service keeps and sends them: with more, a page's last row would
    /// come behind its own cookie.
    fn from(moment: OffsetDateTime) -> Self {
        Self::Moment(moment.replace_nanosecond(0).unwrap_or(moment))
    }
}

impl From<Date> for Cell {
    fn from(day: Date) -> Self {
        Self::Day(day)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
