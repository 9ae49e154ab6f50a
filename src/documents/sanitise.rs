//! Reduces untrusted HTML to formatting.
//!
//! What stays: the elements of [`ELEMENTS`], the attributes of [`keep_attribute`]. An element that
//! is not listed goes and its text stays, except where the content is no text for a reader
//! ([`DROPPED_WITH_CONTENT`]). What is allowed is listed; nothing is recognised by what is bad
//! about it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use url::Url;

/// Reduces HTML to the formatting subset.
pub(crate) fn sanitise(html: &str) -> String {
    SANITISER.clean(&prepared(html)).to_string()
}

/// The elements that stay.
const ELEMENTS: &[&str] = &[
    // Blocks.
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "ul",
    // Tables.
    "caption",
    "col",
    "colgroup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    // Within a line.
    "a",
    "abbr",
    "b",
    "bdi",
    "bdo",
    "cite",
    "code",
    "del",
    "dfn",
    "em",
    "i",
    "img",
    "ins",
    "kbd",
    "mark",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "time",
    "tt",
    "u",
    "var",
    "wbr",
];

/// Elements whose content is written for a machine. The last two repeat a formula as source.
const DROPPED_WITH_CONTENT: &[&str] = &["script", "style", "annotation", "annotation-xml"];

/// Elements that do not add to the depth, because they hold nothing or because the next of their
/// kind closes them, and those of which a parser takes the content for plain text.
const UNCOUNTED: &[&str] = &[
    "area",
    "base",
    "bgsound",
    "br",
    "col",
    "colgroup",
    "dd",
    "dt",
    "embed",
    "frame",
    "hr",
    "img",
    "input",
    "keygen",
    "li",
    "link",
    "meta",
    "p",
    "param",
    "rp",
    "rt",
    "source",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "track",
    "wbr",
    "iframe",
    "noembed",
    "noframes",
    "plaintext",
    "script",
    "style",
    "textarea",
    "title",
    "xmp",
];

/// How many elements may be open at once. Browsers stop at 512; no author gets near 200.
const MAX_DEPTH: usize = 200;

/// Attributes of every element. Their values are checked as well.
const EVERYWHERE: &[&str] = &["dir", "lang", "style", "title"];

/// Attributes by element. Their values are checked as well.
const ATTRIBUTES: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("col", &["span"]),
    ("colgroup", &["span"]),
    ("img", &["alt", "height", "src", "width"]),
    ("li", &["value"]),
    ("ol", &["reversed", "start", "type"]),
    ("td", &["align", "colspan", "rowspan", "valign"]),
    ("th", &["align", "colspan", "rowspan", "scope", "valign"]),
    ("time", &["datetime"]),
    ("tr", &["align", "valign"]),
];

/// The schemes that a link may have.
const LINK_SCHEMES: &[&str] = &["http", "https", "mailto"];

/// The images that may be embedded: raster only, because an SVG is a program.
const IMAGE_TYPES: &[&str] = &["png", "jpeg", "jpg", "gif", "webp"];

/// Style declarations that stay, with every value that they may have. Colours are left out: those
/// chosen for a white page cannot be read on a dark one.
const STYLES: &[(&str, &[&str])] = &[
    ("font-style", &["italic", "normal"]),
    (
        "font-weight",
        &["100", "200", "300", "400", "500", "600", "700", "800", "900", "bold", "normal"],
    ),
    (
        "list-style-type",
        &[
            "circle",
            "decimal",
            "disc",
            "lower-alpha",
            "lower-roman",
            "none",
            "square",
            "upper-alpha",
            "upper-roman",
        ],
    ),
    ("text-align", &["center", "end", "justify", "left", "right", "start"]),
    ("text-decoration", &["line-through", "none", "underline"]),
    ("vertical-align", &["baseline", "bottom", "middle", "sub", "super", "top"]),
];

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let by_element: HashMap<_, HashSet<_>> =
        ATTRIBUTES.iter().map(|(name, list)| (*name, list.iter().copied().collect())).collect();
    let mut builder = Builder::empty();
    builder
        .tags(ELEMENTS.iter().copied().collect())
        .clean_content_tags(DROPPED_WITH_CONTENT.iter().copied().collect())
        .generic_attributes(EVERYWHERE.iter().copied().collect())
        .tag_attributes(by_element)
        .url_schemes(LINK_SCHEMES.iter().copied().chain(["data"]).collect())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"))
        // What is folded away on the screen would be missing in print.
        .set_tag_attribute_value("details", "open", "")
        .attribute_filter(keep_attribute);
    builder
});

