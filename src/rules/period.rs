//! What "this quarter" means: named periods as ranges of plain dates (OLL-2).

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime, UtcOffset};

/// A period seen from today.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Period {
    /// The fiscal quarter before the current one.
    LastFiscalQuarter,
    /// The fiscal year before the current one.
    LastFiscalYear,
    /// The month before the current one.
    LastMonth,
    /// The calendar quarter before the current one.
    LastQuarter,
    /// The calendar year before the current one.
    LastYear,
    /// The fiscal quarter after the current one.
    NextFiscalQuarter,
    /// The fiscal year after the current one.
    NextFiscalYear,
    /// The month after the current one.
    NextMonth,
    /// The calendar quarter after the current one.
    NextQuarter,
    /// The calendar year after the current one.
    NextYear,
    /// The current fiscal quarter.
    ThisFiscalQuarter,
    /// The current fiscal year.
    ThisFiscalYear,
    /// The current month.
    ThisMonth,
    /// The current calendar quarter.
    ThisQuarter,
    /// The current calendar year.
    ThisYear,
}

impl Period {
    /// Every period, shortest and earliest first.
    pub const ALL: [Self; 15] = [
        Self::LastMonth,
        Self::ThisMonth,
        Self::NextMonth,
        Self::LastQuarter,
        Self::ThisQuarter,
        Self::NextQuarter,
        Self::LastYear,
        Self::ThisYear,
        Self::NextYear,
        Self::LastFiscalQuarter,
        Self::ThisFiscalQuarter,
        Self::NextFiscalQuarter,
        Self::LastFiscalYear,
        Self::ThisFiscalYear,
        Self::NextFiscalYear,
    ];

    /// The name in lower case, such as `this_quarter`; the same that serde reads and writes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastFiscalQuarter => "last_fiscal_quarter",
            Self::LastFiscalYear => "last_fiscal_year",
            Self::LastMonth => "last_month",
            Self::LastQuarter => "last_quarter",
            Self::LastYear => "last_year",
            Self::NextFiscalQuarter => "next_fiscal_quarter",
            Self::NextFiscalYear => "next_fiscal_year",
            Self::NextMonth => "next_month",
            Self::NextQuarter => "next_quarter",
            Self::NextYear => "next_year",
            Self::ThisFiscalQuarter => "this_fiscal_quarter",
            Self::ThisFiscalYear => "this_fiscal_year",
            Self::ThisMonth => "this_month",
            Self::ThisQuarter => "this_quarter",
            Self::ThisYear => "this_year",
        }
    }

    /// The days of the period. The fiscal year matters to the fiscal ones alone.
    ///
    /// # Example
    /// ```
    /// use fluint_crm::rules::{FiscalYear, Period};
    /// use time::{Month, macros::date};
    ///
    /// let today = date!(2026-02-14);
    /// let quarter = Period::ThisQuarter.dates(today, FiscalYear::default());
    /// assert_eq!((quarter.from, quarter.before), (date!(2026-01-01), date!(2026-04-01)));
    ///
    /// let from_july = FiscalYear::starting_in(Month::July);
    /// let year = Period::ThisFiscalYear.dates(today, from_july);
    /// assert_eq!((year.from, year.before), (date!(2025-07-01), date!(2026-07-01)));
    /// ```
    #[must_use]
    pub fn dates(self, today: Date, fiscal: FiscalYear) -> DateRange {
        let Shape { months, year, steps } = self.shape();
        let anchor = match year {
            Year::Calendar => 0,
            Year::Fiscal => month_index(fiscal.start_month),
        };
        let current = today.year() * 12 + month_index(today.month()) - anchor;
        let from = (current.div_euclid(months) + steps) * months + anchor;
        DateRange { from: first_of(from), before: first_of(from + months) }
    }

    /// Whether it is a part of the fiscal year.
    #[must_use]
    pub const fn is_fiscal(self) -> bool {
        matches!(self.shape().year, Year::Fiscal)
    }

    const fn shape(self) -> Shape {
        let (months, year) = match self {
            Self::LastMonth | Self::ThisMonth | Self::NextMonth => (1, Year::Calendar),
            Self::LastQuarter | Self::ThisQuarter | Self::NextQuarter => (3, Year::Calendar),
            Self::LastYear | Self::ThisYear | Self::NextYear => (12, Year::Calendar),
            Self::LastFiscalQuarter | Self::ThisFiscalQuarter | Self::NextFiscalQuarter => {
                (3, Year::Fiscal)
            }
            Self::LastFiscalYear | Self::ThisFiscalYear | Self::NextFiscalYear => {
                (12, Year::Fiscal)
            }
        };
        let steps = match self {
            Self::LastMonth
            | Self::LastQuarter
            | Self::LastYear
            | Self::LastFiscalQuarter
            | Self::LastFiscalYear => -1,
            Self::ThisMonth
            | Self::ThisQuarter
            | Self::ThisYear
            | Self::ThisFiscalQuarter
            | Self::ThisFiscalYear => 0,
            Self::NextMonth
            | Self::NextQuarter
            | Self::NextYear
            | Self::NextFiscalQuarter
            | Self::NextFiscalYear => 1,
        };
        Shape { months, year, steps }
    }
}

