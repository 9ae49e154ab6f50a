//! A transport made of a closure, for unit tests.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::http::transport::{Request, Response, Transport, TransportError};

type Respond = dyn Fn(&Request) -> Result<Response, TransportError> + Send + Sync;

/// Answers with a closure and keeps what was sent.
pub(crate) struct FnTransport {
    respond: Box<Respond>,
    sent: Mutex<Vec<Request>>,
}

impl FnTransport {
    pub(crate) fn new(
        respond: impl Fn(&Request) -> Result<Response, TransportError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { respond: Box::new(respond), sent: Mutex::new(Vec::new()) })
    }

    /// Every request so far, in order.
    pub(crate) fn sent(&self) -> Vec<Request> {
        self.sent.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transport for FnTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        // Gives other tasks the chance to run in between, as a network would.
        tokio::task::yield_now().await;
        let answer = (self.respond)(&request);
        self.sent.lock().unwrap().push(request);
        answer
    }
}

impl fmt::Debug for FnTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FnTransport")
    }
}
