//! How dates and durations stand in JSON.
//!
//! Stored JSON outlives the build that wrote it, so nothing is left to the defaults of the `time`
//! crate: those follow a feature that any crate of the host's may switch on.

use time::{Date, Month};

/// A date as text, `2026-02-01`; sorts like the date for the years 0 to 9999.
pub(crate) fn date_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// Reads [`date_text`] back.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let (rest, day) = text.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// An optional date as `2026-02-01`.
pub(crate) mod maybe_date {
    use serde::de::{Deserializer, Error};
    use serde::{Deserialize, Serialize, Serializer};
    use time::Date;

    use crate::model::json::{date_text, parse_date};

    pub(crate) fn serialize<S: Serializer>(
        date: &Option<Date>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        date.map(date_text).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| {
            parse_date(&text).ok_or_else(|| D::Error::custom("a date is written as 2026-02-01"))
        })
        .transpose()
    }
}

/// A duration in whole milliseconds.
pub(crate) mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use time::Duration;

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let millis = i64::try_from(duration.whole_milliseconds()).unwrap_or(i64::MAX);
        millis.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        i64::deserialize(deserializer).map(Duration::milliseconds)
    }
}

#[cfg(test)]
mod tests;
