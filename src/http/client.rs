//! The hardened client: the transport that talks to the network.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tracing::Instrument;
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::http::bodies::Bodies;
use crate::http::transport::{Request, Response, Transport, TransportError, TransportErrorKind};

/// The most that one answer may hold, decompressed. A page of 5,000 wide rows has about 20 MiB; and
/// what is on its way to be refused costs less than 64 MiB of memory.
pub(crate) const MAX_BODY_BYTES: usize = 48 * 1024 * 1024;

/// How long a connection may take to stand, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other side may stay silent. Dataverse itself gives up on a request after two
/// minutes, so whoever is silent for longer is not coming back.
const READ_TIMEOUT: Duration = Duration::from_secs(150);

/// How long a whole exchange may take, so that a body dripping in ends at last.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(600);

/// Below the four minutes after which Azure's load balancers drop an idle connection unseen.
const POOL_IDLE: Duration = Duration::from_secs(90);

/// Sends requests with reqwest.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    reach: Reach,
    max_body: usize,
    bodies: Bodies,
}

/// Which addresses a client talks to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// https alone.
    HttpsOnly,
    /// Also plain http at the loopback address, for fakes.
    HttpsOrLoopback,
}

impl HttpClient {
    /// A client that follows no redirect, keeps no cookie and retries nothing.
    ///
    /// # Errors
    /// [`Error::Config`] when this machine cannot do TLS.
    pub(crate) fn new(reach: Reach) -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .https_only(reach == Reach::HttpsOnly)
            .gzip(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .user_agent(concat!("fluint-crm/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Error::Config {
                key: "http_client".into(),
                reason: "this machine cannot make TLS connections".into(),
                source: Some(Box::new(cause)),
            })?;
        Ok(Self::with(client, reach))
    }

    /// Wraps the host's own client: its proxy, its certificates, its time-outs.
    ///
    /// What must hold: it follows no redirect, keeps no cookie (the service would pin us to one
    /// server and throttle sooner) and has time-outs. None of this can be seen from outside, so an
    /// answer that came from another address than the one asked is refused.
    pub(crate) fn with(client: reqwest::Client, reach: Reach) -> Self {
        Self { client, reach, max_body: MAX_BODY_BYTES, bodies: Bodies::default() }
    }

    fn check_reach(&self, url: &Url) -> Result<(), TransportError> {
        match (url.scheme(), self.reach) {
            ("https", _) => Ok(()),
            ("http", Reach::HttpsOrLoopback) if is_loopback(url) => Ok(()),
            _ => Err(failed(TransportErrorKind::NotSent, "only https addresses are asked")),
        }
    }

    async fn collect(
        &self,
        mut response: reqwest::Response,
        expect: usize,
    ) -> Result<Bytes, TransportError> {
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
        let too_large = || failed(TransportErrorKind::UnusableBody, "the body exceeds the cap");
        if announced.is_some_and(|length| length > self.max_body) {
            return Err(too_large());
        }
        // Growing by doubling would hold, and copy, up to twice the body.
        let mut body = self.bodies.lend(expect.min(self.max_body));
        while let Some(chunk) = response.chunk().await.map_err(broken_body)? {
            if chunk.len() > self.max_body - body.len() {
                return Err(too_large());
            }
            body.extend(&chunk);
        }
        Ok(body.into())
    }
}

#[async_trait]
impl Transport for HttpClient {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.exchange(request, None).await
    }

    async fn send_within(
        &self,
        request: Request,
        limit: Duration,
    ) -> Result<Response, TransportError> {
        self.exchange(request, Some(limit)).await
    }
}

impl HttpClient {
    async fn exchange(
        &self,
        request: Request,
        limit: Option<Duration>,
    ) -> Result<Response, TransportError> {
        self.check_reach(&request.url)?;
        let span = tracing::debug_span!("request", method = %request.method);
        self.sent(request, limit).instrument(span).await
    }

    async fn sent(
        &self,
        request: Request,
        limit: Option<Duration>,
    ) -> Result<Response, TransportError> {
        let Request { method, url, headers, body, expect } = request;
        let mut sent = self.client.request(method, url.clone()).headers(headers).body(body);
        if let Some(limit) = limit {
            sent = sent.timeout(limit);
        }
        let mut response = sent.send().await.map_err(no_answer)?;
        if response.url() != &url {
            return Err(failed(TransportErrorKind::UnusableBody, "a redirect was followed"));
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let expect = if status.is_success() { expect } else { 0 };
        let body = self.collect(response, expect).await?;
        Ok(Response { status, headers, body })
    }
}

/// Whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn failed(kind: TransportErrorKind, why: &'static str) -> TransportError {
    TransportError { kind, source: why.into() }
}

/// An error before any answer: the request was not sent, or may have been.
fn no_answer(error: reqwest::Error) -> TransportError {
    let kind = if error.is_connect() || error.is_builder() {
        TransportErrorKind::NotSent
    } else {
        TransportErrorKind::MaybeSent
    };
    // The URL may hold secrets in its query.
    TransportError { kind, source: Box::new(error.without_url()) }
}

/// An error inside the body: the line broke, or what came is not what was announced.
fn broken_body(error: reqwest::Error) -> TransportError {
    let kind = if decompressor_failed(&error) {
        TransportErrorKind::UnusableBody
    } else {
        TransportErrorKind::MaybeSent
    };
    TransportError { kind, source: Box::new(error.without_url()) }
}

/// Whether the decompressor is to blame, not the line. reqwest gives every failure of a body the
/// same kind; but the decompressor's I/O error stands directly beneath reqwest's own, while the
/// line's comes wrapped in one of hyper's.
fn decompressor_failed(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    let mut above_is_reqwest = true;
    while let Some(error) = next {
        if above_is_reqwest && error.is::<io::Error>() {
            return true;
        }
        above_is_reqwest = error.is::<reqwest::Error>();
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
