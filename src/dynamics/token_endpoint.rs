//! One exchange with Entra's token endpoint: a code or a refresh token in, tokens out.
//!
//! Written on `url` and `serde` instead of an OAuth crate: requests stay values that tests compare,
//! Entra's headers and numbers reach us with its errors, and no parse error keeps the body, which
//! holds tokens.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use time::{Duration, OffsetDateTime};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::connector::ConnectorContext;
use crate::dynamics::claims;
use crate::dynamics::credentials::{AppRegistration, ClientCredential, Occasion};
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::entra_error::{Class, EntraFailure, Setting};
use crate::dynamics::resend::{self, Resend};
use crate::error::{Error, Result};
use crate::host::OperatorEvent;
use crate::http::transport::{Request, Response, Transport};

/// What an exchange is called in errors.
const OPERATION: &str = "sign in";

/// What is exchanged.
#[derive(Clone, Copy)]
pub(crate) enum Grant<'a> {
    Code { code: &'a SecretString, verifier: &'a SecretString },
    Refresh { token: &'a SecretString, claims: Option<&'a str>, resend: Resend },
}

/// What came back. `Debug` shows no token.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) access: SecretString,
    pub(crate) lifetime: Duration,
    pub(crate) refresh: Option<SecretString>,
    pub(crate) id_token: Option<SecretString>,
}

impl Granted {
    /// When the access token ends, if it came now.
    pub(crate) fn expires_at(&self, now: OffsetDateTime) -> OffsetDateTime {
        now + self.lifetime
    }
}

/// An exchange that brought nothing.
#[derive(Debug)]
pub(crate) struct ExchangeError {
    pub(crate) error: Error,
    /// Whether the code or the refresh token was refused, so that a newer one may still work.
    pub(crate) grant: GrantFate,
}

/// What is known about the grant after a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GrantFate {
    Refused,
    Unknown,
}

/// The token endpoint of one org's authority, as one app sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenEndpoint<'a> {
    pub(crate) app: &'a AppRegistration,
    pub(crate) endpoints: &'a Endpoints,
    /// The user's tenant, once it is known.
    pub(crate) tenant: Option<&'a str>,
}

