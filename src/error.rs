//! The one public error of the crate, named by what the caller can do about it.
//!
//! It knows no vendor and no model: whoever meets a failure (a connector, a store) translates it
//! here, keeps the cause as the source, and never puts a secret or a full URL into a message.

use std::borrow::Cow;
use std::fmt;

use time::OffsetDateTime;

/// A boxed cause, kept for the error chain.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, named by what the caller can do about it.
///
/// [`Error::remedy`] gives the next step as data, [`Error::retry_at`] the time before which a
/// retry is useless, and [`Error::customer_message`] a sentence fit for a settings page.
///
/// # Example
/// ```
/// use fluint_crm::{Error, Remedy};
///
/// let err = Error::invalid_input("org address", "ports are not accepted");
/// assert_eq!(err.remedy(), Remedy::FixInput);
/// assert_eq!(err.to_string(), "org address is not usable: ports are not accepted");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else changed the thing first; read it again and decide anew.
    #[error("{what} was changed by somebody else")]
    Conflict {
        /// The thing that was changed.
        what: Cow<'static, str>,
    },
    /// The host configured the crate in a way that cannot work.
    #[error("configuration of {key} cannot work: {reason}")]
    Config {
        /// The setting at fault.
        key: Cow<'static, str>,
        /// Why it cannot work.
        reason: Cow<'static, str>,
        /// The cause, when there is one.
        source: Option<BoxError>,
    },
    /// A value given by the caller or a customer cannot be used.
    #[error("{what} is not usable: {reason}")]
    InvalidInput {
        /// Which value, in words a person reads.
        what: Cow<'static, str>,
        /// What is wrong with it, as a sentence for the person who typed it.
        reason: Cow<'static, str>,
    },
    /// The customer's CRM or identity administrator has to act.
    #[error("an administrator must act: {reason}")]
    NeedsAdmin {
        /// What the administrator has to do, as a sentence.
        reason: Cow<'static, str>,
        /// A page where the administrator can do it, when there is one.
        link: Option<Box<url::Url>>,
        /// The cause, when there is one.
        source: Option<BoxError>,
    },
    /// Nothing is there under that name or id, or it belongs to somebody else.
    #[error("{what} was not found")]
    NotFound {
        /// What was looked for.
        what: Cow<'static, str>,
    },
    /// The connected user lacks a right in the CRM.
    #[error("the connected user may not {operation}")]
    PermissionDenied {
        /// What was refused.
        operation: Cow<'static, str>,
        /// The missing privilege as the CRM names it, when it says so.
        privilege: Option<String>,
        /// The cause, when there is one.
        source: Option<BoxError>,
    },
    /// The CRM asked us to wait; its whole budget for this user is used up.
    #[error("the CRM asked to wait until {retry_at}")]
    RateLimited {
        /// Nothing should be sent before this time (UTC).
        retry_at: OffsetDateTime,
    },
    /// The CRM refused the request itself; sending it again changes nothing.
    #[error("the CRM refused to {operation} ({code}): {message}")]
    Rejected {
        /// What was attempted.
        operation: Cow<'static, str>,
        /// The CRM's own code, or the HTTP status when it gave none.
        code: String,
        /// The CRM's own words, shortened; they may be a customer's plug-in speaking.
        message: String,
    },
    /// The claim on this work was lost to another worker; nothing was written.
    #[error("the claim on {work} was lost; nothing was written")]
    StaleClaim {
        /// The work that was claimed.
        work: Cow<'static, str>,
    },
    /// The store failed.
    #[error("the store failed to {operation}")]
    Store {
        /// What it was doing.
        operation: Cow<'static, str>,
        /// The driver's error.
        source: BoxError,
    },
    /// The user's sign-in at the CRM no longer works; the customer has to connect again.
    #[error("the customer has to sign in again: {reason}")]
    Unauthenticated {
        /// Why, as a sentence for the customer.
        reason: Cow<'static, str>,
        /// What the identity provider wants to see proved at the next sign-in (the `claims`
        /// parameter of OpenID Connect, JSON), when it said so.
        claims: Option<String>,
        /// The cause, when there is one.
        source: Option<BoxError>,
    },
    /// The CRM could not be reached or is in trouble; the same call may work later.
    #[error("the CRM is not available to {operation}")]
    Unavailable {
        /// What was attempted.
        operation: Cow<'static, str>,
        /// When a retry makes sense (UTC), when it is known.
        retry_at: Option<OffsetDateTime>,
        /// The cause, when there is one.
        source: Option<BoxError>,
    },
    /// The CRM answered something that its documentation does not allow.
    #[error("the CRM answered {operation} with something unexpected: {detail}")]
    UnexpectedResponse {
        /// What was attempted.
        operation: Cow<'static, str>,
        /// What was unexpected, with the JSON path where there is one.
        detail: String,
        /// The cause, when there is one.
        source: Option<BoxError>,
    },
    /// The connector or the store cannot do this at all.
    #[error("{operation} is not supported here")]
    Unsupported {
        /// What was asked for.
        operation: Cow<'static, str>,
    },
}

/// The next step that helps, for a program to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// An administrator of the customer has to act.
    AskAdmin,
    /// Whoever runs the host has to mend its configuration.
    FixConfiguration,
    /// The person who gave the value has to change it.
    FixInput,
    /// Read the current state and decide anew.
    ReadAgain,
    /// The customer has to connect the CRM again.
    Reconnect,
    /// Nothing a user can do; tell the authors of the host or of this crate.
    ReportBug,
    /// The same call may work later; see [`Error::retry_at`].
    Retry,
}

