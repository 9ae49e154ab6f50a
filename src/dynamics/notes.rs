//! Notes with one attachment: created under an id of our choosing, updated under their etag.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ETAG, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::connector::{Fence, NoteParts};
use crate::dynamics::blocks;
use crate::dynamics::call::{Call, Precondition};
use crate::dynamics::code::Code;
use crate::dynamics::error::{Failure, Refusal};
use crate::dynamics::note_body::{File, body, in_blocks};
use crate::dynamics::processes::json;
use crate::dynamics::web_api::WebApi;
use crate::error::{Error, Result};
use crate::http::transport::Response;
use crate::model::{
    Attachment, NoteContent, NoteDraft, NoteHandle, NoteKey, NoteRefusal, NoteWrite, OpportunityId,
    RecordId, RemoteNote,
};
use crate::rules::note_content;

const WRITE: &str = "write notes";
const READ: &str = "read notes";

const COLUMNS: &str = "subject,filename,mimetype,_objectid_value";
const COLUMNS_WITH_BODY: &str = "subject,filename,mimetype,_objectid_value,documentbody";

/// Creates the note of a key and epoch; a second create changes nothing. A file too large for one
/// request is left for an update to bring.
pub(crate) async fn create(
    api: &WebApi,
    key: &NoteKey,
    epoch: u32,
    draft: &NoteDraft,
    send_by: OffsetDateTime,
) -> Result<NoteWrite> {
    let opportunity = guid(draft.opportunity.as_str())?;
    let file = if in_blocks(draft) { File::Left } else { File::Sent };
    let body = body(draft, file, Some(opportunity))?;
    let written = write(api, key.note_id(epoch), Precondition::Absent, body, Some(send_by)).await?;
    Ok(match written {
        NoteWrite::Written(handle) => {
            let handle = NoteHandle { opportunity: Some(draft.opportunity.clone()), ..handle };
            if file == File::Left { NoteWrite::Bare(handle) } else { NoteWrite::Written(handle) }
        }
        other => other,
    })
}

/// Updates a note. Without an etag to compare, what stands there is read, for the caller to decide.
pub(crate) async fn update(
    api: &WebApi,
    handle: &NoteHandle,
    draft: &NoteDraft,
    fence: Fence<'_>,
) -> Result<NoteWrite> {
    let id = guid(handle.id.as_str())?;
    let moves = handle.opportunity.as_ref().is_some_and(|there| *there != draft.opportunity);
    let to = moves.then(|| guid(draft.opportunity.as_str())).transpose()?;
    let written = match fence {
        Fence::Version if in_blocks(draft) => return Ok(NoteWrite::CannotFence),
        Fence::Version => {
            let etag = handle.version.as_deref().and_then(|etag| HeaderValue::from_str(etag).ok());
            let Some(etag) = etag else { return unversioned(api, id).await };
            let body = body(draft, File::Sent, to)?;
            write(api, id, Precondition::Unchanged(etag), body, None).await?
        }
        Fence::Recorded(ahead) if in_blocks(draft) => {
            if to.is_some() {
                let body = body(draft, File::Left, to)?;
                match write(api, id, Precondition::Exists, body, None).await? {
                    NoteWrite::Written(_) => {}
                    other => return Ok(other),
                }
            }
            blocks::upload(api, id, draft, ahead).await?
        }
        Fence::Recorded(ahead) => {
            let body = body(draft, File::Sent, to)?;
            let send_by = ahead.record().await?;
            write(api, id, Precondition::Exists, body, Some(send_by)).await?
        }
    };
    Ok(match written {
        NoteWrite::Written(written) => {
            let moved = to.map(|_| draft.opportunity.clone());
            let opportunity = moved.or(written.opportunity).or_else(|| handle.opportunity.clone());
            NoteWrite::Written(NoteHandle { opportunity, ..written })
        }
        other => other,
    })
}

/// Reads the note of a key and epoch.
pub(crate) async fn find(
    api: &WebApi,
    key: &NoteKey,
    epoch: u32,
    parts: NoteParts,
) -> Result<Option<RemoteNote>> {
    read(api, key.note_id(epoch), parts).await
}

/// What stands there, when there is no etag to compare with; a table that has none at all cannot
/// hold a late write back.
async fn unversioned(api: &WebApi, id: Uuid) -> Result<NoteWrite> {
    Ok(match read(api, id, NoteParts::Head).await? {
        None => NoteWrite::Gone,
        Some(RemoteNote { handle: NoteHandle { version: None, .. }, .. }) => NoteWrite::CannotFence,
        Some(note) => NoteWrite::Conflict(note),
    })
}

