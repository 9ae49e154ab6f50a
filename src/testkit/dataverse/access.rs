//! Who may call at all: token, headers, membership.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::testkit::dataverse::call::Call;
use crate::testkit::dataverse::org::Org;
use crate::testkit::dataverse::refusal::{Answer, Refusal};
use crate::testkit::entra::tokens::{Ledger, Standing};

/// The user that a request speaks for.
pub(crate) fn sign_in(
    org: &Org,
    call: &Call<'_>,
    ledger: &Ledger,
    now: OffsetDateTime,
) -> Answer<Uuid> {
    let Some(token) = bearer(call) else {
        let message = "The request is not authenticated.";
        return Err(challenge(org, call, ledger, Refusal::new(401, "0x8004A102", message)));
    };
    let bad = |code, message| challenge(org, call, ledger, Refusal::new(401, code, message));
    let issued = ledger.find(token).ok_or_else(|| bad("0x8004A102", "The ticket is not valid."))?;
    if !is_meant_for(&issued.resource, call, ledger) {
        return Err(bad("0x8004A100", "The ticket is for another audience."));
    }
    match &issued.standing {
        Standing::Good => {}
        Standing::Revoked => return Err(bad("0x8004A101", "The ticket has expired.")),
        Standing::Challenged(claims) => return Err(claims_challenge(ledger, claims)),
    }
    if issued.expires_at <= now {
        return Err(bad("0x8004A101", "The ticket has expired."));
    }
    check_headers(call)?;
    let member = org.user_of(issued.object_id);
    let user = member.ok_or_else(|| {
        Refusal::new(403, "0x80072560", "The user is not a member of the organization.")
    })?;
    if is_disabled(org, user) {
        let message = "The specified user is either disabled or is not a member of any business \
                       unit.";
        return Err(Refusal::new(403, "0x80040225", message));
    }
    Ok(user)
}

/// Whether a token for `resource` counts where the call came in: at exactly that host, or at the
/// loopback address that stands in for the org's own hosts.
fn is_meant_for(resource: &str, call: &Call<'_>, ledger: &Ledger) -> bool {
    let origin = call.origin();
    let stands_in = origin.starts_with("http://");
    resource == origin || (stands_in && ledger.places().orgs.iter().any(|org| org == resource))
}

/// The token that a request carries.
pub(crate) fn bearer<'a>(call: &'a Call<'_>) -> Option<&'a str> {
    call.header("authorization")?.strip_prefix("Bearer ")
}

fn is_disabled(org: &Org, user: Uuid) -> bool {
    let row = org.table_named("systemuser").and_then(|table| table.row(user));
    row.is_some_and(|row| *row.named("isdisabled") == true.into())
}

/// Adds the challenge that names the tenant's authority and the resource.
fn challenge(org: &Org, call: &Call<'_>, ledger: &Ledger, refusal: Refusal) -> Refusal {
    let authority = ledger.places().authority;
    let authority = authority.as_str().trim_end_matches('/');
    let value = format!(
        "Bearer authorization_uri={authority}/{}/oauth2/authorize, resource_id={}/",
        org.tenant,
        call.origin()
    );
    refusal.with_header("www-authenticate", value)
}

fn claims_challenge(ledger: &Ledger, claims: &str) -> Refusal {
    let authority = ledger.places().authority;
    let authority = authority.as_str().trim_end_matches('/');
    let value = format!(
        "Bearer realm=\"\", authorization_uri=\"{authority}/common/oauth2/authorize\", \
         error=\"insufficient_claims\", claims=\"{}\"",
        STANDARD.encode(claims)
    );
    Refusal::new(401, "", "The token does not carry the claims that are needed.")
        .with_header("www-authenticate", value)
}

fn check_headers(call: &Call<'_>) -> Answer<()> {
    for name in ["odata-version", "odata-maxversion"] {
        if call.header(name) != Some("4.0") {
            return Err(Refusal::bad_query(format!("the header {name}: 4.0 is missing")));
        }
    }
    if !call.header("accept").is_some_and(|accept| accept.starts_with("application/json")) {
        return Err(Refusal::bad_query("the header Accept: application/json is missing"));
    }
    if call.header("cookie").is_some() {
        // A cookie pins a client to one web server and so to one server's share of the limits.
        return Err(Refusal::bad_query("the request carries a cookie"));
    }
    Ok(())
}
