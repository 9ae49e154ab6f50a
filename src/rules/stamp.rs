//! The stamp inside a rendered page: which revision of which content it is.
//!
//! It travels inside the attachment, so that a note read back from a CRM says by itself what it
//! carries, whatever became of the answer to the request that wrote it.

use crate::model::{ContentHash, NoteContent, RevisionStamp};

/// What comes before the stamp in a page.
const OPENING: &str = r#"<meta name="fluint-revision" content=""#;

/// How far into a page the stamp is looked for. It stands in the first few hundred bytes; further
/// down it would be somebody's text.
const HEAD_BYTES: usize = 4 * 1024;

/// The stamp as text: `7:` and 64 hexadecimal digits.
pub(crate) fn stamp_text(stamp: &RevisionStamp) -> String {
    format!("{}:{}", stamp.revision, stamp.content)
}

/// The stamp as the `meta` element that a page carries in its head.
pub(crate) fn stamp_element(stamp: &RevisionStamp) -> String {
    format!("{OPENING}{}\">", stamp_text(stamp))
}

/// Reads the stamp out of an attachment; `None` when it is not a page of ours.
///
/// A connector tells by it what a note carries ([`note_content`]). Only the head of the page is looked
/// at, and only the spelling that we write counts.
///
/// # Example
/// ```
/// use fluint_crm::documents::{RenderContext, render};
/// use fluint_crm::model::{Document, DocumentId};
/// use fluint_crm::rules::read_stamp;
/// use time::macros::datetime;
/// # fn main() -> fluint_crm::Result<()> {
/// let (id, at) = (DocumentId::new("plan")?, datetime!(2026-02-01 09:00 UTC));
/// let document = Document::new(id, "Plan".to_owned(), "<p>Hello</p>".to_owned(), 7, at);
/// let page = render(&document, &RenderContext::default());
///
/// assert_eq!(read_stamp(&page.attachment.bytes), Some(page.stamp));
/// assert_eq!(read_stamp(b"<p>a file of somebody else's</p>"), None);
/// # Ok(()) }
/// ```
#[must_use]
pub fn read_stamp(page: &[u8]) -> Option<RevisionStamp> {
    let head = page.get(..HEAD_BYTES).unwrap_or(page);
    let start = head.windows(OPENING.len()).position(|window| window == OPENING.as_bytes())?;
    let rest = &head[start + OPENING.len()..];
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let (revision, hash) = std::str::from_utf8(&rest[..end]).ok()?.split_once(':')?;
    let stamp =
        RevisionStamp { revision: revision.parse().ok()?, content: ContentHash::from_hex(hash)? };
    // No plus sign, no leading zeros, no upper case.
    (stamp_text(&stamp).as_bytes() == &rest[..end]).then_some(stamp)
}

/// What a note carries whose attachment begins with these bytes: a page of ours, or a file of
/// somebody else's.
#[must_use]
pub fn note_content(file: &[u8]) -> NoteContent {
    read_stamp(file).map_or(NoteContent::Foreign, NoteContent::Ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn page(content: &str) -> Vec<u8> {
        format!(r#"<head><meta name="fluint-revision" content="{content}"></head>"#).into_bytes()
    }

    #[test]
    fn doc_2_a_stamp_is_read_from_a_head() {
        let stamp = read_stamp(&page(&format!("7:{HASH}"))).unwrap();
        assert_eq!(stamp.revision, 7);
        assert_eq!(stamp.content.to_string(), HASH);
    }

    #[test]
    fn doc_2_what_we_did_not_write_is_no_stamp() {
        let upper = HASH.to_uppercase();
        for content in [
            String::new(),
            "7".to_owned(),
            ":".to_owned(),
            "x:y".to_owned(),
            "7:short".to_owned(),
            format!("+7:{HASH}"),
            format!("07:{HASH}"),
            format!(" 7:{HASH}"),
            format!("-7:{HASH}"),
            format!("7:{HASH}0"),
            format!("7:{upper}"),
            format!("18446744073709551616:{HASH}"),
            format!("7:{}", &HASH[1..]),
        ] {
            assert_eq!(read_stamp(&page(&content)), None, "{content:?} was read as a stamp");
        }
        let mut late = vec![b' '; HEAD_BYTES];
        late.extend(page(&format!("7:{HASH}")));
        assert_eq!(read_stamp(&late), None, "a stamp beyond the head was read");
    }

    proptest! {
        #[test]
        fn doc_2_a_stamp_written_is_read_back(
            revision in any::<u64>(), content in any::<Vec<u8>>(), before in 0_usize..3900,
        ) {
            let stamp = RevisionStamp { revision, content: ContentHash::of(&content) };
            let page = format!("{}{}", " ".repeat(before), stamp_element(&stamp));
            prop_assert_eq!(read_stamp(page.as_bytes()), Some(stamp));
        }

        #[test]
        fn doc_2_reading_a_stamp_never_panics(bytes in any::<Vec<u8>>()) {
            let _ = read_stamp(&bytes);
        }

        #[test]
        fn doc_2_a_cut_off_stamp_is_none(at in 0_usize..120) {
            let page = page(&format!("7:{HASH}"));
            prop_assume!(at < page.len() - 9);
            prop_assert_eq!(read_stamp(&page[..at]), None);
        }
    }
}
