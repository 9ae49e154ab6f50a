//! What an org lets in as notes.

use serde::{Deserialize, Serialize};

use super::note::{Attachment, NoteRefusal};

/// What an org lets in as notes, as far as it tells: read with every sync, so that a document is not
/// sent in vain and one that was refused is tried again when the org changes its settings (DOC-6).
/// `None` is what the CRM does not tell.
///
/// # Example
/// ```
/// use fluint_crm::model::{Attachment, NoteLimits, NoteRefusal};
///
/// let limits = NoteLimits { largest_file: Some(3), ..NoteLimits::default() };
/// let mut file = Attachment {
///     file_name: "plan.html".to_owned(),
///     media_type: "text/html".to_owned(),
///     bytes: b"<p>".to_vec(),
/// };
/// assert_eq!(limits.refuse(&file), None);
/// file.bytes.push(b'!');
/// assert_eq!(limits.refuse(&file), Some(NoteRefusal::TooLarge { limit: Some(3) }));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "connectors build it")]
pub struct NoteLimits {
    /// Whether the connected user may write notes on opportunities at all.
    pub writable: Option<bool>,
    /// Whether an HTML file may be attached, which is what documents are published as.
    pub html: Option<bool>,
    /// The largest file in bytes, before it is encoded for the CRM.
    pub largest_file: Option<u64>,
}

impl NoteLimits {
    /// Why the org would refuse a file; `None` when it takes it or nobody can tell.
    ///
    /// Rights are left to the CRM: those of one opportunity may differ from the user's.
    #[must_use]
    pub fn refuse(&self, file: &Attachment) -> Option<NoteRefusal> {
        if self.html == Some(false) {
            return Some(NoteRefusal::TypeBlocked);
        }
        let limit = self.largest_file.filter(|limit| *limit < file.bytes.len() as u64)?;
        Some(NoteRefusal::TooLarge { limit: Some(limit) })
    }

    /// Whether what was refused for this reason under `before` is worth another try under these.
    #[must_use]
    pub fn may_take(&self, refusal: &NoteRefusal, before: &Self) -> bool {
        match refusal {
            NoteRefusal::NotAllowed { .. } => {
                self.writable != before.writable && self.writable != Some(false)
            }
            NoteRefusal::TypeBlocked => self.html != before.html && self.html != Some(false),
            NoteRefusal::TooLarge { limit } => {
                // A limit that was in force by itself counts, even if it was never read.
                let known = before.largest_file.into_iter().chain(*limit).max();
                self.largest_file != before.largest_file
                    && self.largest_file.is_none_or(|now| known.is_none_or(|then| then < now))
            }
            NoteRefusal::OpportunityGone | NoteRefusal::Other { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: NoteLimits =
        NoteLimits { writable: Some(true), html: Some(true), largest_file: Some(3_000) };

    fn file(bytes: usize) -> Attachment {
        let (file_name, media_type) = ("plan.html".to_owned(), "text/html".to_owned());
        Attachment { file_name, media_type, bytes: vec![b'x'; bytes] }
    }

    #[test]
    fn doc_6_a_file_is_refused_by_what_the_org_tells_and_by_nothing_else() {
        let told = |limits: NoteLimits, bytes| limits.refuse(&file(bytes));
        assert_eq!(told(NoteLimits::default(), 1 << 20), None);
        assert_eq!(told(OPEN, 3_000), None);
        assert_eq!(told(OPEN, 3_001), Some(NoteRefusal::TooLarge { limit: Some(3_000) }));
        let no_html = NoteLimits { html: Some(false), ..OPEN };
        assert_eq!(told(no_html, 1), Some(NoteRefusal::TypeBlocked));
        assert_eq!(told(NoteLimits { writable: Some(false), ..OPEN }, 1), None);
    }

    #[test]
    fn doc_6_only_settings_that_changed_for_the_better_start_a_refused_one_again() {
        let large = NoteRefusal::TooLarge { limit: None };
        let rights = NoteRefusal::NotAllowed { privilege: None };
        let other = NoteRefusal::Other { code: "1".to_owned(), message: String::new() };
        for refusal in [&large, &rights, &other, &NoteRefusal::TypeBlocked] {
            assert!(!OPEN.may_take(refusal, &OPEN), "nothing changed: {refusal}");
        }
        let before = NoteLimits { writable: Some(false), html: Some(false), ..OPEN };
        assert!(
            OPEN.may_take(&rights, &before) && OPEN.may_take(&NoteRefusal::TypeBlocked, &before)
        );
        assert!(
            !before.may_take(&rights, &OPEN) && !before.may_take(&NoteRefusal::TypeBlocked, &OPEN)
        );
        let larger = NoteLimits { largest_file: Some(9_000), ..OPEN };
        assert!(larger.may_take(&large, &OPEN) && !OPEN.may_take(&large, &larger));
        assert!(!OPEN.may_take(&NoteRefusal::OpportunityGone, &before));
        // What the CRM no longer tells, or tells for the first time, is worth a try.
        assert!(NoteLimits::default().may_take(&large, &OPEN));
        assert!(OPEN.may_take(&large, &NoteLimits::default()));
        let known = NoteRefusal::TooLarge { limit: Some(3_000) };
        assert!(
            !OPEN.may_take(&known, &NoteLimits::default()),
            "it was this limit that refused it"
        );
    }
}
