//! The whole retry policy, as functions of plain data: what to do after an attempt, how long
//! `Retry-After` asks us to wait, and how many retries a connector may add to what it offers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use time::OffsetDateTime;
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc2822;
use time::macros::format_description;

use crate::http::transport::TransportErrorKind;

/// The longest wait that a worker sits out itself. Services count over minutes, so a longer
/// one means that the budget is spent for good; then the work is worth more elsewhere.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(15 * 60);

/// The longest wait that is believed at all: a day, after which every documented budget is fresh.
pub(crate) const MAX_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Sends of one call when the other side is in trouble: the first and four more, 15 s in all.
const MAX_ATTEMPTS: u32 = 5;

/// Sends of one call that the service answers with its own failure: the first and two more.
const MAX_ATTEMPTS_AFTER_FAILURE: u32 = 3;

/// Sends of one call that is throttled again and again, each after the wait that was asked for.
const MAX_THROTTLED: u32 = 10;

/// The first backoff; each further one doubles.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest backoff.
const LAST_BACKOFF: Duration = Duration::from_secs(60);

/// Decides what to do after an attempt.
///
/// A write whose outcome is unknown is sent again only when it is conditional.
pub(crate) fn decide(
    attempt: Attempt,
    outcome: Outcome,
    idempotency: Idempotency,
    budget: Budget,
) -> Retry {
    let backoff = attempt.backoff();
    let throttled = |wait: Duration| {
        if wait > MAX_WAIT || attempt.number >= MAX_THROTTLED {
            Retry::GiveBack { after: wait.min(MAX_HOLD) }
        } else {
            Retry::AfterHold { wait }
        }
    };
    match outcome {
        Outcome::Status { status: StatusCode::UNAUTHORIZED, .. } => match attempt.token {
            Token::Offered => Retry::WithFreshToken,
            Token::Renewed => Retry::Stop,
        },
        // Refused before it was begun, so every request may be sent again.
        Outcome::Status { retry_after, .. } if outcome.is_throttle() => {
            throttled(asked(retry_after).unwrap_or(backoff))
        }
        Outcome::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after, .. }
            if asked(retry_after).is_some_and(|wait| wait > MAX_WAIT) =>
        {
            match idempotency {
                Idempotency::Once => Retry::Stop,
                Idempotency::Conditional | Idempotency::Read => {
                    throttled(asked(retry_after).unwrap_or(backoff))
                }
            }
        }
        _ => {
            let tries = outcome.tries(idempotency);
            if attempt.number >= tries || (tries > 0 && budget == Budget::Spent) {
                return Retry::Stop;
            }
            match asked(outcome.retry_after()) {
                Some(wait) => Retry::AfterHold { wait },
                None => Retry::AfterBackoff { wait: backoff },
            }
        }
    }
}

/// How long everybody who shares the throttle has to wait after this outcome, if at all.
pub(crate) fn hold(attempt: Attempt, outcome: Outcome) -> Option<Duration> {
    let Outcome::Status { status, retry_after, .. } = outcome else {
        return None;
    };
    let wait = if outcome.is_throttle() {
        Some(asked(retry_after).unwrap_or_else(|| attempt.backoff()))
    } else {
        asked(retry_after).filter(|_| status == StatusCode::SERVICE_UNAVAILABLE)
    };
    wait.map(|wait| wait.min(MAX_HOLD))
}

/// An attempt that has just ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Attempt {
    /// Its number among the sends of this call, from 1.
    pub(crate) number: u32,
    /// Which token it carried.
    pub(crate) token: Token,
    /// A random fraction from 0 to 1 that spreads the backoff.
    pub(crate) jitter: f64,
}

impl Attempt {
    /// The wait after this attempt when nobody says how long: between half and the whole of a
    /// doubling step.
    fn backoff(self) -> Duration {
        let doublings = self.number.saturating_sub(1).min(16);
        let step = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LAST_BACKOFF);
        step.mul_f64(self.jitter.clamp(0.0, 1.0).mul_add(0.5, 0.5))
    }
}

/// Which token an attempt carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// The one that was at hand.
    Offered,
    /// One that was renewed for this very call.
    Renewed,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// No answer came.
    NoAnswer(TransportErrorKind),
    /// An answer came.
    Status {
        /// Its status.
        status: StatusCode,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
        /// What its error code says beyond the status.
        hint: Hint,
    },
}

/// What a vendor's error code says beyond the status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hint {
    /// Nothing.
    None,
    /// The caller asks too much, and nothing was begun.
    Throttled,
    /// The failure passes by itself: a deadlock, a timeout of its database.
    Transient,
}

impl Outcome {
    /// Whether it is a throttle, by its status or by its code under another status.
    fn is_throttle(self) -> bool {
        matches!(
            self,
            Self::Status { status: StatusCode::TOO_MANY_REQUESTS, .. }
                | Self::Status { hint: Hint::Throttled, .. }
        )
    }

