//! Creating and changing notes.

use http::Method;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::http::transport::Response;
use crate::testkit::dataverse::attachment::Attachment;
use crate::testkit::dataverse::call::Call;
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::org::{Concurrency, Org};
use crate::testkit::dataverse::page::row_body;
use crate::testkit::dataverse::query::{check_options, select};
use crate::testkit::dataverse::refusal::{Answer, Refusal, empty, json, set_header};

/// Text columns of a note that a client may write, with their longest text.
const WRITABLE: [(&str, usize); 5] = [
    ("subject", 500),
    ("notetext", 100_000),
    ("filename", 255),
    ("mimetype", 256),
    ("documentbody", 1_073_741_823),
];

const BIND: &str = "objectid_opportunity@odata.bind";

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author {
    pub(crate) user: Uuid,
    pub(crate) now: OffsetDateTime,
}

/// Answers `PATCH annotations(id)` and `POST annotations`.
pub(crate) fn write(org: &mut Org, call: &Call<'_>, id: Option<Uuid>, by: Author) -> Answer {
    check_options(call)?;
    let body = body(call)?;
    let chosen = body.get("annotationid").map(|id| {
        let id = id.as_str().and_then(|id| id.parse::<Uuid>().ok());
        id.ok_or_else(|| Refusal::invalid("annotationid is no id"))
    });
    let chosen = chosen.transpose()?;
    if let (Some(id), Some(chosen)) = (id, chosen)
        && id != chosen
    {
        return Err(Refusal::invalid("annotationid differs from the id of the URL"));
    }
    let version = org.next_version;
    let id =
        id.or(chosen).unwrap_or_else(|| Uuid::new_v5(&org.organization, &version.to_be_bytes()));
    let existed = etag(org, id);
    if org.concurrency == Concurrency::Ignored && call.header("if-match").is_some_and(|v| v != "*")
    {
        let message = "Optimistic concurrency isn't enabled for entity type annotation.";
        return Err(Refusal::new(400, "0x8006088D", message));
    }
    check_precondition(call, id, existed.as_deref())?;
    let note = Note::read(&body)?;
    match existed {
        Some(_) => note.update(org, id, by)?,
        None => note.create(org, id, by)?,
    }
    answer(org, call, id, if existed.is_some() { Outcome::Updated } else { Outcome::Created })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Created,
    Updated,
}

/// The JSON object of a request.
pub(crate) fn body(call: &Call<'_>) -> Answer<Map<String, Value>> {
    if !call.header("content-type").is_some_and(|t| t.starts_with("application/json")) {
        return Err(Refusal::bad_query("the header Content-Type: application/json is missing"));
    }
    serde_json::from_slice(&call.request.body)
        .map_err(|_| Refusal::new(400, "0x80048D19", "Error identified in Payload: malformed JSON"))
}

fn etag(org: &Org, id: Uuid) -> Option<String> {
    org.table_named("annotation")?.row(id).map(|row| row.etag())
}

fn check_precondition(call: &Call<'_>, id: Uuid, existed: Option<&str>) -> Answer<()> {
    let creates_only = call.header("if-none-match") == Some("*") || call.is(&Method::POST);
    match (existed, call.header("if-match")) {
        (Some(_), _) if creates_only => {
            let message = "A record with matching key values already exists.";
            Err(Refusal::new(412, "0x80040237", message))
        }
        (None, Some(_)) => Err(Refusal::no_row("annotation", id)),
        (Some(etag), Some(wanted)) if wanted != "*" && wanted != etag => {
            let message = "The version of the existing record doesn't match the RowVersion \
                           property provided.";
            Err(Refusal::new(412, "0x80060882", message))
        }
        _ => Ok(()),
    }
}

fn answer(org: &Org, call: &Call<'_>, id: Uuid, outcome: Outcome) -> Answer {
    if !call.prefers("return=representation") {
        // No etag here: whoever needs it has to ask for the representation.
        let mut response: Response = empty(204);
        let place = format!("{}/api/data/v9.2/annotations({id})", call.origin());
        set_header(&mut response.headers, "odata-entityid", &place);
        return Ok(response);
    }
    let table = org.table("annotations")?;
    let columns = select(call.option("$select"), &table.definition)?;
    let row = table.row(id).ok_or_else(|| Refusal::no_row("annotation", id))?;
    let status = if outcome == Outcome::Created { 201 } else { 200 };
    let mut response = json(status, row_body(org, call, row, &columns));
    set_header(&mut response.headers, "preference-applied", "return=representation");
    set_header(&mut response.headers, "etag", &row.etag());
    Ok(response)
}

