//! What the Web API's refusals mean: status first, then its own code, then its words.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::dynamics::code::Code;
use crate::dynamics::refusals;
use crate::error::{Error, Result};
use crate::http::retry::Hint;
use crate::http::transport::Response;

/// The service's own words are kept up to here; they may be a customer's plug-in speaking.
const MAX_MESSAGE_CHARS: usize = 300;

/// Where the error object of a body that is one begins, white space included.
const ERROR_BEGINS_WITHIN: usize = 256;

/// An error body beyond this is no error body of the service.
const MAX_ERROR_BYTES: usize = 256 * 1024;

/// An answer that is an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Option<Code>,
    /// The service's words, shortened; empty when the body held none.
    pub(crate) message: String,
}

impl Refusal {
    /// The refusal that an answer is, if it is one.
    ///
    /// A status of success may come with an error for a body. Only the first bytes tell, so that no
    /// page is looked through; whatever else is wrong with a body, its decoder finds.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        if !response.status.is_success() {
            return Some(Self::read(response));
        }
        if !begins_with_error(&response.body) || response.body.len() > MAX_ERROR_BYTES {
            return None;
        }
        let error = serde_json::from_slice::<ErrorBody<'_>>(&response.body).ok()?.error?;
        let (code, message) = read_error(error);
        Some(Self { status: response.status, code, message })
    }

    /// Reads an error answer, whatever its body is: JSON, HTML of a gateway, or nothing.
    pub(crate) fn read(response: &Response) -> Self {
        let body = response.body.get(..MAX_ERROR_BYTES).unwrap_or(&response.body);
        let error = serde_json::from_slice::<ErrorBody<'_>>(body)
            .ok()
            .and_then(|body| body.error)
            .map_or((None, String::new()), read_error);
        Self { status: response.status, code: error.0, message: error.1 }
    }

    /// Reads the `error` member of a body that came with a status of success.
    pub(crate) fn within_success(error: &RawValue) -> Self {
        let (code, message) = read_error(error);
        Self { status: StatusCode::OK, code, message }
    }

    /// What the code says beyond the status.
    pub(crate) fn hint(&self) -> Hint {
        match self.code {
            Some(code) if Code::THROTTLES.contains(&code) => Hint::Throttled,
            Some(code) if Code::TRANSIENT.contains(&code) => Hint::Transient,
            Some(Code::EXCEPTION) if self.message.contains("SQL") => Hint::Transient,
            _ => Hint::None,
        }
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == Some(code)
    }

    /// Whether the table itself is not there, or a column of it.
    pub(crate) fn is_missing_table(&self) -> bool {
        self.is(Code::UNKNOWN_TABLE)
            || self.is(Code::UNKNOWN_COLUMN)
            || self.is(Code::UNKNOWN_SEGMENT)
    }

    /// Whether only one table is refused, not the user or the environment as a whole.
    pub(crate) fn concerns_one_table(&self) -> bool {
        let refused = match self.status {
            StatusCode::FORBIDDEN => {
                matches!(self.by_code("".into()), None | Some(Error::PermissionDenied { .. }))
            }
            StatusCode::NOT_FOUND => true,
            _ => false,
        };
        refused || self.is_missing_table()
    }

    /// Whether a role of the user lacks a privilege.
    pub(crate) fn is_missing_privilege(&self) -> bool {
        self.is(Code::PRIVILEGE_DENIED) || self.privilege().is_some()
    }

    /// The privilege that the message calls missing, such as `prvReadOpportunity`.
    pub(crate) fn privilege(&self) -> Option<String> {
        let (_, rest) = self.message.split_once("missing prv")?;
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        (!name.is_empty()).then(|| format!("prv{name}"))
    }

    /// The code, or the status when there is none, for people to quote.
    pub(crate) fn label(&self) -> String {
        self.code.map_or_else(|| format!("HTTP {}", self.status.as_u16()), |code| code.to_string())
    }

    /// What the refusal means to the caller.
    pub(crate) fn into_error(
        self,
        operation: impl Into<Cow<'static, str>>,
        now: OffsetDateTime,
    ) -> Error {
        let operation = operation.into();
        if let Some(error) = self.by_code(operation.clone()) {
            return error;
        }
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => Error::RateLimited { retry_at: now },
            _ if self.hint() == Hint::Throttled => Error::RateLimited { retry_at: now },
            _ if self.hint() == Hint::Transient => Error::Unavailable {
                operation,
                retry_at: None,
                source: Some(format!("{}: {}", self.label(), self.message).into()),
            },
            StatusCode::UNAUTHORIZED => Error::unauthenticated(
                "Dynamics no longer accepts this sign-in. Please connect again.",
            ),
            StatusCode::FORBIDDEN => {
                Error::PermissionDenied { operation, privilege: self.privilege(), source: None }
            }
            StatusCode::NOT_FOUND if self.code.is_none() => {
                Error::NotFound { what: "the Dynamics environment at the connected address".into() }
            }
            status if status == StatusCode::REQUEST_TIMEOUT || status.is_server_error() => {
                Error::Unavailable {
                    operation,
                    retry_at: None,
                    source: Some(format!("{}: {}", self.label(), self.message).into()),
                }
            }
            status if status.is_redirection() => {
                Error::unexpected(operation, format!("a redirect ({})", status.as_u16()))
            }
            _ => Error::Rejected { operation, code: self.label(), message: self.message },
        }
    }

    /// The refusals that a code, or the IP firewall's words, say more about than the status.
    fn by_code(&self, operation: Cow<'static, str>) -> Option<Error> {
        if let Some(row) = refusals::find(self.code, self.status, &self.message) {
            return Some(Error::NeedsAdmin {
                reason: row.sentence.into(),
                link: None,
                // Not its words: they name users.
                source: Some(self.label().into()),
            });
        }
        match self.code? {
            Code::PRIVILEGE_DENIED => Some(Error::PermissionDenied {
                operation,
                privilege: self.privilege(),
                source: None,
            }),
            Code::OBJECT_DOES_NOT_EXIST => {
                Some(Error::NotFound { what: "the record in Dynamics".into() })
            }
            _ => None,
        }
    }
}

