//! A stateful, strict fake of Entra: authorize, token and admin consent.

pub(crate) mod assertion;
pub(crate) mod authorize;
pub(crate) mod failure;
pub(crate) mod grants;
pub(crate) mod token;
pub(crate) mod tokens;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use time::Duration;
use url::Url;
use uuid::Uuid;

use crate::clock::Clock;
use crate::dynamics::RefreshTokens;
use crate::http::transport::{Request, Response, TransportError};
use crate::testkit::dataverse::faults::{Fault, FaultPlan, Line, Passing, Place};
use crate::testkit::dataverse::refusal::text;
use crate::testkit::entra::failure::Failure;
use crate::testkit::entra::grants::{Grants, Person};
use crate::testkit::entra::tokens::{Ledger, Standing};

/// What the person at the sign-in page does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignIn {
    /// Signs in and consents.
    #[default]
    Consents,
    /// Presses cancel, or "return without granting consent".
    Cancels,
    /// Meets the page "Need admin approval", which redirects nowhere.
    NeedsAdminApproval,
}

/// Whether a refresh token still works after it was redeemed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// The old one stays valid, as Entra has it.
    #[default]
    Lenient,
    /// The old one is dead, as other providers have it.
    Strict,
}

impl From<Rotation> for RefreshTokens {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::Lenient => Self::Reusable,
            Rotation::Strict => Self::SingleUse,
        }
    }
}

/// How many requests of each kind came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntraCounts {
    /// Authorize pages.
    pub authorize: u64,
    /// Redemptions of codes, refused ones too.
    pub codes: u64,
    /// Redemptions of refresh tokens, refused ones too.
    pub refreshes: u64,
    /// Redemptions of refresh tokens that brought tokens, also when their answer was lost.
    pub refreshed: u64,
    /// Token requests whose `claims` ask for more than they declare: answers to a challenge.
    pub with_claims: u64,
    /// Pages of admin consent.
    pub admin_consent: u64,
}

/// A fake Entra with one registered app and one person who signs in.
///
/// Reached through a [`FakeMicrosoft`](crate::testkit::FakeMicrosoft).
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::SystemClock;
/// use fluint_crm::testkit::{FakeMicrosoft, OrgBuilder, SignIn};
///
/// let fake = FakeMicrosoft::new(OrgBuilder::new(7).build(), Arc::new(SystemClock::new()));
/// fake.entra().sign_in_as(SignIn::Cancels);
/// assert_eq!(fake.entra().counts().authorize, 0);
/// ```
pub struct FakeEntra {
    grants: Mutex<Grants>,
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
}

impl FakeEntra {
    /// The id of the registered app.
    pub const CLIENT_ID: &'static str = "11111111-aaaa-4bbb-8ccc-222222222222";
    /// The first secret of the registered app.
    pub const CLIENT_SECRET: &'static str = "fake-secret-of-the-app";
    /// Part of every secret, code and token here, so that a test can search logs for it.
    pub const SECRET_MARKER: &'static str = "fake-secret";
    /// The redirect address of the registered app.
    pub const REDIRECT_URI: &'static str = "https://app.fluint.example/crm/callback";

    pub(crate) fn new(person: Person, clock: Arc<dyn Clock>, ledger: Arc<Ledger>) -> Self {
        Self { grants: Mutex::new(Grants::new(person)), clock, ledger }
    }

    /// Answers a request, or breaks the connection when that was planted.
    pub(crate) fn respond(&self, request: &Request) -> Result<Response, TransportError> {
        if !is_token_request(request) {
            return Ok(self.answer(request));
        }
        let fault = self.with(|grants| grants.faults.strike(TOKENS));
        if let Some(response) = fault.as_ref().and_then(Fault::answer) {
            return Ok(response);
        }
        if let Some(lost) = &fault
            && matches!(lost.line(), Some(Line::Before | Line::Never))
        {
            return Err(lost.broken());
        }
        let mut response = self.answer(request);
        match fault {
            Some(lost) if lost.line().is_some() => return Err(lost.broken()),
            Some(Fault::TruncatedBody) => {
                response.body = response.body.slice(..response.body.len() / 2);
            }
            _ => {}
        }
        Ok(response)
    }

    /// Whether this request is to break; it is carried out as far as its fault says.
    pub(crate) fn breaks(&self, request: &Request) -> bool {
        if !is_token_request(request) {
            return false;
        }
        let ahead = self.with(|grants| grants.faults.ahead(TOKENS));
        ahead.is_some_and(|fault| fault.line().is_some()) && self.respond(request).is_err()
    }

