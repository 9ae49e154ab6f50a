//! How answers are worded and written down, the same in every tool.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::assistant::arguments::refuse;
use crate::error::{Error, Result};

/// The longest text of the CRM's that is handed on, in bytes.
const MAX_TEXT_BYTES: usize = 200;

/// The most rows that one answer carries.
pub(crate) const MAX_ROWS: u32 = 50;

/// A text cut to a length that keeps an answer small.
pub(crate) fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}

/// A text cut to a length, when there is one.
pub(crate) fn maybe_clipped(text: Option<&str>) -> Option<String> {
    text.map(clipped)
}

/// A number with its noun: `1 contact`, `2 contacts`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A time as a person reads it: `2026-02-02 09:00 UTC`.
pub(crate) fn moment(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
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
}
