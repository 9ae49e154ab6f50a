//! Who is meant: one, several of the same name, or a question back.

use std::cmp::Reverse;

use super::NameKey;
use super::similarity::{Query, Similarity};

/// How many close names are offered at most.
const MAX_CLOSE: usize = 5;

/// A candidate that the query may mean.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain answer, taken apart by who asked")]
pub struct NameMatch<'a, T> {
    /// What the caller gave with the name.
    pub id: T,
    /// The name as it was given.
    pub name: &'a str,
    /// How near it is.
    pub similarity: Similarity,
}

/// Who is meant by a name.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "whoever asks must answer each of them")]
pub enum Resolved<'a, T> {
    /// One carries the name.
    Exact(NameMatch<'a, T>),
    /// Two or more carry it, by name and then id: ask which one.
    SameName(Vec<NameMatch<'a, T>>),
    /// Nobody carries it; these five at most come near, the nearest first. Ask, even about one.
    Close(Vec<NameMatch<'a, T>>),
    /// Nothing comes near.
    Nothing,
}

/// How the query equals a name, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Equality {
    AsTyped,
    Folded,
    Core,
}

/// Finds who is meant by a name among candidates, in whatever order they come.
///
/// A name equal as typed beats one equal when folded, which beats one equal but for a legal form
/// that was left out. Nothing is guessed: two of a kind are reported as two, and a close name is
/// always a question. An id listed twice counts once.
///
/// # Example
/// ```
/// use fluint_crm::rules::{Resolved, resolve};
///
/// let accounts = [(1, "Contoso GmbH"), (2, "Fabrikam, Inc."), (3, "Fabrikam Ltd")];
/// assert!(matches!(resolve("contoso", accounts), Resolved::Exact(found) if found.id == 1));
/// assert!(matches!(resolve("Fabrikam", accounts), Resolved::SameName(both) if both.len() == 2));
/// assert!(matches!(resolve("Contosso", accounts), Resolved::Close(near) if near[0].id == 1));
/// assert_eq!(resolve("Northwind", accounts), Resolved::Nothing);
/// ```
#[must_use]
pub fn resolve<'a, T: Ord>(
    query: &str,
    candidates: impl IntoIterator<Item = (T, &'a str)>,
) -> Resolved<'a, T> {
    let typed = query.trim();
    if typed.is_empty() {
        return Resolved::Nothing;
    }
    let query = Query::new(typed);
    let mut best = None;
    let mut equal = Vec::new();
    let mut close = Vec::new();
    for (id, name) in candidates {
        let (equality, similarity, is_of_other_form) = compare(typed, &query, name);
        let found = NameMatch { id, name, similarity };
        match equality {
            Some(equality) if best.is_none_or(|best| equality <= best) => {
                if best != Some(equality) {
                    equal.clear();
                }
                best = Some(equality);
                equal.push(found);
            }
            None if best.is_none() && similarity.is_close() => {
                close.push((is_of_other_form, found))
            }
            _ => {}
        }
    }
    equal.sort_unstable_by(|a, b| (a.name, &a.id).cmp(&(b.name, &b.id)));
    // Of names that are as near, those with the legal form that was typed come first.
    close.sort_unstable_by(|(a_form, a), (b_form, b)| {
        let (a_near, b_near) = (Reverse(a.similarity), Reverse(b.similarity));
        (a_near, a_form, a.name, &a.id).cmp(&(b_near, b_form, b.name, &b.id))
    });
    let close: Vec<_> = close.into_iter().map(|(_, found)| found).collect();
    let mut equal = first_of_each(equal, usize::MAX);
    match equal.len() {
        0 if close.is_empty() => Resolved::Nothing,
        0 => Resolved::Close(first_of_each(close, MAX_CLOSE)),
        1 => equal.pop().map_or(Resolved::Nothing, Resolved::Exact),
        _ => Resolved::SameName(equal),
    }
}

/// How a name equals what was typed, how near it is, and whether its legal form is another.
fn compare(typed: &str, query: &Query, name: &str) -> (Option<Equality>, Similarity, bool) {
    if name.trim() == typed {
        return (Some(Equality::AsTyped), Similarity::SAME, false);
    }
    let key = NameKey::new(name);
    let similarity = query.similarity(&key);
    let equality = match similarity {
        Similarity::SAME_FOLDED => Some(Equality::Folded),
        Similarity::SAME_CORE => Some(Equality::Core),
        _ => None,
    };
    (equality, similarity, query.key.is_of_other_form(&key))
}

/// The first match of each id, in the order given.
fn first_of_each<T: Ord>(matches: Vec<NameMatch<'_, T>>, most: usize) -> Vec<NameMatch<'_, T>> {
    let mut by_id: Vec<usize> = (0..matches.len()).collect();
    by_id.sort_by(|&a, &b| matches[a].id.cmp(&matches[b].id));
    by_id.dedup_by(|later, first| matches[*later].id == matches[*first].id);
    by_id.sort_unstable();
    let mut kept = by_id.into_iter().take(most).peekable();
    let matches = matches.into_iter().enumerate();
    matches.filter(|(at, _)| kept.next_if_eq(at).is_some()).map(|(_, found)| found).collect()
}