/// The values that a request gives a note.
#[derive(Debug)]
pub(crate) struct Note {
    texts: Vec<(&'static str, Option<String>)>,
    is_document: Option<bool>,
    regarding: Option<Uuid>,
}

impl Note {
    /// Reads the properties of a body; unknown ones are refused.
    pub(crate) fn read(body: &Map<String, Value>) -> Answer<Self> {
        let mut note = Self { texts: Vec::new(), is_document: None, regarding: None };
        for (name, value) in body {
            match name.as_str() {
                "annotationid" | "@odata.type" => {}
                "isdocument" => note.is_document = value.as_bool(),
                BIND => note.regarding = Some(bound(value)?),
                _ => note.texts.push(text(name, value)?),
            }
        }
        let has = |name: &str| note.texts.iter().any(|(n, text)| *n == name && text.is_some());
        if has("documentbody") && !(has("filename") && has("mimetype")) {
            return Err(Refusal::invalid("send documentbody, filename and mimetype together"));
        }
        Ok(note)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(n, _)| *n == name).and_then(|(_, text)| text.as_deref())
    }

    /// Creates the row with this id.
    pub(crate) fn create(&self, org: &mut Org, id: Uuid, by: Author) -> Answer<()> {
        for privilege in ["prvCreateNote", "prvAppendNote"] {
            org.demand_named(by.user, privilege, "annotation")?;
        }
        org.demand_named(by.user, "prvAppendToOpportunity", "opportunity")?;
        if self.value("subject").is_none() {
            return Err(Refusal::invalid("a note without a subject"));
        }
        let Some(opportunity) = self.regarding else {
            return Err(Refusal::invalid(format!("a note without {BIND}")));
        };
        self.check(org)?;
        let there = org.table("opportunities")?.row(opportunity).is_some();
        if !there || org.is_hidden(opportunity) {
            return Err(Refusal::no_row("opportunity", opportunity));
        }
        let version = org.draw_version();
        if let Some(table) = org.table_mut("annotation") {
            table.insert(id, version);
        }
        let user = Cell::lookup("systemuser", by.user);
        org.set("annotation", id, "createdon", by.now.into());
        org.set("annotation", id, "createdby", user.clone());
        org.set("annotation", id, "ownerid", user);
        org.set("annotation", id, "isdocument", false.into());
        self.store(org, id, by)
    }

    /// Changes the row with this id.
    pub(crate) fn update(&self, org: &mut Org, id: Uuid, by: Author) -> Answer<()> {
        org.demand_named(by.user, "prvWriteNote", "annotation")?;
        if org.is_hidden(id) {
            return Err(Refusal::privilege(by.user, "prvReadNote", "annotation"));
        }
        self.check(org)?;
        self.store(org, id, by)
    }

    /// Checks the attachment, before anything is stored.
    fn check(&self, org: &Org) -> Answer<Option<usize>> {
        let Some(body) = self.value("documentbody") else {
            return Ok(None);
        };
        let filename = self.value("filename").unwrap_or_default();
        let mimetype = self.value("mimetype").unwrap_or_default();
        Attachment { filename, mimetype, body }.check(org).map(Some)
    }

    fn store(&self, org: &mut Org, id: Uuid, by: Author) -> Answer<()> {
        let size = self.check(org)?.and_then(|size| i64::try_from(size).ok());
        for (name, text) in &self.texts {
            org.set("annotation", id, name, text.as_deref().into());
        }
        if let Some(size) = size {
            org.set("annotation", id, "filesize", size.into());
        }
        if let Some(is_document) = self.is_document {
            org.set("annotation", id, "isdocument", is_document.into());
        }
        if let Some(opportunity) = self.regarding {
            org.set("annotation", id, "objectid", Cell::lookup("opportunity", opportunity));
            org.set("annotation", id, "objecttypecode", "opportunity".into());
        }
        org.set("annotation", id, "modifiedby", Cell::lookup("systemuser", by.user));
        org.set("annotation", id, "modifiedon", by.now.into());
        Ok(())
    }
}

fn text(name: &str, value: &Value) -> Answer<(&'static str, Option<String>)> {
    let Some((column, longest)) = WRITABLE.iter().find(|(column, _)| *column == name) else {
        let message = format!(
            "An undeclared property '{name}' which only has property annotations in the payload \
             but no property value was found in the payload."
        );
        return Err(Refusal::bad_query(message));
    };
    match value {
        Value::Null => Ok((column, None)),
        Value::String(text) if text.encode_utf16().count() <= *longest => {
            Ok((column, Some(text.clone())))
        }
        Value::String(_) => {
            let message = format!(
                "The length of the '{name}' attribute of the 'annotation' entity exceeded the \
                 maximum allowed length of '{longest}'."
            );
            Err(Refusal::new(400, "0x80044331", message))
        }
        _ => Err(Refusal::new(400, "0x80048D19", format!("'{name}' is no string"))),
    }
}

/// The id in `/opportunities(id)`.
fn bound(value: &Value) -> Answer<Uuid> {
    let path = value.as_str().unwrap_or_default();
    let id = path.strip_prefix("/opportunities(").and_then(|rest| rest.strip_suffix(')'));
    id.and_then(|id| id.parse().ok())
        .ok_or_else(|| Refusal::bad_query("the bind is no /opportunities(id)"))
}
