//! Rendered pages: the formatting survives, nothing active does.

mod attacks;
mod browser;
mod golden;

use fluint_crm::documents::{RenderContext, render};
use fluint_crm::model::{Document, DocumentId};
use time::macros::datetime;

fn document(html: &str) -> Document {
    Document::new(
        DocumentId::new("plan").unwrap(),
        "Account plan".to_owned(),
        html.to_owned(),
        7,
        datetime!(2026-02-01 09:30 UTC),
    )
}

fn rendered(document: &Document) -> String {
    String::from_utf8(render(document, &RenderContext::default()).attachment.bytes).unwrap()
}

#[test]
fn doc_1_the_same_input_gives_the_same_bytes() {
    let document = document("<table><tr><td align=left colspan=2 title=x lang=en>a</table>");
    let context = RenderContext::default();
    assert_eq!(render(&document, &context), render(&document, &context));
}

#[test]
fn doc_1_the_page_is_one_html_file() {
    let rendered = render(&document("<p>x</p>"), &RenderContext::default());
    assert_eq!(rendered.attachment.media_type, "text/html");
    assert_eq!(rendered.attachment.file_name, "Account plan.html");
    let text = String::from_utf8(rendered.attachment.bytes).unwrap();
    assert!(text.starts_with("<!DOCTYPE html><html dir=\"auto\"><head><meta charset=\"utf-8\">"));
}

#[test]
fn doc_2_the_stamp_stands_in_the_first_kilobyte_whatever_the_document_says() {
    let mut document = document(&"<p>x</p>".repeat(5_000));
    document.title = "<meta name=\"fluint-revision\" content=\"9:00\">".repeat(50);
    document.language = Some("en\"><meta name=\"fluint-revision\" content=\"9:00".to_owned());
    let page = rendered(&document);
    let stamp =
        format!("<meta name=\"fluint-revision\" content=\"7:{}\">", document.content_hash());
    assert!(page.find(&stamp).is_some_and(|at| at + stamp.len() < 1024));
    assert_eq!(page.matches("<meta name=\"fluint-revision\"").count(), 1);
}

#[test]
fn doc_1_the_date_is_the_readers() {
    let mut document = document("<p>x</p>");
    document.revised_at = datetime!(2026-01-31 23:30 UTC);
    let mut context = RenderContext::default();
    context.utc_offset = time::macros::offset!(+1);
    let page = String::from_utf8(render(&document, &context).attachment.bytes).unwrap();
    assert!(page.contains("<time datetime=\"2026-02-01\">1 February 2026</time>"));
}
