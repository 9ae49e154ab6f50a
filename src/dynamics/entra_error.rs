//! What Entra says when it refuses, and what that means for whom.
//!
//! Entra asks clients to branch on `error` and to treat its numbers as diagnosis. In practice only
//! the numbers tell a withdrawn consent from a dead password, so they are looked up first; a number
//! that nobody has heard of falls back on `error`.

use std::fmt;

use http::StatusCode;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use url::Url;
use uuid::Uuid;

use crate::connector::Callback;
use crate::dynamics::claims;
use crate::error::Error;
use crate::http::transport::Response;

mod table;

/// An error body beyond this size is not looked into.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// How long to wait when Entra says "slow down" without saying how long (as MSAL does).
const DEFAULT_WAIT: Duration = Duration::seconds(60);

/// A refusal by Entra: its own classification, without its prose.
///
/// The prose (`error_description`) names users and tenants, so it is read for numbers and dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EntraFailure {
    status: Option<StatusCode>,
    error: String,
    suberror: String,
    codes: Vec<u32>,
    correlation: Option<Uuid>,
    /// What has to be proved at the next sign-in page (JSON).
    claims: Option<String>,
}

/// Who has to act (CON-4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    AskAdmin(AdminStep),
    CheckAddress,
    /// Our own configuration is broken: whoever runs the host has to act, no customer can.
    Ours(Setting),
    SignInAgain,
    TryAgain,
    /// Not what we expect from a token endpoint at all.
    Unexpected,
    Wait,
}

/// What an administrator of the customer has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AdminStep {
    /// Approve the app; the admin-consent link leads there.
    Approve,
    Other,
}

/// Which part of our configuration is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Setting {
    ClientCredential,
    RedirectUri,
    Registration,
}

impl Setting {
    const fn key(self) -> &'static str {
        match self {
            Self::ClientCredential => "client_secret",
            Self::RedirectUri => "redirect_uri",
            Self::Registration => "app registration",
        }
    }
}

impl EntraFailure {
    /// Reads the answer of the token endpoint, whatever it holds.
    pub(crate) fn from_response(response: &Response) -> Self {
        let body = if response.body.len() <= MAX_ERROR_BYTES {
            serde_json::from_slice(&response.body).unwrap_or(Value::Null)
        } else {
            Value::Null
        };
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let listed = body.get("error_codes").and_then(Value::as_array);
        let mut codes: Vec<u32> = listed.into_iter().flatten().filter_map(as_code).collect();
        codes.extend(codes_in(text("error_description")));
        Self {
            status: Some(response.status),
            error: token(text("error")),
            suberror: token(text("suberror")),
            codes: unique(codes),
            correlation: Uuid::try_parse(text("correlation_id")).ok(),
            claims: Some(text("claims"))
                .filter(|claims| claims::is_usable(claims))
                .map(str::to_owned),
        }
    }

    /// Reads a redirect that brings an error instead of a code; `None` when it brings none.
    pub(crate) fn from_callback(callback: &Callback) -> Option<Self> {
        let error = callback.value("error")?;
        let description = callback.value("error_description").unwrap_or_default();
        Some(Self {
            status: None,
            error: token(error),
            suberror: token(callback.value("error_subcode").unwrap_or_default()),
            codes: unique(codes_in(description)),
            correlation: None,
            claims: None,
        })
    }

    /// Whether the grant itself, the code or the refresh token, was refused.
    pub(crate) fn is_invalid_grant(&self) -> bool {
        self.error == "invalid_grant"
    }

    /// Who has to act.
    pub(crate) fn class(&self) -> Class {
        self.verdict().0
    }

