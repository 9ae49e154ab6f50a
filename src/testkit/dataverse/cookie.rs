//! The paging cookie inside `$skiptoken`.

use sha2::{Digest, Sha256};

use crate::testkit::dataverse::call::Call;
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::percent;
use crate::testkit::dataverse::query::Order;
use crate::testkit::dataverse::refusal::{Answer, Refusal};
use crate::testkit::dataverse::schema::Definition;

/// Where a chain of pages stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cookie {
    /// The page to read, from 2 on.
    pub(crate) page: u64,
    /// The sort key of the last row that was answered; none when no row was.
    pub(crate) last: Option<Vec<Cell>>,
}

const TOKEN: &str = "$skiptoken=";

impl Cookie {
    /// Reads the cookie of a request; one that was changed in any way is refused.
    pub(crate) fn of(
        call: &Call<'_>,
        definition: &Definition,
        order: &Order,
        page_size: usize,
    ) -> Answer<Option<Self>> {
        let raw = call.request.url.query().unwrap_or("");
        let (before, token) = match raw.rsplit_once(TOKEN) {
            Some(split) => split,
            None if call.option("$skiptoken").is_some() => return Err(mismatch()),
            None => return Ok(None),
        };
        let path = call.request.url.path();
        let outer = percent::decode(token);
        let page = attribute(&outer, "pagenumber").and_then(|text| text.parse().ok());
        let page = page.filter(|page| *page >= 2).ok_or_else(bad_page)?;
        let inner = attribute(&outer, "pagingcookie").map(|text| percent::decode(&text));
        let inner = inner.ok_or_else(mismatch)?;
        let (body, sum) = inner.rsplit_once("<sum v=\"").ok_or_else(mismatch)?;
        let sum = sum.strip_suffix("\"/></cookie>").ok_or_else(mismatch)?;
        if sum != checksum(path, before.trim_end_matches('&'), page_size, page, body) {
            return Err(mismatch());
        }
        let last = order.0.iter().map(|(column, _)| {
            let column = &definition.columns[*column];
            match attribute(body, &format!("{}.last", column.name)) {
                Some(text) => Cell::parse(&column.kind, &unescape(&text)),
                None if body.contains(&format!("{}.null", column.name)) => Some(Cell::Null),
                None => None,
            }
        });
        let cookie = Self { page, last: last.collect::<Option<Vec<_>>>() };
        // The text must be the very text that was given out, not another spelling of it.
        if cookie.token(path, before, definition, order, page_size) != token {
            return Err(mismatch());
        }
        Ok(Some(cookie))
    }

    /// The link to the next page, an absolute URL.
    pub(crate) fn link(
        &self,
        call: &Call<'_>,
        definition: &Definition,
        order: &Order,
        page_size: usize,
    ) -> String {
        let path = call.request.url.path();
        let raw = call.request.url.query().unwrap_or("");
        let before = raw.rsplit_once(TOKEN).map_or(raw, |(before, _)| before);
        let before = before.trim_end_matches('&');
        let joint = if before.is_empty() { "" } else { "&" };
        let token = self.token(path, before, definition, order, page_size);
        format!("{}{path}?{before}{joint}{TOKEN}{token}", call.origin())
    }

    fn token(
        &self,
        path: &str,
        before: &str,
        definition: &Definition,
        order: &Order,
        page_size: usize,
    ) -> String {
        let mut body = format!("<cookie page=\"{}\">", self.page - 1);
        for ((column, _), cell) in order.0.iter().zip(self.last.iter().flatten()) {
            let name = &definition.columns[*column].name;
            body += &match cell.to_text() {
                Some(text) => format!("<{name} {name}.last=\"{}\"/>", escape(&text)),
                None => format!("<{name} {name}.null=\"1\"/>"),
            };
        }
        let sum = checksum(path, before.trim_end_matches('&'), page_size, self.page, &body);
        let inner = percent::encode(&format!("{body}<sum v=\"{sum}\"/></cookie>"));
        let outer = format!(
            "<cookie pagenumber=\"{}\" pagingcookie=\"{inner}\" istracking=\"False\" />",
            self.page
        );
        // As Dataverse writes it: the outer cookie keeps `=` and `/`, in upper-case digits.
        outer
            .replace('%', "%25")
            .replace('<', "%3C")
            .replace('>', "%3E")
            .replace('"', "%22")
            .replace(' ', "%20")
    }
}

fn mismatch() -> Refusal {
    Refusal::new(400, "0x80041129", "The paging cookie does not match the query.")
}

fn bad_page() -> Refusal {
    Refusal::new(400, "0x8004112A", "Invalid page number in the paging cookie.")
}

fn checksum(path: &str, query: &str, page_size: usize, page: u64, body: &str) -> String {
    let digest = Sha256::digest(format!("{path}?{query}#{page_size}#{page}#{body}"));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    text.replace("&gt;", ">").replace("&lt;", "<").replace("&quot;", "\"").replace("&amp;", "&")
}
