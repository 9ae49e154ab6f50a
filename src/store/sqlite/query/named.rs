//! The rows whose names hold what somebody typed.

use std::collections::BinaryHeap;

use memchr::memmem::Finder;
use rusqlite::Transaction;
use time::OffsetDateTime;

use crate::model::query::Scope;
use crate::model::{ConnectionId, Table};
use crate::rules::NameWords;
use crate::storage::fallback::{SortKey, SortedPage};
use crate::store::sqlite::codec::{json, owned_text};
use crate::store::sqlite::mirror::rows::Mirrored;
use crate::store::sqlite::packed;
use crate::store::sqlite::query::conditions::{Conditions, Leads, Order};
use crate::store::sqlite::trouble::Trouble;

/// Up to this many rows that hold the words are read one by one and sorted.
const FEW: usize = 1_000;

/// Conditions with the words of a name added, for a page of an order.
///
/// One leg after the other finds the page: where many rows hold the words, those that come first by
/// name are read where they lie, and the index is walked from there on.
pub(super) fn legs<'a, R: Mirrored>(
    tx: &Transaction<'_>,
    scope: &Scope,
    connections: &[(ConnectionId, Option<OffsetDateTime>)],
    words: Option<&str>,
    (page, order): (&SortedPage<R>, Order),
    mut conditions: Conditions<'a>,
) -> Result<Vec<Conditions<'a>>, Trouble> {
    conditions.named(words);
    let words = NameWords::new(words.unwrap_or_default());
    let is_open = conditions.leads() == Leads::Nowhere && !words.is_empty();
    if !is_open || !packed::is_packed(R::TABLE) {
        return Ok(vec![conditions]);
    }
    let after = page.after().map(|(key, ..)| key).filter(|_| order.is_by_name());
    let mut found = Found { first: BinaryHeap::new(), is_all: true };
    // What lacks a name holds no word.
    if after != Some(&SortKey::Absent) {
        found.search(tx, scope, connections, (R::TABLE, &words), after)?;
    }
    if found.is_all {
        let rows: Vec<_> = found.first.into_iter().map(|(_, row)| row).collect();
        return Ok(vec![only(conditions, &rows)?]);
    }
    if !order.is_by_name() {
        // So many that walking along the order finds a page.
        return Ok(vec![conditions]);
    }
    let last = found.first.peek().map(|(last, _)| last.clone()).unwrap_or_default();
    let mut rest = conditions.clone();
    rest.and("r.name_key >= ?", [owned_text(last.clone())]);
    let before = found.first.into_iter().filter(|(name, _)| *name < last);
    let before: Vec<_> = before.map(|(_, row)| row).collect();
    Ok(vec![only(conditions, &before)?, rest])
}

/// What a search through all names has found.
struct Found {
    /// The first rows by name, with their names: few at most.
    first: BinaryHeap<(String, i64)>,
    /// Whether there are no others.
    is_all: bool,
}

impl Found {
    /// Searches the names of a packed table from a place in their order on.
    fn search(
        &mut self,
        tx: &Transaction<'_>,
        scope: &Scope,
        connections: &[(ConnectionId, Option<OffsetDateTime>)],
        (table, words): (Table, &NameWords),
        after: Option<&SortKey>,
    ) -> Result<(), Trouble> {
        let after = match after {
            Some(SortKey::Text(name)) => name,
            _ => "",
        };
        // Few names hold the longest word, and only these are looked at.
        let longest = words.iter().map(|word| word.text.trim_start()).max_by_key(|it| it.len());
        let longest = Finder::new(longest.unwrap_or_default());
        for (connection, _) in connections {
            packed::each(tx, (&scope.workspace, *connection), table, |first, block| {
                let names = block.names_with(&longest).filter(|(_, name)| *name >= after);
                for (slot, name) in names.filter(|(_, name)| words.are_in_folded(name)) {
                    self.keep(name, first + slot);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, row: i64) {
        if self.first.len() >= FEW {
            self.is_all = false;
            if self.first.peek().is_some_and(|(last, _)| last.as_str() <= name) {
                return;
            }
            self.first.pop();
        }
        self.first.push((name.to_owned(), row));
    }
}

/// Narrows conditions down to some rows.
fn only<'a>(mut conditions: Conditions<'a>, rows: &[i64]) -> Result<Conditions<'a>, Trouble> {
    // Many values in one, so that one statement serves them all.
    conditions.and("r.row IN (SELECT value FROM json_each(?))", [json(&rows)?]);
    conditions.lead(Leads::ToFew("NOT INDEXED"));
    Ok(conditions)
}
