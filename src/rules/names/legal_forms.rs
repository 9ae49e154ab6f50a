//! Legal forms: "GmbH", "Inc.", "株式会社". Part of a name on paper, left out when people type.

use std::ops::Range;

mod table;

use table::{AFTER, BEFORE, DENSE_AFTER, DENSE_BEFORE, SPELLINGS};

/// How many forms a name may carry in a row: "GmbH & Co. KG" has three.
const MAX_FORMS: usize = 5;

/// How many words one form has at most.
const MAX_WORDS: usize = 6;

/// Where the name without its legal forms stands in the folded one.
pub(super) fn core(folded: &str) -> Range<usize> {
    let mut core = 0..folded.len();
    for _ in 0..MAX_FORMS {
        let Some(end) = without_form_after(&folded[core.clone()]) else { break };
        core.end = core.start + end;
    }
    for _ in 0..MAX_FORMS {
        let Some(start) = without_form_before(&folded[core.clone()]) else { break };
        core.start += start;
    }
    core
}

/// The forms before and after a name, spelt in one way, so that "Limited" is "Ltd".
pub(super) fn form(before: &str, after: &str) -> String {
    let mut form = String::new();
    // Longer spellings stand first in their row of the table, words are replaced one by one.
    for part in [before, after] {
        let mut part = part.trim();
        while let Some(word) = part.split(' ').next().filter(|word| !word.is_empty()) {
            let spelt = SPELLINGS.iter().find(|(long, _)| {
                part.strip_prefix(long).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            let (length, word) =
                spelt.map_or((word.len(), word), |(long, short)| (long.len(), short));
            // "and" and "the" are no forms, only what stood between.
            if !matches!(word, "and" | "the") {
                form.push_str(word);
            }
            part = part[length..].trim_start();
        }
    }
    form
}

/// Where the name ends when its last legal form is taken off.
fn without_form_after(name: &str) -> Option<usize> {
    let spaces = name.rmatch_indices(' ').map(|(at, _)| at).take(MAX_WORDS);
    // The longest form that fits: "Pty Ltd" before "Ltd".
    let spelt = spaces.filter(|&at| is_one_of(AFTER, &name[at + 1..])).min();
    let end = spelt
        .or_else(|| spaced_initials(name))
        .or_else(|| DENSE_AFTER.iter().find_map(|form| name.strip_suffix(form)).map(str::len))?;
    let rest = name[..end].trim_end();
    // "Smith & Co": the "and" belongs to what was taken off.
    let rest = rest.strip_suffix(" and").unwrap_or(rest);
    (!rest.is_empty() && rest != "and").then_some(rest.len())
}

/// Where the name ends before a form whose letters were typed apart: "Contoso S A".
fn spaced_initials(name: &str) -> Option<usize> {
    let mut letters = String::new();
    let mut found = None;
    for (at, _) in name.rmatch_indices(' ').take(MAX_WORDS) {
        let mut word = name[at + 1..].split(' ').next()?.chars();
        match (word.next(), word.next()) {
            (Some(letter), None) => letters.insert(0, letter),
            _ => break,
        }
        if letters.chars().count() > 1 && is_one_of(AFTER, &letters) {
            found = Some(at);
        }
    }
    found
}

/// Where the name begins when its first legal form is taken off.
fn without_form_before(name: &str) -> Option<usize> {
    let spaces = name.match_indices(' ').map(|(at, _)| at).take(MAX_WORDS);
    let spelt = spaces.filter(|&at| is_one_of(BEFORE, &name[..at])).max();
    let start = spelt.or_else(|| {
        let form = DENSE_BEFORE.iter().find(|form| name.starts_with(**form))?;
        Some(form.len())
    })?;
    let rest = name[start..].trim_start();
    (!rest.is_empty()).then(|| name.len() - rest.len())
}

fn is_one_of(forms: &[&str], text: &str) -> bool {
    forms.binary_search(&text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::NameKey;

    #[test]
    fn oll_2_legal_forms_stand_in_order_and_are_folded() {
        for table in [AFTER, BEFORE] {
            assert!(table.is_sorted_by(|left, right| left < right));
        }
        let spellings = SPELLINGS.iter().flat_map(|(long, short)| [*long, *short]);
        let tables = [AFTER, BEFORE, DENSE_AFTER, DENSE_BEFORE].into_iter().flatten().copied();
        for form in tables.chain(spellings) {
            assert_eq!(NameKey::new(form).folded(), form);
            assert!(form.split(' ').count() <= MAX_WORDS, "{form}");
        }
    }
}
