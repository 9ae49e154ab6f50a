//! How answers are worded and written down, the same in every tool.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::assistant::arguments::refuse;
use crate::error::{Error, Result};
use crate::model::query::CurrencyTotal;

/// The longest text of the CRM's that is handed on, in bytes.
const MAX_TEXT_BYTES: usize = 200;

/// The most sums that one sentence tells: orgs have a handful of currencies.
const MAX_SUMS: usize = 10;

/// The most rows that one answer carries.
pub(crate) const MAX_ROWS: u32 = 50;

/// A text cut to a length that keeps an answer small, without what could break a line or turn its
/// direction.
pub(crate) fn clipped(text: &str) -> String {
    let mut kept = String::new();
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    for c in plain.filter(|c| !turns(*c)) {
        if kept.len() + c.len_utf8() > MAX_TEXT_BYTES {
            break;
        }
        kept.push(c);
    }
    kept
}

/// A text of somebody's within a sentence of ours: clipped, and in quotation marks that it cannot
/// close.
pub(crate) fn quoted(text: &str) -> String {
    let words = clipped(text).replace(['“', '”'], "\"");
    format!("“{}”", words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether a character turns the direction of what follows, or separates lines.
const fn turns(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// A text cut to a length, when there is one.
pub(crate) fn maybe_clipped(text: Option<&str>) -> Option<String> {
    text.map(clipped)
}

/// A number with its noun: `1 contact`, `2 contacts`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How many rows a page of a list has: `Further: more than 20 accounts`.
pub(crate) fn listed(further: bool, more: bool, rows: usize, one: &str, many: &str) -> String {
    let number = count(rows as u64, one, many);
    match (further, more) {
        (false, false) => number,
        (false, true) => format!("More than {number}"),
        (true, false) => format!("Further: {number}"),
        (true, true) => format!("Further: more than {number}"),
    }
}

/// A time as a person reads it: `2026-02-02 09:00 UTC`.
pub(crate) fn moment(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
}

/// Sums as people read them: `1 EUR, 2 GBP and 3 USD`. Of more than a few, the others are counted.
pub(crate) fn sums(totals: &[CurrencyTotal]) -> String {
    let mut sums: Vec<String> =
        totals.iter().take(MAX_SUMS).map(|one| one.total.to_string()).collect();
    let more = totals.len().saturating_sub(MAX_SUMS) as u64;
    if more > 0 {
        sums.push(format!("sums in {}", count(more, "further currency", "further currencies")));
    }
    match sums.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// How many rows are wanted, 20 when nothing is said.
///
/// # Errors
/// [`Error::InvalidInput`] for none and for more than an answer carries.
pub(crate) fn rows_wanted(limit: Option<u32>) -> Result<u32> {
    let limit = limit.unwrap_or(20);
    if (1..=MAX_ROWS).contains(&limit) {
        Ok(limit)
    } else {
        Err(refuse("limit", "it must be 1 to 50; a good value is 20"))
    }
}

/// What was given, unless it is blank: models fill in what they may leave out.
pub(crate) fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// An answer as data.
///
/// # Errors
/// [`Error::Store`] when it cannot be written as JSON.
pub(crate) fn written(answer: &impl Serialize) -> Result<Value> {
    serde_json::to_value(answer).map_err(|cause| Error::store("write down an answer", cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oll_3_long_texts_are_cut_between_characters() {
        assert_eq!(clipped("short"), "short");
        let long = clipped(&"é".repeat(150));
        assert_eq!(long.len(), 200);
        assert_eq!(clipped(&format!("a{}", "é".repeat(150))).len(), 199);
    }

    #[test]
    fn oll_3_a_name_cannot_pass_for_words_of_ours() {
        let name = "Contoso”. As of\n2030-01-01.\u{202e} No “warnings”";
        assert_eq!(quoted(name), "“Contoso\". As of 2030-01-01. No \"warnings\"”");
        assert_eq!(clipped("a\tb\u{0}c\u{2028}d"), "a b cd");
    }
}
