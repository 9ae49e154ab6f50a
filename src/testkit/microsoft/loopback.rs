//! The fakes over real sockets, by wiremock.

use std::time::Duration;

use url::Url;
use wiremock::matchers::path_regex;
use wiremock::{Match, Mock, MockServer, Respond, ResponseTemplate};

use crate::http::transport::{Request, Response, TransportError};
use crate::testkit::microsoft::FakeMicrosoft;

/// Both fakes on loopback; they stop when this is dropped.
///
/// A call that the fakes do not know is answered with 501 and its name. Unlike in process, every
/// fault of the connection is a connection that breaks, and one whose number is taken by a
/// concurrent request turns into a 500.
#[derive(Debug)]
pub struct FakeServer {
    entra: MockServer,
    dataverse: MockServer,
}

impl FakeServer {
    /// The base address of Entra.
    #[must_use]
    pub fn authority_base(&self) -> Url {
        base(&self.entra)
    }

    /// The base address of the org.
    #[must_use]
    pub fn org_base(&self) -> Url {
        base(&self.dataverse)
    }
}

impl FakeMicrosoft {
    /// Serves both fakes on loopback.
    ///
    /// # Panics
    /// When no socket can be opened.
    pub async fn start(&self) -> FakeServer {
        self.start_with_latency(Duration::ZERO).await
    }

    /// Serves both fakes on loopback, every answer delayed.
    ///
    /// # Panics
    /// When no socket can be opened.
    pub async fn start_with_latency(&self, latency: Duration) -> FakeServer {
        let server = FakeServer { entra: listen().await, dataverse: listen().await };
        self.parts.ledger.move_to(server.authority_base(), &server.org_base());
        let entra = self.clone();
        let breaks = {
            let fake = self.clone();
            move |request: &Request| fake.entra().breaks(request)
        };
        let answer = move |request: &Request| entra.answer_entra(request);
        mount(&server.entra, ".*", latency, breaks, answer).await;
        let dataverse = self.clone();
        let breaks = {
            let fake = self.clone();
            move |request: &Request| fake.dataverse().breaks(request)
        };
        let answer = move |request: &Request| dataverse.answer_dataverse(request);
        mount(&server.dataverse, "^/api/(data|discovery)/", latency, breaks, answer).await;
        server
    }
}

async fn listen() -> MockServer {
    // Recording would keep every page of a big pull in memory.
    MockServer::builder().disable_request_recording().start().await
}

async fn mount(
    server: &MockServer,
    path: &str,
    latency: Duration,
    breaks: impl Fn(&Request) -> bool + Send + Sync + 'static,
    answer: impl Fn(&Request) -> Result<Response, TransportError> + Send + Sync + 'static,
) {
    let reset = |_: &wiremock::Request| std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let broken = Mock::given(Breaks(breaks)).respond_with_err(reset);
    broken.with_priority(1).mount(server).await;
    let known = Mock::given(path_regex(path)).respond_with(Answers { answer, latency });
    known.with_priority(5).mount(server).await;
    let unknown = Mock::given(wiremock::matchers::any()).respond_with(Unmocked);
    unknown.with_priority(u8::MAX).mount(server).await;
}

fn base(server: &MockServer) -> Url {
    // wiremock's own address parses; the fallback only keeps this free of panics.
    Url::parse(&server.uri()).unwrap_or_else(|_| unreachable!())
}

/// Answers by a fake.
struct Answers<F> {
    answer: F,
    latency: Duration,
}

impl<F> Respond for Answers<F>
where
    F: Fn(&Request) -> Result<Response, TransportError> + Send + Sync,
{
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let Ok(response) = (self.answer)(&received(request)) else {
            return ResponseTemplate::new(500).set_body_string("a reset came too late");
        };
        let mut template = ResponseTemplate::new(response.status.as_u16())
            .set_body_bytes(response.body.to_vec())
            .set_delay(self.latency);
        for (name, value) in &response.headers {
            template = template.append_header(name.clone(), value.clone());
        }
        template
    }
}

/// Matches requests whose connection is to break.
struct Breaks<F>(F);

impl<F: Fn(&Request) -> bool + Send + Sync> Match for Breaks<F> {
    fn matches(&self, request: &wiremock::Request) -> bool {
        (self.0)(&received(request))
    }
}

struct Unmocked;

impl Respond for Unmocked {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let call = format!("{} {}", request.method, request.url.path());
        ResponseTemplate::new(501).set_body_string(format!("the fake does not know: {call}"))
    }
}

/// The request under the address that the client used, which only the Host header tells.
fn received(request: &wiremock::Request) -> Request {
    let mut url = request.url.clone();
    let host = request.headers.get("host").and_then(|host| host.to_str().ok());
    if let Some((host, port)) = host.and_then(|host| host.rsplit_once(':')) {
        // Both came in over a socket that we opened, so they fit.
        let _ = url.set_host(Some(host));
        let _ = url.set_port(port.parse().ok());
    }
    Request {
        method: request.method.clone(),
        url,
        headers: request.headers.clone(),
        body: request.body.clone().into(),
        expect: 0,
    }
}
