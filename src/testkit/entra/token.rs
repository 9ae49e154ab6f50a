//! The token endpoint.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::http::transport::{Request, Response};
use crate::testkit::dataverse::refusal::text;
use crate::testkit::entra::assertion;
use crate::testkit::entra::authorize::{check_tenant, parameters};
use crate::testkit::entra::failure::Failure;
use crate::testkit::entra::grants::{Grants, Person, Scope};
use crate::testkit::entra::tokens::Ledger;
use crate::testkit::entra::{FakeEntra, Rotation};

/// How long a code can be redeemed.
const CODE_LIFE: Duration = Duration::minutes(10);

/// Answers `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) fn redeem(
    grants: &mut Grants,
    request: &Request,
    tenant: &str,
    now: OffsetDateTime,
    ledger: &Ledger,
) -> Response {
    let form = form(request);
    let kind = form.as_ref().ok().and_then(|form| form.get("grant_type").cloned());
    match kind.as_deref() {
        Some("authorization_code") => grants.counts.codes += 1,
        Some("refresh_token") => grants.counts.refreshes += 1,
        _ => {}
    }
    grants.counts.with_claims += u64::from(form.as_ref().is_ok_and(answers_challenge));
    if let Some(planned) = grants.planned.pop_front() {
        return planned.into_response(now);
    }
    let granted = form.and_then(|form| {
        check_tenant(grants, tenant)?;
        check_client(grants, &form, request, now)?;
        match kind.as_deref() {
            Some("authorization_code") => by_code(grants, &form, now, ledger),
            Some("refresh_token") => by_refresh(grants, &form, ledger),
            _ => {
                let message = "The grant type is not supported.";
                Err(Failure::new(400, "unsupported_grant_type", 70003, message))
            }
        }
    });
    match granted {
        Ok((person, scope)) => answer(grants, person, scope, now, ledger),
        Err(failure) => failure.into_response(now),
    }
}

fn form(request: &Request) -> Result<HashMap<String, String>, Failure> {
    let content_type = request.headers.get("content-type").and_then(|v| v.to_str().ok());
    if !content_type.is_some_and(|t| t.starts_with("application/x-www-form-urlencoded")) {
        return Err(Failure::request(900_144, "The request body must be form-encoded."));
    }
    let body = std::str::from_utf8(&request.body);
    Ok(parameters(body.map_err(|_| Failure::request(9_002_313, "The request is malformed."))?))
}

fn required<'a>(form: &'a HashMap<String, String>, name: &str) -> Result<&'a str, Failure> {
    let missing = || {
        Failure::request(
            900_144,
            format!("The request body must contain the following parameter: '{name}'."),
        )
    };
    form.get(name).map(String::as_str).ok_or_else(missing)
}

/// Whether the claims of a request ask for more than they declare.
fn answers_challenge(form: &HashMap<String, String>) -> bool {
    let claims = form.get("claims").and_then(|claims| serde_json::from_str(claims).ok());
    claims.is_some_and(|claims: serde_json::Value| {
        claims != serde_json::json!({"access_token": {"xms_cc": {"values": ["cp1"]}}})
    })
}

fn check_client(
    grants: &mut Grants,
    form: &HashMap<String, String>,
    request: &Request,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    if required(form, "client_id")? != FakeEntra::CLIENT_ID {
        let message = "Application was not found in the directory.";
        return Err(Failure::new(400, "unauthorized_client", 700_016, message));
    }
    let secret = form.get("client_secret");
    if let Some(assertion) = form.get("client_assertion") {
        let kind = form.get("client_assertion_type").map(String::as_str);
        if secret.is_some()
            || kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        {
            return Err(Failure::request(900_144, "More than one client authentication."));
        }
        return assertion::check(grants, assertion, request.url.as_str(), now);
    }
    match secret {
        Some(secret) if grants.secrets.contains(secret) => Ok(()),
        Some(_) => Err(Failure::client(7_000_215, "Invalid client secret provided.")),
        None => {
            let message = "The request body must contain the following parameter: \
                           'client_assertion' or 'client_secret'.";
            Err(Failure::client(7_000_218, message))
        }
    }
}

fn by_code(
    grants: &mut Grants,
    form: &HashMap<String, String>,
    now: OffsetDateTime,
    ledger: &Ledger,
) -> Result<(Person, Scope), Failure> {
    let code = required(form, "code")?;
    let redirect_uri = required(form, "redirect_uri")?;
    let verifier = required(form, "code_verifier")?;
    let unknown = || Failure::grant(70000, "The provided value for the 'code' is not valid.");
    let grant = grants.codes.get_mut(code).ok_or_else(unknown)?;
    if grant.redeemed {
        let message = "OAuth2 Authorization code was already redeemed.";
        return Err(Failure::grant(54005, message));
    }
    if grant.issued_at + CODE_LIFE <= now {
        let message = "The provided authorization code is expired.";
        return Err(Failure::grant(70008, message));
    }
    if grant.redirect_uri != redirect_uri {
        return Err(Failure::request(50011, "The redirect URI is not the one of the code."));
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    if challenge != grant.challenge {
        let message = "The Code_Verifier does not match the code_challenge.";
        return Err(Failure::grant(501_481, message));
    }
    grant.redeemed = true;
    let (person, granted) = (grant.person.clone(), grant.scope.clone());
    match form.get("scope") {
        None => Ok((person, granted)),
        Some(scope) => Ok((person, Scope::parse(scope, ledger)?)),
    }
}

fn by_refresh(
    grants: &mut Grants,
    form: &HashMap<String, String>,
    ledger: &Ledger,
) -> Result<(Person, Scope), Failure> {
    let token = required(form, "refresh_token")?;
    let scope = Scope::parse(required(form, "scope")?, ledger)?;
    let dead = || {
        let mut failure = Failure::grant(
            50173,
            "The provided grant has expired due to it being \
                                                 revoked, a fresh auth token is needed.",
        );
        failure.suberror = Some("bad_token");
        failure
    };
    let person = grants.refresh_tokens.get(token).cloned().ok_or_else(dead)?;
    grants.counts.refreshed += 1;
    if grants.rotation == Rotation::Strict {
        grants.refresh_tokens.remove(token);
    }
    Ok((person, scope))
}

fn answer(
    grants: &mut Grants,
    person: Person,
    scope: Scope,
    now: OffsetDateTime,
    ledger: &Ledger,
) -> Response {
    let life = grants.token_life.whole_seconds();
    let object_id = person.object_id;
    let access_token = grants.access_token_for(object_id, scope.resource, now, ledger);
    let mut body = serde_json::json!({
        "token_type": "Bearer",
        "scope": scope.text,
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": access_token,
    });
    if scope.wants_identity {
        let authority = ledger.places().authority;
        body["id_token"] = person.identity_token(authority.as_str(), now).into();
    }
    if scope.wants_refresh {
        body["refresh_token"] = grants.refresh_token(person).into();
    }
    text(200, "application/json; charset=utf-8", body.to_string())
}