/// How a call failed, with what is known about its effect.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may have been carried out, or may yet be.
    Lost(Error),
    /// The service answered with an error and did nothing.
    Refused(Refusal),
    /// Nothing was carried out.
    Stopped(Error),
}

impl Failure {
    /// What the failure means to the caller.
    pub(crate) fn into_error(
        self,
        operation: impl Into<Cow<'static, str>>,
        now: OffsetDateTime,
    ) -> Error {
        match self {
            Self::Lost(error) | Self::Stopped(error) => error,
            Self::Refused(refusal) => refusal.into_error(operation, now),
        }
    }
}

/// Whether a body is an object whose first member is `error`.
fn begins_with_error(body: &[u8]) -> bool {
    let head = body.get(..ERROR_BEGINS_WITHIN).unwrap_or(body).trim_ascii_start();
    let Some(members) = head.strip_prefix(b"{") else {
        return false;
    };
    let after = members.trim_ascii_start().strip_prefix(b"\"error\"");
    after.is_some_and(|after| after.trim_ascii_start().starts_with(b":"))
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The members of an error; either may be of any type.
#[derive(Deserialize)]
struct ErrorMembers<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

fn read_error(error: &RawValue) -> (Option<Code>, String) {
    let Ok(members) = serde_json::from_str::<ErrorMembers<'_>>(error.get()) else {
        return (None, String::new());
    };
    let code = members.code.and_then(|code| Code::parse(code.get().trim_matches('"')));
    let message = members.message.and_then(|message| text(message).ok()).unwrap_or_default();
    (code, message)
}

fn text(raw: &RawValue) -> Result<String, serde_json::Error> {
    let text: Cow<'_, str> = serde_json::from_str::<String>(raw.get())?.into();
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    Ok(clean.take(MAX_MESSAGE_CHARS).collect())
}

#[cfg(test)]
mod tests;
