//! What Entra remembers: the app, who signs in, codes and refresh tokens.

use std::collections::{HashMap, HashSet, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::clock::Randomness;
use crate::testkit::dataverse::discovery::DIRECTORY;
use crate::testkit::dataverse::faults::Faults;
use crate::testkit::entra::assertion::Registered;
use crate::testkit::entra::failure::Failure;
use crate::testkit::entra::tokens::{Issued, Ledger, Standing};
use crate::testkit::entra::{EntraCounts, FakeEntra, Rotation, SignIn};

/// Who signs in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) object_id: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) name: String,
    pub(crate) upn: String,
}

/// A code that waits to be redeemed.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) challenge: String,
    pub(crate) redirect_uri: String,
    pub(crate) person: Person,
    pub(crate) scope: Scope,
    pub(crate) issued_at: OffsetDateTime,
    pub(crate) redeemed: bool,
}

/// A checked scope: one org and OpenID words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scope {
    /// The org, without a slash at the end.
    pub(crate) resource: String,
    pub(crate) text: String,
    pub(crate) wants_refresh: bool,
    pub(crate) wants_identity: bool,
}

/// The state of the fake.
#[derive(Debug)]
pub(crate) struct Grants {
    pub(crate) person: Person,
    pub(crate) sign_in: SignIn,
    pub(crate) rotation: Rotation,
    pub(crate) secrets: Vec<String>,
    pub(crate) certificates: Vec<Registered>,
    /// The names of the assertions that came: each counts once.
    pub(crate) assertions: HashSet<String>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) token_life: Duration,
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) refresh_tokens: HashMap<String, Person>,
    pub(crate) planned: VecDeque<Failure>,
    pub(crate) faults: Faults,
    pub(crate) counts: EntraCounts,
    randomness: Randomness,
}

impl Grants {
    pub(crate) fn new(person: Person) -> Self {
        Self {
            person,
            sign_in: SignIn::default(),
            rotation: Rotation::default(),
            secrets: vec![FakeEntra::CLIENT_SECRET.to_owned()],
            certificates: Vec::new(),
            assertions: HashSet::new(),
            redirect_uris: vec![FakeEntra::REDIRECT_URI.to_owned()],
            token_life: Duration::seconds(4271),
            codes: HashMap::new(),
            refresh_tokens: HashMap::new(),
            planned: VecDeque::new(),
            faults: Faults::default(),
            counts: EntraCounts::default(),
            randomness: Randomness::seeded(0xE47A),
        }
    }

    /// Text that nobody has yet.
    pub(crate) fn draw(&self, prefix: &str) -> String {
        let (a, b) = (self.randomness.uuid(), self.randomness.uuid());
        format!("{prefix}{}-{}{}", FakeEntra::SECRET_MARKER, a.simple(), b.simple())
    }

    /// Issues an access token to the person who signs in now.
    pub(crate) fn access_token(
        &self,
        resource: String,
        now: OffsetDateTime,
        ledger: &Ledger,
    ) -> String {
        let object_id = self.person.object_id;
        self.access_token_for(object_id, resource, now, ledger)
    }

    pub(crate) fn access_token_for(
        &self,
        object_id: Uuid,
        resource: String,
        now: OffsetDateTime,
        ledger: &Ledger,
    ) -> String {
        let token = self.draw("eyJfake.");
        let expires_at = now + self.token_life;
        let issued = Issued { resource, object_id, expires_at, standing: Standing::Good };
        ledger.add(token.clone(), issued);
        token
    }

    pub(crate) fn refresh_token(&mut self, person: Person) -> String {
        let token = self.draw("0.AX");
        self.refresh_tokens.insert(token.clone(), person);
        token
    }
}

impl Scope {
    /// Checks a scope: exactly one org that is known, and nothing that is not OpenID's.
    pub(crate) fn parse(text: &str, ledger: &Ledger) -> Result<Self, Failure> {
        let mut resources = Vec::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if matches!(word, "openid" | "profile" | "offline_access" | "email") {
                continue;
            }
            let resource = word
                .strip_suffix("/user_impersonation")
                .or_else(|| word.strip_suffix("/.default"))
                .ok_or_else(|| {
                    let message = format!("The provided value for scope {word} is not valid.");
                    Failure::new(400, "invalid_scope", 70011, message)
                })?;
            resources.push(resource.trim_end_matches('/').to_owned());
        }
        let [resource] = resources.as_slice() else {
            let message = "The scope has to name exactly one resource.";
            return Err(Failure::new(400, "invalid_scope", 70011, message));
        };
        if resource != DIRECTORY && !ledger.places().orgs.contains(resource) {
            let message = format!("The resource principal named {resource} was not found.");
            return Err(Failure::new(400, "invalid_resource", 500_011, message));
        }
        let has = |wanted: &str| text.split(' ').any(|word| word == wanted);
        Ok(Self {
            resource: resource.clone(),
            text: text.to_owned(),
            wants_refresh: has("offline_access"),
            wants_identity: has("openid"),
        })
    }
}

impl Person {
    /// An identity token; its signature is no signature.
    pub(crate) fn identity_token(&self, authority: &str, now: OffsetDateTime) -> String {
        let header = serde_json::json!({"typ": "JWT", "alg": "RS256", "kid": "fake"});
        let authority = authority.trim_end_matches('/');
        let claims = serde_json::json!({
            "aud": FakeEntra::CLIENT_ID,
            "iss": format!("{authority}/{}/v2.0", self.tenant),
            "iat": now.unix_timestamp(),
            "nbf": now.unix_timestamp(),
            "exp": (now + Duration::hours(1)).unix_timestamp(),
            "name": self.name,
            "oid": self.object_id,
            "preferred_username": self.upn,
            "sub": Uuid::new_v5(&self.object_id, FakeEntra::CLIENT_ID.as_bytes()),
            "tid": self.tenant,
            "ver": "2.0",
        });
        let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        format!("{}.{}.{}", part(&header), part(&claims), URL_SAFE_NO_PAD.encode("no signature"))
    }
}
