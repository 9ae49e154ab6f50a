//! What Dataverse answers when it refuses.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::http::transport::Response;

/// A refusal with Dataverse's own code.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// The result of a step that may refuse.
pub(crate) type Answer<T = Response> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A query that the service does not take.
    pub(crate) fn bad_query(message: impl Into<String>) -> Self {
        Self::new(400, "0x80060888", message)
    }

    pub(crate) fn unknown_set(set: &str) -> Self {
        Self::new(404, "0x80060888", format!("Resource not found for the segment '{set}'."))
    }

    pub(crate) fn unknown_column(table: &str, column: &str) -> Self {
        let message = format!(
            "'{table}' entity doesn't contain attribute with Name = '{column}' and NameMapping = \
             'Logical'."
        );
        Self::new(400, "0x80041103", message)
    }

    pub(crate) fn no_row(table: &str, id: uuid::Uuid) -> Self {
        Self::new(404, "0x80040217", format!("Entity '{table}' With Id = {id} Does Not Exist"))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "0x80040203", message)
    }

    /// A call that Dataverse may know but the fake does not.
    pub(crate) fn unmocked(call: &str) -> Self {
        Self::new(501, "", format!("the fake does not know this call: {call}"))
    }

    /// The user lacks a privilege.
    pub(crate) fn privilege(user: uuid::Uuid, privilege: &str, table: &str) -> Self {
        let message = format!(
            "Principal user (Id={user}, type=8, roleCount=3, privilegeCount=412, accessMode=0) is \
             missing {privilege} privilege (Id=00000000-0000-0000-0000-0000000000aa) on OTC=3 for \
             entity '{table}' (LocalizedName='{table}')."
        );
        Self::new(403, "0x80040220", message)
    }

    pub(crate) fn into_response(self) -> Response {
        let body = serde_json::json!({"error": {"code": self.code, "message": self.message}});
        let mut response = json(self.status, body.to_string());
        for (name, value) in &self.headers {
            set_header(&mut response.headers, name, value);
        }
        response
    }
}

/// An answer with a JSON body.
pub(crate) fn json(status: u16, body: String) -> Response {
    let mut response = text(status, "application/json; odata.metadata=minimal", body);
    set_header(&mut response.headers, "odata-version", "4.0");
    response
}

/// An answer with a body of any type.
pub(crate) fn text(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
    let mut headers = HeaderMap::new();
    set_header(&mut headers, "content-type", content_type);
    Response { status: status_code(status), headers, body: body.into() }
}

/// An answer without a body.
pub(crate) fn empty(status: u16) -> Response {
    Response { status: status_code(status), headers: HeaderMap::new(), body: Bytes::new() }
}

/// Sets a header; a value that HTTP does not allow is left out.
pub(crate) fn set_header(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
        headers.append(name, value);
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