/// How long a period is, in which kind of year, and how many periods from now.
struct Shape {
    months: i32,
    year: Year,
    steps: i32,
}

/// The year that a period divides.
enum Year {
    Calendar,
    Fiscal,
}

/// When a company's fiscal year begins: on the first day of a month.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct FiscalYear {
    /// The month it begins in.
    pub start_month: Month,
}

impl FiscalYear {
    /// A fiscal year that begins in this month.
    #[must_use]
    pub const fn starting_in(start_month: Month) -> Self {
        Self { start_month }
    }
}

impl Default for FiscalYear {
    /// The calendar year.
    fn default() -> Self {
        Self::starting_in(Month::January)
    }
}

/// Days from one date to before another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_structs, reason = "two ends are all that a range is")]
pub struct DateRange {
    /// The first day.
    pub from: Date,
    /// The day after the last one.
    pub before: Date,
}

impl DateRange {
    /// Whether a day lies in the range.
    #[must_use]
    pub fn contains(&self, day: Date) -> bool {
        self.from <= day && day < self.before
    }
}

/// The date that it is at a moment in a time zone, given by its offset at that moment.
#[must_use]
pub fn today(now: OffsetDateTime, offset: UtcOffset) -> Date {
    now.checked_to_offset(offset).unwrap_or(now).date()
}

/// The month's place in the year, from 0.
fn month_index(month: Month) -> i32 {
    i32::from(u8::from(month)) - 1
}

