//! Signing in: what goes to the CRM's page, what comes back, and the directory of orgs.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::connector::{ConnectorContext, TokenVault, Tokens};
use crate::error::Result;
use crate::model::{Connection, CrmKind, Identity, OrganisationId};

/// In front of the `state` of a sign-in that asks for the directory of orgs.
pub(crate) const DISCOVERY_STATE: &str = "orgs-";

/// In front of the kind of CRM in the `state` that an administrator's approval page hands back. It
/// is no secret and stands for no sign-in: the link outlives every sign-in, and anybody may open it.
pub(crate) const ADMIN_CONSENT_STATE: &str = "admin-consent-";

/// A sign-in under way: what the provider needs again when the browser comes back.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates take it apart")]
pub struct SignIn {
    /// The canonical address of the org, or of the directory of orgs.
    pub address: String,
    /// The value that the provider must send as `state`.
    pub state: SecretString,
    /// The PKCE code verifier.
    pub verifier: SecretString,
    /// An e-mail address to prefill, when the host knows one.
    pub login_hint: Option<String>,
    /// What the identity provider wants to see proved this time (the `claims` parameter of OpenID
    /// Connect, JSON), when it said so before.
    pub claims: Option<String>,
    /// The tenant that [`Authorization::tenant`] named; `None` before.
    pub tenant: Option<String>,
}

/// Where to send the browser.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates build it")]
pub struct Authorization {
    /// The CRM's sign-in page.
    pub url: Url,
    /// Where an administrator can approve the app for everybody, when there is such a page.
    pub admin_consent: Option<Url>,
    /// The identity provider's tenant that the sign-in is bound to, when it is known before.
    pub tenant: Option<String>,
}

/// The query parameters of the redirect back to the host.
///
/// `Debug` prints the names only: the code is a secret.
#[derive(Clone, Default)]
pub struct Callback(BTreeMap<String, SecretString>);

impl Callback {
    /// Takes the parameters as decoded pairs; of a repeated name the first counts.
    pub fn new<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            parameters.entry(name.into()).or_insert_with(|| SecretString::from(value.into()));
        }
        Self(parameters)
    }

    /// Takes the parameters from the URL that the browser asked for.
    #[must_use]
    pub fn from_url(url: &Url) -> Self {
        Self::new(url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())))
    }

    /// The value of a parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }
}

impl Callback {
    /// What came back: which call of [`Crm`](crate::Crm) takes it. Only a guess by the `state`,
    /// which anybody may write; the call itself decides.
    #[must_use]
    pub fn kind(&self) -> CallbackKind {
        let state = self.value("state").unwrap_or_default();
        if let Some(kind) = state.strip_prefix(ADMIN_CONSENT_STATE) {
            CallbackKind::AdminConsent(CrmKind::from_name(kind))
        } else if state.starts_with(DISCOVERY_STATE) {
            CallbackKind::Discovery
        } else {
            CallbackKind::SignIn
        }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a finished sign-in brought.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates build it")]
pub struct SignedIn {
    /// Who the CRM says we are.
    pub identity: Identity,
    /// The tokens, not yet sealed.
    pub tokens: Tokens,
    /// The org's address as the CRM confirmed it.
    pub address: String,
}

/// What a redirect back to the host answers.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallbackKind {
    /// An administrator's approval page: [`Crm::finish_admin_consent`](crate::Crm::finish_admin_consent).
    AdminConsent(CrmKind),
    /// A request for the directory of orgs: [`Crm::finish_discovery`](crate::Crm::finish_discovery).
    Discovery,
    /// A sign-in to an org: [`Crm::finish_connect`](crate::Crm::finish_connect).
    SignIn,
}

/// A directory that lists the orgs of the person who signs in.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates build it")]
pub struct OrgDirectory {
    /// Its canonical address, which names it.
    pub address: String,
    /// What to call it on a page, such as `Dynamics 365 (US Government, GCC)`.
    pub name: String,
}

/// An org that a person may use.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "providers of other crates build it")]
pub struct OrgListing {
    /// The org's own id, which survives a renamed address.
    pub organisation: OrganisationId,
    /// Its name, for a person to choose by. It is the customer's text: escape it.
    pub name: String,
    /// Its canonical address, to connect it by.
    pub address: String,
}

/// Lists orgs, so that a page can ask "which of your orgs?" instead of for an address, and finds
/// where an org is today.
///
/// # Contract
/// Nothing of it is believed beyond the address: connecting asks the org itself who it is.
#[async_trait]
pub trait OrgDiscovery: fmt::Debug + Send + Sync {
    /// The directories that can be asked, the usual one first.
    fn directories(&self) -> Vec<OrgDirectory>;

    /// Builds the URL to send the browser to; [`SignIn::address`] is the directory's. Sends nothing.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) when there is no such directory.
    fn sign_in(&self, request: &SignIn) -> Result<Authorization>;

    /// Redeems the callback's code and lists the orgs of whoever signed in; keeps no token.
    ///
    /// # Errors
    /// The sign-in did not work; [`Error::remedy`](crate::Error::remedy) says who has to act.
    async fn list(
        &self,
        context: &ConnectorContext,
        request: &SignIn,
        callback: &Callback,
    ) -> Result<Vec<OrgListing>>;

    /// Where a connected org is today, by its own id; `None` when the directory does not list it.
    ///
    /// # Errors
    /// The directory could not be asked.
    async fn find(
        &self,
        context: &ConnectorContext,
        connection: &Connection,
        tokens: &dyn TokenVault,
    ) -> Result<Option<OrgListing>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn con_9_a_callback_never_prints_its_values() {
        let callback = Callback::new([("code", "marker-secret"), ("state", "other")]);
        assert_eq!(format!("{callback:?}"), r#"{"code", "state"}"#);
        assert_eq!(callback.value("code"), Some("marker-secret"));
    }

    #[test]
    fn con_4_a_callback_tells_by_its_state_what_it_answers() {
        let kind = |state: &str| Callback::new([("state", state)]).kind();
        let plain = CallbackKind::AdminConsent(CrmKind::new("plain"));
        assert_eq!(kind("admin-consent-plain"), plain);
        assert_eq!(kind("orgs-00ff"), CallbackKind::Discovery);
        assert_eq!(kind("00ff"), CallbackKind::SignIn);
        assert_eq!(Callback::default().kind(), CallbackKind::SignIn);
    }
}
