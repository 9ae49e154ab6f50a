//! When a published revision is sent: after a quiet minute, but not put off for ever (DOC-3).

use std::time::Duration;

use time::OffsetDateTime;

use crate::rules::schedule::{doubling, later};

/// How long a publication waits for further revisions.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use fluint_crm::documents::PublishOptions;
/// use fluint_crm::rules::Debounce;
///
/// let mut patient = Debounce::default();
/// assert_eq!((patient.quiet, patient.max_wait), (Duration::from_secs(60), Duration::from_secs(600)));
/// patient.quiet = Duration::from_secs(300);
/// assert_eq!(PublishOptions::from(patient).debounce.quiet, Duration::from_secs(300));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Debounce {
    /// How long nothing must be published before the newest revision is sent. One minute: an
    /// author who saves every few seconds makes one Note, not fifty.
    pub quiet: Duration,
    /// How long the first unsent revision waits at most. Ten minutes: a document that is edited
    /// all day still reaches the timeline.
    pub max_wait: Duration,
}

impl Default for Debounce {
    fn default() -> Self {
        Self { quiet: Duration::from_secs(60), max_wait: Duration::from_secs(600) }
    }
}

/// The time at which the newest revision is sent (UTC), given when the first and the last unsent
/// ones were published.
///
/// # Example
/// ```
/// use fluint_crm::rules::{Debounce, publication_due_at};
/// use time::macros::datetime;
///
/// let first = datetime!(2026-03-01 12:00 UTC);
/// let due = |last| publication_due_at(first, last, &Debounce::default());
/// assert_eq!(due(first), datetime!(2026-03-01 12:01 UTC));
/// assert_eq!(due(datetime!(2026-03-01 12:09:30 UTC)), datetime!(2026-03-01 12:10 UTC));
/// ```
#[must_use]
pub fn publication_due_at(
    first_pending_at: OffsetDateTime,
    last_pending_at: OffsetDateTime,
    debounce: &Debounce,
) -> OffsetDateTime {
    let quiet = later(last_pending_at, debounce.quiet);
    let longest = later(first_pending_at, debounce.max_wait);
    quiet.min(longest)
}

/// The time of the next try to send (UTC), after that many tries have failed: a minute, then two,
/// four and so on, up to an hour.
#[must_use]
pub fn publication_retry_at(now: OffsetDateTime, attempts: u32) -> OffsetDateTime {
    later(now, doubling(FIRST_RETRY, attempts).min(LONGEST_RETRY))
}

/// As long as the debounce: a revision published meanwhile is sent with the same try.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// An hour: an outage of a day costs two dozen tries, and a Note is at most an hour late after it.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    fn after(seconds: i64) -> OffsetDateTime {
        START + time::Duration::seconds(seconds)
    }

    #[test]
    fn doc_3_a_minute_after_the_last_and_ten_after_the_first() {
        for (last, due) in [(0, 60), (30, 90), (539, 599), (540, 600), (541, 600), (7200, 600)] {
            let at = publication_due_at(START, after(last), &Debounce::default());
            assert_eq!(at, after(due), "last published after {last} s");
        }
    }

    #[test]
    fn doc_3_the_longest_wait_wins_over_a_longer_quiet_time() {
        let odd = Debounce { quiet: Duration::MAX, max_wait: Duration::from_secs(5) };
        assert_eq!(publication_due_at(START, START, &odd), after(5));
    }

    #[test]
    fn doc_3_tries_grow_apart_up_to_an_hour() {
        let waits: Vec<_> =
            (0..9).map(|n| (publication_retry_at(START, n) - START).whole_seconds()).collect();
        assert_eq!(waits, [60, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(publication_retry_at(START, u32::MAX), after(3600));
    }

    proptest! {
        /// DOC-3: publishing once more never makes it earlier, and never later than ten minutes.
        #[test]
        fn doc_3_a_further_revision_only_delays_within_the_bound(
            last in 0..100_000_i64, more in 0..100_000_i64,
        ) {
            let rule = Debounce::default();
            let before = publication_due_at(START, after(last), &rule);
            let then = publication_due_at(START, after(last + more), &rule);
            prop_assert!(before <= then && then <= after(600) && before >= after(60));
        }
    }
}
