//! The few words around a document, in the reader's language.

use time::Date;

/// The words of one language.
#[derive(Debug)]
pub(crate) struct Words {
    /// The language's primary subtag.
    pub(crate) tag: &'static str,
    /// What stands before and after the author's name.
    pub(crate) author: (&'static str, &'static str),
    /// What stands before and after the revision's number.
    pub(crate) revision: (&'static str, &'static str),
    /// Said in place of an empty document.
    pub(crate) empty: &'static str,
    /// Said in place of an empty title.
    pub(crate) untitled: &'static str,
    /// How a date is put together from `{d}`, `{m}` and `{y}`.
    date: &'static str,
    months: [&'static str; 12],
}

impl Words {
    /// The words of the first language that is known, else the English ones.
    pub(crate) fn of(languages: [Option<&str>; 2]) -> &'static Self {
        languages.into_iter().flatten().find_map(Self::known).unwrap_or(&ENGLISH)
    }

    fn known(language: &str) -> Option<&'static Self> {
        let primary = language.split('-').next().unwrap_or_default();
        TRANSLATED.iter().copied().find(|words| words.tag.eq_ignore_ascii_case(primary))
    }

    /// A date as a reader of the language writes it.
    pub(crate) fn date(&self, date: Date) -> String {
        let month = self.months[usize::from(u8::from(date.month())) - 1];
        self.date
            .replace("{d}", &date.day().to_string())
            .replace("{m}", month)
            .replace("{y}", &date.year().to_string())
    }
}

const TRANSLATED: [&Words; 6] = [&ENGLISH, &ARABIC, &FRENCH, &GERMAN, &JAPANESE, &SPANISH];

static ENGLISH: Words = Words {
    tag: "en",
    author: ("By ", ""),
    revision: ("Revision ", ""),
    empty: "This document is empty.",
    untitled: "Untitled document",
    date: "{d} {m} {y}",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
};

static ARABIC: Words = Words {
    tag: "ar",
    author: ("بقلم ", ""),
    revision: ("المراجعة ", ""),
    empty: "هذا المستند فارغ.",
    untitled: "مستند بلا عنوان",
    date: "{d} {m} {y}",
    months: [
        "يناير",
        "فبراير",
        "مارس",
        "أبريل",
        "مايو",
        "يونيو",
        "يوليو",
        "أغسطس",
        "سبتمبر",
        "أكتوبر",
        "نوفمبر",
        "ديسمبر",
    ],
};

static FRENCH: Words = Words {
    tag: "fr",
    author: ("Par ", ""),
    revision: ("Révision ", ""),
    empty: "Ce document est vide.",
    untitled: "Document sans titre",
    date: "{d} {m} {y}",
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
};

static GERMAN: Words = Words {
    tag: "de",
    author: ("Von ", ""),
    revision: ("Fassung ", ""),
    empty: "Dieses Dokument ist leer.",
    untitled: "Dokument ohne Titel",
    date: "{d}. {m} {y}",
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
};

static JAPANESE: Words = Words {
    tag: "ja",
    author: ("作成者: ", ""),
    revision: ("第", "版"),
    empty: "この文書は空です。",
    untitled: "無題の文書",
    date: "{y}年{m}月{d}日",
    months: ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"],
};

static SPANISH: Words = Words {
    tag: "es",
    author: ("Por ", ""),
    revision: ("Revisión ", ""),
    empty: "Este documento está vacío.",
    untitled: "Documento sin título",
    date: "{d} de {m} de {y}",
    months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn doc_1_dates_are_written_as_their_readers_write_them() {
        for (language, expected) in [
            ("en-GB", "1 February 2026"),
            ("de", "1. Februar 2026"),
            ("ES-mx", "1 de febrero de 2026"),
            ("ja-JP", "2026年2月1日"),
            ("ar-EG", "1 فبراير 2026"),
            ("xx", "1 February 2026"),
        ] {
            assert_eq!(Words::of([Some(language), None]).date(date!(2026 - 02 - 01)), expected);
        }
    }

    #[test]
    fn doc_1_the_documents_language_comes_before_the_hosts() {
        assert_eq!(Words::of([Some("fr"), Some("de")]).tag, "fr");
        assert_eq!(Words::of([Some("tlh"), Some("de")]).tag, "de");
        assert_eq!(Words::of([None, None]).tag, "en");
    }
}
