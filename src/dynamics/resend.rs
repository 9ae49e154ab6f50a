//! The few repeats that signing in allows itself. The Web API's own retries live elsewhere: they
//! know budgets and gates, while here a person or a whole sync waits for one small answer.

use http::HeaderMap;
use time::{Duration, OffsetDateTime};

use crate::connector::ConnectorContext;
use crate::http::retry;
use crate::http::transport::{Request, Response, Transport, TransportError, TransportErrorKind};

/// Repeats after the first attempt.
const REPEATS: i32 = 2;

/// How long one attempt may take, whatever the client's own time-outs are: the answers are small.
const ATTEMPT: Duration = Duration::minutes(1);

/// The first pause; it doubles, and up to half of it is taken off by chance.
const FIRST_PAUSE: Duration = Duration::seconds(1);

/// A longer wait is not sat out: the caller learns when to come back.
const LONGEST_WAIT: Duration = Duration::seconds(30);

/// The longest wait that is believed (as MSAL does).
const LONGEST_RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(3600);

/// The longest that [`send`] takes, all attempts and waits together.
pub(crate) const LONGEST: Duration =
    ATTEMPT.saturating_mul(REPEATS + 1).saturating_add(LONGEST_WAIT.saturating_mul(REPEATS));

/// When a request may be sent once more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resend {
    /// Only if the first one never left: a code is redeemed once.
    IfNotSent,
    /// After every passing fault: the request changes nothing, or changes it harmlessly.
    IfTransient,
}

/// Sends a request, and again after a passing fault. The last outcome counts.
pub(crate) async fn send(
    transport: &dyn Transport,
    context: &ConnectorContext,
    request: &Request,
    resend: Resend,
) -> Result<Response, TransportError> {
    let mut repeat = 0;
    loop {
        let outcome = transport.send_within(request.clone(), ATTEMPT.unsigned_abs()).await;
        if repeat == REPEATS || !may_repeat(&outcome, resend) {
            return outcome;
        }
        let now = context.clock.now();
        let asked = outcome.as_ref().ok().and_then(|answer| retry_after(&answer.headers, now));
        let at = asked.unwrap_or_else(|| {
            let shortened = 1.0 - context.randomness.fraction() / 2.0;
            now + FIRST_PAUSE * (f64::from(1 << repeat) * shortened)
        });
        if at - now > LONGEST_WAIT {
            return outcome;
        }
        context.clock.sleep_until(at).await;
        repeat += 1;
    }
}

fn may_repeat(outcome: &Result<Response, TransportError>, resend: Resend) -> bool {
    match (outcome, resend) {
        (Err(error), _) if error.kind == TransportErrorKind::NotSent => true,
        (_, Resend::IfNotSent) => false,
        (Err(error), Resend::IfTransient) => error.kind == TransportErrorKind::MaybeSent,
        (Ok(answer), Resend::IfTransient) => {
            matches!(answer.status.as_u16(), 408 | 429 | 500..=599)
        }
    }
}

/// When the other side wants to be asked again, never more than an hour ahead.
pub(crate) fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<OffsetDateTime> {
    retry::retry_after(headers, now).map(|wait| now + wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
