//! Microsoft Dynamics 365 as one kind of CRM.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::connector::{
    Authorization, Callback, ConnectorContext, CrmConnector, CrmProvider, OrgDiscovery, SignIn,
    SignedIn, TokenVault,
};
use crate::dynamics::connector::DynamicsConnector;
use crate::dynamics::credentials::{AppRegistration, ClientCredential, Credentials};
use crate::dynamics::directory::Directory;
use crate::dynamics::endpoints::{Endpoints, Overrides};
use crate::dynamics::handshake::{self, Handshake};
use crate::dynamics::kind::DYNAMICS;
use crate::dynamics::locate;
use crate::dynamics::org_url::{Cloud, OrgUrl};
use crate::dynamics::parts::ConnectorParts;
use crate::dynamics::tokens::{Flights, RefreshTokens, TokenSource};
use crate::error::{Error, Result};
use crate::http::client::{HttpClient, Reach};
use crate::http::transport::Transport;
use crate::model::{Connection, CrmKind};

/// The interval between two syncs. A full pull is the only kind of sync there is, and a big org's
/// takes an hour, so it is longer than other CRMs'.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(6 * 3600);

/// Connects to Microsoft Dynamics 365 with one multi-tenant app registration.
///
/// # Example
/// ```
/// use fluint_crm::connector::CrmProvider;
/// use fluint_crm::dynamics::DynamicsProvider;
/// # fn main() -> fluint_crm::Result<()> {
/// let provider = DynamicsProvider::builder()
///     .client_id("8c5d0c1e-6a39-4f6e-9d3a-2f7b1c4e5a60")
///     .client_secret("the secret's value".to_owned())
///     .redirect_uri("https://app.fluint.example/crm/callback")
///     .build()?;
/// let address = provider.parse_address(" HTTPS://Contoso.api.crm4.dynamics.com/main.aspx?id=1 ")?;
/// assert_eq!(address, "https://contoso.crm4.dynamics.com");
/// assert!(provider.parse_address("contoso.crm4.dynamics.com.evil.com").is_err());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct DynamicsProvider {
    /// One for each cloud that the app is registered in.
    apps: BTreeMap<Cloud, Arc<AppRegistration>>,
    overrides: Overrides,
    transport: Arc<dyn Transport>,
    flights: Flights,
    refresh_tokens: RefreshTokens,
}

impl DynamicsProvider {
    /// Starts with nothing set.
    pub fn builder() -> DynamicsProviderBuilder {
        DynamicsProviderBuilder::default()
    }

    fn endpoints(&self, address: &str) -> Result<Endpoints> {
        Endpoints::new(OrgUrl::parse(address)?, &self.overrides)
    }

    /// The endpoints of a directory of orgs, by its address.
    pub(crate) fn directory_endpoints(&self, address: &str) -> Result<Endpoints> {
        let directory = Directory::named(address).ok_or_else(|| {
            Error::invalid_input("directory of orgs", "There is no directory at this address.")
        })?;
        Endpoints::directory(directory, &self.overrides)
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// The app as the site's cloud knows it.
    pub(crate) fn app(&self, endpoints: &Endpoints) -> Result<&Arc<AppRegistration>> {
        self.apps.get(&endpoints.cloud()).ok_or_else(|| {
            let reason = "Orgs of this Microsoft cloud cannot be connected here. Please contact \
                          support.";
            Error::invalid_input("org address", reason)
        })
    }

    /// Whether the app is registered in a cloud.
    pub(crate) fn serves(&self, cloud: Cloud) -> bool {
        self.apps.contains_key(&cloud)
    }

    /// The parts of a stored connection's connector.
    fn parts(
        &self,
        context: &ConnectorContext,
        connection: &Connection,
        tokens: Arc<dyn TokenVault>,
    ) -> Result<ConnectorParts> {
        // Whoever stored the address had it from `parse_address`; anything else is not typed by a
        // customer but broken in the host's table.
        let endpoints = self.endpoints(&connection.address).map_err(|cause| Error::Config {
            key: "connection address".into(),
            reason: "it is not an org's address".into(),
            source: Some(Box::new(cause)),
        })?;
        let tokens = TokenSource {
            app: Arc::clone(self.app(&endpoints)?),
            endpoints: endpoints.clone(),
            tenant: connection.identity.tenant.clone(),
            refresh_tokens: self.refresh_tokens,
            transport: Arc::clone(&self.transport),
            vault: tokens,
            spread: TokenSource::spread(&context.randomness),
            context: context.clone(),
            held: Mutex::new(None),
            refreshing: self.flights.of(connection.id),
        };
        Ok(ConnectorParts {
            transport: Arc::clone(&self.transport),
            endpoints,
            tokens: Arc::new(tokens),
            connection: connection.clone(),
            context: context.clone(),
        })
    }
}

#[async_trait]
impl CrmProvider for DynamicsProvider {
    fn kind(&self) -> CrmKind {
        DYNAMICS
    }

    fn default_interval(&self) -> Duration {
        DEFAULT_INTERVAL
    }

    fn parse_address(&self, input: &str) -> Result<String> {
        Ok(OrgUrl::parse(input)?.canonical())
    }

    async fn authorize(
        &self,
        context: &ConnectorContext,
        request: &SignIn,
    ) -> Result<Authorization> {
        let endpoints = self.endpoints(&request.address)?;
        let handshake = Handshake { app: self.app(&endpoints)?, endpoints: &endpoints };
        let tenant = locate::tenant(&*self.transport, context, &endpoints).await?;
        handshake.authorize(request, tenant)
    }

