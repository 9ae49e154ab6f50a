//! Faults that a test plants, and what each does to a request.

mod answers;
mod hostile;
mod place;
mod plan;

use std::collections::HashMap;
use std::time::Duration;

pub(crate) use answers::{Line, throttled};
pub(crate) use place::Passing;
pub use place::Place;
pub use plan::FaultPlan;

/// Something that goes wrong between the client and Microsoft.
///
/// Planted with [`FakeDataverse::plant`](crate::testkit::FakeDataverse::plant) or
/// [`FakeEntra::plant`](crate::testkit::FakeEntra::plant), or drawn by a [`FaultPlan`].
///
/// Over loopback a client that was answered has a connection already, so the faults of connecting
/// break it there: the client cannot know that nothing was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Exactly this answer; nothing is carried out.
    Answer {
        /// The status.
        status: u16,
        /// Its headers, any of them more than once. One that HTTP does not allow is left out.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The request is carried out, but the connection breaks before the answer.
    AnswerLost,
    /// 502 with an HTML page, from a gateway in front.
    BadGateway,
    /// 200 with a body that is JSON only at first sight.
    BadJson,
    /// 401 with a claims challenge (continuous access evaluation).
    ClaimsChallenge,
    /// Nobody listens at the port.
    ConnectionRefused,
    /// The connection does not stand in time, so nothing is sent.
    ConnectTimeout,
    /// 200 with a body nested 129 deep.
    DeepBody,
    /// A page without rows whose link leads to the rows that it left out.
    EmptyPage,
    /// 200 with an error object in its body.
    ErrorInSuccess,
    /// The token is no longer valid from this request on.
    ExpiredToken,
    /// 200 with a body of under 1 MiB that decompresses to more than any client takes in.
    GzipBomb,
    /// 200 with a number beyond every number type (1e400).
    HugeNumber,
    /// The connection breaks now, and the request is carried out later, by
    /// [`FakeDataverse::land`](crate::testkit::FakeDataverse::land).
    LandsLater,
    /// 200 with escapes of half characters in its texts.
    LoneSurrogates,
    /// 200 with a million opening brackets.
    MillionBrackets,
    /// 200 with NaN where a number should be.
    NotANumber,
    /// 200 with a body larger than any client takes in.
    Oversized,
    /// The request is carried out, but the answer does not come in time.
    ReadTimeout,
    /// 302 to this address.
    Redirect(String),
    /// A refusal with this status and this code of Dataverse; nothing is carried out.
    Refusal {
        /// The status; also one of success.
        status: u16,
        /// The code, in whatever spelling.
        code: String,
    },
    /// The connection breaks and the request is never carried out.
    Reset,
    /// This status: without a body below 400, else with an error object without a code.
    Status(u16),
    /// The other side's certificate is not what it should be.
    TlsFailed,
    /// 429 with a code of service protection.
    TooManyRequests {
        /// The `Retry-After` header, as text so that odd forms can be planted.
        retry_after: Option<String>,
    },
    /// The body of the right answer ends in its middle.
    TruncatedBody,
    /// 503.
    Unavailable {
        /// The `Retry-After` header.
        retry_after: Option<Duration>,
    },
    /// No such host is known.
    UnknownHost,
}

/// The faults to come, and how many requests each set has seen.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    plan: FaultPlan,
    requests: HashMap<String, u64>,
    struck: u64,
}

impl Faults {
    pub(crate) fn plant(&mut self, place: Place, fault: Fault, times: u32) {
        self.plan.plant(place, fault, times);
    }

    /// Replaces every fault to come.
    pub(crate) fn follow(&mut self, plan: FaultPlan) {
        self.plan = plan;
    }

    pub(crate) fn clear(&mut self) {
        self.plan = FaultPlan::default();
    }

    /// How many requests a set has seen.
    pub(crate) fn requests(&self, set: &str) -> u64 {
        self.requests.get(set).copied().unwrap_or(0)
    }

    /// How many faults have struck.
    pub(crate) const fn struck(&self) -> u64 {
        self.struck
    }

    /// Counts a request and takes the fault that strikes it.
    pub(crate) fn strike(&mut self, passing: Passing<'_>) -> Option<Fault> {
        let set = passing.set.unwrap_or_default();
        let seen = self.requests.entry(set.to_owned()).or_default();
        *seen += 1;
        let fault = self.plan.take(passing, *seen)?;
        self.struck += 1;
        Some(fault)
    }

    /// The fault that would strike the next request like this one.
    pub(crate) fn ahead(&self, passing: Passing<'_>) -> Option<Fault> {
        let set = passing.set.unwrap_or_default();
        self.plan.find(passing, self.requests(set) + 1)
    }
}
