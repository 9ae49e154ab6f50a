//! Faults that a test plants.

use std::collections::HashMap;
use std::time::Duration;

use crate::http::transport::{Response, TransportError, TransportErrorKind};
use crate::testkit::dataverse::refusal::{Refusal, set_header, text};

/// Something that goes wrong between the client and Microsoft.
///
/// Planted with [`FakeDataverse::plant`](crate::testkit::FakeDataverse::plant) or
/// [`FakeEntra::plant`](crate::testkit::FakeEntra::plant).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request is carried out, but the connection breaks before the answer.
    AnswerLost,
    /// 502 with an HTML page, from a gateway in front.
    BadGateway,
    /// 401 with a claims challenge (continuous access evaluation).
    ClaimsChallenge,
    /// A page without rows whose link leads to the rows that it left out.
    EmptyPage,
    /// 200 with an error object in its body.
    ErrorInSuccess,
    /// The token is no longer valid from this request on.
    ExpiredToken,
    /// The connection breaks now, and the request is carried out later, by
    /// [`FakeDataverse::land`](crate::testkit::FakeDataverse::land).
    LandsLater,
    /// 302 to this address.
    Redirect(String),
    /// The connection breaks and the request is never carried out.
    Reset,
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
}

/// Which request a fault strikes.
///
/// # Example
/// ```
/// use fluint_crm::testkit::Place;
///
/// let third_page = Place::page("opportunities", 3);
/// assert_ne!(third_page, Place::request("opportunities", 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    set: Option<String>,
    number: Option<u64>,
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Request,
    Page,
}

impl Place {
    /// The next request, whatever it asks for.
    #[must_use]
    pub fn next() -> Self {
        Self { set: None, number: None, by: By::Request }
    }

    /// The next request to an entity set or a function.
    #[must_use]
    pub fn next_to(set: impl Into<String>) -> Self {
        Self { set: Some(set.into()), number: None, by: By::Request }
    }

    /// The `number`-th request to an entity set or a function since the fake was made, from 1 on.
    #[must_use]
    pub fn request(set: impl Into<String>, number: u64) -> Self {
        Self { set: Some(set.into()), number: Some(number), by: By::Request }
    }

    /// The next read of page `number` of an entity set, from 1 on.
    #[must_use]
    pub fn page(set: impl Into<String>, number: u64) -> Self {
        Self { set: Some(set.into()), number: Some(number), by: By::Page }
    }
}

/// A request as faults see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passing<'a> {
    pub(crate) set: Option<&'a str>,
    /// The page, when it is a read of one.
    pub(crate) page: Option<u64>,
}

/// The planted faults, and how many requests each set has seen.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planted: Vec<(Place, Fault, u32)>,
    requests: HashMap<String, u64>,
}

impl Faults {
    pub(crate) fn plant(&mut self, place: Place, fault: Fault, times: u32) {
        self.planted.push((place, fault, times));
    }

    pub(crate) fn clear(&mut self) {
        self.planted.clear();
    }

    /// How many requests a set has seen.
    pub(crate) fn requests(&self, set: &str) -> u64 {
        self.requests.get(set).copied().unwrap_or(0)
    }

    /// Counts a request and takes the fault that strikes it.
    pub(crate) fn strike(&mut self, passing: Passing<'_>) -> Option<Fault> {
        if let Some(set) = passing.set {
            *self.requests.entry(set.to_owned()).or_default() += 1;
        }
        let at = self.find(passing, 0)?;
        let (_, fault, times) = &mut self.planted[at];
        let fault = fault.clone();
        *times -= 1;
        if *times == 0 {
            self.planted.remove(at);
        }
        Some(fault)
    }

    /// The fault that would strike the next request like this one.
    pub(crate) fn ahead(&self, passing: Passing<'_>) -> Option<&Fault> {
        self.find(passing, 1).map(|at| &self.planted[at].1)
    }

    fn find(&self, passing: Passing<'_>, ahead: u64) -> Option<usize> {
        let seen = passing.set.map(|set| self.requests(set) + ahead);
        self.planted.iter().position(|(place, _, times)| {
            let same_set = place.set.is_none() || place.set.as_deref() == passing.set;
            let number = match place.by {
                By::Request => seen,
                By::Page => passing.page,
            };
            let same_number = place.number.is_none() || place.number == number;
            *times > 0 && same_set && same_number
        })
    }
}

impl Fault {
    /// The answer of a fault that needs nothing of the request.
    pub(crate) fn answer(&self) -> Option<Response> {
        Some(match self {
            Self::BadGateway => text(
                502,
                "text/html",
                "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad \
                 Gateway</h1></body></html>",
            ),
            Self::ErrorInSuccess => {
                let error = Refusal::new(200, "0x80040216", "An unexpected error occurred.");
                error.into_response()
            }
            Self::Redirect(to) => {
                let mut response = text(302, "text/html", "");
                set_header(&mut response.headers, "location", to);
                response
            }
            Self::TooManyRequests { retry_after } => {
                throttled(retry_after.as_deref()).into_response()
            }
            Self::Unavailable { retry_after } => {
                let mut response = text(503, "text/html", "<h1>Service Unavailable</h1>");
                if let Some(wait) = retry_after {
                    let seconds = wait.as_secs().to_string();
                    set_header(&mut response.headers, "retry-after", &seconds);
                }
                response
            }
            Self::AnswerLost
            | Self::ClaimsChallenge
            | Self::EmptyPage
            | Self::ExpiredToken
            | Self::LandsLater
            | Self::Reset
            | Self::TruncatedBody => return None,
        })
    }
}

/// The refusal of service protection.
pub(crate) fn throttled(retry_after: Option<&str>) -> Refusal {
    let message = "Number of requests exceeded the limit of 6000 over time window of 300 seconds.";
    let refusal = Refusal::new(429, "0x80072322", message);
    match retry_after {
        Some(wait) => refusal.with_header("retry-after", wait),
        None => refusal,
    }
}

/// A connection that broke after the request may have been sent.
pub(crate) fn broken() -> TransportError {
    TransportError {
        kind: TransportErrorKind::MaybeSent,
        source: Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    }
}
