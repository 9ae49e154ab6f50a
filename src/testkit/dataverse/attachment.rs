//! The org's attachment policy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::org::Org;
use crate::testkit::dataverse::refusal::{Answer, Refusal};

/// A file for a note.
#[derive(Debug)]
pub(crate) struct Attachment<'a> {
    pub(crate) filename: &'a str,
    pub(crate) mimetype: &'a str,
    /// Base64, which is what the size limit counts.
    pub(crate) body: &'a str,
}

/// What an organisation allows.
struct Policy {
    max_size: usize,
    blocked_extensions: Vec<String>,
    blocked_types: Vec<String>,
    allowed_types: Vec<String>,
}

impl Policy {
    fn of(org: &Org) -> Self {
        let row = org.table_named("organization").and_then(|table| table.row(org.organization));
        let list = |column: &str| match row.map(|row| row.named(column).into_owned()) {
            Some(Cell::Text(text)) => {
                let items = text.split(';').map(|item| item.trim().to_ascii_lowercase());
                items.filter(|item| !item.is_empty()).collect()
            }
            _ => Vec::new(),
        };
        let max_size = match row.map(|row| row.named("maxuploadfilesize").into_owned()) {
            Some(Cell::Int(size)) => usize::try_from(size).unwrap_or(0),
            _ => 5_242_880,
        };
        Self {
            max_size,
            blocked_extensions: list("blockedattachments"),
            blocked_types: list("blockedmimetypes"),
            allowed_types: list("allowedmimetypes"),
        }
    }
}

impl Attachment<'_> {
    /// Checks the policy and gives the size of the file in bytes.
    pub(crate) fn check(&self, org: &Org) -> Answer<usize> {
        let policy = Policy::of(org);
        if self.body.is_empty() {
            return Err(Refusal::new(400, "0x80044A04", "Attachment file is empty."));
        }
        if self.body.len() > policy.max_size {
            return Err(Refusal::new(400, "0x80044A02", "Attachment file size is too big."));
        }
        if self.filename.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']) {
            let message = "Attachment file name contains invalid characters.";
            return Err(Refusal::new(400, "0x80044A08", message));
        }
        let extension = self.filename.rsplit_once('.').map_or("", |(_, extension)| extension);
        if policy.blocked_extensions.contains(&extension.to_ascii_lowercase()) {
            let message = "The attachment is either not a valid type or is too large. It cannot be \
                           uploaded or downloaded.";
            return Err(Refusal::new(400, "0x80043E09", message));
        }
        let mimetype = self.mimetype.to_ascii_lowercase();
        if !policy.allowed_types.is_empty() {
            if !policy.allowed_types.contains(&mimetype) {
                let message = "The MIME type is not in the allowed list.";
                return Err(Refusal::new(400, "0x80072521", message));
            }
        } else if policy.blocked_types.contains(&mimetype) {
            return Err(Refusal::new(400, "0x80072522", "The MIME type is blocked."));
        }
        let bytes = STANDARD.decode(self.body);
        bytes.map(|bytes| bytes.len()).map_err(|_| Refusal::invalid("documentbody is not base64"))
    }
}