    fn answer(&self, request: &Request) -> Response {
        let now = self.clock.now();
        self.with(|grants| {
            let path = request.url.path().trim_start_matches('/').to_owned();
            let (tenant, rest) = path.split_once('/').unwrap_or((&path, ""));
            match (&request.method, rest) {
                (&Method::GET, "oauth2/v2.0/authorize") => {
                    authorize::page(grants, request, tenant, now, &self.ledger)
                }
                (&Method::POST, "oauth2/v2.0/token") => {
                    token::redeem(grants, request, tenant, now, &self.ledger)
                }
                (&Method::GET, "v2.0/adminconsent") => {
                    authorize::admin_consent(grants, request, &self.ledger)
                }
                (method, _) => {
                    text(501, "text/plain", format!("the fake does not know: {method} /{path}"))
                }
            }
        })
    }

    /// Sets what the person at the sign-in page does from now on.
    pub fn sign_in_as(&self, sign_in: SignIn) {
        self.with(|grants| grants.sign_in = sign_in);
    }

    /// Lets another person sign in from now on, by the Entra object id.
    ///
    /// Who has no user row in the org is not a member of it.
    pub fn switch_person(&self, object_id: Uuid, name: impl Into<String>, upn: impl Into<String>) {
        let (name, upn) = (name.into(), upn.into());
        self.with(|grants| {
            grants.person = Person { object_id, name, upn, tenant: grants.person.tenant };
        });
    }

    /// The Entra object id of the person who signs in.
    pub(crate) fn person(&self) -> Uuid {
        self.with(|grants| grants.person.object_id)
    }

    /// Replaces the secrets of the app, all of which are accepted.
    pub fn set_secrets(&self, secrets: impl IntoIterator<Item = String>) {
        self.with(|grants| grants.secrets = secrets.into_iter().collect());
    }

    /// Replaces the certificates of the app, in PEM, all of which are accepted; one that cannot be
    /// read is none.
    pub fn set_certificates<'a>(&self, certificates: impl IntoIterator<Item = &'a str>) {
        let read = certificates.into_iter().filter_map(assertion::Registered::read).collect();
        self.with(|grants| grants.certificates = read);
    }

    /// Registers one more redirect address.
    pub fn add_redirect_uri(&self, redirect_uri: &Url) {
        self.with(|grants| grants.redirect_uris.push(redirect_uri.to_string()));
    }

    /// Sets how long access tokens live.
    pub fn set_token_life(&self, life: Duration) {
        self.with(|grants| grants.token_life = life);
    }

    /// Sets whether redeemed refresh tokens stay valid.
    pub fn set_rotation(&self, rotation: Rotation) {
        self.with(|grants| grants.rotation = rotation);
    }

    pub(crate) fn rotation(&self) -> Rotation {
        self.with(|grants| grants.rotation)
    }

    /// Kills every refresh token that is out, as when an admin revokes the sessions (50173).
    pub fn revoke_sessions(&self) {
        self.with(|grants| grants.refresh_tokens.clear());
    }

    /// Kills every access token that is out.
    pub fn revoke_access_tokens(&self) {
        self.ledger.judge(None, &Standing::Revoked);
    }

    /// Makes the next token request fail with this AADSTS code and `error`.
    ///
    /// `temporarily_unavailable` comes with 503, `invalid_client` with 401, all others with 400.
    pub fn fail_next(&self, code: u32, error: impl Into<String>) {
        let error = error.into();
        let status = match error.as_str() {
            "temporarily_unavailable" => 503,
            "invalid_client" => 401,
            _ => 400,
        };
        let failure = Failure::new(status, error, code, "This failure was planted by a test.");
        self.with(|grants| grants.planned.push_back(failure));
    }

    /// Plants a fault that strikes the next token request; faults of pages do nothing here.
    ///
    /// Several strike one after the other.
    pub fn plant(&self, fault: Fault) {
        self.with(|grants| grants.faults.plant(Place::next(), fault, 1));
    }

    /// Lets faults strike token requests by a plan, in place of all that were planted so far. Its
    /// places call the token endpoint `token`.
    pub fn plan_faults(&self, plan: FaultPlan) {
        self.with(|grants| grants.faults.follow(plan));
    }

    /// How many requests of each kind came so far.
    #[must_use]
    pub fn counts(&self) -> EntraCounts {
        self.with(|grants| grants.counts)
    }

    /// An access token for an org, as if the person had signed in; for tests of the API alone.
    #[must_use]
    pub fn mint_token(&self, resource: &Url) -> String {
        let now = self.clock.now();
        let resource = resource.origin().ascii_serialization();
        self.with(|grants| grants.access_token(resource, now, &self.ledger))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Grants) -> T) -> T {
        work(&mut self.grants.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Token requests as faults see them.
const TOKENS: Passing<'_> = Passing { set: Some("token"), page: None };

fn is_token_request(request: &Request) -> bool {
    request.method == Method::POST && request.url.path().ends_with("/oauth2/v2.0/token")
}

impl fmt::Debug for FakeEntra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeEntra").finish_non_exhaustive()
    }
}
