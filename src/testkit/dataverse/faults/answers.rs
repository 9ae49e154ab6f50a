//! What a request that a fault strikes gets.

use std::io::{Error as IoError, ErrorKind};
use std::time::Duration;

use crate::http::transport::{Response, TransportError, TransportErrorKind};
use crate::testkit::dataverse::faults::{Fault, hostile};
use crate::testkit::dataverse::refusal::{Refusal, empty, json, set_header, text};

/// How a connection fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line {
    /// After the request was carried out.
    After,
    /// Before it was carried out, which the client cannot know.
    Before,
    /// It never stood.
    Never,
}

impl Fault {
    /// The faults that a careful client gets over by itself, with nothing lost: a good start for
    /// [`FaultPlan::among`](crate::testkit::FaultPlan::among).
    #[must_use]
    pub fn transient() -> Vec<Self> {
        vec![
            Self::AnswerLost,
            Self::BadGateway,
            Self::ConnectionRefused,
            Self::ConnectTimeout,
            Self::ErrorInSuccess,
            Self::ReadTimeout,
            Self::Reset,
            Self::Status(504),
            Self::TlsFailed,
            Self::TooManyRequests { retry_after: Some("2".to_owned()) },
            Self::Unavailable { retry_after: None },
            Self::Unavailable { retry_after: Some(Duration::from_secs(3)) },
            Self::UnknownHost,
        ]
    }

    /// How the connection fails, when it does.
    pub(crate) const fn line(&self) -> Option<Line> {
        match self {
            Self::AnswerLost | Self::ReadTimeout => Some(Line::After),
            Self::LandsLater | Self::Reset => Some(Line::Before),
            Self::ConnectionRefused
            | Self::ConnectTimeout
            | Self::TlsFailed
            | Self::UnknownHost => Some(Line::Never),
            _ => None,
        }
    }

    /// The error of a connection that fails.
    pub(crate) fn broken(&self) -> TransportError {
        let kind = match self.line() {
            Some(Line::Never) => TransportErrorKind::NotSent,
            _ => TransportErrorKind::MaybeSent,
        };
        let cause = match self {
            Self::ConnectionRefused => IoError::from(ErrorKind::ConnectionRefused),
            Self::ConnectTimeout | Self::ReadTimeout => IoError::from(ErrorKind::TimedOut),
            Self::TlsFailed => IoError::other("the certificate is not valid for this name"),
            Self::UnknownHost => IoError::other("no such host"),
            _ => IoError::from(ErrorKind::ConnectionReset),
        };
        TransportError { kind, source: Box::new(cause) }
    }

    /// The answer of a fault that needs nothing of the request.
    pub(crate) fn answer(&self) -> Option<Response> {
        Some(match self {
            Self::Answer { status, headers, body } => {
                let mut response = text(*status, "application/json", body.clone());
                for (name, value) in headers {
                    set_header(&mut response.headers, name, value);
                }
                response
            }
            Self::BadGateway => text(
                502,
                "text/html",
                "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad \
                 Gateway</h1></body></html>",
            ),
            Self::ErrorInSuccess => refusal(200, "0x80040216"),
            Self::Redirect(to) => {
                let mut response = text(302, "text/html", "");
                set_header(&mut response.headers, "location", to);
                response
            }
            Self::Refusal { status, code } => refusal(*status, code),
            Self::Status(status) if *status < 400 => empty(*status),
            Self::Status(status) => refusal(*status, ""),
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
            _ => return hostile::answer(self),
        })
    }
}

fn refusal(status: u16, code: &str) -> Response {
    let message = "An unexpected error occurred.";
    json(status, serde_json::json!({"error": {"code": code, "message": message}}).to_string())
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
