//! Uploading and downloading a note's file in blocks.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json as object};
use uuid::Uuid;

use crate::testkit::dataverse::call::Call;
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::org::Org;
use crate::testkit::dataverse::refusal::{Answer, Refusal, empty, json};
use crate::testkit::dataverse::write::{Author, Note, body};

/// The biggest block, before base64.
const MAX_BLOCK: usize = 4 * 1024 * 1024;

/// Uploads that were begun.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    begun: HashMap<String, Upload>,
    next: u64,
}

#[derive(Debug)]
struct Upload {
    note: Uuid,
    blocks: HashMap<String, Vec<u8>>,
}

impl Uploads {
    /// Answers one of the actions.
    pub(crate) fn act(&mut self, org: &mut Org, name: &str, call: &Call<'_>, by: Author) -> Answer {
        let body = body(call)?;
        match name {
            "InitializeAnnotationBlocksUpload" => self.begin(&body),
            "UploadBlock" => self.block(&body),
            "InitializeAnnotationBlocksDownload" => Self::open(org, &body),
            "DownloadBlock" => Self::piece(org, &body),
            _ => self.commit(org, &body, by),
        }
    }

    fn begin(&mut self, body: &Map<String, Value>) -> Answer {
        let (note, _) = target(body)?;
        self.next += 1;
        let token = format!("upload-{}-{note}", self.next);
        self.begun.insert(token.clone(), Upload { note, blocks: HashMap::new() });
        Ok(json(200, object!({ "FileContinuationToken": token }).to_string()))
    }

    fn block(&mut self, body: &Map<String, Value>) -> Answer {
        let upload = self.upload(body)?;
        let id = string(body, "BlockId")?;
        let block = STANDARD.decode(string(body, "BlockData")?);
        let block = block.map_err(|_| Refusal::invalid("BlockData is not base64"))?;
        if block.len() > MAX_BLOCK {
            return Err(Refusal::invalid("a block is larger than 4 MB"));
        }
        let id_bytes =
            STANDARD.decode(id).map_err(|_| Refusal::invalid("BlockId is not base64"))?;
        let uneven = upload.blocks.keys().any(|other| other.len() != id.len());
        if id_bytes.len() > 64 || uneven {
            return Err(Refusal::invalid("BlockId is too long, or not as long as the others"));
        }
        upload.blocks.insert(id.to_owned(), block);
        Ok(empty(204))
    }

    fn commit(&mut self, org: &mut Org, body: &Map<String, Value>, by: Author) -> Answer {
        let (note, target) = target(body)?;
        let upload = self.upload(body)?;
        if upload.note != note {
            return Err(Refusal::invalid("the target is not the one of the upload"));
        }
        let ids = body.get("BlockList").and_then(Value::as_array);
        let mut file = Vec::new();
        for id in ids.ok_or_else(|| Refusal::invalid("BlockList is missing"))? {
            let block = id.as_str().and_then(|id| upload.blocks.get(id));
            let block = block.ok_or_else(|| Refusal::invalid("an unknown block is listed"))?;
            file.extend_from_slice(block);
        }
        let mut target = target.clone();
        target.insert("documentbody".to_owned(), STANDARD.encode(&file).into());
        target.insert("isdocument".to_owned(), true.into());
        let draft = Note::read(&target)?;
        if org.table("annotations")?.row(note).is_none() {
            return Err(Refusal::no_row("annotation", note));
        }
        draft.update(org, note, by)?;
        self.begun.remove(string(body, "FileContinuationToken")?);
        let answer = object!({ "AnnotationId": note, "FileSizeInBytes": file.len() });
        Ok(json(200, answer.to_string()))
    }

    /// Begins a download; the token names the note.
    fn open(org: &Org, body: &Map<String, Value>) -> Answer {
        let (note, _) = target(body)?;
        let file = file(org, note)?;
        let name =
            org.table("annotations")?.row(note).map(|row| row.named("filename").into_owned());
        let name = if let Some(Cell::Text(name)) = name { name } else { String::new() };
        let answer = object!({
            "FileSizeInBytes": file.len(), "FileName": name,
            "FileContinuationToken": format!("download-{note}"),
        });
        Ok(json(200, answer.to_string()))
    }

    fn piece(org: &Org, body: &Map<String, Value>) -> Answer {
        let token = string(body, "FileContinuationToken")?;
        let note = token.strip_prefix("download-").and_then(|id| id.parse().ok());
        let note =
            note.ok_or_else(|| Refusal::invalid("the FileContinuationToken is not known"))?;
        let file = file(org, note)?;
        let [offset, length] = ["Offset", "BlockLength"].map(|name| {
            body.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
        });
        let (Some(offset), Some(length)) = (offset, length) else {
            return Err(Refusal::invalid("Offset or BlockLength is missing"));
        };
        if length > MAX_BLOCK || offset > file.len() {
            return Err(Refusal::invalid("the block is larger than 4 MB, or behind the end"));
        }
        let data = &file[offset..file.len().min(offset + length)];
        Ok(json(200, object!({ "Data": STANDARD.encode(data) }).to_string()))
    }

    fn upload(&mut self, body: &Map<String, Value>) -> Answer<&mut Upload> {
        let token = string(body, "FileContinuationToken")?;
        let unknown = || Refusal::invalid("the FileContinuationToken is not known");
        self.begun.get_mut(token).ok_or_else(unknown)
    }
}

/// The file of a note.
fn file(org: &Org, note: Uuid) -> Answer<Vec<u8>> {
    let row = org.table("annotations")?.row(note);
    let row = row.ok_or_else(|| Refusal::no_row("annotation", note))?;
    match row.named("documentbody").into_owned() {
        Cell::Text(body) => {
            STANDARD.decode(body).map_err(|_| Refusal::invalid("documentbody is not base64"))
        }
        _ => Err(Refusal::invalid("the note has no file")),
    }
}

fn target(body: &Map<String, Value>) -> Answer<(Uuid, &Map<String, Value>)> {
    let target = body.get("Target").and_then(Value::as_object);
    let target = target.ok_or_else(|| Refusal::invalid("Target is missing"))?;
    if target.get("@odata.type").and_then(Value::as_str)
        != Some("Microsoft.Dynamics.CRM.annotation")
    {
        return Err(Refusal::invalid("Target has no @odata.type"));
    }
    let id = string(target, "annotationid")?.parse();
    Ok((id.map_err(|_| Refusal::invalid("Target has no annotationid"))?, target))
}

fn string<'a>(body: &'a Map<String, Value>, name: &str) -> Answer<&'a str> {
    let text = body.get(name).and_then(Value::as_str);
    text.ok_or_else(|| Refusal::invalid(format!("{name} is missing")))
}
