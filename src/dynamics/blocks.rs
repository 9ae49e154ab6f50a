//! Files too large for one request: uploaded in blocks, and committed in one step that no etag holds
//! back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connector::{NoteParts, WriteAhead};
use crate::dynamics::call::Call;
use crate::dynamics::code::Code;
use crate::dynamics::error::Failure;
use crate::dynamics::note_body::{Target, target, to_json};
use crate::dynamics::notes::{glance, record_id, refused};
use crate::dynamics::processes::json;
use crate::dynamics::web_api::WebApi;
use crate::error::Result;
use crate::http::transport::Response;
use crate::model::{NoteDraft, NoteHandle, NoteWrite};

const WRITE: &str = "write notes";
const READ: &str = "read notes";

/// The largest block that the service takes, before base64.
const BLOCK: usize = 4 * 1024 * 1024;

/// Enough of a file to find our stamp in.
const HEAD: usize = 64 * 1024;

/// The largest file that the service keeps: 128 MB as it counts.
const MAX_FILE: usize = 131_072_000;

#[derive(Serialize)]
struct Begin<'a> {
    #[serde(rename = "Target")]
    target: &'a Target<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Block<'a> {
    block_id: &'a str,
    block_data: String,
    file_continuation_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Commit<'a> {
    target: &'a Target<'a>,
    block_list: &'a [String],
    file_continuation_token: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Begun {
    file_continuation_token: String,
}

/// Brings a draft and its file into a note that is there. The blocks change nothing yet; the commit
/// does, once, after it was recorded.
pub(crate) async fn upload(
    api: &WebApi,
    id: Uuid,
    draft: &NoteDraft,
    ahead: &dyn WriteAhead,
) -> Result<NoteWrite> {
    let target = target(id, draft);
    let begin = action(api, "InitializeAnnotationBlocksUpload", &Begin { target: &target })?;
    let token = match api.send(&begin).await {
        Ok(response) => json::<Begun>(&response, WRITE)?.file_continuation_token,
        Err(failure) => return ended(api, failure),
    };
    let mut ids = Vec::new();
    for (number, block) in draft.attachment.bytes.chunks(BLOCK).enumerate() {
        // Ids of one length, as the service demands.
        let block_id = STANDARD.encode(format!("block-{number:06}"));
        let block = Block {
            block_id: &block_id,
            block_data: STANDARD.encode(block),
            file_continuation_token: &token,
        };
        if let Err(failure) = api.send(&action(api, "UploadBlock", &block)?).await {
            return ended(api, failure);
        }
        ids.push(block_id);
    }
    let commit = Commit { target: &target, block_list: &ids, file_continuation_token: &token };
    let commit = action(api, "CommitAnnotationBlocksUpload", &commit)?;
    let send_by = ahead.record().await?;
    match api.send(&commit.once_by(send_by)).await {
        Ok(_) => Ok(stands(api, id).await),
        Err(Failure::Lost(cause)) => {
            tracing::debug!(%cause, "the answer to a note's upload was lost");
            Ok(NoteWrite::Unknown)
        }
        Err(failure) => ended(api, failure),
    }
}

/// The note with the etag that the commit gave it, if it still hangs on an opportunity: a commit to
/// a note that a user has just deleted may leave one that hangs on nothing.
async fn stands(api: &WebApi, id: Uuid) -> NoteWrite {
    match glance(api, id).await {
        Ok(Some(handle)) if handle.opportunity.is_some() => NoteWrite::Written(handle),
        Ok(_) => NoteWrite::Gone,
        Err(cause) => {
            tracing::debug!(%cause, "the etag after an upload could not be read");
            match record_id(id) {
                Ok(id) => NoteWrite::Written(NoteHandle { id, version: None, opportunity: None }),
                Err(_) => NoteWrite::Unknown,
            }
        }
    }
}

fn ended(api: &WebApi, failure: Failure) -> Result<NoteWrite> {
    let refusal = match failure {
        Failure::Refused(refusal) => refusal,
        other => return Err(other.into_error(WRITE, api.now())),
    };
    if refusal.is(Code::OBJECT_DOES_NOT_EXIST) || refusal.status == StatusCode::NOT_FOUND {
        return Ok(NoteWrite::Gone);
    }
    match refused(&refusal) {
        Some(refusal) => Ok(NoteWrite::Refused(refusal)),
        None => Err(refusal.into_error(WRITE, api.now())),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Opened {
    file_continuation_token: String,
    file_size_in_bytes: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Piece<'a> {
    offset: usize,
    block_length: usize,
    file_continuation_token: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    data: String,
}

/// Reads the file of a note, or its first bytes; `None` when it has none.
pub(crate) async fn download(api: &WebApi, id: Uuid, parts: NoteParts) -> Result<Option<Vec<u8>>> {
    let target = serde_json::json!({ "Target": {
        "@odata.type": "Microsoft.Dynamics.CRM.annotation", "annotationid": id,
    } });
    let open = action(api, "InitializeAnnotationBlocksDownload", &target)?;
    let opened = match api.send(&open).await {
        Ok(response) => json::<Opened>(&response, READ)?,
        Err(Failure::Refused(refusal)) if refusal.is(Code::OBJECT_DOES_NOT_EXIST) => {
            return Ok(None);
        }
        Err(failure) => return Err(failure.into_error(READ, api.now())),
    };
    let (wanted, step) = match parts {
        NoteParts::Head => (opened.file_size_in_bytes.min(HEAD), HEAD),
        NoteParts::Whole => (opened.file_size_in_bytes.min(MAX_FILE), BLOCK),
    };
    let mut file = Vec::new();
    while file.len() < wanted {
        let piece = Piece {
            offset: file.len(),
            block_length: step.min(wanted - file.len()),
            file_continuation_token: &opened.file_continuation_token,
        };
        let answer: Result<Response, _> = api.send(&action(api, "DownloadBlock", &piece)?).await;
        let answer = answer.map_err(|failure| failure.into_error(READ, api.now()))?;
        let data = STANDARD.decode(json::<Data>(&answer, READ)?.data).unwrap_or_default();
        if data.is_empty() {
            break;
        }
        file.extend_from_slice(&data);
    }
    Ok(Some(file))
}

fn action(api: &WebApi, name: &str, body: &impl Serialize) -> Result<Call> {
    Ok(Call::action(WRITE, api.endpoints().web_api(name)?, to_json(body)?))
}