/// The first day of a month counted from January of year 0; the calendar's end beyond its years.
fn first_of(months: i32) -> Date {
    let year = months.div_euclid(12);
    let steps = u8::try_from(months.rem_euclid(12)).unwrap_or(0);
    let end = if year < 0 { Date::MIN } else { Date::MAX };
    Date::from_calendar_date(year, Month::January.nth_next(steps), 1).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::Duration;
    use time::macros::{date, datetime, offset};

    const APRIL: FiscalYear = FiscalYear::starting_in(Month::April);
    const OCTOBER: FiscalYear = FiscalYear::starting_in(Month::October);

    #[test]
    fn oll_2_each_period_has_the_days_that_its_name_says() {
        let today = date!(2024 - 02 - 29);
        let table = [
            (Period::LastMonth, APRIL, date!(2024 - 01 - 01), date!(2024 - 02 - 01)),
            (Period::ThisMonth, APRIL, date!(2024 - 02 - 01), date!(2024 - 03 - 01)),
            (Period::NextMonth, APRIL, date!(2024 - 03 - 01), date!(2024 - 04 - 01)),
            (Period::LastQuarter, APRIL, date!(2023 - 10 - 01), date!(2024 - 01 - 01)),
            (Period::ThisQuarter, APRIL, date!(2024 - 01 - 01), date!(2024 - 04 - 01)),
            (Period::NextQuarter, APRIL, date!(2024 - 04 - 01), date!(2024 - 07 - 01)),
            (Period::LastYear, APRIL, date!(2023 - 01 - 01), date!(2024 - 01 - 01)),
            (Period::ThisYear, APRIL, date!(2024 - 01 - 01), date!(2025 - 01 - 01)),
            (Period::NextYear, APRIL, date!(2025 - 01 - 01), date!(2026 - 01 - 01)),
            (Period::LastFiscalQuarter, APRIL, date!(2023 - 10 - 01), date!(2024 - 01 - 01)),
            (Period::ThisFiscalQuarter, APRIL, date!(2024 - 01 - 01), date!(2024 - 04 - 01)),
            (Period::NextFiscalQuarter, APRIL, date!(2024 - 04 - 01), date!(2024 - 07 - 01)),
            (Period::LastFiscalYear, APRIL, date!(2022 - 04 - 01), date!(2023 - 04 - 01)),
            (Period::ThisFiscalYear, APRIL, date!(2023 - 04 - 01), date!(2024 - 04 - 01)),
            (Period::NextFiscalYear, APRIL, date!(2024 - 04 - 01), date!(2025 - 04 - 01)),
            (Period::ThisFiscalYear, OCTOBER, date!(2023 - 10 - 01), date!(2024 - 10 - 01)),
        ];
        for (period, fiscal, from, before) in table {
            assert_eq!(period.dates(today, fiscal), DateRange { from, before }, "{period:?}");
        }
    }

    #[test]
    fn oll_2_a_fiscal_quarter_may_cross_the_year() {
        let february = FiscalYear::starting_in(Month::February);
        let quarter = Period::ThisFiscalQuarter.dates(date!(2026 - 01 - 31), february);
        assert_eq!((quarter.from, quarter.before), (date!(2025 - 11 - 01), date!(2026 - 02 - 01)));
        let quarter = Period::ThisFiscalQuarter.dates(date!(2026 - 02 - 01), february);
        assert_eq!((quarter.from, quarter.before), (date!(2026 - 02 - 01), date!(2026 - 05 - 01)));
    }

    #[test]
    fn oll_2_leap_days_belong_to_february() {
        for (today, days) in [
            (date!(2024 - 02 - 10), 29),
            (date!(2023 - 02 - 10), 28),
            (date!(2000 - 02 - 10), 29),
            (date!(1900 - 02 - 10), 28),
        ] {
            let month = Period::ThisMonth.dates(today, FiscalYear::default());
            assert_eq!((month.before - month.from).whole_days(), days, "{today}");
        }
    }

    #[test]
    fn oll_2_today_depends_on_the_time_zone() {
        let new_year = datetime!(2025-12-31 23:30 UTC);
        assert_eq!(today(new_year, offset!(UTC)), date!(2025 - 12 - 31));
        assert_eq!(today(new_year, offset!(+1)), date!(2026 - 01 - 01));
        assert_eq!(today(datetime!(2026-01-01 03:00 UTC), offset!(-5)), date!(2025 - 12 - 31));
        assert_eq!(today(datetime!(2026-01-01 00:30 +2), offset!(UTC)), date!(2025 - 12 - 31));
    }

    #[test]
    fn oll_2_the_ends_of_the_calendar_do_not_panic() {
        for day in [Date::MIN, Date::MAX] {
            for period in Period::ALL {
                let range = period.dates(day, OCTOBER);
                assert!(range.from <= range.before, "{period:?} at {day}");
            }
        }
        let end = OffsetDateTime::new_utc(Date::MAX, time::Time::MAX);
        assert_eq!(today(end, offset!(+14)), Date::MAX);
    }

    #[test]
    fn oll_2_names_are_those_of_serde_and_all_differ() {
        for period in Period::ALL {
            let name = serde_json::to_value(period).unwrap();
            assert_eq!(name, period.as_str());
        }
        let names: std::collections::HashSet<_> = Period::ALL.map(Period::as_str).into();
        assert_eq!(names.len(), Period::ALL.len());
    }

    fn any_day() -> impl Strategy<Value = Date> {
        (0..200_000_i64).prop_map(|days| date!(1700 - 01 - 01) + Duration::days(days))
    }

    fn any_month() -> impl Strategy<Value = Month> {
        (0..12_u8).prop_map(|steps| Month::January.nth_next(steps))
    }

    proptest! {
        /// OLL-2: today is in every current period, and the three periods of a kind join without
        /// gap or overlap, whatever the fiscal year.
        #[test]
        fn oll_2_periods_of_a_kind_tile_the_calendar(day in any_day(), start in any_month()) {
            let fiscal = FiscalYear::starting_in(start);
            for kind in Period::ALL.chunks(3) {
                let [last, this, next] = [0, 1, 2].map(|n| kind[n].dates(day, fiscal));
                prop_assert!(this.contains(day));
                prop_assert!(!this.contains(next.from) && !last.contains(this.from));
                prop_assert_eq!(last.before, this.from);
                prop_assert_eq!(this.before, next.from);
                prop_assert!(last.from < last.before && next.from < next.before);
                // The period that begins where this one ends is the next one, and back.
                prop_assert_eq!(kind[1].dates(next.from, fiscal), next);
                prop_assert_eq!(kind[2].dates(last.from, fiscal), this);
            }
        }

        /// OLL-2: four quarters are a year, three months a quarter, with every leap day.
        #[test]
        fn oll_2_quarters_tile_the_year(day in any_day(), start in any_month()) {
            let fiscal = FiscalYear::starting_in(start);
            for (quarter, year) in [
                (Period::ThisQuarter, Period::ThisYear),
                (Period::ThisFiscalQuarter, Period::ThisFiscalYear),
            ] {
                let year = year.dates(day, fiscal);
                let mut at = year.from;
                for _ in 0..4 {
                    let quarter = quarter.dates(at, fiscal);
                    prop_assert_eq!(quarter.from, at);
                    let mut month = at;
                    for _ in 0..3 {
                        month = Period::ThisMonth.dates(month, fiscal).before;
                    }
                    prop_assert_eq!(quarter.before, month);
                    at = quarter.before;
                }
                prop_assert_eq!(at, year.before);
                let days = (year.before - year.from).whole_days();
                prop_assert!(days == 365 || days == 366);
            }
        }
    }
}
