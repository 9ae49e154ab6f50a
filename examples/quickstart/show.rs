//! What the quickstart prints: text for people, or one JSON document for machines.

use fluint_crm::SyncReport;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::tally::{Deals, Skips};

/// Collects and prints.
#[derive(Debug)]
pub(crate) struct Show {
    json: bool,
    document: Map<String, Value>,
}

impl Show {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, document: Map::new() }
    }

    /// Starts a chapter.
    pub(crate) fn chapter(&self, title: &str) {
        self.line("");
        self.line(&format!(
            "\u{2500}\u{2500} {title} {}",
            "\u{2500}".repeat(70 - title.len().min(60))
        ));
    }

    /// Prints a line for people.
    pub(crate) fn line(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }

    /// Keeps a value for machines.
    pub(crate) fn keep(&mut self, name: &str, value: Value) {
        self.document.insert(name.to_owned(), value);
    }

    /// Prints the JSON document, when asked for.
    pub(crate) fn finish(self) {
        if self.json {
            println!("{:#}", Value::Object(self.document));
        }
    }

    /// What a sync did, and how fast.
    pub(crate) fn sync(&mut self, name: &str, report: &SyncReport, requests: u64) {
        let counts = report.counts;
        let seconds = (report.finished_at - report.started_at).as_seconds_f64();
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let speed = counts.rows_read as f64 / seconds.max(0.001);
        self.line(&format!(
            "  {} rows in {} pages, {} requests, {seconds:.2} s ({speed:.0} rows/s); {} written",
            counts.rows_read, counts.pages, requests, counts.rows_written
        ));
        self.line(&format!(
            "  deals: {} created, {} updated, {} stopped; {} opportunities skipped; {} missing",
            counts.deals_created,
            counts.deals_updated,
            counts.deals_stopped,
            counts.skipped,
            counts.rows_missing
        ));
        let value = json!({ "counts": counts, "seconds": seconds, "requests": requests });
        self.keep(name, value);
    }

    /// Live deals by stage and currency.
    pub(crate) fn deals(&mut self, deals: &Deals) {
        let mut rows = Vec::new();
        for ((stage, currency), (count, total)) in &deals.groups {
            self.line(&format!("  {stage:44} {currency:4} {count:>5} {:>22}", grouped(*total)));
            rows.push(json!({
                "stage": stage, "currency": currency, "count": count, "total": total.to_string(),
            }));
        }
        self.keep("deals_by_stage", Value::Array(rows));
    }

    /// Skipped opportunities by reason, with an example and a hint of each kind.
    pub(crate) fn skipped(&mut self, name: &str, skipped: &Skips) {
        let groups = skipped.by_count();
        for (reason, group) in &groups {
            let example = group.example.name.as_deref().unwrap_or("(no name)");
            self.line(&format!("  {:>4} \u{d7} {reason}", group.count));
            self.line(&format!("         for example \u{201c}{example}\u{201d}"));
            if let Some(hint) = group.hinted.as_ref().and_then(|one| one.reason.hint()) {
                self.line(&format!("         hint: {hint}"));
            }
        }
        let value: Vec<Value> = groups
            .iter()
            .map(|(reason, group)| json!({ "reason": reason, "count": group.count }))
            .collect();
        self.keep(name, Value::Array(value));
    }
}

/// Prints an amount with thin groups of three and two decimals.
fn grouped(amount: Decimal) -> String {
    let text = format!("{:.2}", amount.round_dp(2));
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}.{fraction}")
}