    async fn finish(
        &self,
        context: &ConnectorContext,
        request: &SignIn,
        callback: &Callback,
    ) -> Result<SignedIn> {
        let endpoints = self.endpoints(&request.address)?;
        let handshake = Handshake { app: self.app(&endpoints)?, endpoints: &endpoints };
        handshake.finish(&*self.transport, context, request, callback).await
    }

    fn read_admin_consent(&self, callback: &Callback) -> Result<()> {
        handshake::read_admin_consent(callback)
    }

    fn discovery(&self) -> Option<&dyn OrgDiscovery> {
        Some(self)
    }

    fn open(
        &self,
        context: &ConnectorContext,
        connection: &Connection,
        tokens: Arc<dyn TokenVault>,
    ) -> Result<Arc<dyn CrmConnector>> {
        let parts = self.parts(context, connection, tokens)?;
        Ok(Arc::new(DynamicsConnector::new(&parts)))
    }
}

/// Sets up a [`DynamicsProvider`]. `Debug` shows no secret.
#[derive(Default)]
#[must_use]
pub struct DynamicsProviderBuilder {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    credentials: Option<Credentials>,
    redirect_uri: Option<String>,
    registrations: BTreeMap<Cloud, AppRegistration>,
    authority_base: Option<Url>,
    org_base: Option<Url>,
    http_client: Option<reqwest::Client>,
    transport: Option<Arc<dyn Transport>>,
    refresh_tokens: RefreshTokens,
}

impl DynamicsProviderBuilder {
    /// The application (client) id of the app's registration in the public cloud.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The app's client secret: its value, not its id. Short for [`credentials`](Self::credentials)
    /// of one secret that is never rotated.
    pub fn client_secret(mut self, client_secret: impl Into<SecretString>) -> Self {
        self.client_secret = Some(client_secret.into());
        self
    }

    /// What proves to Entra that we are the app: secrets and certificates. Keep a clone, to replace
    /// them while the provider is in use.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The app's registration in one of Microsoft's clouds: each knows only its own apps. Without
    /// one, orgs of that cloud are refused. The public cloud's may be given by
    /// [`client_id`](Self::client_id) and its neighbours instead.
    pub fn registration(mut self, cloud: Cloud, registration: AppRegistration) -> Self {
        self.registrations.insert(cloud, registration);
        self
    }

    /// Where Entra sends the browser back to, exactly as registered.
    ///
    /// It must use https, or http at the loopback address.
    pub fn redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(redirect_uri.into());
        self
    }

    /// Replaces Entra by a stand-in, for tests; only `http://` at the loopback address is taken.
    pub fn authority_base(mut self, authority_base: Url) -> Self {
        self.authority_base = Some(authority_base);
        self
    }

    /// Replaces every org by a stand-in, for tests; only `http://` at the loopback address is
    /// taken.
    pub fn org_base(mut self, org_base: Url) -> Self {
        self.org_base = Some(org_base);
        self
    }

    /// Sends with the host's own client, for its proxy, its certificates or its time-outs.
    ///
    /// The client must follow no redirect (`redirect::Policy::none()`), keep no cookie and have
    /// connect and read time-outs. A redirect that it followed is refused after the fact, but by
    /// then the request has reached the other address.
    pub fn http_client(mut self, http_client: reqwest::Client) -> Self {
        self.http_client = Some(http_client);
        self
    }

    /// Sends through a transport of a test.
    #[cfg(feature = "testkit")]
    pub(crate) fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Believes of refresh tokens what a test's authority does with them.
    #[cfg(feature = "testkit")]
    pub(crate) const fn refresh_tokens(mut self, refresh_tokens: RefreshTokens) -> Self {
        self.refresh_tokens = refresh_tokens;
        self
    }

    /// Checks the settings and makes the provider; connects to nothing.
    ///
    /// # Errors
    /// [`Error::Config`] when a required setting is missing or a setting cannot work.
    pub fn build(self) -> Result<DynamicsProvider> {
        let overrides = Overrides::new(self.authority_base, self.org_base)?;
        let reach = if overrides.any() { Reach::HttpsOrLoopback } else { Reach::HttpsOnly };
        let transport: Arc<dyn Transport> = match (self.transport, self.http_client) {
            (Some(transport), _) => transport,
            (None, Some(client)) => Arc::new(HttpClient::with(client, reach)),
            (None, None) => Arc::new(HttpClient::new(reach)?),
        };
        let mut apps = self.registrations;
        if self.client_id.is_some() || apps.is_empty() {
            let credentials = match (self.credentials, self.client_secret) {
                (Some(_), Some(_)) => {
                    return Err(Error::config("client_secret", "credentials are given as well"));
                }
                (Some(credentials), None) => credentials,
                (None, secret) => {
                    let secret = required("client_secret", secret)?;
                    Credentials::new(vec![ClientCredential::secret("client_secret", secret)?])?
                }
            };
            let client_id = required("client_id", self.client_id)?;
            let redirect_uri = required("redirect_uri", self.redirect_uri)?;
            let public = AppRegistration::new(client_id, redirect_uri, credentials)?;
            if apps.insert(Cloud::Public, public).is_some() {
                return Err(Error::config("client_id", "the public cloud is registered twice"));
            }
        }
        Ok(DynamicsProvider {
            apps: apps.into_iter().map(|(cloud, app)| (cloud, Arc::new(app))).collect(),
            overrides,
            transport,
            flights: Flights::default(),
            refresh_tokens: self.refresh_tokens,
        })
    }
}

impl fmt::Debug for DynamicsProviderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicsProviderBuilder")
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

fn required<T>(key: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::config(key, "it is not set"))
}

#[cfg(test)]
mod sockets;
#[cfg(test)]
mod tests;
