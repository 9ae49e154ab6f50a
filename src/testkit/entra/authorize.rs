//! The pages that a browser opens: authorize and admin consent.

use std::collections::HashMap;

use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use crate::http::transport::{Request, Response};
use crate::testkit::dataverse::refusal::{set_header, text};
use crate::testkit::entra::failure::Failure;
use crate::testkit::entra::grants::{Code, Grants, Scope};
use crate::testkit::entra::tokens::Ledger;
use crate::testkit::entra::{FakeEntra, SignIn};

/// Answers `GET /{tenant}/oauth2/v2.0/authorize`.
pub(crate) fn page(
    grants: &mut Grants,
    request: &Request,
    tenant: &str,
    now: OffsetDateTime,
    ledger: &Ledger,
) -> Response {
    grants.counts.authorize += 1;
    let query = parameters(request.url.query().unwrap_or(""));
    let redirect = match check_page(grants, &query, tenant) {
        Ok(redirect) => redirect,
        // Without a trusted app and address Entra shows a page and redirects nowhere.
        Err(failure) => return failure.into_page(now),
    };
    let state = query.get("state").map_or("", String::as_str);
    let checked = check_request(&query, ledger);
    let scope = match checked {
        Ok(scope) => scope,
        Err(failure) => {
            let description = failure.description(now);
            let fields = [
                ("error", failure.error.as_str()),
                ("error_description", description.as_str()),
                ("state", state),
            ];
            return redirect_to(redirect, &fields);
        }
    };
    match grants.sign_in {
        SignIn::Consents => {
            let code = grants.draw("0.AQ");
            let session = Uuid::new_v5(&grants.person.object_id, code.as_bytes()).to_string();
            let grant = Code {
                challenge: query.get("code_challenge").cloned().unwrap_or_default(),
                redirect_uri: redirect.to_string(),
                person: grants.person.clone(),
                scope,
                issued_at: now,
                redeemed: false,
            };
            grants.codes.insert(code.clone(), grant);
            let fields = [("code", code.as_str()), ("state", state), ("session_state", &session)];
            redirect_to(redirect, &fields)
        }
        SignIn::Cancels => {
            let refusal = Failure::new(400, "access_denied", 65004, "User declined to consent.");
            let fields = [
                ("error", "access_denied"),
                ("error_subcode", "cancel"),
                ("error_description", &refusal.description(now)),
                ("state", state),
            ];
            redirect_to(redirect, &fields)
        }
        SignIn::NeedsAdminApproval => text(
            200,
            "text/html; charset=utf-8",
            "<html><head><title>Need admin approval</title></head><body>AADSTS90094: Need admin \
             approval</body></html>",
        ),
    }
}

/// Answers `GET /{tenant}/v2.0/adminconsent`.
pub(crate) fn admin_consent(grants: &mut Grants, request: &Request, ledger: &Ledger) -> Response {
    grants.counts.admin_consent += 1;
    let now = OffsetDateTime::UNIX_EPOCH;
    let query = parameters(request.url.query().unwrap_or(""));
    let redirect = match registered(grants, &query) {
        Ok(redirect) => redirect,
        Err(failure) => return failure.into_page(now),
    };
    let state = query.get("state").map_or("", String::as_str);
    let scope = query.get("scope").map_or("", String::as_str);
    if let Err(failure) = Scope::parse(scope, ledger) {
        return failure.into_page(now);
    }
    let tenant = grants.person.tenant.to_string();
    if grants.sign_in == SignIn::Cancels {
        let refusal = Failure::new(400, "consent_required", 65004, "Admin declined to consent.");
        let fields = [
            ("admin_consent", "True"),
            ("error", "consent_required"),
            ("error_description", &refusal.description(now)),
            ("state", state),
        ];
        return redirect_to(redirect, &fields);
    }
    // The approval lets everybody of the tenant sign in.
    grants.sign_in = SignIn::Consents;
    let fields =
        [("admin_consent", "True"), ("tenant", &tenant), ("scope", scope), ("state", state)];
    redirect_to(redirect, &fields)
}

/// Query or form parameters; of a repeated one the fake keeps none, so that it is missed.
pub(crate) fn parameters(encoded: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut repeated = Vec::new();
    for (name, value) in url::form_urlencoded::parse(encoded.as_bytes()).into_owned() {
        if found.insert(name.clone(), value).is_some() {
            repeated.push(name);
        }
    }
    for name in &repeated {
        found.remove(name);
    }
    found
}

/// Checks what has to be right before anything is redirected.
fn check_page(
    grants: &Grants,
    query: &HashMap<String, String>,
    tenant: &str,
) -> Result<Url, Failure> {
    check_tenant(grants, tenant)?;
    registered(grants, query)
}

/// Checks the tenant in a path.
pub(crate) fn check_tenant(grants: &Grants, tenant: &str) -> Result<(), Failure> {
    let own = grants.person.tenant.to_string();
    if tenant == "organizations" || tenant == own {
        return Ok(());
    }
    Err(Failure::request(90002, format!("Tenant '{tenant}' not found.")))
}

fn registered(grants: &Grants, query: &HashMap<String, String>) -> Result<Url, Failure> {
    if query.get("client_id").map(String::as_str) != Some(FakeEntra::CLIENT_ID) {
        let message = "Application was not found in the directory.";
        return Err(Failure::new(400, "unauthorized_client", 700_016, message));
    }
    let mismatch =
        || Failure::request(50011, "The redirect URI does not match the registered ones.");
    let given = query.get("redirect_uri").filter(|uri| grants.redirect_uris.contains(uri));
    Url::parse(given.ok_or_else(mismatch)?).map_err(|_| mismatch())
}

/// Checks what Entra tells the app about by a redirect.
fn check_request(query: &HashMap<String, String>, ledger: &Ledger) -> Result<Scope, Failure> {
    let value = |name: &str| query.get(name).map_or("", String::as_str);
    if value("response_type") != "code" {
        let message = "The response_type is not supported.";
        return Err(Failure::new(400, "unsupported_response_type", 700_054, message));
    }
    if !matches!(value("response_mode"), "" | "query") {
        return Err(Failure::request(70007, "The response_mode is not supported here."));
    }
    if value("state").is_empty() {
        return Err(Failure::request(900_144, "The request must contain 'state'."));
    }
    let challenge = value("code_challenge");
    if challenge.len() != 43 || value("code_challenge_method") != "S256" {
        return Err(Failure::request(50147, "The code challenge parameter is not valid."));
    }
    Scope::parse(value("scope"), ledger)
}

fn redirect_to(mut address: Url, fields: &[(&str, &str)]) -> Response {
    address.query_pairs_mut().extend_pairs(fields);
    let mut response = text(302, "text/html; charset=utf-8", "");
    set_header(&mut response.headers, "location", address.as_str());
    response
}
