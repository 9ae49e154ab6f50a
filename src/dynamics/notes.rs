//! Notes with one attachment: created under an id of our choosing, updated under their etag.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ETAG, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dynamics::call::{Call, Precondition};
use crate::dynamics::code::Code;
use crate::dynamics::error::{Failure, Refusal};
use crate::dynamics::processes::json;
use crate::dynamics::web_api::WebApi;
use crate::error::{Error, Result};
use crate::http::transport::Response;
use crate::model::{
    Attachment, NoteDraft, NoteHandle, NoteKey, NoteRefusal, NoteWrite, OpportunityId, RecordId,
    RemoteNote,
};
use crate::rules::read_stamp;

const WRITE: &str = "write notes";
const READ: &str = "read notes";

/// Base64 up to here goes in one request; Microsoft advises blocks above.
pub(crate) const MAX_BASE64: usize = 4 * 1024 * 1024;

const COLUMNS: &str = "subject,filename,mimetype,_objectid_value";
const COLUMNS_WITH_BODY: &str = "subject,filename,mimetype,_objectid_value,documentbody";

/// Column lengths, in the UTF-16 units that the service counts.
const MAX_SUBJECT: usize = 500;
const MAX_FILE_NAME: usize = 255;

/// Creates the note of a key and epoch; a second create changes nothing.
pub(crate) async fn create(
    api: &WebApi,
    key: &NoteKey,
    epoch: u32,
    draft: &NoteDraft,
) -> Result<NoteWrite> {
    let opportunity = guid(draft.opportunity.as_str())?;
    let id = key.note_id(epoch);
    let body = match body(draft, Some(format!("/opportunities({opportunity})"))) {
        Ok(body) => body,
        Err(refusal) => return Ok(NoteWrite::Refused(refusal)),
    };
    write(api, id, Precondition::Absent, body).await
}

/// Updates a note, if its etag is still the one in `handle`. Without one, nothing is written: what
/// stands there is read, for the caller to decide.
pub(crate) async fn update(
    api: &WebApi,
    handle: &NoteHandle,
    draft: &NoteDraft,
) -> Result<NoteWrite> {
    let id = guid(handle.id.as_str())?;
    let etag = handle.version.as_deref().and_then(|etag| HeaderValue::from_str(etag).ok());
    let Some(etag) = etag else {
        let found = read(api, id, Body::Drop).await?;
        return Ok(found.map_or(NoteWrite::Gone, NoteWrite::Conflict));
    };
    match body(draft, None) {
        Ok(body) => write(api, id, Precondition::Unchanged(etag), body).await,
        Err(refusal) => Ok(NoteWrite::Refused(refusal)),
    }
}

/// Reads the note of a key and epoch, with its attachment.
pub(crate) async fn find(api: &WebApi, key: &NoteKey, epoch: u32) -> Result<Option<RemoteNote>> {
    read(api, key.note_id(epoch), Body::Keep).await
}

async fn write(
    api: &WebApi,
    id: Uuid,
    precondition: Precondition,
    body: Bytes,
) -> Result<NoteWrite> {
    let creates = matches!(precondition, Precondition::Absent);
    let url = api.endpoints().web_api(&format!("annotations({id})?$select=annotationid"))?;
    let call = Call::write(WRITE, url, precondition, body);
    let refusal = match api.send(&call).await {
        Ok(response) => return written(id, &response),
        Err(Failure::Lost(cause)) => {
            tracing::debug!(%cause, "the answer to a note's write was lost");
            return Ok(NoteWrite::Unknown);
        }
        Err(Failure::Stopped(error)) => return Err(error),
        Err(Failure::Refused(refusal)) => refusal,
    };
    if refusal.status == StatusCode::PRECONDITION_FAILED {
        return Ok(conflict(api, id, creates, refusal).await);
    }
    if refusal.is(Code::OBJECT_DOES_NOT_EXIST) {
        let gone = NoteWrite::Refused(NoteRefusal::OpportunityGone);
        return Ok(if creates { gone } else { NoteWrite::Gone });
    }
    refused(&refusal)
        .map(NoteWrite::Refused)
        .ok_or_else(|| refusal.into_error(call.operation.clone(), api.now()))
}

fn written(id: Uuid, response: &Response) -> Result<NoteWrite> {
    let from_body = if response.body.is_empty() {
        None
    } else {
        json::<Etag>(response, WRITE).ok().and_then(|row| row.etag)
    };
    let version = from_body.or_else(|| header_etag(&response.headers));
    Ok(NoteWrite::Written(NoteHandle { id: record_id(id)?, version }))
}

/// What stands there instead. When that cannot be read, an earlier attempt of ours may be what
/// stands there, so the outcome is unknown.
async fn conflict(api: &WebApi, id: Uuid, creates: bool, refusal: Refusal) -> NoteWrite {
    match read(api, id, Body::Drop).await {
        Ok(Some(note)) => NoteWrite::Conflict(note),
        Ok(None) if creates => NoteWrite::Refused(NoteRefusal::Other {
            code: refusal.label(),
            message: refusal.message,
        }),
        Ok(None) => NoteWrite::Gone,
        Err(cause) => {
            tracing::debug!(%cause, "a note in conflict could not be read");
            NoteWrite::Unknown
        }
    }
}

