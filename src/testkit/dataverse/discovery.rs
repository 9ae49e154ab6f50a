//! The directory of orgs (Global Discovery), as far as one org goes.

use http::Method;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use crate::http::transport::{Request, Response};
use crate::testkit::dataverse::org::Org;
use crate::testkit::dataverse::refusal::{Answer, Refusal, json};
use crate::testkit::entra::tokens::{Ledger, Standing};

/// Where the directory of the commercial cloud is reached, which is also what its tokens are for.
pub(crate) const DIRECTORY: &str = "https://globaldisco.crm.dynamics.com";

const PATH: &str = "/api/discovery/v2.0/Instances";

/// Whether a request is meant for the directory.
pub(crate) fn is_meant(request: &Request) -> bool {
    request.url.path().starts_with("/api/discovery/")
}

/// Answers `Instances` and `Instances(id)`; lists the org for its own users alone.
pub(crate) fn respond(
    org: &Org,
    request: &Request,
    now: OffsetDateTime,
    ledger: &Ledger,
) -> Response {
    answer(org, request, now, ledger).unwrap_or_else(Refusal::into_response)
}

fn answer(org: &Org, request: &Request, now: OffsetDateTime, ledger: &Ledger) -> Answer {
    let person = sign_in(request, now, ledger)?;
    let listed = org.user_of(person).is_some().then(|| instance(org));
    let rest = request.url.path().strip_prefix(PATH);
    match (&request.method, rest) {
        (&Method::GET, Some("")) => {
            let all: Vec<_> = listed.into_iter().collect();
            Ok(json(200, serde_json::json!({ "value": all }).to_string()))
        }
        (&Method::GET, Some(key)) => {
            let id = key.strip_prefix('(').and_then(|key| key.strip_suffix(')'));
            let id = id.and_then(|id| Uuid::try_parse(id).ok());
            match listed.filter(|_| id == Some(org.organization)) {
                Some(found) => Ok(json(200, found.to_string())),
                None => Err(Refusal::new(404, "0x80040217", "The instance does not exist.")),
            }
        }
        _ => Err(Refusal::unmocked(&format!("{} {}", request.method, request.url.path()))),
    }
}

/// The person whom a token speaks for; a token for an org is of no use here.
fn sign_in(request: &Request, now: OffsetDateTime, ledger: &Ledger) -> Answer<Uuid> {
    let refused = || Refusal::new(401, "0x8004A102", "The ticket is not valid.");
    let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(refused)?;
    let issued = ledger.find(token).ok_or_else(refused)?;
    let fits = issued.resource == DIRECTORY
        && issued.standing == Standing::Good
        && issued.expires_at > now;
    if fits { Ok(issued.object_id) } else { Err(refused()) }
}

fn instance(org: &Org) -> serde_json::Value {
    let api = org.address.replacen(".crm", ".api.crm", 1);
    serde_json::json!({
        "Id": org.organization,
        "UniqueName": format!("org{}", &org.organization.simple().to_string()[..8]),
        "UrlName": host(&org.address).split('.').next(),
        "FriendlyName": "Contoso Sales",
        "State": 0,
        "Version": "9.2.24021.00188",
        "Url": org.address,
        "ApiUrl": api,
        "Region": "EMEA",
        "TenantId": org.tenant,
        "EnvironmentId": org.organization,
        "OrganizationType": 0,
        "StatusMessage": 0,
    })
}

fn host(address: &str) -> String {
    Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
