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
use crate::dynamics::resend::{self, Resend};
use crate::error::{Error, Result};
use crate::http::transport::{Request, Response, Transport};
use crate::model::{Identity, OrganisationId, RecordId};

/// What the question is called in errors.
const OPERATION: &str = "ask the org who signed in";

/// The Web API's own words are shortened to this many characters.
const MAX_MESSAGE_CHARS: usize = 200;

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
        return Err(refusal(response, now));
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

#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    error: RefusalError,
}

#[derive(Deserialize, Default)]
struct RefusalError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn refusal(response: &Response, now: OffsetDateTime) -> Error {
    let retry_at = resend::retry_after(&response.headers, now);
    match response.status.as_u16() {
        401 => Error::unauthenticated(
            "The org did not accept this sign-in. Check that your account belongs to the \
                     org, then connect again.",
        ),
        403 => forbidden(response),
        // What Microsoft's own client reads as "no such endpoint".
        400 | 404 | 410 => Error::invalid_input(
            "org address",
            "No Dynamics 365 org answers at this address. Check it; the org may have been renamed.",
        ),
        429 => {
            Error::RateLimited { retry_at: retry_at.unwrap_or(now + time::Duration::seconds(60)) }
        }
        408 | 500..=599 => {
            Error::Unavailable { operation: OPERATION.into(), retry_at, source: None }
        }
        status => Error::unexpected(OPERATION, format!("status {status}")),
    }
}

fn forbidden(response: &Response) -> Error {
    let refusal: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
    let RefusalError { code, message } = refusal.error;
    let admin = |reason: &'static str| Error::NeedsAdmin {
        reason: reason.into(),
        link: None,
        source: None,
    };
    match as_number(&code) {
        Some(0x8007_2560) => admin(
            "Your account is not a user of this org. Ask your Dynamics administrator to add you.",
        ),
        Some(0x8004_D24B) => {
            admin("Your account has no Dynamics 365 licence. Ask your administrator.")
        }
        Some(0x8004_0225 | 0x8004_A112) => admin(
            "Your user is disabled in this org. Ask your Dynamics administrator to enable it.",
        ),
        Some(0x8004_A104) => admin("This org is disabled. Ask your Dynamics administrator."),
        Some(0x8004_A113) => Error::Unavailable {
            operation: OPERATION.into(),
            retry_at: None,
            source: Some("the org is open to administrators only".into()),
        },
        Some(0x8009_5FFC) => admin(
            "This org admits listed apps only. Ask your Dynamics administrator to allow the app.",
        ),
        _ if message.contains("access to your IP is blocked") => admin(
            "This org's IP firewall blocks us. Ask your Dynamics administrator to admit our addresses.",
        ),
        _ => {
            let words = message.chars().take(MAX_MESSAGE_CHARS).collect::<String>();
            Error::PermissionDenied {
                operation: "use this org".into(),
                privilege: None,
                source: Some(format!("{code}: {words}").into()),
            }
        }
    }
}

/// A code in either spelling: hexadecimal, or signed decimal.
fn as_number(code: &str) -> Option<u32> {
    match code.strip_prefix("0x").or_else(|| code.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => code.parse::<i32>().ok().map(i32::cast_unsigned),
    }
}

#[cfg(test)]
mod tests;
