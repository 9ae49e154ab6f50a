//! The names nearest to what was typed, out of many.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::NameKey;
use super::similarity::Query;

/// Names compared in full: the best at a glance, of however many there are. Comparing costs
/// microseconds each, and an org may have a hundred thousand accounts called "Account 00001" and so on.
const MOST_COMPARED: usize = 1_000;

/// Keeps the nearest of all the names that it is shown.
pub(crate) struct Nearest<K, V> {
    query: Query,
    glance: Glance,
    limit: usize,
    seen: BinaryHeap<Seen<K, V>>,
}

/// A name worth comparing; ordered by its place alone, so that the first to give up is the greatest.
struct Seen<K, V> {
    place: (Reverse<Likeness>, String, K),
    value: V,
}

/// How like the query a name looks at a glance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Likeness(u32);

impl<K: Ord, V> Nearest<K, V> {
    pub(crate) fn new(name: &str, limit: usize) -> Self {
        let query = Query::new(name);
        let glance = Glance::of(&query);
        Self { query, glance, limit, seen: BinaryHeap::new() }
    }

    /// Whether nothing was typed that could be near anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.query.key.folded().is_empty()
    }

    /// How like the query a folded name looks, if it may be near; then [`keep`](Self::keep) it.
    pub(crate) fn weigh(&self, folded: &str) -> Option<Likeness> {
        let likeness = self.glance.likeness(folded)?;
        let worst = self.seen.peek().filter(|_| self.seen.len() >= MOST_COMPARED);
        let is_worse = worst.is_some_and(|worst| worst.place.0 < Reverse(likeness));
        (!is_worse).then_some(likeness)
    }

    /// Keeps a name to compare, and gives up the least like once there are too many.
    pub(crate) fn keep(&mut self, likeness: Likeness, folded: &str, key: K, value: V) {
        self.seen.push(Seen { place: (Reverse(likeness), folded.to_owned(), key), value });
        if self.seen.len() > MOST_COMPARED {
            self.seen.pop();
        }
    }

    /// The nearest first; ties by whether the legal form is the one that was typed, the folded name
    /// and then the key.
    pub(crate) fn finish(self) -> Vec<(K, V)> {
        let compared = self.seen.into_iter().map(|Seen { place: (_, folded, key), value }| {
            let name = NameKey::new(&folded);
            let is_of_other_form = self.query.key.is_of_other_form(&name);
            ((Reverse(self.query.similarity(&name)), is_of_other_form), folded, key, value)
        });
        let mut near: Vec<_> = compared.filter(|(near, ..)| near.0.0.is_close()).collect();
        near.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
        near.truncate(self.limit);
        near.into_iter().map(|(_, _, key, value)| (key, value)).collect()
    }
}

impl<K: Ord, V> PartialEq for Seen<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl<K: Ord, V> Eq for Seen<K, V> {}

impl<K: Ord, V> PartialOrd for Seen<K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V> Ord for Seen<K, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

/// What initials are worth at a glance: as much as most of the pairs.
const ODD: u32 = 1_600;

/// What can be seen of a name at a glance: which pairs of letters it holds, roughly.
struct Glance {
    pairs: u64,
    needed: u32,
    /// "ibm" shares no pair with "international business machines", but first letters.
    initial: Option<u8>,
    words: usize,
    length: usize,
    /// The letters of a query of three: a typo leaves no pair of it.
    three: Option<u64>,
}

impl Glance {
    fn of(query: &Query) -> Self {
        let core = query.key.core();
        let pairs = pairs(core);
        let words = core.split(' ').count();
        Self {
            pairs,
            // A typo spoils two pairs, a word left out a few more.
            needed: (pairs.count_ones() / 4).max(1),
            initial: core.bytes().next(),
            words,
            length: core.chars().count(),
            three: (words == 1 && core.len() <= 3).then(|| letters(core.as_bytes())),
        }
    }

    /// In thousandths, how much of the query stands in the name, and how much of the name that is;
    /// `None` when they cannot be near.
    fn likeness(&self, folded: &str) -> Option<Likeness> {
        let theirs = pairs(folded);
        let (common, ours) = ((theirs & self.pairs).count_ones(), self.pairs.count_ones());
        let both = (theirs.count_ones() + ours).max(1);
        let shared = common * 1000 / ours.max(1) * 2 + common * 2000 / both;
        if common >= self.needed {
            return Some(Likeness(shared));
        }
        let is_odd = self.may_be_initials(folded) || self.may_be_three(folded);
        is_odd.then_some(Likeness(shared.max(ODD)))
    }

