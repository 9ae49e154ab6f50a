//! A call before it becomes a request, and the request it becomes: pure, so that tests compare them.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use http::{HeaderMap, Method};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use url::Url;

use crate::error::{Error, Result};
use crate::http::retry::Idempotency;
use crate::http::transport::Request;

const MAX_VERSION: HeaderName = HeaderName::from_static("odata-maxversion");
const VERSION: HeaderName = HeaderName::from_static("odata-version");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The lean setting for reads: full pages, and of the annotations only the one that tells which
/// table a lookup points to.
const PREFER_PAGES: HeaderValue = HeaderValue::from_static(
    "odata.maxpagesize=5000,odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\"",
);

/// A page of one row: `$top` does not go together with a page size.
const PREFER_ONE: HeaderValue = HeaderValue::from_static("odata.maxpagesize=1");

/// Asks a write for the row, so that the answer carries the etag.
const PREFER_ROW: HeaderValue = HeaderValue::from_static("return=representation");

/// A call, before it becomes a request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// What is attempted, in words that stand behind "may not" and "refused to".
    pub(crate) operation: Cow<'static, str>,
    url: Url,
    kind: Kind,
    expect: usize,
    room: usize,
    send_by: Option<OffsetDateTime>,
}

#[derive(Clone, Debug)]
enum Kind {
    Action(Bytes),
    Probe,
    Read,
    Write {
        precondition: Precondition,
        body: Bytes,
    },
    #[cfg(test)]
    Once(Method),
}

/// Under which condition a write may happen: none happens without one.
#[derive(Clone, Debug)]
pub(crate) enum Precondition {
    /// Nothing is there under this id.
    Absent,
    /// Something is there, whatever its etag.
    Exists,
    /// The row still has this etag.
    Unchanged(HeaderValue),
}

impl Call {
    /// Reads from a URL.
    pub(crate) fn read(operation: impl Into<Cow<'static, str>>, url: Url) -> Self {
        Self {
            operation: operation.into(),
            url,
            kind: Kind::Read,
            expect: 0,
            room: 0,
            send_by: None,
        }
    }

    /// Reads the first row of a list.
    pub(crate) fn probe(operation: impl Into<Cow<'static, str>>, url: Url) -> Self {
        Self {
            operation: operation.into(),
            url,
            kind: Kind::Probe,
            expect: 0,
            room: 0,
            send_by: None,
        }
    }

    /// Makes a buffer of so many bytes for the answer, decompressed.
    pub(crate) fn expecting(self, bytes: usize) -> Self {
        Self { expect: bytes, ..self }
    }

    /// Takes the share of a page with so many bytes of the bytes in flight.
    pub(crate) fn taking(self, bytes: usize) -> Self {
        Self { room: share(bytes), ..self }
    }

    /// How many of the bytes in flight it takes.
    pub(crate) const fn room(&self) -> usize {
        self.room
    }

    /// Writes a row under a condition.
    pub(crate) fn write(
        operation: impl Into<Cow<'static, str>>,
        url: Url,
        precondition: Precondition,
        body: Bytes,
    ) -> Self {
        Self {
            operation: operation.into(),
            url,
            kind: Kind::Write { precondition, body },
            expect: 0,
            room: 0,
            send_by: None,
        }
    }

    /// Calls an action that does no harm when it happens twice.
    pub(crate) fn action(operation: impl Into<Cow<'static, str>>, url: Url, body: Bytes) -> Self {
        Self {
            operation: operation.into(),
            url,
            kind: Kind::Action(body),
            expect: 0,
            room: 0,
            send_by: None,
        }
    }

    /// Begins no attempt after this time (UTC), and none after one whose outcome is not known.
    pub(crate) fn once_by(self, send_by: OffsetDateTime) -> Self {
        Self { send_by: Some(send_by), ..self }
    }

    /// After which time (UTC) no attempt is begun.
    pub(crate) const fn send_by(&self) -> Option<OffsetDateTime> {
        self.send_by
    }

    /// Writes without a condition, as the connector never does.
    #[cfg(test)]
    pub(crate) fn once(operation: &'static str, method: Method, url: Url) -> Self {
        Self {
            operation: operation.into(),
            url,
            kind: Kind::Once(method),
            expect: 0,
            room: 0,
            send_by: None,
        }
    }

    /// Builds the request, without I/O.
    pub(crate) fn request(&self, token: &SecretString) -> Result<Request> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(AUTHORIZATION, bearer_header(token)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(MAX_VERSION, HeaderValue::from_static("4.0"));
        headers.insert(VERSION, HeaderValue::from_static("4.0"));
        let (method, body) = match &self.kind {
            Kind::Probe | Kind::Read => {
                // Keeps caches on the way from answering.
                headers.insert(IF_NONE_MATCH, HeaderValue::from_static("null"));
                let probe = matches!(self.kind, Kind::Probe);
                headers.insert(PREFER, if probe { PREFER_ONE } else { PREFER_PAGES });
                (Method::GET, Bytes::new())
            }
            Kind::Write { precondition, body } => {
                match precondition {
                    Precondition::Absent => {
                        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"))
                    }
                    Precondition::Exists => headers.insert(IF_MATCH, HeaderValue::from_static("*")),
                    Precondition::Unchanged(etag) => headers.insert(IF_MATCH, etag.clone()),
                };
                headers.insert(PREFER, PREFER_ROW);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                (Method::PATCH, body.clone())
            }
            Kind::Action(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                (Method::POST, body.clone())
            }
            #[cfg(test)]
            Kind::Once(method) => (method.clone(), Bytes::new()),
        };
        Ok(Request { method, url: self.url.clone(), headers, body, expect: self.expect })
    }

    /// What sending it twice does.
    pub(crate) const fn idempotency(&self) -> Idempotency {
        match self.kind {
            Kind::Probe | Kind::Read => Idempotency::Read,
            Kind::Action(_) | Kind::Write { .. } if self.send_by.is_some() => Idempotency::Once,
            Kind::Action(_) | Kind::Write { .. } => Idempotency::Conditional,
            #[cfg(test)]
            Kind::Once(_) => Idempotency::Once,
        }
    }
}

/// What a page with a body of so many bytes takes in memory: the buffer is larger, and there are
/// the line's own and the decompressor's.
pub(crate) const fn share(bytes: usize) -> usize {
    bytes + bytes / 4
}

fn bearer_header(token: &SecretString) -> Result<HeaderValue> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
    let mut value = value.map_err(|_| {
        Error::unauthenticated("The stored sign-in cannot be used. Please connect again.")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
