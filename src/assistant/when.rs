//! Which days a call is about: a named period, a first and a last day, or both.

use jiff::tz::TimeZone;
use schemars::{Schema, SchemaGenerator, json_schema};
use time::{Date, Month, OffsetDateTime, UtcOffset, macros::format_description};

use crate::assistant::arguments::refuse;
use crate::assistant::words::given;
use crate::error::Result;
use crate::model::OpportunityStatus;
use crate::model::query::OpportunityFilter;
use crate::rules::{FiscalYear, Period, today};

/// The period that leaves nothing out.
const ANY: &str = "any";

/// Before every day that a CRM knows.
const FIRST_DAY: Date = time::macros::date!(0001 - 01 - 01);

/// What a call says about days, and what is known without it saying so.
pub(crate) struct When<'a> {
    pub(crate) period: Option<&'a str>,
    pub(crate) close_from: Option<&'a str>,
    pub(crate) close_to: Option<&'a str>,
    pub(crate) fiscal_year_starts: Option<u8>,
    pub(crate) time_zone: Option<&'a str>,
    /// The company's fiscal year, when the host told it.
    pub(crate) fiscal_year: Option<FiscalYear>,
}

/// The first and the last day wanted, both included; `None` where there is no bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Days {
    pub(crate) from: Option<Date>,
    pub(crate) last: Option<Date>,
}

impl When<'_> {
    /// The days meant: those of the period that are also between the two dates.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for what is no date, no month and no time
    /// zone, a last day before the first, and a fiscal period of an unknown fiscal year.
    pub(crate) fn days(&self, now: OffsetDateTime) -> Result<Days> {
        let mut days = Days {
            from: day("close_from", self.close_from)?,
            last: day("close_to", self.close_to)?,
        };
        if let (Some(from), Some(last)) = (days.from, days.last)
            && last < from
        {
            let reason = format!("it is before close_from; a good value is \"{from}\"");
            return Err(refuse("close_to", &reason));
        }
        let today = today(now, self.offset(now)?);
        let fiscal = self.fiscal()?;
        if let Some(period) = self.period()? {
            let range = period.dates(today, fiscal.unwrap_or_default());
            if period.is_fiscal() && fiscal.is_none() {
                return Err(refuse(
                    "fiscal_year_starts",
                    "it is missing, and a fiscal period needs it: the month, 1 to 12, in which the \
                     company's fiscal year begins; ask the person; a good value is 7",
                ));
            }
            let last = range.before.previous_day().unwrap_or(range.before);
            days.from = Some(days.from.map_or(range.from, |from| from.max(range.from)));
            days.last = Some(days.last.map_or(last, |given| given.min(last)));
            if let Days { from: Some(from), last: Some(last) } = days
                && last < from
            {
                let reason = format!(
                    "its days, {} to {}, are none of those from close_from to close_to; leave one of \
                     them out",
                    range.from,
                    range.before.previous_day().unwrap_or(range.before)
                );
                return Err(refuse("period", &reason));
            }
        }
        Ok(days)
    }

    /// Whether every opportunity is wanted, whenever it is to close.
    pub(crate) fn is_any(&self) -> bool {
        given(self.period) == Some(ANY)
    }

    fn period(&self) -> Result<Option<Period>> {
        let Some(text) = given(self.period).filter(|text| *text != ANY) else { return Ok(None) };
        let found = Period::ALL.into_iter().find(|period| period.as_str() == text);
        found.map(Some).ok_or_else(|| {
            let names = Period::ALL.map(Period::as_str).join(", ");
            refuse(
                "period",
                &format!("it must be one of {names}, {ANY}; a good value is \"this_quarter\""),
            )
        })
    }

    fn offset(&self, now: OffsetDateTime) -> Result<UtcOffset> {
        let Some(name) = given(self.time_zone) else { return Ok(UtcOffset::UTC) };
        let reason = "it must be the IANA name of a time zone; a good value is \"Europe/Berlin\"";
        let unknown = || refuse("time_zone", reason);
        let zone = TimeZone::get(name).map_err(|_| unknown())?;
        let at = jiff::Timestamp::from_second(now.unix_timestamp()).map_err(|_| unknown())?;
        UtcOffset::from_whole_seconds(zone.to_offset(at).seconds()).map_err(|_| unknown())
    }

    fn fiscal(&self) -> Result<Option<FiscalYear>> {
        let Some(month) = self.fiscal_year_starts else { return Ok(self.fiscal_year) };
        let month = Month::try_from(month).map_err(|_| {
            refuse("fiscal_year_starts", "it must be a month, 1 to 12; a good value is 7")
        })?;
        Ok(Some(FiscalYear::starting_in(month)))
    }
}

fn day(argument: &str, text: Option<&str>) -> Result<Option<Date>> {
    let Some(text) = given(text) else { return Ok(None) };
    let date = Date::parse(text, format_description!("[year]-[month]-[day]"));
    date.map(Some).map_err(|_| {
        refuse(
            argument,
            "it must be a date, as year, month and day; a good value is \"2026-03-31\"",
        )
    })
}

impl Days {
    /// Whether there is any bound.
    pub(crate) const fn is_bounded(self) -> bool {
        self.from.is_some() || self.last.is_some()
    }

