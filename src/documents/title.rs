//! Titles as they are shown: one line, never empty.

use crate::documents::words::Words;
use crate::model::Document;

/// The longest subject in UTF-16 units, as CRMs count.
const MAX_SUBJECT_UNITS: usize = 500;

/// Brings a text onto one line, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let spoken: String = text.chars().filter(|c| c.is_whitespace() || !c.is_control()).collect();
    spoken.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A document's title, or the words for a document without one.
pub(crate) fn title(document: &Document, words: &Words) -> String {
    match one_line(&document.title) {
        title if title.is_empty() => words.untitled.to_owned(),
        title => title,
    }
}

/// The subject of a document's note: its title, cut between characters where a CRM would cut.
pub(crate) fn subject(document: &Document, words: &Words) -> String {
    let mut units = 0;
    title(document, words)
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= MAX_SUBJECT_UNITS
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DocumentId;
    use time::OffsetDateTime;

    fn subject_of(title: &str) -> String {
        let id = DocumentId::new("d").unwrap();
        let at = OffsetDateTime::UNIX_EPOCH;
        let document = Document::new(id, title.to_owned(), String::new(), 1, at);
        subject(&document, Words::of([None, None]))
    }

    #[test]
    fn doc_1_the_subject_is_the_title_on_one_line() {
        assert_eq!(subject_of("  Account\r\n\tplan\u{0} "), "Account plan");
        assert_eq!(subject_of(" \u{7} "), "Untitled document");
    }

    #[test]
    fn doc_1_a_long_subject_is_cut_between_characters() {
        assert_eq!(subject_of(&"a".repeat(501)).len(), 500);
        let faces = subject_of(&format!("a{}", "😀".repeat(300)));
        assert_eq!(faces.encode_utf16().count(), 499);
        assert!(faces.ends_with('😀'));
    }
}