    /// Whether the name has a word that the three letters of the query may be, with a typo.
    fn may_be_three(&self, folded: &str) -> bool {
        self.three.is_some_and(|three| {
            folded.split(' ').any(|word| {
                let shared = (letters(word.as_bytes()) & three).count_ones();
                word.len() <= 4 && shared + 1 >= three.count_ones()
            })
        })
    }

    /// Whether one of the two may be the first letters of the other's words, or a single one of them.
    fn may_be_initials(&self, folded: &str) -> bool {
        let words = || folded.split(' ');
        let starts = |word: &str| word.bytes().next() == self.initial;
        if self.words == 1 {
            (self.length == 1 || words().count() >= self.length) && words().any(starts)
        } else {
            words().any(|word| word.len() <= self.words * 4 && starts(word))
        }
    }
}

/// Which letters there are, each as one of 64 bits.
fn letters(word: &[u8]) -> u64 {
    word.iter().fold(0, |seen, byte| seen | 1 << (byte & 63))
}

/// The pairs of neighbouring bytes within words, each as one of 64 bits.
fn pairs(folded: &str) -> u64 {
    let mut seen = 0_u64;
    for pair in folded.as_bytes().windows(2) {
        if let [left, right] = pair
            && *left != b' '
            && *right != b' '
        {
            let mixed = u32::from(*left).wrapping_mul(31).wrapping_add(u32::from(*right));
            seen |= 1 << (mixed.wrapping_mul(0x9e37_79b1) >> 26);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::names::corpus::NAMES;

    /// Everything compared in full, as a plain loop would.
    fn slowly(query: &str, folded: &[String], limit: usize) -> Vec<usize> {
        let query = Query::new(query);
        let near = |at: usize| query.similarity(&NameKey::new(&folded[at]));
        let mut close: Vec<usize> = (0..folded.len()).filter(|&at| near(at).is_close()).collect();
        let other_form = |at: usize| query.key.is_of_other_form(&NameKey::new(&folded[at]));
        close.sort_by_key(|&at| (Reverse(near(at)), other_form(at), &folded[at], at));
        close.truncate(limit);
        close
    }

    #[test]
    fn oll_2_a_glance_passes_nothing_over_that_is_near() {
        let folded: Vec<String> = NAMES.iter().map(|(_, folded, _)| (*folded).to_owned()).collect();
        let mut queries = Vec::new();
        for (name, ..) in NAMES {
            queries.push((*name).to_owned());
            let letters: Vec<char> = name.chars().collect();
            for spoilt in 0..letters.len().min(6) {
                let rest = letters.iter().enumerate().filter(|(at, _)| *at != spoilt);
                queries.push(rest.map(|(_, letter)| letter).collect());
            }
            queries.push(name.split_whitespace().filter_map(|word| word.chars().next()).collect());
            queries.extend(name.split_whitespace().map(str::to_owned));
        }
        for query in queries {
            let mut nearest = Nearest::new(&query, 7);
            for (at, name) in folded.iter().enumerate() {
                if let Some(likeness) = nearest.weigh(name) {
                    nearest.keep(likeness, name, at, ());
                }
            }
            let found: Vec<usize> = nearest.finish().into_iter().map(|(at, ())| at).collect();
            assert_eq!(found, slowly(&query, &folded, 7), "{query}");
        }
    }

    #[test]
    fn oll_2_the_nearest_are_found_among_thousands_that_look_alike() {
        let names: Vec<String> = (0..9_000).map(|n| format!("account {n:05} gmbh")).collect();
        let found = |query: &str| {
            let mut nearest = Nearest::new(query, 3);
            for (at, name) in names.iter().enumerate() {
                if let Some(likeness) = nearest.weigh(name) {
                    nearest.keep(likeness, name, at, ());
                }
            }
            nearest.finish().into_iter().map(|(at, ())| at).collect::<Vec<_>>()
        };
        for wanted in [0, 17, 4_711, 8_999] {
            assert_eq!(found(&format!("Account {wanted:05}"))[0], wanted);
            assert!(found(&format!("Acount {wanted:05}")).contains(&wanted), "{wanted}");
        }
    }

    #[test]
    fn oll_2_nothing_typed_is_near_nothing() {
        for query in ["", "  ", "…", "--"] {
            let nearest = Nearest::<u8, ()>::new(query, 7);
            assert!(nearest.is_empty() && nearest.weigh("contoso").is_none(), "{query:?}");
        }
    }
}
