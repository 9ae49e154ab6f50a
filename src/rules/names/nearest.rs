//! The names nearest to what was typed, out of many.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::NameKey;
use super::similarity::Query;

/// Names compared in full: the best at a glance, of however many there are. Comparing costs
/// microseconds each, and an org may have a hundred thousand accounts called "Account 00001" and so on.
const MOST_COMPARED: usize = 1_000;

/// Keeps the nearest of all the names that it is shown, each with the rows that carry it.
pub(crate) struct Nearest<K, V> {
    query: Query,
    glance: Glance,
    /// How many rows of one name are kept: the first ones by their keys.
    limit: usize,
    /// The names worth comparing, by how like they look: the first to give up is the last one.
    order: BTreeSet<(Reverse<Likeness>, Arc<str>)>,
    /// Their rows.
    rows: HashMap<Arc<str>, BTreeMap<K, V>>,
}

/// How like the query a name looks at a glance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Likeness(u32);

impl<K: Ord, V> Nearest<K, V> {
    pub(crate) fn new(name: &str, limit: usize) -> Self {
        let query = Query::new(name);
        let glance = Glance::of(&query);
        Self { query, glance, limit, order: BTreeSet::new(), rows: HashMap::new() }
    }

    /// Whether nothing was typed that could be near anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.query.key.folded().is_empty()
    }

    /// How like the query a folded name looks, if it may be near; then [`keep`](Self::keep) it.
    pub(crate) fn weigh(&self, folded: &str, sketch: Sketch) -> Option<Likeness> {
        let likeness = self.glance.likeness(folded, sketch)?;
        let worst = self.order.last().filter(|_| self.order.len() >= MOST_COMPARED);
        let is_worse = worst.is_some_and(|(worst, name)| {
            worst.cmp(&Reverse(likeness)).then_with(|| (**name).cmp(folded)).is_lt()
        });
        (!is_worse).then_some(likeness)
    }

    /// Keeps a row with a name to compare, and gives up the least like once there are too many.
    pub(crate) fn keep(&mut self, likeness: Likeness, folded: &str, key: K, value: V) {
        if let Some(rows) = self.rows.get_mut(folded) {
            rows.insert(key, value);
            if rows.len() > self.limit {
                rows.pop_last();
            }
            return;
        }
        let name: Arc<str> = folded.into();
        self.rows.insert(Arc::clone(&name), BTreeMap::from([(key, value)]));
        self.order.insert((Reverse(likeness), name));
        if self.order.len() > MOST_COMPARED
            && let Some((_, least)) = self.order.pop_last()
        {
            self.rows.remove(&least);
        }
    }

    /// The nearest names first, each with its rows; ties by whether the legal form is the one that
    /// was typed, and the folded name. Each name has a row, so no more than the limit are given.
    pub(crate) fn finish(self) -> Vec<(Arc<str>, BTreeMap<K, V>)> {
        let compared = self.rows.into_iter().map(|(folded, rows)| {
            let name = NameKey::of_folded(&folded);
            let is_of_other_form = self.query.key.is_of_other_form(&name);
            ((Reverse(self.query.similarity(&name)), is_of_other_form), folded, rows)
        });
        let mut near: Vec<_> = compared.filter(|(near, ..)| near.0.0.is_close()).collect();
        near.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        near.truncate(self.limit);
        near.into_iter().map(|(_, folded, rows)| (folded, rows)).collect()
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
        let Sketch { pairs, .. } = Sketch::of(core);
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
    fn likeness(&self, folded: &str, sketch: Sketch) -> Option<Likeness> {
        let Sketch { pairs: theirs, starts } = sketch;
        let (common, ours) = ((theirs & self.pairs).count_ones(), self.pairs.count_ones());
        let both = (theirs.count_ones() + ours).max(1);
        let shared = common * 1000 / ours.max(1) * 2 + common * 2000 / both;
        if common >= self.needed {
            return Some(Likeness(shared));
        }
        let may_start = self.initial.is_some_and(|initial| starts & bit(initial) != 0);
        let is_odd = (may_start && self.may_be_initials(folded)) || self.may_be_three(folded);
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
    word.iter().fold(0, |seen, byte| seen | bit(*byte))
}

const fn bit(byte: u8) -> u64 {
    1 << (byte & 63)
}

/// What one pass over a folded name sees. Stores keep it: one that sees something else is for a
/// migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sketch {
    /// The pairs of neighbouring bytes within words, each as one of 64 bits.
    pairs: u64,
    /// The first bytes of words, likewise.
    starts: u64,
}

impl Sketch {
    pub(crate) fn of(folded: &str) -> Self {
        let (mut pairs, mut starts, mut left) = (0, 0, b' ');
        for &right in folded.as_bytes() {
            if right != b' ' {
                if left == b' ' {
                    starts |= bit(right);
                } else {
                    let mixed = u32::from(left).wrapping_mul(31).wrapping_add(u32::from(right));
                    pairs |= 1_u64 << (mixed.wrapping_mul(0x9e37_79b1) >> 26);
                }
            }
            left = right;
        }
        Self { pairs, starts }
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.pairs) | u128::from(self.starts) << 64).to_le_bytes()
    }

    #[cfg(feature = "sqlite")]
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "each half is taken by itself")]
        let (pairs, starts) = (both as u64, (both >> 64) as u64);
        Self { pairs, starts }
    }
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

    fn all_of(nearest: Nearest<usize, ()>) -> Vec<usize> {
        nearest.finish().into_iter().flat_map(|(_, rows)| rows.into_keys()).collect()
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
                if let Some(likeness) = nearest.weigh(name, Sketch::of(name)) {
                    nearest.keep(likeness, name, at, ());
                }
            }
            let mut found = all_of(nearest);
            found.truncate(7);
            assert_eq!(found, slowly(&query, &folded, 7), "{query}");
        }
    }

    #[test]
    fn oll_2_the_nearest_are_found_among_thousands_that_look_alike() {
        let names: Vec<String> = (0..9_000).map(|n| format!("account {n:05} gmbh")).collect();
        let found = |query: &str| {
            let mut nearest = Nearest::new(query, 3);
            for (at, name) in names.iter().enumerate() {
                if let Some(likeness) = nearest.weigh(name, Sketch::of(name)) {
                    nearest.keep(likeness, name, at, ());
                }
            }
            all_of(nearest)
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
            assert!(
                nearest.is_empty() && nearest.weigh("contoso", Sketch::of("contoso")).is_none(),
                "{query:?}"
            );
        }
    }
}
