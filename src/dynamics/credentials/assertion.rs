//! Signed assertions of a certificate (`private_key_jwt`, RFC 7523), as Entra wants them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_cert::der::Decode;

use crate::dynamics::credentials::Occasion;
use crate::error::{BoxError, Error, Result};

/// How long an assertion counts; Entra's own client libraries take the same.
const LIFE: Duration = Duration::minutes(10);

/// A certificate's key, and the name by which Entra finds the certificate.
pub(crate) struct Certificate {
    key: EncodingKey,
    /// SHA-256 over the certificate, as the header `x5t#S256` has it.
    thumbprint: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    exp: i64,
    iat: i64,
    iss: String,
    jti: String,
    nbf: i64,
    sub: String,
}

impl Certificate {
    /// Reads key and certificate, and when the certificate ends.
    pub(crate) fn read(
        private_key_pem: &SecretString,
        certificate_pem: &str,
    ) -> Result<(Self, OffsetDateTime)> {
        let key = EncodingKey::from_rsa_pem(private_key_pem.expose_secret().as_bytes())
            .map_err(|_| unusable("the private key is no RSA key in PEM", None))?;
        let pem = pem::parse(certificate_pem).ok().filter(|pem| pem.tag() == "CERTIFICATE");
        let pem = pem.ok_or_else(|| unusable("the certificate is not in PEM", None))?;
        let parsed = x509_cert::Certificate::from_der(pem.contents())
            .map_err(|cause| unusable("the certificate cannot be read", Some(cause.into())))?;
        let content = parsed.tbs_certificate();
        let ends = content.validity().not_after.to_unix_duration().as_secs();
        let ends = i64::try_from(ends)
            .ok()
            .and_then(|ends| OffsetDateTime::from_unix_timestamp(ends).ok())
            .ok_or_else(|| unusable("the certificate ends at no time", None))?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(pem.contents()));
        let certificate = Self { key, thumbprint };
        let public = content.subject_public_key_info().subject_public_key.raw_bytes();
        certificate.check_pair(public)?;
        Ok((certificate, ends))
    }

    /// Signs something and looks at it with the certificate's own key: whoever mixes up two files
    /// learns it now, and not from Entra.
    fn check_pair(&self, public_key: &[u8]) -> Result<()> {
        let occasion = Occasion {
            client_id: "",
            token_url: "",
            now: OffsetDateTime::UNIX_EPOCH,
            id: uuid::Uuid::nil(),
        };
        let signed = self.sign(occasion)?;
        let mut validation = Validation::new(Algorithm::PS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        let public = DecodingKey::from_rsa_der(public_key);
        jsonwebtoken::decode::<Claims>(&signed, &public, &validation)
            .map(drop)
            .map_err(|_| unusable("the private key does not belong to the certificate", None))
    }

    /// An assertion for one request.
    pub(crate) fn sign(&self, occasion: Occasion<'_>) -> Result<String> {
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(self.thumbprint.clone());
        let claims = Claims {
            aud: occasion.token_url.to_owned(),
            exp: (occasion.now + LIFE).unix_timestamp(),
            iat: occasion.now.unix_timestamp(),
            iss: occasion.client_id.to_owned(),
            jti: occasion.id.hyphenated().to_string(),
            nbf: occasion.now.unix_timestamp(),
            sub: occasion.client_id.to_owned(),
        };
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|cause| unusable("the private key cannot sign", Some(cause.into())))
    }
}

fn unusable(reason: &'static str, source: Option<BoxError>) -> Error {
    Error::Config { key: "client certificate".into(), reason: reason.into(), source }
}
