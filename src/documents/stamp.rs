//! The stamp inside a rendered page: which revision of which content it is.
//!
//! It travels inside the attachment, so that a note read back from a CRM says by itself what it
//! carries, whatever became of the answer to the request that wrote it.

use crate::model::{ContentHash, RevisionStamp};

/// The name of the `meta` element that carries the stamp.
pub(crate) const STAMP_NAME: &str = "fluint-revision";

/// How far into a page the stamp is looked for. It stands in the first few hundred bytes; further
/// down it would be somebody's text.
const HEAD_BYTES: usize = 1024;

/// The stamp as the `content` of its `meta` element: `7:` and 64 hexadecimal digits.
pub(crate) fn stamp_text(stamp: &RevisionStamp) -> String {
    format!("{}:{}", stamp.revision, stamp.content)
}

/// Reads the stamp out of an attachment; `None` when it is not a page of ours.
pub(crate) fn read_stamp(bytes: &[u8]) -> Option<RevisionStamp> {
    let opening = format!(r#"<meta name="{STAMP_NAME}" content=""#);
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let start = head.windows(opening.len()).position(|window| window == opening.as_bytes())?;
    let rest = &head[start + opening.len()..];
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let (revision, hash) = std::str::from_utf8(&rest[..end]).ok()?.split_once(':')?;
    let stamp =
        RevisionStamp { revision: revision.parse().ok()?, content: ContentHash::from_hex(hash)? };
    // Only the spelling that we write counts: no plus sign, no leading zeros, no upper case.
    (stamp_text(&stamp).as_bytes() == &rest[..end]).then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::render::{RenderContext, render};
    use crate::model::{Document, DocumentId};
    use proptest::prelude::*;
    use time::OffsetDateTime;

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
        let mut late = vec![b' '; 1024];
        late.extend(page(&format!("7:{HASH}")));
        assert_eq!(read_stamp(&late), None, "a stamp beyond the head was read");
    }

    proptest! {
        #[test]
        fn doc_2_every_rendered_page_carries_its_stamp(
            title in any::<String>(), html in any::<String>(), author in any::<Option<String>>(),
            language in any::<Option<String>>(), revision in any::<u64>(),
        ) {
            let id = DocumentId::new("d").unwrap();
            let mut document = Document::new(id, title, html, revision, OffsetDateTime::UNIX_EPOCH);
            document.author = author;
            document.language = language;
            let rendered = render(&document, &RenderContext::default());
            prop_assert_eq!(read_stamp(&rendered.attachment.bytes), Some(rendered.stamp));
            prop_assert_eq!(rendered.stamp.revision, revision);
            prop_assert_eq!(rendered.stamp.content, document.content_hash());
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
