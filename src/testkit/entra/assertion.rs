//! Signed assertions of the app (`private_key_jwt`), checked as Entra checks them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_cert::der::Decode as _;

use crate::testkit::entra::FakeEntra;
use crate::testkit::entra::failure::Failure;
use crate::testkit::entra::grants::Grants;

/// An assertion may be valid for so long at most.
const LONGEST_LIFE: Duration = Duration::minutes(10);

/// A certificate that the app has registered.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    thumbprint: String,
    public_key: Vec<u8>,
}

impl Registered {
    /// Reads a certificate in PEM.
    pub(crate) fn read(pem: &str) -> Option<Self> {
        let pem = pem::parse(pem).ok()?;
        let certificate = x509_cert::Certificate::from_der(pem.contents()).ok()?;
        let key = certificate.tbs_certificate().subject_public_key_info();
        Some(Self {
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(pem.contents())),
            public_key: key.subject_public_key.raw_bytes().to_vec(),
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    exp: i64,
    iss: String,
    jti: String,
    nbf: i64,
    sub: String,
}

/// Checks an assertion that came to `token_url`.
pub(crate) fn check(
    grants: &mut Grants,
    assertion: &str,
    token_url: &str,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let bad = |why: &str| {
        Failure::client(700_027, format!("Client assertion failed signature validation: {why}."))
    };
    let header = jsonwebtoken::decode_header(assertion).map_err(|_| bad("no token"))?;
    if header.alg != Algorithm::PS256 || header.typ.as_deref() != Some("JWT") {
        return Err(bad("the header"));
    }
    let named = |held: &&Registered| header.x5t_s256.as_ref() == Some(&held.thumbprint);
    let certificate = grants.certificates.iter().find(named).ok_or_else(|| bad("no such key"))?;
    // Times are compared with this fake's clock, below.
    let mut validation = Validation::new(Algorithm::PS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_rsa_der(&certificate.public_key);
    let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &validation)
        .map_err(|_| bad("the signature"))?
        .claims;
    let ours = FakeEntra::CLIENT_ID;
    if claims.aud != token_url || claims.iss != ours || claims.sub != ours {
        return Err(bad("audience, issuer or subject"));
    }
    let seconds = now.unix_timestamp();
    let life = claims.exp - claims.nbf;
    if claims.exp <= seconds || claims.nbf > seconds || life > LONGEST_LIFE.whole_seconds() {
        let message = "Client assertion is not within its valid time range.";
        return Err(Failure::client(700_024, message));
    }
    if !grants.assertions.insert(claims.jti) {
        return Err(bad("it was used before"));
    }
    Ok(())
}
