//! The bodies that write a note: pure, so that tests compare them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::model::NoteDraft;

/// Base64 up to here goes in one request; Microsoft advises blocks above.
pub(crate) const MAX_BASE64: usize = 4 * 1024 * 1024;

/// Column lengths, in the UTF-16 units that the service counts.
const MAX_SUBJECT: usize = 500;
const MAX_FILE_NAME: usize = 255;

/// What is written. Columns that are `None` are left alone.
#[derive(Serialize)]
struct NoteBody<'a> {
    subject: &'a str,
    notetext: &'a str,
    #[serde(flatten)]
    file: Option<FileColumns<'a>>,
    #[serde(rename = "objectid_opportunity@odata.bind", skip_serializing_if = "Option::is_none")]
    opportunity: Option<String>,
}

/// The columns of a file, which are written together.
#[derive(Serialize)]
struct FileColumns<'a> {
    filename: Cow<'a, str>,
    mimetype: &'a str,
    isdocument: bool,
    documentbody: String,
}

/// Whether a body brings the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum File {
    /// It does not.
    Left,
    /// It does.
    Sent,
}

/// Whether a file goes in blocks: in base64, in which the service counts, it is too large for one
/// request.
pub(crate) fn in_blocks(draft: &NoteDraft) -> bool {
    let encoded = base64::encoded_len(draft.attachment.bytes.len(), true);
    encoded.is_none_or(|length| length > MAX_BASE64)
}

/// The body that writes a note, and binds it to an opportunity if it is given one.
pub(crate) fn body(draft: &NoteDraft, file: File, opportunity: Option<Uuid>) -> Result<Bytes> {
    let attachment = &draft.attachment;
    to_json(&NoteBody {
        subject: cut(&draft.subject, MAX_SUBJECT),
        notetext: &draft.text,
        file: (file == File::Sent).then(|| FileColumns {
            filename: short_file_name(&attachment.file_name),
            mimetype: &attachment.media_type,
            isdocument: true,
            documentbody: STANDARD.encode(&attachment.bytes),
        }),
        opportunity: opportunity.map(|id| format!("/opportunities({id})")),
    })
}

/// What an upload in blocks is for.
#[derive(Serialize)]
pub(crate) struct Target<'a> {
    #[serde(rename = "@odata.type")]
    table: &'static str,
    annotationid: Uuid,
    subject: &'a str,
    notetext: &'a str,
    filename: Cow<'a, str>,
    mimetype: &'a str,
}

pub(crate) fn target(id: Uuid, draft: &NoteDraft) -> Target<'_> {
    Target {
        table: "Microsoft.Dynamics.CRM.annotation",
        annotationid: id,
        subject: cut(&draft.subject, MAX_SUBJECT),
        notetext: &draft.text,
        filename: short_file_name(&draft.attachment.file_name),
        mimetype: &draft.attachment.media_type,
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<Bytes> {
    let bytes = serde_json::to_vec(value).map(Bytes::from);
    bytes.map_err(|cause| Error::invalid_input("note", cause.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_15_names_are_cut_in_the_units_that_the_service_counts() {
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("a😀b", 2), "a");
        assert_eq!(cut("a😀b", 3), "a😀");
        assert_eq!(cut("", 0), "");
        let long = format!("{}.html", "é".repeat(300));
        let short = short_file_name(&long);
        assert!(short.ends_with(".html"));
        assert_eq!(short.encode_utf16().count(), MAX_FILE_NAME);
        assert_eq!(short_file_name("plan.html"), "plan.html");
    }
}