/// The value that an allowed attribute keeps, or `None` to drop the attribute.
fn keep_attribute<'v>(element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let keep = |fits: bool| fits.then_some(Cow::Borrowed(value));
    match (element, attribute) {
        (_, "href") => keep(is_link(value)),
        (_, "src") => keep(is_embedded_image(value)),
        (_, "style") => keep_style(value).map(Cow::Owned),
        (_, "dir") => keep(is_one_of(value, &["auto", "ltr", "rtl"])),
        (_, "align") => keep(is_one_of(value, &["center", "justify", "left", "right"])),
        (_, "valign") => keep(is_one_of(value, &["baseline", "bottom", "middle", "top"])),
        (_, "scope") => keep(is_one_of(value, &["col", "colgroup", "row", "rowgroup"])),
        (_, "type") => keep(["1", "a", "A", "i", "I"].contains(&value)),
        (_, "colspan" | "rowspan" | "span" | "height" | "width") => keep(is_small_number(value)),
        (_, "start" | "value") => keep(is_small_number(value.strip_prefix('-').unwrap_or(value))),
        _ => keep(true),
    }
}

/// Whether a value is an absolute link, spelled out: `https:host` is one to a browser only.
fn is_link(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| match url.scheme() {
        "mailto" => true,
        scheme => LINK_SCHEMES.contains(&scheme) && value.contains("://"),
    })
}

/// Whether a value is a base64 data URL of a raster image and nothing else.
fn is_embedded_image(value: &str) -> bool {
    let Some((kind, data)) = value.trim_ascii().split_once(',') else { return false };
    let kind = kind.to_ascii_lowercase();
    let Some(kind) = kind.strip_prefix("data:image/").and_then(|kind| kind.strip_suffix(";base64"))
    else {
        return false;
    };
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    // Mail programs break long data into lines; browsers skip the white space.
    IMAGE_TYPES.contains(&kind)
        && !data.is_empty()
        && data.bytes().all(|byte| is_base64(byte) || byte.is_ascii_whitespace())
}

fn keep_style(value: &str) -> Option<String> {
    let kept: Vec<String> = value
        .split(';')
        .filter_map(|declaration| declaration.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase()))
        .filter(|(name, value)| {
            STYLES.iter().any(|(known, values)| known == name && values.contains(&value.as_str()))
        })
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    (!kept.is_empty()).then(|| kept.join("; "))
}

fn is_one_of(value: &str, allowed: &[&str]) -> bool {
    allowed.iter().any(|name| name.eq_ignore_ascii_case(value))
}

/// Whether a value is a number of at most four digits: a span of a million columns would freeze a
/// browser.
fn is_small_number(value: &str) -> bool {
    (1..=4).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Prepares HTML for the sanitiser.
///
/// Decides nothing about safety: whatever comes out of it is sanitised. It does two things to tags:
///
/// * An element that will go anyway is renamed to one nobody knows. The parser then never enters
///   the foreign grammar of drawings, formulas, forms and templates: their words survive as text,
///   and the whole family of attacks that changes grammar half way does not arise.
/// * Beyond [`MAX_DEPTH`] open elements, further tags become comments. A parser looks through all
///   open elements at every tag, so a document of a million nested ones would take it hours.
fn prepared(html: &str) -> String {
    let mut open: Vec<&str> = Vec::new();
    let mut out = String::with_capacity(html.len());
    let mut copied = 0;
    for (at, _) in html.match_indices('<') {
        let Some(tag) = Tag::read(&html[at + 1..]) else { continue };
        let name_at = at + 1 + usize::from(tag.side == Side::End);
        if is_one_of(tag.name, UNCOUNTED) {
            continue;
        }
        match tag.side {
            Side::Start if open.len() == MAX_DEPTH => {
                out.push_str(&html[copied..=at]);
                out.push('!');
                copied = at + 1;
                continue;
            }
            Side::Start => open.push(tag.name),
            Side::End => {
                close(&mut open, tag.name);
            }
        }
        if !is_one_of(tag.name, ELEMENTS) && !is_one_of(tag.name, DROPPED_WITH_CONTENT) {
            out.push_str(&html[copied..name_at]);
            out.push_str("x-");
            copied = name_at;
        }
    }
    out.push_str(&html[copied..]);
    out
}

/// Closes what an end tag closes for certain. Looking for its start it passes by inline elements
/// only: what a parser does with blocks left open depends on where they stand, and counting one too
/// many is safe.
fn close(open: &mut Vec<&str>, name: &str) {
    let is_inline = |name: &str| !is_one_of(name, ELEMENTS) || is_one_of(name, FORMATTING);
    let passed = open
        .iter()
        .rev()
        .take_while(|other| !other.eq_ignore_ascii_case(name) && is_inline(other))
        .count();
    let Some(start) = open.len().checked_sub(passed + 1) else { return };
    if !open[start].eq_ignore_ascii_case(name) {
        return;
    }
    if is_one_of(name, FORMATTING) {
        // Overlapping, as in <b><i></b></i>: the parser opens the others anew.
        open.remove(start);
    } else {
        open.truncate(start);
    }
}

/// Inline elements that may overlap.
const FORMATTING: &[&str] = &[
    "a", "abbr", "b", "big", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "q", "s",
    "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var",
];

/// The beginning of a tag.
struct Tag<'h> {
    side: Side,
    name: &'h str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Start,
    End,
}