async fn write(
    api: &WebApi,
    id: Uuid,
    precondition: Precondition,
    body: Bytes,
    send_by: Option<OffsetDateTime>,
) -> Result<NoteWrite> {
    let creates = matches!(precondition, Precondition::Absent);
    let url = api.endpoints().web_api(&format!("annotations({id})?$select=annotationid"))?;
    let mut call = Call::write(WRITE, url, precondition, body);
    if let Some(send_by) = send_by {
        call = call.once_by(send_by);
    }
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
    if refusal.is(Code::NO_CONCURRENCY) {
        return Ok(NoteWrite::CannotFence);
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
    Ok(NoteWrite::Written(NoteHandle { id: record_id(id)?, version, opportunity: None }))
}

/// What stands there instead. When that cannot be read, an earlier attempt of ours may be what
/// stands there, so the outcome is unknown.
async fn conflict(api: &WebApi, id: Uuid, creates: bool, refusal: Refusal) -> NoteWrite {
    match read(api, id, NoteParts::Head).await {
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
pub(crate) fn refused(refusal: &Refusal) -> Option<NoteRefusal> {
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

impl NoteRow {
    fn handle(&self, id: Uuid, headers: &HeaderMap) -> Result<NoteHandle> {
        let on_opportunity = self.regarding_table.as_deref() == Some("opportunity");
        let regarding = self.regarding.filter(|_| on_opportunity);
        Ok(NoteHandle {
            id: record_id(id)?,
            version: self.etag.clone().or_else(|| header_etag(headers)),
            opportunity: regarding
                .and_then(|id| OpportunityId::new(id.hyphenated().to_string()).ok()),
        })
    }
}

/// Reads where a note hangs and its etag, without its file.
pub(crate) async fn glance(api: &WebApi, id: Uuid) -> Result<Option<NoteHandle>> {
    match fetch(api, id, "_objectid_value").await {
        Ok(response) => json::<NoteRow>(&response, READ)?.handle(id, &response.headers).map(Some),
        Err(Failure::Refused(refusal)) if refusal.is(Code::OBJECT_DOES_NOT_EXIST) => Ok(None),
        Err(failure) => Err(failure.into_error(READ, api.now())),
    }
}

async fn read(api: &WebApi, id: Uuid, parts: NoteParts) -> Result<Option<RemoteNote>> {
    let (fetched, in_blocks) = match fetch(api, id, COLUMNS_WITH_BODY).await {
        // The file is larger than an answer may be.
        Err(Failure::Stopped(Error::UnexpectedResponse { .. })) => {
            (fetch(api, id, COLUMNS).await, true)
        }
        fetched => (fetched, false),
    };
    let response = match fetched {
        Ok(response) => response,
        Err(Failure::Refused(refusal)) if refusal.is(Code::OBJECT_DOES_NOT_EXIST) => {
            return Ok(None);
        }
        Err(failure) => return Err(failure.into_error(READ, api.now())),
    };
    let row: NoteRow = json(&response, READ)?;
    let handle = row.handle(id, &response.headers)?;
    let bytes = if in_blocks {
        match (blocks::download(api, id, parts).await, parts) {
            // A file of ours can be read: this one is somebody else's.
            (Err(Error::UnexpectedResponse { .. } | Error::Rejected { .. }), NoteParts::Head) => {
                Some(Vec::new())
            }
            (bytes, _) => bytes?,
        }
    } else {
        row.documentbody.map(|text| STANDARD.decode(text.trim()).unwrap_or_default())
    };
    let content = bytes.as_deref().map_or(NoteContent::Nothing, note_content);
    let attachment = bytes.filter(|_| parts == NoteParts::Whole).map(|bytes| Attachment {
        file_name: row.filename.unwrap_or_default(),
        media_type: row.mimetype.unwrap_or_default(),
        bytes,
    });
    Ok(Some(RemoteNote { handle, subject: row.subject, content, attachment }))
}

async fn fetch(api: &WebApi, id: Uuid, columns: &str) -> Result<Response, Failure> {
    let path = format!("annotations({id})?$select={columns}");
    let url = api.endpoints().web_api(&path).map_err(Failure::Stopped)?;
    api.send(&Call::read(READ, url)).await
}

fn header_etag(headers: &HeaderMap) -> Option<String> {
    headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(ToOwned::to_owned)
}

pub(crate) fn record_id(id: Uuid) -> Result<RecordId> {
    RecordId::new(id.hyphenated().to_string())
}

fn guid(id: &str) -> Result<Uuid> {
    Uuid::try_parse(id).map_err(|_| Error::invalid_input("record id", "a Dynamics id is a GUID"))
}

#[cfg(test)]
mod tests;
