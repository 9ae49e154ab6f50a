//! When a connection syncs next (SYN-3).

use std::time::Duration;

use time::OffsetDateTime;

use crate::model::MIN_INTERVAL;

/// How a sync ended, as far as the next one depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SyncOutcome {
    /// It failed and may succeed later without anybody doing anything.
    Failed {
        /// Failures in a row, this one included.
        failures: u32,
        /// The time (UTC) before which the CRM does not want to be asked.
        retry_at: Option<OffsetDateTime>,
    },
    /// The connection is not healthy: somebody has to act first.
    HeldUnhealthy,
    /// It succeeded.
    Succeeded,
}

/// The interval that holds for a connection: its own, else the connector's default, and never
/// below 15 minutes.
#[must_use]
pub fn effective_interval(connection_interval: Option<Duration>, default: Duration) -> Duration {
    connection_interval.unwrap_or(default).max(MIN_INTERVAL)
}

/// The time of the next sync (UTC), or `None` when it waits for a person.
///
/// After a success it is one interval later, give or take a tenth, so that connections made
/// together do not sync together for ever. After a failure it is a minute later, then two, four
/// and so on, always sooner than the interval but never before `retry_at`; up to a fifth of that
/// wait is left out at random, so that a fleet that failed together does not come back together.
///
/// `fraction` is a random number from 0 to 1.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use fluint_crm::rules::{SyncOutcome, next_sync};
/// use time::macros::datetime;
///
/// let six_hours = Duration::from_secs(6 * 3600);
/// let now = datetime!(2026-03-01 12:00 UTC);
/// let next = next_sync(now, six_hours, SyncOutcome::Succeeded, 0.5);
/// assert_eq!(next, Some(datetime!(2026-03-01 18:00 UTC)));
/// assert_eq!(next_sync(now, six_hours, SyncOutcome::HeldUnhealthy, 0.5), None);
/// ```
#[must_use]
pub fn next_sync(
    finished_at: OffsetDateTime,
    interval: Duration,
    outcome: SyncOutcome,
    fraction: f64,
) -> Option<OffsetDateTime> {
    let interval = interval.max(MIN_INTERVAL);
    let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.5 };
    match outcome {
        SyncOutcome::HeldUnhealthy => None,
        SyncOutcome::Succeeded => Some(later(finished_at, scale(interval, 0.9 + 0.2 * fraction))),
        SyncOutcome::Failed { failures, retry_at } => {
            let wait = doubling(FIRST_RETRY, failures).min(interval);
            let at = later(finished_at, scale(wait, 0.99 - 0.19 * fraction));
            Some(retry_at.map_or(at, |earliest| earliest.max(at)))
        }
    }
}

/// The wait after the first failure: long enough for a service to restart, short enough that a
/// customer who has just connected sees it recover.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// Doubles a wait with every further failure in a row.
pub(super) fn doubling(first: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(factor)
}

/// A moment later, held back at the end of the calendar instead of a panic.
pub(super) fn later(from: OffsetDateTime, wait: Duration) -> OffsetDateTime {
    from.saturating_add(time::Duration::try_from(wait).unwrap_or(time::Duration::MAX))
}

fn scale(wait: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
    const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);

    /// The wait in whole seconds after a failure, with the longest wait that chance allows.
    fn after_failure(failures: u32, interval: Duration) -> i64 {
        let outcome = SyncOutcome::Failed { failures, retry_at: None };
        (next_sync(NOW, interval, outcome, 0.0).unwrap() - NOW).whole_seconds()
    }

    #[test]
    fn syn_3_a_success_waits_an_interval_give_or_take_a_tenth() {
        for (fraction, minutes) in [(0.0, 324), (0.5, 360), (1.0, 396), (f64::NAN, 360)] {
            let next = next_sync(NOW, SIX_HOURS, SyncOutcome::Succeeded, fraction);
            assert_eq!(next, Some(NOW + time::Duration::minutes(minutes)), "{fraction}");
        }
    }

    #[test]
    fn syn_3_failures_back_off_up_to_the_interval() {
        let waits: Vec<_> = (0..=11).map(|n| after_failure(n, SIX_HOURS)).collect();
        let expected = [59, 59, 118, 237, 475, 950, 1900, 3801, 7603, 15206, 21384, 21384];
        assert_eq!(waits, expected);
        assert_eq!(after_failure(u32::MAX, SIX_HOURS), 21384);
    }

    #[test]
    fn syn_3_the_crm_is_never_asked_before_the_time_it_named() {
        let late = NOW + time::Duration::hours(9);
        let outcome = SyncOutcome::Failed { failures: 1, retry_at: Some(late) };
        assert_eq!(next_sync(NOW, SIX_HOURS, outcome, 0.3), Some(late));
        let past = SyncOutcome::Failed { failures: 1, retry_at: Some(NOW) };
        assert!(next_sync(NOW, SIX_HOURS, past, 0.3) > Some(NOW + time::Duration::seconds(47)));
    }

    #[test]
    fn syn_3_the_interval_is_the_connections_own_with_a_floor() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        assert_eq!(effective_interval(None, SIX_HOURS), SIX_HOURS);
        assert_eq!(effective_interval(Some(minutes(20)), SIX_HOURS), minutes(20));
        assert_eq!(effective_interval(Some(minutes(1)), SIX_HOURS), minutes(15));
        assert_eq!(effective_interval(None, minutes(5)), minutes(15));
    }

    #[test]
    fn syn_3_a_shorter_interval_than_the_floor_is_not_obeyed() {
        let next = next_sync(NOW, Duration::ZERO, SyncOutcome::Succeeded, 0.5);
        assert_eq!(next, Some(NOW + time::Duration::minutes(15)));
        assert_eq!(after_failure(9, Duration::ZERO), 891);
    }

    proptest! {
        /// SYN-3: whatever the settings, a failure is retried sooner than the interval, a success
        /// waits for about the interval, and no value makes it panic.
        #[test]
        fn syn_3_every_wait_keeps_its_bounds(
            seconds in any::<u64>(),
            failures in any::<u32>(),
            fraction in 0.0..=1.0_f64,
        ) {
            let interval = effective_interval(None, Duration::from_secs(seconds));
            let failed = SyncOutcome::Failed { failures, retry_at: None };
            let retry = next_sync(NOW, interval, failed, fraction).unwrap();
            let next = next_sync(NOW, interval, SyncOutcome::Succeeded, fraction).unwrap();
            prop_assert!(retry > NOW && next > NOW);
            if seconds < 1_000_000_000 {
                prop_assert!(retry - NOW < interval);
                prop_assert!(next - NOW >= interval.mul_f64(0.899) && next - NOW <= interval.mul_f64(1.101));
            }
        }
    }
}
