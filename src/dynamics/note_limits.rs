//! What an environment lets in as notes: its attachment policy, and the user's privileges.

use serde::Deserialize;

use crate::dynamics::error::Failure;
use crate::dynamics::processes::whole_list;
use crate::dynamics::rights::{NOTES, Privileges};
use crate::dynamics::web_api::WebApi;
use crate::error::Result;
use crate::model::NoteLimits;

/// The usual `maxuploadfilesize`, in characters of base64.
const USUAL: u64 = 5 * 1024 * 1024;

/// What the environment lets in as attachments.
#[derive(Deserialize)]
pub(crate) struct AttachmentPolicy {
    maxuploadfilesize: Option<u64>,
    blockedattachments: Option<String>,
    blockedmimetypes: Option<String>,
    allowedmimetypes: Option<String>,
}

impl AttachmentPolicy {
    /// Whether documents are let in, which are HTML files. A list of allowed types stands in for
    /// the one of blocked types.
    pub(crate) fn takes_html(&self) -> bool {
        let lists = |list: &Option<String>, wanted: &str| {
            let items = list.as_deref().unwrap_or_default().split(';').map(str::trim);
            items.into_iter().any(|item| item.eq_ignore_ascii_case(wanted))
        };
        let (extension, media_type) = ("html", "text/html");
        let allows = self.allowedmimetypes.as_deref().is_some_and(|list| !list.trim().is_empty());
        let type_is_allowed = if allows {
            lists(&self.allowedmimetypes, media_type)
        } else {
            !lists(&self.blockedmimetypes, media_type)
        };
        type_is_allowed && !lists(&self.blockedattachments, extension)
    }

    /// The largest file in bytes: the limit counts base64, four characters for three bytes.
    pub(crate) fn largest_file(&self) -> Option<u64> {
        self.maxuploadfilesize.map(|limit| limit / 4 * 3)
    }

    /// Whether the environment takes less than environments usually do.
    pub(crate) fn is_small(&self) -> bool {
        self.maxuploadfilesize.is_some_and(|limit| limit < USUAL)
    }
}

/// Reads the policy; `None` when the user may not.
pub(crate) async fn attachment_policy(api: &WebApi) -> Result<Option<AttachmentPolicy>> {
    let operation = "read the attachment policy";
    let query = "$select=maxuploadfilesize,blockedattachments,blockedmimetypes,allowedmimetypes";
    match whole_list::<AttachmentPolicy>(api, operation, "organizations", query).await {
        Ok(found) => Ok(found.into_iter().next()),
        Err(Failure::Refused(refusal)) if refusal.concerns_one_table() => Ok(None),
        Err(failure) => Err(failure.into_error(operation, api.now())),
    }
}

/// Puts the two together.
pub(crate) fn note_limits(
    privileges: Option<&Privileges>,
    policy: Option<&AttachmentPolicy>,
) -> NoteLimits {
    let writable = |held: &Privileges| NOTES.iter().all(|name| held.held(name).is_some());
    NoteLimits {
        writable: privileges.map(writable),
        html: policy.map(AttachmentPolicy::takes_html),
        largest_file: policy.and_then(AttachmentPolicy::largest_file),
    }
}