/// The refusals that concern this note alone.
fn refused(refusal: &Refusal) -> Option<NoteRefusal> {
    match refusal.code {
        Some(Code::FILE_TOO_LARGE) => return Some(NoteRefusal::TooLarge { limit: None }),
        Some(Code::FILE_BLOCKED | Code::TYPE_BLOCKED | Code::TYPE_NOT_ALLOWED) => {
            return Some(NoteRefusal::TypeBlocked);
        }
        _ => {}
    }
    match refusal.status {
        StatusCode::PAYLOAD_TOO_LARGE => Some(NoteRefusal::TooLarge { limit: None }),
        StatusCode::FORBIDDEN if refusal.is_missing_privilege() => {
            Some(NoteRefusal::NotAllowed { privilege: refusal.privilege() })
        }
        StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => {
            Some(NoteRefusal::Other { code: refusal.label(), message: refusal.message.clone() })
        }
        _ => None,
    }
}

/// What is written. Columns that are `None` are left alone.
#[derive(Serialize)]
struct NoteBody<'a> {
    subject: &'a str,
    notetext: &'a str,
    filename: &'a str,
    mimetype: &'a str,
    isdocument: bool,
    documentbody: String,
    #[serde(rename = "objectid_opportunity@odata.bind", skip_serializing_if = "Option::is_none")]
    opportunity: Option<String>,
}

fn body(draft: &NoteDraft, opportunity: Option<String>) -> Result<Bytes, NoteRefusal> {
    let file = &draft.attachment;
    let encoded = base64::encoded_len(file.bytes.len(), true);
    if encoded.is_none_or(|length| length > MAX_BASE64) {
        return Err(NoteRefusal::TooLarge { limit: Some(MAX_BASE64 as u64) });
    }
    let note = NoteBody {
        subject: cut(&draft.subject, MAX_SUBJECT),
        notetext: &draft.text,
        filename: &short_file_name(&file.file_name),
        mimetype: &file.media_type,
        isdocument: true,
        documentbody: STANDARD.encode(&file.bytes),
        opportunity,
    };
    serde_json::to_vec(&note).map(Bytes::from).map_err(|cause| NoteRefusal::Other {
        code: "encoding".to_owned(),
        message: cause.to_string(),
    })
}

/// The longest beginning of a text that has at most `units` UTF-16 units.
fn cut(text: &str, units: usize) -> &str {
    let mut left = units;
    let end = text.char_indices().find(|(_, c)| match left.checked_sub(c.len_utf16()) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Shortens the stem, never the extension, which the service's block list looks at.
fn short_file_name(name: &str) -> Cow<'_, str> {
    let units = |text: &str| text.chars().map(char::len_utf16).sum::<usize>();
    match name.rsplit_once('.') {
        Some((stem, extension)) if units(name) > MAX_FILE_NAME && units(extension) < 20 => {
            let stem = cut(stem, MAX_FILE_NAME - 1 - units(extension));
            format!("{stem}.{extension}").into()
        }
        _ => cut(name, MAX_FILE_NAME).into(),
    }
}

/// Whether an attachment is kept, or only looked at for its stamp.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Drop,
    Keep,
}

#[derive(Deserialize)]
struct Etag {
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
}

#[derive(Deserialize)]
struct NoteRow {
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    subject: Option<String>,
    filename: Option<String>,
    mimetype: Option<String>,
    documentbody: Option<String>,
    #[serde(rename = "_objectid_value")]
    regarding: Option<Uuid>,
    #[serde(rename = "_objectid_value@Microsoft.Dynamics.CRM.lookuplogicalname")]
    regarding_table: Option<String>,
}

async fn read(api: &WebApi, id: Uuid, keep: Body) -> Result<Option<RemoteNote>> {
    let response = match fetch(api, id, COLUMNS_WITH_BODY).await {
        // Larger than anything of ours: a user replaced the attachment, so it has no stamp.
        Err(Failure::Stopped(Error::UnexpectedResponse { .. })) => fetch(api, id, COLUMNS).await,
        fetched => fetched,
    };
    let response = match response {
        Ok(response) => response,
        Err(Failure::Refused(refusal)) if refusal.is(Code::OBJECT_DOES_NOT_EXIST) => {
            return Ok(None);
        }
        Err(failure) => return Err(failure.into_error(READ, api.now())),
    };
    let row: NoteRow = json(&response, READ)?;
    let bytes = row.documentbody.and_then(|text| STANDARD.decode(text.trim()).ok());
    let stamp = bytes.as_deref().and_then(read_stamp);
    let attachment = bytes.filter(|_| keep == Body::Keep).map(|bytes| Attachment {
        file_name: row.filename.unwrap_or_default(),
        media_type: row.mimetype.unwrap_or_default(),
        bytes,
    });
    let on_opportunity = row.regarding_table.as_deref() == Some("opportunity");
    let regarding = row.regarding.filter(|_| on_opportunity);
    Ok(Some(RemoteNote {
        handle: NoteHandle {
            id: record_id(id)?,
            version: row.etag.or_else(|| header_etag(&response.headers)),
        },
        subject: row.subject,
        opportunity: regarding.and_then(|id| OpportunityId::new(id.hyphenated().to_string()).ok()),
        stamp,
        attachment,
    }))
}

async fn fetch(api: &WebApi, id: Uuid, columns: &str) -> Result<Response, Failure> {
    let path = format!("annotations({id})?$select={columns}");
    let url = api.endpoints().web_api(&path).map_err(Failure::Stopped)?;
    api.send(&Call::read(READ, url)).await
}

fn header_etag(headers: &HeaderMap) -> Option<String> {
    headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(ToOwned::to_owned)
}

fn record_id(id: Uuid) -> Result<RecordId> {
    RecordId::new(id.hyphenated().to_string())
}

fn guid(id: &str) -> Result<Uuid> {
    Uuid::try_parse(id).map_err(|_| Error::invalid_input("record id", "a Dynamics id is a GUID"))
}

#[cfg(test)]
mod tests;
