//! The fakes behind the transport seam, without a socket.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::header::CONTENT_ENCODING;
use url::Url;

use crate::http::client::MAX_BODY_BYTES;
use crate::http::transport::{Request, Response, Transport, TransportError, TransportErrorKind};
use crate::testkit::dataverse::discovery::DIRECTORY;
use crate::testkit::dataverse::refusal::text;
use crate::testkit::entra::tokens::Places;
use crate::testkit::microsoft::FakeMicrosoft;

/// Routes requests by host; an unknown host cannot be reached.
#[derive(Clone, Debug)]
pub(crate) struct InProcess {
    fake: FakeMicrosoft,
    strangers: Arc<Mutex<Vec<String>>>,
}

impl InProcess {
    pub(crate) fn new(fake: FakeMicrosoft) -> Self {
        Self { fake, strangers: Arc::default() }
    }

    /// The hosts that were asked for although they are neither Entra nor the org.
    #[cfg(test)]
    pub(crate) fn strangers(&self) -> Vec<String> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let places = self.fake.places();
        let origin = request.url.origin();
        if origin == places.authority.origin() || origin == authority().origin() {
            return self.fake.answer_entra(&request).and_then(taken_in);
        }
        let origin = origin.ascii_serialization();
        if places.left.contains(&origin) {
            // What the address of an org that was renamed answers is not documented; Microsoft's
            // own client takes this one for "no such endpoint".
            return Ok(text(404, "text/html", "<html>404 - not found</html>"));
        }
        if places.orgs.contains(&origin) || origin == DIRECTORY {
            return self.fake.answer_dataverse(&request).and_then(taken_in);
        }
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).push(origin);
        let source = std::io::Error::other("no such host");
        Err(TransportError { kind: TransportErrorKind::NotSent, source: Box::new(source) })
    }
}

/// What a client makes of an answer: it takes in no body beyond its cap. The fakes compress nothing
/// but bombs.
fn taken_in(response: Response) -> Result<Response, TransportError> {
    let is_bomb = response.headers.contains_key(CONTENT_ENCODING);
    if is_bomb || response.body.len() > MAX_BODY_BYTES {
        let source = "the body exceeds the cap".into();
        return Err(TransportError { kind: TransportErrorKind::UnusableBody, source });
    }
    Ok(response)
}

/// Where the fakes are in process: under the real names.
pub(crate) fn places() -> Places {
    let orgs = orgs().map(str::to_owned).to_vec();
    Places { authority: authority(), orgs, left: Vec::new() }
}

fn authority() -> Url {
    // A literal that parses; the fallback only keeps this free of panics.
    Url::parse("https://login.microsoftonline.com").unwrap_or_else(|_| unreachable!())
}

const fn orgs() -> [&'static str; 2] {
    [FakeMicrosoft::ORG_ADDRESS, "https://contoso.api.crm4.dynamics.com"]
}
