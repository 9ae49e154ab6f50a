//! Which row a person means by a name, out of those whose names come near; never a guess.

use std::cmp::Reverse;

use crate::model::query::Found;
use crate::rules::{NameMatch, Resolved, resolve, similarity};
use crate::storage::fallback::Called;

/// Rows whose names come near that are looked at; more of exactly one name are not told apart.
pub(crate) const LOOKED_AT: u32 = 50;

/// How many rows are offered when a name is not clear.
pub(crate) const MAX_OFFERED: usize = 10;

/// The rows that a name may mean.
pub(crate) enum Meant<'a, R> {
    /// Nobody carries the name, these come near: ask, even about one.
    Close(Vec<&'a Found<R>>),
    /// Nothing is called anything like it.
    Nothing,
    /// One carries the name.
    One(&'a Found<R>),
    /// Several carry it: ask which one.
    SameName(Vec<&'a Found<R>>),
}

/// Finds what a name means among the rows that come near, the nearest first; `limit` is how many of
/// those were read at most.
pub(crate) fn meant<'a, R: Called>(name: &str, near: &'a [Found<R>], limit: u32) -> Meant<'a, R> {
    let names = near.iter().enumerate();
    let names = names.filter_map(|(at, found)| Some((at, found.row.name()?)));
    let rows = |matches: Vec<NameMatch<'_, usize>>| {
        matches.into_iter().filter_map(|one| near.get(one.id)).collect()
    };
    match resolve(name, names) {
        // Where the last one read carries the name, more may that were not read.
        Resolved::Exact(one) if is_cut(name, near, limit) => Meant::SameName(rows(vec![one])),
        Resolved::Exact(one) => near.get(one.id).map_or(Meant::Nothing, Meant::One),
        Resolved::SameName(several) => Meant::SameName(rows(several)),
        Resolved::Close(several) => Meant::Close(rows(several)),
        Resolved::Nothing => Meant::Nothing,
    }
}

/// Whether there may be more rows of the name than were read.
pub(crate) fn is_cut<R: Called>(name: &str, near: &[Found<R>], limit: u32) -> bool {
    let is_full = near.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let last = near.last().and_then(|last| last.row.name()).filter(|_| is_full);
    last.is_some_and(|last| matches!(resolve(name, [((), last)]), Resolved::Exact(_)))
}

/// Of some rows, those with names near to one, the nearest first.
pub(crate) fn close<R: Called>(name: &str, rows: Vec<Found<R>>) -> Vec<Found<R>> {
    let near = rows.into_iter().filter_map(|found| {
        let near = similarity(name, found.row.name()?);
        near.is_close().then_some((near, found))
    });
    let mut near: Vec<_> = near.collect();
    near.sort_by_key(|(near, _)| Reverse(*near));
    near.into_iter().map(|(_, found)| found).collect()
}
