//! Microsoft Dynamics 365 as one kind of CRM.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::connector::{
    Authorization, Callback, ConnectorContext, CrmConnector, CrmProvider, SignIn, SignedIn,
    TokenVault,
};
use crate::dynamics::connector::DynamicsConnector;
use crate::dynamics::credentials::{AppRegistration, ClientCredential};
use crate::dynamics::endpoints::{Endpoints, Overrides};
use crate::dynamics::handshake::Handshake;
use crate::dynamics::org_url::OrgUrl;
use crate::dynamics::parts::ConnectorParts;
use crate::dynamics::tokens::{Flights, RefreshTokens, TokenSource};
use crate::error::{Error, Result};
use crate::http::client::{HttpClient, Reach, is_loopback};
use crate::http::transport::Transport;
use crate::model::{Connection, CrmKind};

/// Dynamics 365 as a kind of CRM.
pub const DYNAMICS: CrmKind = CrmKind::new("dynamics");

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
    app: Arc<AppRegistration>,
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
            app: Arc::clone(&self.app),
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

    fn authorize(&self, request: &SignIn) -> Result<Authorization> {
        let endpoints = self.endpoints(&request.address)?;
        Handshake { app: &self.app, endpoints: &endpoints }.authorize(request)
    }

    async fn finish(
        &self,
        context: &ConnectorContext,
        request: &SignIn,
        callback: &Callback,
    ) -> Result<SignedIn> {
        let endpoints = self.endpoints(&request.address)?;
        let handshake = Handshake { app: &self.app, endpoints: &endpoints };
        handshake.finish(&*self.transport, context, request, callback).await
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
    redirect_uri: Option<String>,
    authority_base: Option<Url>,
    org_base: Option<Url>,
    http_client: Option<reqwest::Client>,
    transport: Option<Arc<dyn Transport>>,
    refresh_tokens: RefreshTokens,
}

impl DynamicsProviderBuilder {
    /// The app registration's application (client) id. Required.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The app's client secret: its value, not its id. Required.
    pub fn client_secret(mut self, client_secret: impl Into<SecretString>) -> Self {
        self.client_secret = Some(client_secret.into());
        self
    }

    /// Where Entra sends the browser back to, exactly as registered. Required.
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
        let secret = required("client_secret", self.client_secret)?;
        let app = AppRegistration {
            client_id: check_client_id(required("client_id", self.client_id)?)?,
            redirect_uri: check_redirect(required("redirect_uri", self.redirect_uri)?)?,
            credential: ClientCredential::secret("client_secret", secret)?,
        };
        Ok(DynamicsProvider {
            app: Arc::new(app),
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
