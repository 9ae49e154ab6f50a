//! When an operator hears that a credential ends.

use time::{Duration, OffsetDateTime};

/// How near the end is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Nearness {
    Month,
    Week,
    Day,
    Over,
}

/// How near the end of a credential is; `None` while it is further away than a month.
pub(crate) fn nearness(ends: OffsetDateTime, now: OffsetDateTime) -> Option<Nearness> {
    let left = ends - now;
    let within = [
        (Duration::ZERO, Nearness::Over),
        (Duration::days(1), Nearness::Day),
        (Duration::days(7), Nearness::Week),
        (Duration::days(30), Nearness::Month),
    ];
    within.into_iter().find(|(at_most, _)| left <= *at_most).map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn con_6_an_operator_hears_a_month_a_week_and_a_day_ahead() {
        let ends = datetime!(2026-03-31 12:00 UTC);
        for (now, expected) in [
            (datetime!(2026-02-28 12:00 UTC), None),
            (datetime!(2026-03-01 12:00 UTC), Some(Nearness::Month)),
            (datetime!(2026-03-24 11:59 UTC), Some(Nearness::Month)),
            (datetime!(2026-03-24 12:00 UTC), Some(Nearness::Week)),
            (datetime!(2026-03-30 12:00 UTC), Some(Nearness::Day)),
            (datetime!(2026-03-31 11:59 UTC), Some(Nearness::Day)),
            (datetime!(2026-03-31 12:00 UTC), Some(Nearness::Over)),
            (datetime!(2027-01-01 00:00 UTC), Some(Nearness::Over)),
        ] {
            assert_eq!(nearness(ends, now), expected, "{now}");
        }
        assert!(Nearness::Month < Nearness::Week && Nearness::Day < Nearness::Over);
    }
}
