//! The page around a sanitised document: head, heading, and how it looks.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::documents::render::RenderContext;
use crate::documents::title::{one_line, title};
use crate::documents::words::Words;
use crate::model::{Document, RevisionStamp};
use crate::rules::stamp_element;

/// The looks of every page. Part of the page: nothing is loaded from elsewhere.
const STYLE: &str = include_str!("page.css");

/// A second wall behind the sanitiser: even a script that slipped through would not run, and
/// nothing is fetched or sent. Inline styles are the page's own and the sanitised alignments.
const CONTENT_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
                              base-uri 'none'; form-action 'none'";

/// The longest language tag that is believed, as RFC 5646 suggests.
const MAX_LANGUAGE_BYTES: usize = 35;

/// Languages written from right to left, by primary subtag.
const RIGHT_TO_LEFT: &[&str] =
    &["ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ps", "sd", "syr", "ug", "ur", "yi"];

/// Scripts written from right to left. A script in a tag outweighs its language.
const RIGHT_TO_LEFT_SCRIPTS: &[&str] = &["adlm", "arab", "hebr", "nkoo", "syrc", "thaa"];

/// Puts the page together. `body` must be sanitised already.
pub(crate) fn page(
    document: &Document,
    context: &RenderContext,
    stamp: &RevisionStamp,
    body: String,
) -> String {
    let language = document.language.as_deref().filter(|tag| is_language_tag(tag));
    let words = Words::of([language, context.language.as_deref()]);
    let title = title(document, words);
    let body = if is_blank(&body) {
        html! { p.empty lang=(words.tag) { (words.empty) } }
    } else {
        PreEscaped(body)
    };
    let markup = html! {
        (DOCTYPE)
        html lang=[language] dir=(direction(language)) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_POLICY);
                (PreEscaped(stamp_element(stamp)))
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 dir="auto" { (title) }
                    (facts(document, context, words))
                }
                main dir=(direction(language)) { (body) }
            }
        }
    };
    markup.into_string()
}

/// The line under the title: who, which revision, when.
fn facts(document: &Document, context: &RenderContext, words: &Words) -> Markup {
    let date = document.revised_at.to_offset(context.utc_offset).date();
    let author = document.author.as_deref().map(one_line).filter(|author| !author.is_empty());
    html! {
        p.facts lang=(words.tag) dir=(direction(Some(words.tag))) {
            @if let Some(author) = author {
                (words.author.0) bdi { (author) } (words.author.1) " · "
            }
            (words.revision.0) (document.revision) (words.revision.1) " · "
            time datetime=(date) { (words.date(date)) }
        }
    }
}

fn is_language_tag(tag: &str) -> bool {
    (2..=MAX_LANGUAGE_BYTES).contains(&tag.len())
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The direction of a language, or `auto` to let the first letters decide.
fn direction(language: Option<&str>) -> &'static str {
    let Some(language) = language else { return "auto" };
    let is_in = |list: &[&str], part: &str| list.iter().any(|name| name.eq_ignore_ascii_case(part));
    let mut parts = language.split('-');
    let primary = parts.next().unwrap_or_default();
    let script =
        parts.find(|part| part.len() == 4 && part.bytes().all(|b| b.is_ascii_alphabetic()));
    let right_to_left = match script {
        Some(script) => is_in(RIGHT_TO_LEFT_SCRIPTS, script),
        None => is_in(RIGHT_TO_LEFT, primary),
    };
    if right_to_left { "rtl" } else { "ltr" }
}

/// Whether sanitised markup shows nothing: no word, no image, no line.
fn is_blank(markup: &str) -> bool {
    let mut rest = markup;
    while let Some((text, tag)) = rest.split_once('<') {
        let shows = ["img", "hr"].iter().any(|name| tag.starts_with(name));
        if shows || !is_blank_text(text) {
            return false;
        }
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    is_blank_text(rest)
}

fn is_blank_text(text: &str) -> bool {
    text.replace("&nbsp;", " ").trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doc_1_direction_follows_language_and_script() {
        for (language, expected) in [
            (None, "auto"),
            (Some("en-GB"), "ltr"),
            (Some("ar"), "rtl"),
            (Some("HE-il"), "rtl"),
            (Some("az-Arab"), "rtl"),
            (Some("ar-Latn"), "ltr"),
            (Some("ja"), "ltr"),
        ] {
            assert_eq!(direction(language), expected, "{language:?}");
        }
    }

    #[test]
    fn doc_1_blank_is_what_shows_nothing() {
        for blank in ["", " \n", "<p></p>", "<p>&nbsp;<br></p>", "<ul><li></li></ul>"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for shown in ["x", "<p>x</p>", "<hr>", "<p><img alt=\"\"></p>", "a<br>"] {
            assert!(!is_blank(shown), "{shown:?}");
        }
    }
}
