//! hostile documents, checked through a real HTML parser.
//!
//! The lists below are written down here a second time on purpose: a slip in the sanitiser's own
//! lists must not loosen its test.

mod payloads;

use std::collections::BTreeSet;

use scraper::node::Element;
use scraper::{Html, Selector};

use self::payloads::{ADDRESSES, CLOSED, HIDDEN_SCHEMES, LOADING_ATTRIBUTES, TAGS};
pub(super) use self::payloads::{EVENTS, SWALLOWING};
use super::{document, rendered};

const ALLOWED_ELEMENTS: &str = "html head meta title style body header h1 p bdi time main \
    address article aside blockquote br center dd details div dl dt figcaption figure footer h2 h3 \
    h4 h5 h6 hr li nav ol pre section summary ul caption col colgroup table tbody td tfoot th \
    thead tr a abbr b bdo cite code del dfn em i img ins kbd mark q rp rt ruby s samp small span \
    strike strong sub sup tt u var wbr";

const ALLOWED_ATTRIBUTES: &str = "align alt charset class colspan content datetime dir height href \
    http-equiv lang name open rel reversed rowspan scope span src start style title type valign \
    value width";

/// What is wrong with a parsed page; empty when nothing is.
fn violations(page: &Html) -> Vec<String> {
    let elements: BTreeSet<&str> = ALLOWED_ELEMENTS.split_whitespace().collect();
    let attributes: BTreeSet<&str> = ALLOWED_ATTRIBUTES.split_whitespace().collect();
    let mut wrong = Vec::new();
    for element in page.tree.values().filter_map(|node| node.as_element()) {
        if !elements.contains(element.name()) {
            wrong.push(format!("element {}", element.name()));
        }
        for (name, value) in element.attrs() {
            if !attributes.contains(name) || !is_harmless(element, name, value) {
                wrong.push(format!("{} {name}={value:?}", element.name()));
            }
        }
    }
    wrong
}

fn is_harmless(element: &Element, name: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match name {
        "href" => {
            element.name() == "a"
                && ["http://", "https://", "mailto:"]
                    .iter()
                    .any(|scheme| value.trim_start().starts_with(scheme))
        }
        "src" => {
            element.name() == "img"
                && ["png", "jpeg", "jpg", "gif", "webp"]
                    .iter()
                    .any(|kind| value.starts_with(&format!("data:image/{kind};base64,")))
        }
        "style" => !value.contains(['(', '\\', '@', '/', '<']),
        "http-equiv" => value == "content-security-policy",
        "charset" | "content" => element.name() == "meta",
        _ => true,
    }
}

/// Checks a page as a browser first reads it, and as it reads it after having written it out once:
/// attacks by mutation show only then.
#[track_caller]
fn assert_harmless(payload: &str, page: &str) -> String {
    let parsed = Html::parse_document(page);
    assert_eq!(violations(&parsed), Vec::<String>::new(), "{payload}");
    let again = Html::parse_document(&parsed.html());
    assert_eq!(violations(&again), Vec::<String>::new(), "{payload}, read twice");

    let count = |selector: &str| parsed.select(&Selector::parse(selector).unwrap()).count();
    assert_eq!(count("style"), 1, "{payload}");
    assert_eq!(count("head > style"), 1, "{payload}");
    assert_eq!(count("meta"), 5, "{payload}");
    assert_eq!(count("head > meta"), 5, "{payload}");
    assert_eq!(count("title"), 1, "{payload}");
    assert_eq!(count("main"), 1 + page_mains(payload), "{payload}");
    assert_eq!(
        count("head > meta[http-equiv='Content-Security-Policy'][content*=\"default-src 'none'\"]"),
        1
    );

    let main = parsed.select(&Selector::parse("main").unwrap()).next().unwrap();
    main.text().collect()
}

/// `main` is formatting, so a document may hold its own.
fn page_mains(payload: &str) -> usize {
    payload.matches("<main").count()
}

/// Every payload of which the end is well marked, so that the text behind it must survive.
pub(super) fn closed() -> Vec<String> {
    let mut all: Vec<String> = CLOSED.iter().map(|payload| (*payload).to_owned()).collect();
    for event in EVENTS {
        all.push(format!("<img src=x on{event}=alert(1)>"));
        all.push(format!("<p oN{event} = \"alert(1)\">words</p>"));
    }
    for (tag, attribute) in LOADING_ATTRIBUTES {
        for address in ADDRESSES {
            all.push(format!("<{tag} {attribute}=\"{address}\">"));
        }
    }
    for scheme in HIDDEN_SCHEMES {
        all.push(format!("<a href=\"{scheme}\">words</a>"));
        all.push(format!("<img src='{scheme}' alt=words>"));
    }
    all
}

#[test]
fn r_13_no_hostile_document_keeps_anything_active() {
    let payloads = closed();
    let distinct: BTreeSet<&String> = payloads.iter().collect();
    assert!(distinct.len() + SWALLOWING.len() >= 300, "only {} payloads", distinct.len());
    for payload in &payloads {
        let page = rendered(&document(&format!("<p>words before</p>{payload}<p>words after</p>")));
        let text = assert_harmless(payload, &page);
        assert!(text.starts_with("words before"), "{payload} lost the text before it: {text}");
        assert!(text.ends_with("words after"), "{payload} lost the text after it: {text}");
    }
}

#[test]
fn r_13_what_swallows_the_rest_leaves_the_text_before_it() {
    for payload in SWALLOWING {
        let page = rendered(&document(&format!("<p>words before</p>{payload}<p>words after</p>")));
        let text = assert_harmless(payload, &page);
        assert!(text.starts_with("words before"), "{payload} lost the text before it: {text}");
    }
}

#[test]
fn r_13_the_text_of_every_element_survives() {
    for tag in TAGS {
        let html = format!(
            "<p>before</p><{tag} onclick=x style=\"background:url(//x)\">words inside</{tag}><p>after</p>"
        );
        let text = assert_harmless(tag, &rendered(&document(&html)));
        assert!(text.contains("words inside"), "the text in {tag} is lost: {text}");
    }
}

#[test]
fn r_13_title_author_and_language_are_text() {
    let payloads = closed();
    for payload in payloads.iter().map(String::as_str).chain(SWALLOWING.iter().copied()) {
        let mut document = document("<p>words</p>");
        document.title = payload.to_owned();
        document.author = Some(payload.to_owned());
        document.language = Some(payload.to_owned());
        let page = rendered(&document);
        let parsed = Html::parse_document(&page);
        assert_eq!(violations(&parsed), Vec::<String>::new(), "{payload}");
        let heading = parsed.select(&Selector::parse("header h1").unwrap()).next().unwrap();
        let shown: String = heading.text().collect();
        let visible: String =
            payload.chars().filter(|c| c.is_whitespace() || !c.is_control()).collect();
        let expected = visible.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = if expected.is_empty() { "Untitled document" } else { &expected };
        assert_eq!(shown, expected);
    }
}
