//! Pages as they go over the wire: made once by the fake, compressed, kept.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};
use std::io::{Read, Write as _};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::server::http::{Answer, Head};

/// The first page of a chain: what a plain loop asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) set: String,
    pub(crate) target: String,
    pub(crate) prefer: String,
}

/// How much the kept pages of a set are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) pages: u64,
    pub(crate) rows: u64,
    pub(crate) json_bytes: u64,
    pub(crate) sent_bytes: u64,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (json, sent) = (self.json_bytes as f64 / 1e6, self.sent_bytes as f64 / 1e6);
        let a_row = self.json_bytes / self.rows.max(1);
        write!(
            f,
            "{} rows on {} pages, {json:.1} MB of JSON ({a_row} bytes a row), {sent:.1} MB sent",
            self.rows, self.pages
        )
    }
}

#[derive(Default)]
pub(crate) struct Pages {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<String, Answer>,
    starts: Vec<Start>,
    sizes: BTreeMap<String, Size>,
    generation: u64,
}

/// Every how many rows one changes between two generations: 1%.
const ONE_IN: u64 = 100;
const CHANGED_VERSION: u64 = 5_000_000_000;
const ROW: &str = "{\"@odata.etag\":\"W/\\\"";
const VERSION: &str = "\"versionnumber\":";

impl Pages {
    pub(crate) fn find(&self, head: &Head) -> Option<Answer> {
        if head.method != "GET" {
            return None;
        }
        self.lock().answers.get(&key(head)).cloned()
    }

    /// Keeps an answer of the fake, and gives it as it will be sent from now on.
    pub(crate) fn keep(&self, head: &Head, answer: &Answer) -> Result<Answer> {
        let compressed = compressed(answer, &answer.body)?;
        let text = String::from_utf8_lossy(&answer.body);
        let rows = text.matches(ROW).count() as u64;
        let mut kept = self.lock();
        let size = kept.sizes.entry(head.set().to_owned()).or_default();
        size.pages += 1;
        size.rows += rows;
        size.json_bytes += answer.body.len() as u64;
        size.sent_bytes += compressed.body.len() as u64;
        if is_start(&head.target) {
            kept.starts.push(Start {
                set: head.set().to_owned(),
                target: head.target.clone(),
                prefer: head.header("prefer").unwrap_or_default().to_owned(),
            });
        }
        kept.answers.insert(key(head), compressed.clone());
        Ok(compressed)
    }

    pub(crate) fn starts(&self) -> Vec<Start> {
        self.lock().starts.clone()
    }

    pub(crate) fn sizes(&self) -> BTreeMap<String, Size> {
        self.lock().sizes.clone()
    }

    /// Gives another hundredth of the rows a new version; tells how many rows that were.
    pub(crate) fn change(&self) -> Result<u64> {
        let mut kept = self.lock();
        kept.generation += 1;
        let generation = kept.generation;
        let mut changed = 0;
        for answer in kept.answers.values_mut() {
            let mut text = String::new();
            GzDecoder::new(&*answer.body).read_to_string(&mut text)?;
            let (text, rows) = with_changes(&text, generation);
            changed += rows;
            *answer = compressed(answer, text.as_bytes())?;
        }
        Ok(changed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(head: &Head) -> String {
    format!("{}\n{}", head.target, head.header("prefer").unwrap_or_default())
}

/// Whether a whole list is read from its beginning, in the order of its key: no range, no probe.
fn is_start(target: &str) -> bool {
    let Some((_, order)) = target.split_once("$orderby=") else {
        return false;
    };
    !order.contains("createdon") && !target.contains("$skiptoken") && !target.contains("$top")
}

fn compressed(answer: &Answer, body: &[u8]) -> Result<Answer> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 6), Compression::fast());
    encoder.write_all(body)?;
    let head = String::from_utf8_lossy(&answer.head);
    let mut headers = String::new();
    for line in head.split("\r\n").skip(1).filter(|line| !line.is_empty()) {
        let is_ours = line.starts_with("content-length") || line.starts_with("content-encoding");
        if !is_ours {
            headers += line;
            headers += "\r\n";
        }
    }
    headers += "content-encoding: gzip\r\n";
    Ok(Answer::new(answer.status, &headers, encoder.finish()?))
}

fn with_changes(page: &str, generation: u64) -> (String, u64) {
    let mut pieces = page.split(ROW);
    let mut changed = String::with_capacity(page.len() + page.len() / 100);
    changed.push_str(pieces.next().unwrap_or_default());
    let (version, mut rows) = (CHANGED_VERSION + generation, 0);
    for (row, at) in pieces.zip(0_u64..) {
        changed.push_str(ROW);
        match row.split_once(VERSION).filter(|_| at % ONE_IN == generation % ONE_IN) {
            Some((before, after)) => {
                rows += 1;
                let before = before.trim_start_matches(|c: char| c.is_ascii_digit());
                let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
                // Writing to a string cannot fail.
                let _ = write!(changed, "{version}{before}{VERSION}{version}{after}");
            }
            None => changed.push_str(row),
        }
    }
    (changed, rows)
}