    /// Whether a write that ended so may have been carried out, or may yet be.
    pub(crate) fn is_ambiguous(self) -> bool {
        match self {
            Self::NoAnswer(kind) => kind != TransportErrorKind::NotSent,
            Self::Status { hint: Hint::Throttled, .. } => false,
            Self::Status { status, hint, .. } => {
                status == StatusCode::REQUEST_TIMEOUT
                    || status.is_server_error()
                    || hint == Hint::Transient
            }
        }
    }

    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::NoAnswer(_) => None,
            Self::Status { retry_after, .. } => retry_after,
        }
    }

    /// How often a call that ends so may be sent in all; 0 when it is never sent again.
    fn tries(self, idempotency: Idempotency) -> u32 {
        if self.is_ambiguous() && idempotency == Idempotency::Once {
            return 0;
        }
        match self {
            Self::NoAnswer(TransportErrorKind::NotSent | TransportErrorKind::MaybeSent) => {
                MAX_ATTEMPTS
            }
            // The same answer would come again.
            Self::NoAnswer(TransportErrorKind::UnusableBody) => 0,
            Self::Status { status, hint, .. } => match status {
                StatusCode::REQUEST_TIMEOUT
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => MAX_ATTEMPTS,
                StatusCode::INTERNAL_SERVER_ERROR => MAX_ATTEMPTS_AFTER_FAILURE,
                _ if hint == Hint::Transient => MAX_ATTEMPTS_AFTER_FAILURE,
                _ => 0,
            },
        }
    }
}

/// What sending a request twice does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Idempotency {
    /// A write under a precondition that the first one would have broken.
    Conditional,
    /// A write that would happen twice.
    Once,
    /// Changes nothing.
    Read,
}

/// Whether the connector may add one more retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Budget {
    /// It may.
    Left,
    /// It has added its share.
    Spent,
}

/// What to do after an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Retry {
    /// Send it again after a backoff that concerns this call only.
    AfterBackoff {
        /// How long.
        wait: Duration,
    },
    /// Send it again once the hold is over that everybody waits for.
    AfterHold {
        /// How long.
        wait: Duration,
    },
    /// Too long to wait for: give the work back.
    GiveBack {
        /// Not before this has passed.
        after: Duration,
    },
    /// What came, or did not come, is final.
    Stop,
    /// Send it again at once with a renewed token.
    WithFreshToken,
}

impl Retry {
    /// Whether it uses up the retry budget. Throttles do not: their pace is the service's.
    pub(crate) fn is_charged(self, outcome: Outcome) -> bool {
        let again = matches!(self, Self::AfterBackoff { .. } | Self::AfterHold { .. });
        again && !outcome.is_throttle()
    }
}

/// Reads `Retry-After`: seconds or a date. Of several, the longest counts; what cannot be read
/// counts as absent, and the past as no wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    headers
        .get_all(RETRY_AFTER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter_map(|text| seconds(text.trim()).or_else(|| until(text.trim(), now)))
        .max()
}

/// Reads seconds, fractions rounded up, anything below zero as none.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    if seconds.is_nan() {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds.ceil().clamp(0.0, 1e12)).unwrap_or(MAX_HOLD))
}

/// Reads a date in each of the three forms that HTTP knows.
fn until(text: &str, now: OffsetDateTime) -> Option<Duration> {
    const RFC_850: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday], [day]-[month repr:short]-[year repr:last_two] [hour]:[minute]:[second] GMT"
    );
    const ASCTIME: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    );
    let at = OffsetDateTime::parse(text, &Rfc2822)
        .ok()
        .or_else(|| PrimitiveDateTime::parse(text, ASCTIME).ok().map(PrimitiveDateTime::assume_utc))
        .or_else(|| two_digit_year(text, RFC_850))?;
    Some(Duration::try_from(at - now).unwrap_or(Duration::ZERO))
}

/// Reads the oldest form, whose year has two digits: this century is meant.
fn two_digit_year(text: &str, form: &[BorrowedFormatItem<'_>]) -> Option<OffsetDateTime> {
    let mut parsed = time::parsing::Parsed::new();
    parsed.parse_items(text.as_bytes(), form).ok().filter(|rest| rest.is_empty())?;
    let year = 2000 + i32::from(parsed.year_last_two()?);
    let date = time::Date::from_calendar_date(year, parsed.month()?, parsed.day()?.get()).ok()?;
    let time = time::Time::from_hms(parsed.hour_24()?, parsed.minute()?, parsed.second()?).ok()?;
    Some(date.with_time(time).assume_utc())
}

/// A wait that was really asked for; 0 says nothing.
fn asked(retry_after: Option<Duration>) -> Option<Duration> {
    retry_after.filter(|wait| !wait.is_zero())
}

/// Bounds the retries of a connector to a share of what it offers: ten to begin with, and one for
/// every ten calls, so that a service in trouble is not asked much more than usual.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// Tenths of a retry.
    tenths: Mutex<u32>,
}

const RETRY: u32 = 10;
const FULL: u32 = 10 * RETRY;

impl RetryBudget {
    pub(crate) const fn new() -> Self {
        Self { tenths: Mutex::new(FULL) }
    }

    /// Counts a call that was asked for.
    pub(crate) fn offer(&self) {
        self.change(|tenths| (tenths + 1).min(FULL));
    }

    /// Sets one retry aside, if one is left.
    pub(crate) fn reserve(&self) -> Budget {
        let mut budget = Budget::Spent;
        self.change(|tenths| match tenths.checked_sub(RETRY) {
            Some(rest) => {
                budget = Budget::Left;
                rest
            }
            None => tenths,
        });
        budget
    }

    /// Puts a retry back that was set aside and not needed.
    pub(crate) fn put_back(&self) {
        self.change(|tenths| (tenths + RETRY).min(FULL));
    }

    fn change(&self, change: impl FnOnce(u32) -> u32) {
        let mut tenths = self.tenths.lock().unwrap_or_else(PoisonError::into_inner);
        *tenths = change(*tenths);
    }
}

#[cfg(test)]
mod tests;
