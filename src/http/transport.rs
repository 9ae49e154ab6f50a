//! The seam between this crate and the network: request in, response out.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::error::BoxError;

/// Sends requests. The client and the in-process fakes play this role.
///
/// It follows no redirect, keeps no cookie and retries nothing. A response of any status is `Ok`.
/// Dropping the future may or may not have sent the request.
#[async_trait]
pub(crate) trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request and collects the answer.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;

    /// Sends a request whose small answer is there within a time, or does not come any more.
    async fn send_within(
        &self,
        request: Request,
        _limit: Duration,
    ) -> Result<Response, TransportError> {
        // Whoever reaches no network needs no limit.
        self.send(request).await
    }
}

/// A request, built without I/O so that tests can compare it.
///
/// `Debug` shows neither headers' values nor the body nor the query: they may hold secrets.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How many bytes the answer may have, when somebody knows: room is made for them at once.
    pub(crate) expect: usize,
}

/// An answer with its whole body, decompressed and below the client's cap.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub(crate) struct TransportError {
    pub(crate) kind: TransportErrorKind,
    #[source]
    pub(crate) source: BoxError,
}

/// What is known about a request that got no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TransportErrorKind {
    /// The connection could not be made: nothing was sent.
    NotSent,
    /// It broke off or timed out after the request may have been sent.
    MaybeSent,
    /// The answer's body is larger than the cap, or cannot be decompressed.
    UnusableBody,
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "the connection could not be made",
            Self::MaybeSent => "the connection broke off before the answer was read",
            Self::UnusableBody => "the answer's body could not be taken in",
        })
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, self.url.path())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}
