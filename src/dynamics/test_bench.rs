//! What the unit tests of this folder share: a context, a vault, answers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::clock::{Clock, Randomness};
use crate::connector::{ConnectorContext, Replaced, Split, StoredTokens, TokenVault, Tokens};
use crate::dynamics::credentials::{AppRegistration, ClientCredential, Credentials};
use crate::dynamics::endpoints::{Endpoints, Overrides};
use crate::dynamics::org_url::OrgUrl;
use crate::error::{Error, Result};
use crate::host::{Observer, OperatorEvent};
use crate::http::fixtures;
use crate::http::transport::Response;
use crate::model::ConnectionId;
use crate::storage::{GateKey, Gates, TokenVersion};

pub(crate) use crate::http::fixtures::START;

/// A clock on which every wait is over at once, having moved it.
#[derive(Debug)]
pub(crate) struct LeapClock(Mutex<(OffsetDateTime, Vec<OffsetDateTime>)>);

impl LeapClock {
    pub(crate) fn set(&self, now: OffsetDateTime) {
        self.0.lock().unwrap().0 = now;
    }

    pub(crate) fn waits(&self) -> Vec<OffsetDateTime> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Clock for LeapClock {
    fn now(&self) -> OffsetDateTime {
        self.0.lock().unwrap().0
    }

    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()> {
        let mut state = self.0.lock().unwrap();
        state.1.push(at);
        state.0 = state.0.max(at);
        Box::pin(std::future::ready(()))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ear(pub(crate) Mutex<Vec<OperatorEvent>>);

impl Observer for Ear {
    fn operator_event(&self, event: &OperatorEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

#[derive(Debug)]
struct NoGates;

#[async_trait]
impl Gates for NoGates {
    async fn hold(&self, _key: &GateKey, _until: OffsetDateTime) -> Result<()> {
        Ok(())
    }

    async fn held_until(&self, _key: &GateKey) -> Result<Option<OffsetDateTime>> {
        Ok(None)
    }
}

/// A context with the handles that a test moves and listens to.
pub(crate) struct Bench {
    pub(crate) clock: Arc<LeapClock>,
    pub(crate) ear: Arc<Ear>,
    pub(crate) context: ConnectorContext,
}

pub(crate) fn bench() -> Bench {
    let clock = Arc::new(LeapClock(Mutex::new((START, Vec::new()))));
    let ear = Arc::new(Ear::default());
    let context = ConnectorContext {
        clock: Arc::<LeapClock>::clone(&clock),
        randomness: Arc::new(Randomness::seeded(7)),
        gates: Arc::new(NoGates),
        observer: Arc::<Ear>::clone(&ear),
        intake: Arc::default(),
        split: Split::default(),
    };
    Bench { clock, ear, context }
}

pub(crate) const CLIENT_ID: &str = "8c5d0c1e-6a39-4f6e-9d3a-2f7b1c4e5a60";

pub(crate) fn app() -> AppRegistration {
    let secret = SecretString::from("marker-client-secret");
    let primary = ClientCredential::secret("primary", secret).unwrap();
    let credentials = Credentials::new(vec![primary]).unwrap();
    AppRegistration::new(CLIENT_ID, "https://app.example/crm/callback", credentials).unwrap()
}

pub(crate) fn endpoints(address: &str) -> Endpoints {
    Endpoints::new(OrgUrl::parse(address).unwrap(), &Overrides::default()).unwrap()
}

pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Response {
    fixtures::answer(status, &[], body)
}

pub(crate) fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    let value = HeaderValue::from_str(value).unwrap();
    response.headers.insert(HeaderName::from_static(name), value);
    response
}

/// Every text that an error can print: its own, its causes', and the customer's sentence.
pub(crate) fn everything_said(error: &Error) -> String {
    let mut text = format!("{error:?} {error} {}", error.customer_message());
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    text
}

/// A vault in memory, with a log of what was stored.
#[derive(Debug)]
pub(crate) struct MemoryVault(Mutex<Shelf>);

#[derive(Debug)]
struct Shelf {
    version: u64,
    access: String,
    refresh: Option<String>,
    expires_at: Option<OffsetDateTime>,
    refreshing_until: Option<OffsetDateTime>,
}

impl MemoryVault {
    pub(crate) fn new(access: &str, refresh: &str, expires_at: OffsetDateTime) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Shelf {
            version: 1,
            access: access.to_owned(),
            refresh: Some(refresh.to_owned()),
            expires_at: Some(expires_at),
            refreshing_until: None,
        })))
    }

    /// Stores as another worker would.
    pub(crate) fn put(&self, access: &str, refresh: &str, expires_at: OffsetDateTime) {
        let mut shelf = self.0.lock().unwrap();
        shelf.version += 1;
        shelf.access = access.to_owned();
        shelf.refresh = Some(refresh.to_owned());
        shelf.expires_at = Some(expires_at);
        shelf.refreshing_until = None;
    }

    /// Reserves the tokens as another worker would; `None` is as if their seal was renewed.
    pub(crate) fn reserved(&self, until: Option<OffsetDateTime>) {
        let mut shelf = self.0.lock().unwrap();
        shelf.version += 1;
        shelf.refreshing_until = until;
    }

    /// What is stored: access token, refresh token, version.
    pub(crate) fn shown(&self) -> (String, String, u64) {
        let shelf = self.0.lock().unwrap();
        (shelf.access.clone(), shelf.refresh.clone().unwrap_or_default(), shelf.version)
    }

    pub(crate) fn read(&self) -> StoredTokens {
        let shelf = self.0.lock().unwrap();
        StoredTokens {
            tokens: Tokens {
                access: SecretString::from(shelf.access.clone()),
                expires_at: shelf.expires_at,
                refresh: shelf.refresh.clone().map(SecretString::from),
            },
            version: TokenVersion(shelf.version),
            refreshing_until: shelf.refreshing_until,
        }
    }
}

#[async_trait]
impl TokenVault for MemoryVault {
    fn connection(&self) -> ConnectionId {
        ConnectionId::new(Uuid::from_u128(7))
    }

    async fn load(&self) -> Result<StoredTokens> {
        tokio::task::yield_now().await;
        Ok(self.read())
    }

    async fn reserve(&self, stored: &StoredTokens, until: OffsetDateTime) -> Result<Replaced> {
        tokio::task::yield_now().await;
        if self.read().version != stored.version {
            return Ok(Replaced::Lost(self.read()));
        }
        self.reserved(Some(until));
        Ok(Replaced::Stored(self.read().version))
    }

    async fn replace(&self, expected: TokenVersion, tokens: &Tokens) -> Result<Replaced> {
        tokio::task::yield_now().await;
        if self.read().version != expected {
            return Ok(Replaced::Lost(self.read()));
        }
        let refresh = tokens.refresh.as_ref().map_or("", |token| token.expose_secret());
        let end = tokens.expires_at.unwrap();
        self.put(tokens.access.expose_secret(), refresh, end);
        Ok(Replaced::Stored(self.read().version))
    }
}