impl Error {
    /// Builds [`Error::InvalidInput`].
    pub fn invalid_input(
        what: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::InvalidInput { what: what.into(), reason: reason.into() }
    }

    /// Builds [`Error::Config`].
    pub fn config(key: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Config { key: key.into(), reason: reason.into(), source: None }
    }

    /// Builds [`Error::Conflict`].
    pub fn conflict(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict { what: what.into() }
    }

    /// Builds [`Error::NotFound`].
    pub fn not_found(what: impl Into<Cow<'static, str>>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// Builds [`Error::StaleClaim`].
    pub fn stale_claim(work: impl Into<Cow<'static, str>>) -> Self {
        Self::StaleClaim { work: work.into() }
    }

    /// Builds [`Error::Unauthenticated`] without claims and cause.
    pub fn unauthenticated(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unauthenticated { reason: reason.into(), claims: None, source: None }
    }

    /// Builds [`Error::Unsupported`].
    pub fn unsupported(operation: impl Into<Cow<'static, str>>) -> Self {
        Self::Unsupported { operation: operation.into() }
    }

    /// Builds [`Error::Store`].
    pub fn store(operation: impl Into<Cow<'static, str>>, source: impl Into<BoxError>) -> Self {
        Self::Store { operation: operation.into(), source: source.into() }
    }

    /// Builds [`Error::UnexpectedResponse`] without a cause.
    pub fn unexpected(operation: impl Into<Cow<'static, str>>, detail: impl fmt::Display) -> Self {
        Self::UnexpectedResponse {
            operation: operation.into(),
            detail: detail.to_string(),
            source: None,
        }
    }

    /// The next step that helps.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Conflict { .. } | Self::StaleClaim { .. } => Remedy::ReadAgain,
            Self::Config { .. } => Remedy::FixConfiguration,
            Self::InvalidInput { .. } | Self::NotFound { .. } => Remedy::FixInput,
            Self::NeedsAdmin { .. } | Self::PermissionDenied { .. } => Remedy::AskAdmin,
            Self::RateLimited { .. } | Self::Store { .. } | Self::Unavailable { .. } => {
                Remedy::Retry
            }
            Self::Unauthenticated { .. } => Remedy::Reconnect,
            Self::Rejected { .. } | Self::UnexpectedResponse { .. } | Self::Unsupported { .. } => {
                Remedy::ReportBug
            }
        }
    }

    /// The time (UTC) before which a retry is useless, when the other side said so.
    #[must_use]
    pub fn retry_at(&self) -> Option<OffsetDateTime> {
        match self {
            Self::RateLimited { retry_at } => Some(*retry_at),
            Self::Unavailable { retry_at, .. } => *retry_at,
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.remedy() == Remedy::Retry
    }

    /// A sentence for the customer's settings page. It never carries a secret or the CRM's raw text.
    #[must_use]
    pub fn customer_message(&self) -> String {
        match self {
            Self::InvalidInput { reason, .. }
            | Self::NeedsAdmin { reason, .. }
            | Self::Unauthenticated { reason, .. } => reason.to_string(),
            Self::PermissionDenied { operation, privilege: Some(privilege), .. } => format!(
                "The connected user may not {operation}. Ask your CRM administrator for the \
                 privilege {privilege}."
            ),
            Self::PermissionDenied { operation, privilege: None, .. } => format!(
                "The connected user may not {operation}. Ask your CRM administrator for access."
            ),
            Self::RateLimited { .. } => {
                "Your CRM asked us to slow down. The sync goes on by itself.".to_owned()
            }
            Self::Unavailable { .. } => {
                "Your CRM cannot be reached right now. We keep trying.".to_owned()
            }
            Self::Rejected { operation, code, .. } => {
                format!("Your CRM refused to {operation} (code {code}). Please contact support.")
            }
            Self::NotFound { what } => format!("{what} was not found."),
            Self::Unsupported { operation } => {
                format!("{operation} is not available for this CRM.")
            }
            Self::Conflict { .. } | Self::StaleClaim { .. } => {
                "This was changed at the same time by somebody else. Please try again.".to_owned()
            }
            Self::Config { .. } | Self::Store { .. } | Self::UnexpectedResponse { .. } => {
                "Something went wrong on our side. Please contact support.".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    /// HOST-5: the remedy is data, the cause stays in the chain and out of the message.
    #[test]
    fn host_5_an_error_keeps_its_source_out_of_its_message() {
        let err = Error::store("apply a page", std::io::Error::other("disk is full"));
        assert_eq!(err.to_string(), "the store failed to apply a page");
        assert_eq!(err.source().map(ToString::to_string).as_deref(), Some("disk is full"));
        assert_eq!(err.remedy(), Remedy::Retry);
        assert!(!err.customer_message().contains("disk"));
    }

    /// HOST-5: only the errors that carry a time say one.
    #[test]
    fn host_5_retry_at_is_what_the_crm_said() {
        let at = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(Error::RateLimited { retry_at: at }.retry_at(), Some(at));
        assert_eq!(Error::not_found("deal").retry_at(), None);
    }
}
