//! How the app proves to Entra that it is itself.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::Serializer;

use crate::error::{Error, Result};

/// One credential of the app, with the name by which an operator knows it.
///
/// `Debug` shows the name and the kind.
#[derive(Clone)]
pub(crate) struct ClientCredential {
    id: String,
    proof: Proof,
}

/// What is shown to Entra. A certificate (`private_key_jwt`) will be the second kind.
#[derive(Clone)]
enum Proof {
    Secret(SecretString),
}

impl ClientCredential {
    /// A client secret: the value, not its id.
    ///
    /// # Errors
    /// [`Error::Config`] when it is empty.
    pub(crate) fn secret(id: impl Into<String>, secret: SecretString) -> Result<Self> {
        if secret.expose_secret().trim().is_empty() {
            return Err(Error::config("client_secret", "it is empty"));
        }
        Ok(Self { id: id.into(), proof: Proof::Secret(secret) })
    }

    /// The name by which an operator knows it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Adds the proof to the form of a token request.
    pub(crate) fn prove(&self, form: &mut Serializer<'_, String>) {
        match &self.proof {
            Proof::Secret(secret) => {
                form.append_pair("client_secret", secret.expose_secret());
            }
        }
    }
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.proof {
            Proof::Secret(_) => write!(f, "ClientCredential({}, secret)", self.id),
        }
    }
}

/// The app's registration at Entra, as one cloud knows it.
#[derive(Clone, Debug)]
pub(crate) struct AppRegistration {
    /// The application (client) id.
    pub(crate) client_id: String,
    /// Where Entra sends the browser back to; compared by Entra letter by letter, so kept as text.
    pub(crate) redirect_uri: String,
    /// The credential in use. One today; an ordered set when rotation comes.
    pub(crate) credential: ClientCredential,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn con_9_a_credential_never_prints_its_secret() {
        let secret = SecretString::from("marker-secret");
        let credential = ClientCredential::secret("primary", secret).unwrap();
        assert_eq!(format!("{credential:?}"), "ClientCredential(primary, secret)");
    }

    #[test]
    fn con_6_a_secret_goes_into_the_form_encoded() {
        let credential =
            ClientCredential::secret("primary", SecretString::from("a b&c=d~é")).unwrap();
        let mut form = Serializer::new(String::new());
        credential.prove(&mut form);
        assert_eq!(form.finish(), "client_secret=a+b%26c%3Dd%7E%C3%A9");
    }

    #[test]
    fn con_6_an_empty_secret_is_refused() {
        let refused = ClientCredential::secret("primary", SecretString::from(" "));
        assert!(matches!(refused, Err(Error::Config { .. })));
    }
}