    /// Leaves only what is expected to close on these days, or of what is over, what closed on them.
    pub(crate) fn narrow(self, filter: &mut OpportunityFilter) {
        let before = self.last.and_then(Date::next_day);
        // The calendar's last day has none after it, and nothing closes later; yet there is a day.
        let from = self.from.or_else(|| self.last.filter(|_| before.is_none()).map(|_| FIRST_DAY));
        match filter.status {
            Some(OpportunityStatus::Won | OpportunityStatus::Lost) => {
                (filter.closed_from, filter.closed_before) = (from, before);
            }
            _ => (filter.close_from, filter.close_before) = (from, before),
        }
    }

    /// ` from 2026-01-01 to 2026-03-31`, or nothing without a bound.
    pub(crate) fn words(self) -> String {
        match (self.from, self.last) {
            (None, None) => String::new(),
            (Some(from), None) => format!(" from {from} on"),
            (None, Some(last)) => format!(" until {last}"),
            (Some(from), Some(last)) => format!(" from {from} to {last}"),
        }
    }
}

/// The schema of a period: its names.
pub(crate) fn period_schema(_generator: &mut SchemaGenerator) -> Schema {
    let names = Period::ALL.iter().map(|period| period.as_str()).chain([ANY]);
    let names: Vec<&str> = names.collect();
    json_schema!({ "type": "string", "enum": names })
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    const NOTHING: When<'_> = When {
        period: None,
        close_from: None,
        close_to: None,
        fiscal_year_starts: None,
        time_zone: None,
        fiscal_year: None,
    };

    #[test]
    fn oll_2_today_is_the_day_in_the_time_zone_of_the_asker() {
        let month = |zone, now| {
            let when = When { period: Some("this_month"), time_zone: Some(zone), ..NOTHING };
            when.days(now).unwrap().from.unwrap()
        };
        for (zone, now, first) in [
            ("UTC", datetime!(2026-01-31 23:30 UTC), date!(2026 - 01 - 01)),
            ("Europe/Berlin", datetime!(2026-01-31 23:30 UTC), date!(2026 - 02 - 01)),
            ("europe/berlin", datetime!(2026-01-31 22:30 UTC), date!(2026 - 01 - 01)),
            // In summer time the day begins an hour earlier.
            ("Europe/Berlin", datetime!(2026-06-30 22:30 UTC), date!(2026 - 07 - 01)),
            ("America/New_York", datetime!(2026-07-01 03:30 UTC), date!(2026 - 06 - 01)),
            ("Pacific/Kiritimati", datetime!(2026-01-31 10:00 UTC), date!(2026 - 02 - 01)),
            ("", datetime!(2026-01-31 23:30 UTC), date!(2026 - 01 - 01)),
        ] {
            assert_eq!(month(zone, now), first, "{zone} {now}");
        }
        for zone in ["Berlin", "+01:00", "../../etc/passwd", "Europe/Berlin\0", &"x".repeat(900)] {
            let error = When { time_zone: Some(zone), ..NOTHING }
                .days(datetime!(2026-01-31 23:30 UTC))
                .unwrap_err();
            assert!(error.to_string().contains("\"Europe/Berlin\""), "{zone}: {error}");
        }
    }

    #[test]
    fn oll_2_a_period_and_dates_leave_the_days_in_both() {
        let now = datetime!(2026-02-14 09:00 UTC);
        let when = When {
            period: Some("this_quarter"),
            close_from: Some("2026-02-01"),
            close_to: Some("2027-01-01"),
            ..NOTHING
        };
        let days = when.days(now).unwrap();
        assert_eq!(days.words(), " from 2026-02-01 to 2026-03-31");
        let open = When { close_to: Some("9999-12-31"), ..NOTHING }.days(now).unwrap();
        assert_eq!(open.words(), " until 9999-12-31");
        assert!(!NOTHING.days(now).unwrap().is_bounded());
        let any = When { period: Some("any"), ..NOTHING };
        assert!(any.is_any() && !any.days(now).unwrap().is_bounded());
        let apart = When { close_from: Some("2027-01-01"), ..when };
        let error = apart.days(now).unwrap_err().to_string();
        assert!(error.contains("its days, 2026-01-01 to 2026-03-31, are none"), "{error}");
    }

    #[test]
    fn oll_2_what_is_without_a_date_closes_on_no_day() {
        let mut filter = OpportunityFilter::default();
        Days { from: None, last: Some(Date::MAX) }.narrow(&mut filter);
        assert_eq!((filter.close_from, filter.close_before), (Some(FIRST_DAY), None));
        filter.status = Some(OpportunityStatus::Won);
        Days { from: Some(date!(2026 - 01 - 01)), last: None }.narrow(&mut filter);
        assert_eq!(filter.closed_from, Some(date!(2026 - 01 - 01)));
    }

    #[test]
    fn oll_2_a_fiscal_period_needs_the_fiscal_year() {
        let now = datetime!(2026-02-14 09:00 UTC);
        let when = When { period: Some("this_fiscal_year"), ..NOTHING };
        let error = when.days(now).unwrap_err().to_string();
        assert!(error.starts_with("the argument fiscal_year_starts"), "{error}");
        let july = Some(FiscalYear::starting_in(Month::July));
        let known = When { fiscal_year: july, ..when };
        assert_eq!(known.days(now).unwrap().words(), " from 2025-07-01 to 2026-06-30");
        let said = When { fiscal_year_starts: Some(4), ..known };
        assert_eq!(said.days(now).unwrap().words(), " from 2025-04-01 to 2026-03-31");
    }
}
