//! Service protection: so many requests in a sliding window, then 429.

use std::collections::VecDeque;

use time::{Duration, OffsetDateTime};

use crate::testkit::dataverse::faults::throttled;
use crate::testkit::dataverse::refusal::Answer;

/// Counts requests and refuses those above the limit.
#[derive(Debug)]
pub(crate) struct Protection {
    limit: usize,
    window: Duration,
    recent: VecDeque<OffsetDateTime>,
    /// Until when the last refusal told to wait.
    blocked_until: Option<OffsetDateTime>,
    /// Requests that came although the last refusal told to wait.
    pub(crate) impatient: u64,
}

impl Default for Protection {
    fn default() -> Self {
        Self {
            limit: 6000,
            window: Duration::minutes(5),
            recent: VecDeque::new(),
            blocked_until: None,
            impatient: 0,
        }
    }
}

impl Protection {
    pub(crate) fn set_limit(&mut self, requests: usize, window: Duration) {
        (self.limit, self.window) = (requests, window);
    }

    /// How many requests are left in the window.
    pub(crate) fn remaining(&self) -> usize {
        self.limit.saturating_sub(self.recent.len())
    }

    /// Remembers that a refusal told everybody to wait.
    pub(crate) fn block_until(&mut self, until: OffsetDateTime) {
        self.blocked_until = Some(until);
    }

    /// Counts a request; going on hammering counts too and so lengthens the wait.
    pub(crate) fn admit(&mut self, now: OffsetDateTime) -> Answer<()> {
        if self.blocked_until.is_some_and(|until| now < until) {
            self.impatient += 1;
        }
        while self.recent.front().is_some_and(|at| *at + self.window <= now) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.limit {
            self.recent.pop_front();
            self.recent.push_back(now);
            let free_at = self.recent.front().map_or(now, |at| *at + self.window);
            let wait = (free_at - now).whole_seconds().max(1);
            self.block_until(now + Duration::seconds(wait));
            return Err(throttled(Some(&wait.to_string())));
        }
        self.recent.push_back(now);
        Ok(())
    }
}
