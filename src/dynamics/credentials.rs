//! How the app proves to Entra that it is itself: secrets and certificates, in an order, replaceable
//! while requests are on their way (CON-6).

mod assertion;
mod expiry;
mod set;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use url::Url;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::http::client::is_loopback;

pub(crate) use assertion::Certificate;
pub use set::Credentials;

/// One credential of the app, with the name by which an operator knows it.
///
/// `Debug` shows the name, the kind and the end. The secret is wiped when it is dropped.
///
/// # Example
/// ```
/// use fluint_crm::dynamics::{ClientCredential, Credentials};
/// use time::macros::datetime;
/// # fn main() -> fluint_crm::Result<()> {
/// let old = ClientCredential::secret("secret-2025", "the old one's value".to_owned())?
///     .expires_at(datetime!(2026-03-01 00:00 UTC));
/// let credentials = Credentials::new(vec![old])?;
/// // Later, while requests are on their way; providers that hold a clone use the new order.
/// let new = ClientCredential::secret("secret-2026", "the new one's value".to_owned())?;
/// credentials.replace(vec![new])?;
/// # Ok(()) }
/// ```
pub struct ClientCredential {
    id: String,
    proof: Proof,
    expires_at: Option<OffsetDateTime>,
}

/// What is shown to Entra.
enum Proof {
    Certificate(Box<Certificate>),
    Secret(SecretString),
}

/// What a proof is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) token_url: &'a str,
    pub(crate) now: OffsetDateTime,
    /// Names this very proof, so that it counts once.
    pub(crate) id: Uuid,
}

impl ClientCredential {
    /// A client secret: the value, not its id. Entra does not tell when it ends; say so with
    /// [`expires_at`](Self::expires_at), and the operator hears of it ahead of time.
    ///
    /// # Errors
    /// [`Error::Config`] when the name or the secret is empty.
    pub fn secret(id: impl Into<String>, secret: impl Into<SecretString>) -> Result<Self> {
        let secret = secret.into();
        if secret.expose_secret().trim().is_empty() {
            return Err(Error::config("client_secret", "it is empty"));
        }
        Self::new(id.into(), Proof::Secret(secret), None)
    }

    /// A certificate and its RSA key, both as PEM: requests are signed (`private_key_jwt`, PS256).
    /// The certificate itself says when it ends.
    ///
    /// # Errors
    /// [`Error::Config`] when the PEM cannot be read, the key is not RSA, or does not belong to the
    /// certificate. No error quotes the key.
    pub fn certificate(
        id: impl Into<String>,
        private_key_pem: impl Into<SecretString>,
        certificate_pem: &str,
    ) -> Result<Self> {
        let (certificate, ends) = Certificate::read(&private_key_pem.into(), certificate_pem)?;
        Self::new(id.into(), Proof::Certificate(Box::new(certificate)), Some(ends))
    }

    fn new(id: String, proof: Proof, expires_at: Option<OffsetDateTime>) -> Result<Self> {
        if id.trim().is_empty() {
            return Err(Error::config("credentials", "a credential has no name"));
        }
        Ok(Self { id, proof, expires_at })
    }

    /// When it ends (UTC): 30, 7 and one day ahead, and when it has ended, the operator is told.
    #[must_use]
    pub fn expires_at(mut self, at: OffsetDateTime) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The name by which an operator knows it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Adds the proof to the form of a token request.
    ///
    /// # Errors
    /// [`Error::Config`] when the key cannot sign.
    pub(crate) fn prove(
        &self,
        form: &mut Serializer<'_, String>,
        occasion: Occasion<'_>,
    ) -> Result<()> {
        match &self.proof {
            Proof::Certificate(certificate) => {
                form.append_pair("client_assertion_type", ASSERTION_TYPE);
                form.append_pair("client_assertion", &certificate.sign(occasion)?);
            }
            Proof::Secret(secret) => {
                form.append_pair("client_secret", secret.expose_secret());
            }
        }
        Ok(())
    }
}

/// The kind of assertion that we make (RFC 7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.proof {
            Proof::Certificate(_) => "certificate",
            Proof::Secret(_) => "secret",
        };
        write!(f, "ClientCredential({}, {kind}", self.id)?;
        self.expires_at.map_or(Ok(()), |at| write!(f, ", until {}", at.date()))?;
        f.write_str(")")
    }
}

/// The app's registration in one of Microsoft's clouds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AppRegistration {
    /// The application (client) id.
    pub(crate) client_id: String,
    /// Where Entra sends the browser back to; compared by Entra letter by letter, so kept as text.
    pub(crate) redirect_uri: String,
    /// What proves that we are the app.
    pub(crate) credentials: Credentials,
}

impl AppRegistration {
    /// A registration: the application (client) id, the redirect address exactly as registered
    /// (https, or http at the loopback address), and the credentials.
    ///
    /// # Errors
    /// [`Error::Config`] when the id or the address cannot work.
    pub fn new(
        client_id: impl Into<String>,
        redirect_uri: impl Into<String>,
        credentials: Credentials,
    ) -> Result<Self> {
        Ok(Self {
            client_id: check_client_id(client_id.into())?,
            redirect_uri: check_redirect(redirect_uri.into())?,
            credentials,
        })
    }
}

fn check_client_id(client_id: String) -> Result<String> {
    let fits = !client_id.is_empty() && client_id.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(client_id) } else { Err(Error::config("client_id", "it is empty or malformed")) }
}

fn check_redirect(redirect_uri: String) -> Result<String> {
    let Ok(url) = Url::parse(&redirect_uri) else {
        return Err(Error::config("redirect_uri", "it is not an address"));
    };
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !safe || url.fragment().is_some() {
        return Err(Error::config("redirect_uri", "it must use https and hold no #"));
    }
    Ok(redirect_uri)
}

#[cfg(test)]
mod tests;
