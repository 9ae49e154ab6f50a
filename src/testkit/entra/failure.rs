//! What Entra answers when it refuses.

use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

use crate::http::transport::Response;
use crate::testkit::dataverse::refusal::text;

/// A refusal of the token endpoint or the authorize page.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) code: u32,
    pub(crate) message: String,
    pub(crate) suberror: Option<&'static str>,
}

const TRACE: Uuid = Uuid::from_u128(0x7ace_0000_0000_4000_8000_0000_0000_0001);
const CORRELATION: Uuid = Uuid::from_u128(0xc0de_0000_0000_4000_8000_0000_0000_0002);

impl Failure {
    pub(crate) fn new(
        status: u16,
        error: impl Into<String>,
        code: u32,
        message: impl Into<String>,
    ) -> Self {
        Self { status, error: error.into(), code, message: message.into(), suberror: None }
    }

    pub(crate) fn grant(code: u32, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_grant", code, message)
    }

    pub(crate) fn request(code: u32, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request", code, message)
    }

    pub(crate) fn client(code: u32, message: impl Into<String>) -> Self {
        Self::new(401, "invalid_client", code, message)
    }

    /// The text with the code in front and the trace behind.
    pub(crate) fn description(&self, now: OffsetDateTime) -> String {
        format!(
            "AADSTS{}: {} Trace ID: {TRACE} Correlation ID: {CORRELATION} Timestamp: {}",
            self.code,
            self.message,
            timestamp(now)
        )
    }

    /// The JSON answer of the token endpoint.
    pub(crate) fn into_response(self, now: OffsetDateTime) -> Response {
        let mut body = serde_json::json!({
            "error": self.error,
            "error_description": self.description(now),
            "error_codes": [self.code],
            "timestamp": timestamp(now),
            "trace_id": TRACE,
            "correlation_id": CORRELATION,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = suberror.into();
        }
        text(self.status, "application/json; charset=utf-8", body.to_string())
    }

    /// The page that a browser sees when Entra cannot redirect.
    pub(crate) fn into_page(self, now: OffsetDateTime) -> Response {
        let page = format!("<html><body>Sorry, {}</body></html>", self.description(now));
        text(200, "text/html; charset=utf-8", page)
    }
}

fn timestamp(now: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    now.format(form).unwrap_or_default()
}