impl TokenEndpoint<'_> {
    /// Builds the request, proved by one credential; sends nothing.
    ///
    /// # Errors
    /// [`Error::Config`] when the authority cannot be a base, or the credential cannot sign.
    pub(crate) fn request(
        &self,
        grant: Grant<'_>,
        credential: &ClientCredential,
        context: &ConnectorContext,
    ) -> Result<Request> {
        let url = self.endpoints.token_url(self.tenant)?;
        let mut form = Serializer::new(String::new());
        form.append_pair("client_id", &self.app.client_id);
        form.append_pair("scope", &self.endpoints.scope());
        let mut wanted = None;
        match grant {
            Grant::Code { code, verifier } => {
                form.append_pair("grant_type", "authorization_code");
                form.append_pair("code", code.expose_secret());
                form.append_pair("redirect_uri", &self.app.redirect_uri);
                form.append_pair("code_verifier", verifier.expose_secret());
            }
            Grant::Refresh { token, claims, .. } => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("refresh_token", token.expose_secret());
                wanted = claims;
            }
        }
        form.append_pair("claims", &claims::with_capability(wanted));
        let occasion = Occasion {
            client_id: &self.app.client_id,
            token_url: url.as_str(),
            now: context.clock.now(),
            id: context.randomness.uuid(),
        };
        credential.prove(&mut form, occasion)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form_type);
        Ok(Request {
            method: Method::POST,
            url,
            headers,
            body: Bytes::from(form.finish()),
            expect: 0,
        })
    }

    /// Exchanges a grant for tokens. A code is sent once, a refresh token as its grant says.
    ///
    /// # Errors
    /// [`ExchangeError`], with the crate's error inside.
    #[tracing::instrument(skip_all, fields(org = self.endpoints.org_host()))]
    pub(crate) async fn exchange(
        &self,
        transport: &dyn Transport,
        context: &ConnectorContext,
        grant: Grant<'_>,
    ) -> Result<Granted, ExchangeError> {
        let resend = match grant {
            Grant::Code { .. } => Resend::IfNotSent,
            Grant::Refresh { resend, .. } => resend,
        };
        self.app.credentials.watch_ends(context.clock.now(), &*context.observer);
        let mut rejected = None;
        for entry in self.app.credentials.in_order() {
            let request = self.request(grant, &entry.credential, context)?;
            let sent = resend::send(transport, context, &request, resend).await;
            let response = sent.map_err(|cause| Error::Unavailable {
                operation: OPERATION.into(),
                retry_at: None,
                source: Some(Box::new(cause)),
            })?;
            if response.status == StatusCode::OK {
                entry.accept();
                return Ok(read_tokens(&response)?);
            }
            let failure = EntraFailure::from_response(&response);
            tracing::warn!(%failure, "the token endpoint refused");
            if failure.class() != Class::Ours(Setting::ClientCredential) {
                return Err(self.refusal(failure, &response, context));
            }
            // Nobody looked at the grant yet: the next credential may redeem it.
            if entry.reject() {
                let credential = entry.credential.id().to_owned();
                let event = OperatorEvent::CredentialRejected { credential };
                context.observer.operator_event(&event);
            }
            rejected = Some(self.refusal(failure, &response, context));
        }
        Err(rejected.unwrap_or_else(|| Error::config("credentials", "there is none").into()))
    }

    fn refusal(
        &self,
        failure: EntraFailure,
        response: &Response,
        context: &ConnectorContext,
    ) -> ExchangeError {
        let grant =
            if failure.is_invalid_grant() { GrantFate::Refused } else { GrantFate::Unknown };
        let now = context.clock.now();
        let retry_at = resend::retry_after(&response.headers, now);
        ExchangeError {
            error: failure.into_error(OPERATION, retry_at, now, self.consent_page()),
            grant,
        }
    }

    /// Where an administrator can approve the app.
    pub(crate) fn consent_page(&self) -> Option<Url> {
        self.endpoints
            .admin_consent_url(self.tenant, &self.app.client_id, &self.app.redirect_uri)
            .ok()
    }
}

impl From<Error> for ExchangeError {
    fn from(error: Error) -> Self {
        Self { error, grant: GrantFate::Unknown }
    }
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(deserialize_with = "seconds")]
    expires_in: i64,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    id_token: Option<String>,
}

/// Reads a number of seconds, also one written as text (Entra's older endpoint does that).
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(seconds) => Ok(seconds),
        Either::Text(digits) => {
            digits.parse().map_err(|_| serde::de::Error::custom("no number of seconds"))
        }
    }
}

fn read_tokens(response: &Response) -> Result<Granted> {
    let body: TokenBody = serde_json::from_slice(&response.body).map_err(|cause| {
        // Only the place: the parser's message may quote a token.
        let (line, column) = (cause.line(), cause.column());
        Error::unexpected(OPERATION, format!("no tokens, line {line} column {column}"))
    })?;
    if body.access_token.is_empty() || body.expires_in <= 0 {
        return Err(Error::unexpected(OPERATION, "an empty or expired token"));
    }
    if HeaderValue::from_str(&body.access_token).is_err() {
        return Err(Error::unexpected(OPERATION, "a token that fits into no header"));
    }
    if body.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(Error::unexpected(OPERATION, "a token that is not a bearer token"));
    }
    Ok(Granted {
        access: SecretString::from(body.access_token),
        lifetime: Duration::seconds(body.expires_in.min(MAX_LIFETIME)),
        refresh: body.refresh_token.filter(|token| !token.is_empty()).map(SecretString::from),
        id_token: body.id_token.map(SecretString::from),
    })
}

/// Seven days: the longest that Entra gives is 28 hours; anything longer is a mistake.
const MAX_LIFETIME: i64 = 7 * 24 * 3600;

#[cfg(test)]
mod tests;
