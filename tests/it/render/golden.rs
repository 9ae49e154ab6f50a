//! Golden pages: open them in a browser to see what a customer sees.
//!
//! `UPDATE_GOLDEN=1 cargo nextest run golden` rewrites them.

use std::path::Path;

use fluint_crm::model::Document;

use super::{document, rendered};

#[track_caller]
fn matches_golden(name: &str, document: &Document) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let page = rendered(document);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(page == golden, "{name} changed; look at it, then rewrite it with UPDATE_GOLDEN=1");
}

/// An image of four coloured dots, stretched.
const IMAGE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGPgjln7rEKDwWZB1AmbKAAj6gUvvjnw0gAAAABJRU5ErkJggg==";

#[test]
fn doc_1_golden_formatting() {
    let columns: String = (1..=14).map(|n| format!("<th>Milestone {n}</th>")).collect();
    let cells: String =
        (1..=14).map(|n| format!("<td>2026-{:02}-15, signed off</td>", n.min(12))).collect();
    let html = format!(
        "<h2>Goals</h2><p>Win the <strong>renewal</strong> with <em>fewer</em> surprises, as agreed on \
         <a href=\"https://example.com/call?id=1&amp;x=2\">the call</a> or by \
         <a href=\"mailto:ada@example.com\">mail</a>.</p>\
         <h3>Steps</h3><ol><li>Prepare<ul><li>Numbers<ul><li>by region</li><li>by product</li></ul></li>\
         <li>Stakeholders</li></ul></li><li>Meet</li><li>Decide</li></ol>\
         <h3>Timeline</h3><table><caption>Wider than any screen</caption><thead><tr><th>Team</th>{columns}</tr></thead>\
         <tbody><tr><td>Sales</td>{cells}</tr><tr><td>Legal</td>{cells}</tr></tbody></table>\
         <h3>Prices</h3><table><tr><th>Item</th><th style=\"text-align: right\">EUR</th></tr>\
         <tr><td>Licence</td><td style=\"text-align: right\">12,500.50</td></tr>\
         <tr><td>Support</td><td style=\"text-align: right\">1,200.00</td></tr></table>\
         <blockquote><p>We need this before the quarter ends.</p></blockquote>\
         <p>The query is <code>status = 'open' AND value &gt; 1000</code>:</p>\
         <pre><code>SELECT name, value\n  FROM deals\n WHERE status = 'open' -- and a comment that runs on for longer than the page is wide, so it scrolls\n</code></pre>\
         <figure><img src=\"{IMAGE}\" alt=\"Four squares\" width=\"120\" height=\"120\"><figcaption>Coverage</figcaption></figure>\
         <details><summary>Background</summary><p>Unfolded, so that print shows it.</p></details><hr><p>End.</p>"
    );
    let mut document = document(&html);
    document.author = Some("Ada Lovelace".to_owned());
    document.language = Some("en".to_owned());
    matches_golden("formatting.html", &document);
}

#[test]
fn doc_1_golden_arabic() {
    let mut document = document(
        "<h2>الأهداف</h2><p>تجديد العقد مع <strong>شركة Contoso</strong> قبل نهاية الربع.</p>\
         <ul><li>تحضير الأرقام<ul><li>حسب المنطقة</li></ul></li><li>الاجتماع</li></ul>\
         <table><tr><th>البند</th><th>القيمة</th></tr><tr><td>الترخيص</td><td>12,500.50 EUR</td></tr></table>\
         <blockquote><p>نحتاج هذا قريبًا.</p></blockquote><pre><code>let x = 1;</code></pre>",
    );
    document.title = "خطة الحساب".to_owned();
    document.author = Some("Ada Lovelace".to_owned());
    document.language = Some("ar".to_owned());
    matches_golden("arabic.html", &document);
}

#[test]
fn doc_1_golden_japanese() {
    let mut document = document(
        "<h2>目標</h2><p>四半期末までに<strong>契約を更新</strong>する。<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby></p>\
         <ol><li>資料の準備</li><li>打ち合わせ</li></ol>\
         <table><tr><th>項目</th><th>金額</th></tr><tr><td>ライセンス</td><td>￥1,250,000</td></tr></table>",
    );
    document.title = "アカウント計画".to_owned();
    document.author = Some("山田 太郎".to_owned());
    document.language = Some("ja".to_owned());
    matches_golden("japanese.html", &document);
}

#[test]
fn doc_1_golden_empty() {
    let mut document = document("<p>&nbsp;</p>");
    document.title = " ".to_owned();
    matches_golden("empty.html", &document);
}