    fn verdict(&self) -> (Class, &'static str) {
        // A server in trouble says nothing about the user, whatever its body claims.
        match self.status {
            Some(StatusCode::TOO_MANY_REQUESTS) => return (Class::Wait, table::SLOW_DOWN),
            Some(status) if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                return (Class::TryAgain, table::MICROSOFT_DOWN);
            }
            _ => {}
        }
        let known = self
            .codes
            .iter()
            .find_map(|code| table::ROWS.iter().find(|row| row.codes.contains(code)))
            .map(|row| (row.class, row.sentence));
        match known {
            // The page cannot say whether the user declined or was not allowed to approve.
            Some((class, _))
                if self.error == "access_denied" && !matches!(class, Class::AskAdmin(_)) =>
            {
                self.verdict_by_name()
            }
            Some(verdict) => verdict,
            None => self.verdict_by_name(),
        }
    }

    /// The grouping that survives new numbers.
    fn verdict_by_name(&self) -> (Class, &'static str) {
        match (self.error.as_str(), self.suberror.as_str()) {
            ("access_denied" | "permission_denied", _) => {
                (Class::AskAdmin(AdminStep::Approve), table::NOT_APPROVED)
            }
            ("temporarily_unavailable" | "server_error", _) => {
                (Class::TryAgain, table::MICROSOFT_DOWN)
            }
            ("invalid_client", _) => {
                (Class::Ours(Setting::ClientCredential), table::BAD_CREDENTIAL)
            }
            ("invalid_resource", _) => (Class::CheckAddress, table::WRONG_ADDRESS),
            // The two of which MSAL says that showing a sign-in page does not help.
            ("invalid_grant", "client_mismatch" | "protection_policy_required") => {
                (Class::Ours(Setting::Registration), table::MISCONFIGURED)
            }
            (
                "invalid_grant" | "interaction_required" | "login_required" | "consent_required",
                _,
            ) => (Class::SignInAgain, table::SIGN_IN),
            ("", _) => (Class::Unexpected, "something that is no OAuth error"),
            _ => (Class::Ours(Setting::Registration), table::MISCONFIGURED),
        }
    }

    /// The crate's error for it. `consent` is the page where an administrator can approve.
    pub(crate) fn into_error(
        self,
        operation: &'static str,
        retry_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
        consent: Option<Url>,
    ) -> Error {
        let (class, sentence) = self.verdict();
        match class {
            // A policy that says what it wants proved may let the person in who proves it: the
            // sign-in page is the judge of that.
            Class::AskAdmin(AdminStep::Other) | Class::SignInAgain if self.claims.is_some() => {
                Error::Unauthenticated {
                    reason: if class == Class::SignInAgain { sentence } else { table::PROVE }
                        .into(),
                    claims: self.claims.clone(),
                    source: Some(Box::new(self)),
                }
            }
            Class::AskAdmin(step) => Error::NeedsAdmin {
                reason: sentence.into(),
                link: consent.filter(|_| step == AdminStep::Approve).map(Box::new),
                source: Some(Box::new(self)),
            },
            Class::CheckAddress => Error::invalid_input("org address", sentence),
            Class::Ours(setting) => Error::Config {
                key: setting.key().into(),
                reason: sentence.into(),
                source: Some(Box::new(self)),
            },
            Class::SignInAgain => Error::Unauthenticated {
                reason: sentence.into(),
                claims: None,
                source: Some(Box::new(self)),
            },
            Class::TryAgain => Error::Unavailable {
                operation: operation.into(),
                retry_at,
                source: Some(Box::new(self)),
            },
            Class::Unexpected => Error::UnexpectedResponse {
                operation: operation.into(),
                detail: sentence.to_owned(),
                source: Some(Box::new(self)),
            },
            Class::Wait => Error::RateLimited { retry_at: retry_at.unwrap_or(now + DEFAULT_WAIT) },
        }
    }
}

impl std::error::Error for EntraFailure {}

impl fmt::Display for EntraFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.error.is_empty() { "an unnamed error" } else { &self.error };
        write!(f, "Entra answered {name}")?;
        if !self.suberror.is_empty() {
            write!(f, "/{}", self.suberror)?;
        }
        for code in &self.codes {
            write!(f, " AADSTS{code}")?;
        }
        if let Some(status) = self.status {
            write!(f, " (status {})", status.as_u16())?;
        }
        if let Some(id) = self.correlation {
            write!(f, " (correlation {id})")?;
        }
        Ok(())
    }
}

/// A word of a protocol: anything else in its place is not kept, since it could be anything.
fn token(text: &str) -> String {
    let word = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if word { text.to_ascii_lowercase() } else { String::new() }
}

/// The most numbers that are kept of one answer.
const MAX_CODES: usize = 8;

fn as_code(value: &Value) -> Option<u32> {
    match value {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_u64().and_then(|code| u32::try_from(code).ok()),
    }
}

/// The numbers behind each `AADSTS` in a text.
fn codes_in(text: &str) -> Vec<u32> {
    let behind = text.split("AADSTS").skip(1).take(MAX_CODES);
    behind
        .filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.get(..end)?.parse().ok()
        })
        .collect()
}

fn unique(codes: Vec<u32>) -> Vec<u32> {
    let mut kept = Vec::new();
    for code in codes {
        if kept.len() < MAX_CODES && !kept.contains(&code) {
            kept.push(code);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
