//! The first question to an org: does it answer, and who are we there?

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::connector::ConnectorContext;
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::error::Refusal;
use crate::dynamics::resend::{self, Resend};
use crate::error::{Error, Result};
use crate::http::transport::{Request, Response, Transport};
use crate::model::{Identity, OrganisationId, RecordId};

/// What the question is called in errors.
const OPERATION: &str = "ask the org who signed in";

/// Builds the request; sends nothing.
///
/// # Errors
/// [`Error::UnexpectedResponse`] when the token fits into no header.
pub(crate) fn request(endpoints: &Endpoints, access: &SecretString) -> Result<Request> {
    question(endpoints, "WhoAmI", access)
}

/// Builds a question to the service; sends nothing.
///
/// # Errors
/// As [`request`].
pub(crate) fn question(
    endpoints: &Endpoints,
    path: &str,
    access: &SecretString,
) -> Result<Request> {
    let bearer = format!("Bearer {}", access.expose_secret());
    let mut bearer = HeaderValue::from_str(&bearer)
        .map_err(|_| Error::unexpected(OPERATION, "a token that fits into no header"))?;
    bearer.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, bearer);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let version = HeaderValue::from_static("4.0");
    headers.insert(HeaderName::from_static("odata-maxversion"), version.clone());
    headers.insert(HeaderName::from_static("odata-version"), version);
    headers.insert(IF_NONE_MATCH, HeaderValue::from_static("null"));
    let url = endpoints.web_api(path)?;
    Ok(Request { method: Method::GET, url, headers, body: Bytes::new(), expect: 0 })
}

/// Asks, and again after a passing fault: the code is spent, and losing the sign-in now would send
/// the person back to the start.
///
/// # Errors
/// The org did not say who we are; [`Error::remedy`] says who has to act.
#[tracing::instrument(skip_all, fields(org = endpoints.org_host()))]
pub(crate) async fn ask(
    transport: &dyn Transport,
    context: &ConnectorContext,
    endpoints: &Endpoints,
    access: &SecretString,
) -> Result<Identity> {
    let request = request(endpoints, access)?;
    let sent = resend::send(transport, context, &request, Resend::IfTransient).await;
    let response = sent.map_err(|cause| Error::Unavailable {
        operation: OPERATION.into(),
        retry_at: None,
        source: Some(Box::new(cause)),
    })?;
    read(&response, context.clock.now())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WhoAmI {
    organization_id: Uuid,
    user_id: Uuid,
    business_unit_id: Option<Uuid>,
}

/// Reads the answer.
///
/// # Errors
/// As [`ask`].
pub(crate) fn read(response: &Response, now: OffsetDateTime) -> Result<Identity> {
    if !response.status.is_success() {
        return Err(refused(response, now));
    }
    let answer: WhoAmI =
        serde_json::from_slice(&response.body).map_err(|cause| Error::UnexpectedResponse {
            operation: OPERATION.into(),
            detail: "no WhoAmI answer".to_owned(),
            source: Some(Box::new(cause)),
        })?;
    if answer.organization_id.is_nil() || answer.user_id.is_nil() {
        return Err(Error::unexpected(OPERATION, "an empty id"));
    }
    let organisation = OrganisationId::new(answer.organization_id.to_string())?;
    let mut identity = Identity::new(organisation, RecordId::new(answer.user_id.to_string())?);
    identity.unit = answer.business_unit_id.map(|id| RecordId::new(id.to_string())).transpose()?;
    Ok(identity)
}

/// What a refusal means to the person who is signing in: mostly what it means to a sync.
fn refused(response: &Response, now: OffsetDateTime) -> Error {
    let retry_at = resend::retry_after(&response.headers, now);
    match Refusal::read(response).into_error(OPERATION, now) {
        Error::Unauthenticated { .. } => Error::unauthenticated(
            "The org did not accept this sign-in. Check that your account belongs to the org, then \
             connect again.",
        ),
        Error::RateLimited { .. } => {
            Error::RateLimited { retry_at: retry_at.unwrap_or(now + time::Duration::seconds(60)) }
        }
        Error::Unavailable { operation, source, .. } => {
            Error::Unavailable { operation, retry_at, source }
        }
        // What Microsoft's own client reads as "no such endpoint".
        Error::NotFound { .. } | Error::Rejected { .. }
            if matches!(response.status.as_u16(), 400 | 404 | 410) =>
        {
            Error::invalid_input(
                "org address",
                "No Dynamics 365 org answers at this address. Check it; the org may have been \
                 renamed.",
            )
        }
        error => error,
    }
}

#[cfg(test)]
mod tests;
