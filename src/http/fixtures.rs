//! A closure as transport, a clock that jumps, and gates in memory: what tests of this folder and
//! of the vendors' folders send requests with.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::clock::Clock;
use crate::error::Result;
use crate::http::transport::{Request, Response, Transport, TransportError, TransportErrorKind};
use crate::storage::{GateKey, Gates};

/// When tests begin.
pub(crate) const START: OffsetDateTime = datetime!(2026-02-01 09:00 UTC);

type Answer = Result<Response, TransportErrorKind>;
type Respond = dyn Fn(&Request, usize) -> Answer + Send + Sync;

/// A transport that asks a closure, and keeps what was sent.
pub(crate) struct FnTransport {
    answer: Box<Respond>,
    sent: Mutex<Vec<Request>>,
}

impl FnTransport {
    /// Answers each request with `answer(request, how many were sent before)`.
    pub(crate) fn new(
        answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), sent: Mutex::new(Vec::new()) })
    }

    /// What was sent so far.
    pub(crate) fn sent(&self) -> Vec<Request> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The methods and URLs that were sent so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.sent().iter().map(|request| format!("{} {}", request.method, request.url)).collect()
    }
}

impl fmt::Debug for FnTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FnTransport")
    }
}

#[async_trait]
impl Transport for FnTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let before = {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push(request.clone());
            sent.len() - 1
        };
        // Gives other tasks the chance to run in between, as a network would.
        tokio::task::yield_now().await;
        (self.answer)(&request, before)
            .map_err(|kind| TransportError { kind, source: "a test's fault".into() })
    }
}

/// An answer with a body and headers.
pub(crate) fn answer(
    status: u16,
    headers: &[(&'static str, &str)],
    body: impl Into<Vec<u8>>,
) -> Response {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    let status = StatusCode::from_u16(status).unwrap();
    Response { status, headers, body: Bytes::from(body.into()) }
}

/// A clock on which every wait is over at once, and is remembered.
#[derive(Debug)]
pub(crate) struct JumpingClock {
    now: Mutex<OffsetDateTime>,
    waits: Mutex<Vec<time::Duration>>,
}

impl JumpingClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { now: Mutex::new(START), waits: Mutex::new(Vec::new()) })
    }

    /// How long was waited, in the order of the waits.
    pub(crate) fn waits(&self) -> Vec<time::Duration> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> OffsetDateTime {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, at: OffsetDateTime) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            if at > *now {
                self.waits.lock().unwrap_or_else(PoisonError::into_inner).push(at - *now);
                *now = at;
            }
        })
    }
}

/// Throttle deadlines in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryGates(Mutex<BTreeMap<GateKey, OffsetDateTime>>);

#[async_trait]
impl Gates for MemoryGates {
    async fn hold(&self, key: &GateKey, until: OffsetDateTime) -> Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = held.entry(key.clone()).or_insert(until);
        *end = (*end).max(until);
        Ok(())
    }

    async fn held_until(&self, key: &GateKey) -> Result<Option<OffsetDateTime>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied())
    }
}
