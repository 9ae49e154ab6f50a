//! File names that every system accepts.

/// The longest name in bytes. File systems allow 255, CRMs about as many characters; the rest is
/// room for the ` (2)` that a browser adds on the second download.
const MAX_BYTES: usize = 200;

const EXTENSION: &str = ".html";

/// The name when nothing of a title is left.
const FALLBACK: &str = "document";

/// Makes a file name of a title: no reserved names and characters, nothing invisible.
pub(crate) fn file_name(title: &str) -> String {
    let visible = title.chars().filter(|c| !is_invisible(*c));
    let spoken: String = visible.map(|c| if is_reserved(c) { ' ' } else { c }).collect();
    let words = spoken.split_whitespace().collect::<Vec<_>>().join(" ");
    let stem = trimmed(without_extension(&words));
    let stem = trimmed(cut(stem, MAX_BYTES - EXTENSION.len()));
    if stem.is_empty() {
        return format!("{FALLBACK}{EXTENSION}");
    }
    if is_device(stem) {
        let stem = trimmed(cut(stem, MAX_BYTES - EXTENSION.len() - FALLBACK.len() - 1));
        return format!("{FALLBACK} {stem}{EXTENSION}");
    }
    format!("{stem}{EXTENSION}")
}

/// Control characters become spaces further down only where they are white space.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The characters that Windows reserves; the slash is reserved everywhere.
const fn is_reserved(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*')
}

/// A dot in front hides a file, a hyphen makes it an option, a dot at the end is lost on Windows.
fn trimmed(name: &str) -> &str {
    name.trim_start_matches(['.', '-', ' ']).trim_end_matches(['.', ' '])
}

fn without_extension(name: &str) -> &str {
    [".html", ".htm"]
        .iter()
        .find_map(|extension| {
            let at = name.len().checked_sub(extension.len())?;
            let (stem, end) = name.split_at_checked(at)?;
            end.eq_ignore_ascii_case(extension).then_some(stem)
        })
        .unwrap_or(name)
}

/// The longest start of a text that fits into `bytes`, cut between characters.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Whether Windows takes a name for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&base.as_str()) {
        return true;
    }
    ["COM", "LPT"].iter().any(|port| {
        let number = base.strip_prefix(port).unwrap_or_default();
        let mut digits = number.chars();
        matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³')) && digits.next().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doc_1_a_title_becomes_a_file_name() {
        for (title, name) in [
            ("Account plan", "Account plan.html"),
            ("  Q1 / Q2:  review? ", "Q1 Q2 review.html"),
            ("plan.HTML", "plan.html"),
            ("R&D (50%) – Übersicht", "R&D (50%) – Übersicht.html"),
            ("خطة الحساب", "خطة الحساب.html"),
            ("アカウント計画", "アカウント計画.html"),
            ("line\nbreak\tand\u{a0}space", "line break and space.html"),
        ] {
            assert_eq!(file_name(title), name);
        }
    }

    #[test]
    fn doc_1_nothing_left_is_document() {
        for title in ["", " ", "...", "???", "\u{202e}\u{200b}", "-", ".html", "\u{0}\u{1}"] {
            assert_eq!(file_name(title), "document.html", "{title:?}");
        }
    }

    #[test]
    fn doc_1_reserved_names_are_avoided() {
        for title in ["CON", "nul", "Com1", "LPT9", "aux.txt", "PRN .x", "COM¹", "conin$"] {
            assert_eq!(file_name(title), format!("document {title}.html"));
        }
        assert_eq!(file_name("Console"), "Console.html");
        assert_eq!(file_name("COM10"), "COM10.html");
    }

    #[test]
    fn doc_1_a_disguised_extension_stays_visible() {
        assert_eq!(file_name("invoice\u{202e}lmth.exe"), "invoicelmth.exe.html");
        assert_eq!(file_name("../../etc/passwd"), "etc passwd.html");
    }

    proptest! {
        /// whatever the title, the name is one that every system accepts.
        #[test]
        fn r_15_every_title_gives_a_safe_name(title in any::<String>()) {
            check(&file_name(&title));
        }

        #[test]
        fn r_15_long_titles_are_cut_between_characters(title in "[漢é😀a .-]{0,400}") {
            check(&file_name(&title));
        }
    }

    #[track_caller]
    fn check(name: &str) {
        let stem = name.strip_suffix(EXTENSION).expect("the extension is there");
        assert!(name.len() <= MAX_BYTES, "{} bytes", name.len());
        assert!(!stem.is_empty() && !is_device(stem));
        assert!(!name.chars().any(|c| c.is_control() || is_reserved(c) || is_invisible(c)));
        assert!(!stem.starts_with(['.', '-', ' ']) && !stem.ends_with(['.', ' ']));
    }
}
