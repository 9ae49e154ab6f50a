//! Finds out, before anybody signs in, whether an org answers and which tenant it belongs to.
//!
//! An org answers a request without a token by naming the authority and the tenant that sign its
//! people in. The authority is compared with the fixed table of clouds and never believed beyond it;
//! the tenant sends a guest to the right sign-in page.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use uuid::Uuid;

use crate::connector::ConnectorContext;
use crate::dynamics::challenge::authorization_uri;
use crate::dynamics::endpoints::{Endpoints, Trust};
use crate::dynamics::error::Refusal;
use crate::error::{Error, Result};
use crate::http::transport::{Request, Response, Transport, TransportErrorKind};

/// What the question is called in errors.
const OPERATION: &str = "find the org";

/// How long a person waits for the answer.
const PATIENCE: Duration = Duration::from_secs(10);

const NOT_THERE: &str = "No Dynamics 365 org answers at this address. Check the address.";
const OTHER_CLOUD: &str =
    "This org belongs to another of Microsoft's clouds. Check the org's address.";

/// Builds the request, without any credential; sends nothing.
pub(crate) fn request(endpoints: &Endpoints) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let url = endpoints.service_root().clone();
    Request { method: Method::GET, url, headers, body: Bytes::new(), expect: 0 }
}

/// The tenant of an org, or `None` when the org does not tell; then any work account may sign in.
///
/// A person waits for it, so it is asked once: what does not answer properly is left to the sign-in.
///
/// # Errors
/// [`Error::InvalidInput`] when no org is there, [`Error::NeedsAdmin`] when it refuses our network.
#[tracing::instrument(skip_all, fields(org = endpoints.org_host()))]
pub(crate) async fn tenant(
    transport: &dyn Transport,
    context: &ConnectorContext,
    endpoints: &Endpoints,
) -> Result<Option<String>> {
    match transport.send_within(request(endpoints), PATIENCE).await {
        Ok(response) => read(&response, context, endpoints),
        Err(error) if error.kind == TransportErrorKind::NotSent => {
            tracing::info!(%error, "the org could not be reached");
            Err(Error::invalid_input("org address", NOT_THERE))
        }
        Err(error) => {
            tracing::info!(%error, "the org did not say where its people sign in");
            Ok(None)
        }
    }
}

fn read(
    response: &Response,
    context: &ConnectorContext,
    endpoints: &Endpoints,
) -> Result<Option<String>> {
    match response.status {
        StatusCode::UNAUTHORIZED => read_challenge(response, endpoints),
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
            Err(Error::invalid_input("org address", NOT_THERE))
        }
        StatusCode::FORBIDDEN => {
            match Refusal::read(response).into_error(OPERATION, context.clock.now()) {
                blocked @ Error::NeedsAdmin { .. } => Err(blocked),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

fn read_challenge(response: &Response, endpoints: &Endpoints) -> Result<Option<String>> {
    let headers = response.headers.get_all(WWW_AUTHENTICATE).iter();
    let Some(authority) = headers.filter_map(|h| h.to_str().ok()).find_map(authorization_uri)
    else {
        return Ok(None);
    };
    match endpoints.trust(&authority) {
        Trust::OtherCloud => Err(Error::invalid_input("org address", OTHER_CLOUD)),
        Trust::Unknown => {
            tracing::warn!(host = authority.host_str(), "the org names an unknown authority");
            Ok(None)
        }
        Trust::Ours => {
            let named = authority.path_segments().and_then(|mut segments| segments.next());
            // `common` and its like name no tenant.
            let tenant = named.and_then(|segment| Uuid::try_parse(segment).ok());
            Ok(tenant.map(|tenant| tenant.hyphenated().to_string()))
        }
    }
}

#[cfg(test)]
mod tests;