impl<'h> Tag<'h> {
    /// Reads what follows a `<`; `None` when a parser would not take it for a tag.
    fn read(text: &'h str) -> Option<Self> {
        let (side, text) =
            text.strip_prefix('/').map_or((Side::Start, text), |text| (Side::End, text));
        let end = text.find([' ', '\t', '\n', '\r', '\u{c}', '/', '>']).unwrap_or(text.len());
        let name = &text[..end];
        name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(Self { side, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doc_1_tags_left_open_do_not_use_the_depth_up() {
        let html = format!("{}<h2>Kept</h2>", "<b><i>x</b></i><svg><path></svg>".repeat(300));
        assert!(sanitise(&html).contains("<h2>Kept</h2>"));
    }

    #[test]
    fn doc_5_formatting_stays() {
        for html in [
            "<h1>a</h1><ul><li>b<ol start=\"3\"><li>c</li></ol></li></ul>",
            "<table><tbody><tr><td colspan=\"2\" style=\"text-align: right\">d</td></tr></tbody></table>",
            "<pre><code>let x = 1 &lt; 2;\n</code></pre>",
            "<img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"e\">",
            "<p>漢字 <em>é</em> <strong>b</strong><br>f</p>",
        ] {
            assert_eq!(sanitise(html), html);
        }
    }

    #[test]
    fn doc_5_links_get_a_rel_and_other_schemes_lose_their_target() {
        assert_eq!(
            sanitise("<a href=\"https://x.test/?a=1&amp;b\" target=\"_top\" ping=\"/p\">x</a>"),
            "<a href=\"https://x.test/?a=1&amp;b\" rel=\"noopener noreferrer\">x</a>"
        );
        for target in
            ["javascript:alert(1)", "data:text/html,x", "/relative", "//host", "vbscript:x"]
        {
            assert_eq!(
                sanitise(&format!("<a href=\"{target}\">x</a>")),
                "<a rel=\"noopener noreferrer\">x</a>"
            );
        }
    }

    #[test]
    fn doc_5_only_embedded_raster_images_keep_their_source() {
        for source in [
            "https://x.test/pixel.png",
            "data:image/svg+xml;base64,PHN2Zz4=",
            "data:image/png,raw",
            "data:image/png;base64,",
            "data:image/png;charset=x;base64,AAAA",
            "data:text/html;base64,AAAA",
            "data:image/png;base64,AA(A",
        ] {
            let html = format!("<img src=\"{source}\" alt=\"words\">");
            assert_eq!(sanitise(&html), "<img alt=\"words\">", "{source} was kept");
        }
    }

    #[test]
    fn doc_5_styles_keep_known_words_only() {
        let kept =
            keep_style("TEXT-ALIGN: Center; color: red; background: url(//x); font-weight:bold");
        assert_eq!(kept.as_deref(), Some("text-align: center; font-weight: bold"));
        for bad in
            ["text-align: url(//x)", "text-align: center !x", "width: expression(1)", "", ";;:"]
        {
            assert_eq!(keep_style(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn doc_5_the_words_of_drawings_and_formulas_survive() {
        assert_eq!(sanitise("a<svg><text>b</text></SVG>c"), "abc");
        assert_eq!(sanitise("<math><mi>x</mi><annotation>x^2</annotation></math>y"), "xy");
    }

    /// R-13: nesting far beyond any browser's limit neither overflows the stack nor takes minutes.
    #[test]
    fn r_13_nesting_is_bounded_and_the_text_survives() {
        for unit in [
            "<div>",
            "<b>",
            "<b x=1><p>",
            "<span><p></span>",
            "<div></span>",
            "<ul><li>",
            "<x-y>",
            "<table><tr><td>",
            "<div><table><tr><td></div>",
            "<a><div></a>",
            "<svg><g>",
            "<dl><dd>",
            "<!--<script>--><div>",
            "<p title='<script>'><div>",
            "<li><div></li>",
        ] {
            let clean = sanitise(&format!("{}deep", unit.repeat(20_000)));
            assert!(clean.ends_with("deep") || clean.contains("deep<"), "{unit}");
            assert!(depth(&clean) < 2_000, "{unit} nests {} deep", depth(&clean));
        }
    }

    #[test]
    fn doc_5_long_flat_documents_keep_their_formatting() {
        let unit = "<p>a<li>b<div><b>c</b><i>d</i></div><table><tr><td>e</table><input><br>";
        let clean = sanitise(&unit.repeat(5_000));
        assert_eq!(clean.matches("<b>c</b><i>d</i>").count(), 5_000);
        assert_eq!(clean.matches("<td>e</td>").count(), 5_000);
    }

    fn depth(markup: &str) -> usize {
        let mut deepest = 0;
        let mut open = 0_usize;
        for (at, _) in markup.match_indices('<') {
            match Tag::read(&markup[at + 1..]) {
                Some(Tag { side: Side::End, .. }) => open = open.saturating_sub(1),
                Some(tag) if !["br", "hr", "img", "col", "wbr"].contains(&tag.name) => open += 1,
                Some(_) | None => {}
            }
            deepest = deepest.max(open);
        }
        deepest
    }
}
