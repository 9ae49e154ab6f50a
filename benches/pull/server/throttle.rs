//! Refusals with `Retry-After: 1`, and who did not wait.

use std::time::{Duration, Instant};

use crate::server::control::Counters;
use crate::server::http::Answer;

/// How long a refusal tells to wait.
pub(crate) const WAIT: Duration = Duration::from_secs(1);

/// A request that was sent before the refusal could be read is nobody's fault.
const ON_ITS_WAY: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    served: u64,
    refused_at: Option<Instant>,
}

impl Throttle {
    pub(crate) fn judge(
        &mut self,
        arrived: Instant,
        every: u64,
        counters: &mut Counters,
    ) -> Option<Answer> {
        let since = self.refused_at.map(|at| arrived.saturating_duration_since(at));
        if let Some(since) = since.filter(|since| *since < WAIT) {
            if since > ON_ITS_WAY {
                counters.early += 1;
            }
            return Some(refusal());
        }
        self.served += 1;
        if every == 0 || !self.served.is_multiple_of(every) {
            return None;
        }
        counters.refused += 1;
        self.refused_at = Some(arrived);
        Some(refusal())
    }
}

fn refusal() -> Answer {
    let body = "{\"error\":{\"code\":\"0x80072322\",\"message\":\"Number of requests exceeded the \
                limit of 6000 over time window of 300 seconds.\"}}";
    Answer::new(429, "content-type: application/json\r\nretry-after: 1\r\n", body)
}
