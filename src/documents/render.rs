//! Rendering: an untrusted document in, one self-contained page out. Pure.

use std::fmt;

use time::UtcOffset;

use crate::documents::file_name::file_name;
use crate::documents::page::page;
use crate::documents::sanitise::sanitise;
use crate::model::{Attachment, Document, RevisionStamp};

/// What the reader of a page expects, apart from the document itself.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RenderContext {
    /// The language of the few words around the document (BCP 47), when the document itself names
    /// none. English stands in for a language without a translation.
    pub language: Option<String>,
    /// The reader's time zone: a revision written shortly before midnight bears the reader's date.
    pub utc_offset: UtcOffset,
}

impl Default for RenderContext {
    /// English words and UTC dates.
    fn default() -> Self {
        Self { language: None, utc_offset: UtcOffset::UTC }
    }
}

/// A document as the timeline will show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenderedDocument {
    /// The page, with a file name and a media type.
    pub attachment: Attachment,
    /// Which revision of which content it is; stands in the page's head, too.
    pub stamp: RevisionStamp,
}

impl fmt::Debug for RenderedDocument {
    /// Leaves the page out: it is a customer's document.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedDocument")
            .field("file_name", &self.attachment.file_name)
            .field("bytes", &self.attachment.bytes.len())
            .field("stamp", &self.stamp)
            .finish()
    }
}

/// Renders a document to one self-contained HTML page.
///
/// The content is reduced to formatting: headings, lists, tables, quotes, code, links to `http`,
/// `https` and `mailto`, and raster images that are part of the document. Scripts, handlers, forms
/// and everything that a browser would load from elsewhere are gone; their text stays. The same
/// document and context give the same bytes.
///
/// # Example
/// ```
/// use fluint_crm::documents::{RenderContext, render};
/// use fluint_crm::model::{Document, DocumentId};
/// use time::macros::datetime;
/// # fn main() -> fluint_crm::Result<()> {
/// let html = "<p onclick=steal()>Hello</p><script>steal()</script>".to_owned();
/// let document = Document::new(
///     DocumentId::new("plan")?, "Account plan".to_owned(), html, 7, datetime!(2026-02-01 09:00 UTC),
/// );
/// let page = render(&document, &RenderContext::default()).attachment;
///
/// assert_eq!(page.file_name, "Account plan.html");
/// let text = String::from_utf8_lossy(&page.bytes);
/// assert!(text.contains("<p>Hello</p>") && !text.contains("steal"));
/// # Ok(()) }
/// ```
#[must_use]
pub fn render(document: &Document, context: &RenderContext) -> RenderedDocument {
    let stamp = RevisionStamp { revision: document.revision, content: document.content_hash() };
    let body = sanitise(&document.html);
    let attachment = Attachment {
        file_name: file_name(&document.title),
        media_type: "text/html".to_owned(),
        bytes: page(document, context, &stamp, body).into_bytes(),
    };
    RenderedDocument { attachment, stamp }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DocumentId;
    use crate::rules::read_stamp;
    use proptest::prelude::*;
    use time::OffsetDateTime;

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
    }
}
