//! The names nearest to what was typed, out of many.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::NameKey;
use super::similarity::Query;

/// Names compared in full: the best at a glance, of however many there are. Comparing costs
/// microseconds each, and an org may have a hundred thousand accounts called "Account 00001" and so on.
const MOST_COMPARED: usize = 1_000;

/// Keeps the nearest of all the names that it is shown.
pub(crate) struct Nearest {
    query: Query,
    glance: Glance,
    limit: usize,
    /// The names worth comparing, by how like they look: the first to give up is the last one.
    order: BTreeSet<(Reverse<Likeness>, Arc<str>)>,
    /// The same, to know them again.
    names: HashSet<Arc<str>>,
}

/// How like the query a name looks at a glance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Likeness(u32);

impl Nearest {
    /// Nearest to `name`, of which `limit` are wanted at most.
    pub(crate) fn new(name: &str, limit: usize) -> Self {
        let query = Query::new(name);
        let glance = Glance::of(&query);
        Self { query, glance, limit, order: BTreeSet::new(), names: HashSet::new() }
    }

    /// Whether nothing was typed that could be near anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.query.key.folded().is_empty()
    }

    /// Keeps a folded name to compare if it may be near, and gives up the least like once there are
    /// too many.
    pub(crate) fn offer(&mut self, folded: &str, sketch: Sketch) {
        let Some(likeness) = self.glance.likeness(folded, sketch) else { return };
        let worst = self.order.last().filter(|_| self.order.len() >= MOST_COMPARED);
        let is_worse = worst.is_some_and(|(worst, name)| {
            worst.cmp(&Reverse(likeness)).then_with(|| (**name).cmp(folded)).is_lt()
        });
        if is_worse || self.names.contains(folded) {
            return;
        }
        let name: Arc<str> = folded.into();
        self.names.insert(Arc::clone(&name));
        self.order.insert((Reverse(likeness), name));
        if self.order.len() > MOST_COMPARED
            && let Some((_, least)) = self.order.pop_last()
        {
            self.names.remove(&least);
        }
    }

    /// The nearest names first; ties by whether the legal form is the one that was typed, and then
    /// by name.
    pub(crate) fn finish(self) -> Vec<Arc<str>> {
        let compared = self.names.into_iter().map(|folded| {
            let name = NameKey::of_folded(&folded);
            let is_of_other_form = self.query.key.is_of_other_form(&name);
            (Reverse(self.query.similarity(&name)), is_of_other_form, folded)
        });
        let mut near: Vec<_> = compared.filter(|(near, ..)| near.0.is_close()).collect();
        near.sort();
        near.truncate(self.limit);
        near.into_iter().map(|(.., folded)| folded).collect()
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
        if folded.is_empty() {
            return None;
        }
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
    fn slowly(query: &str, folded: &[String], limit: usize) -> Vec<String> {
        let query = Query::new(query);
        let near = |name: &String| query.similarity(&NameKey::new(name));
        let mut close: Vec<String> =
            folded.iter().filter(|name| near(name).is_close()).cloned().collect();
        let other_form = |name: &String| query.key.is_of_other_form(&NameKey::new(name));
        close.sort_by_key(|name| (Reverse(near(name)), other_form(name), name.clone()));
        close.dedup();
        close.truncate(limit);
        close
    }

    fn found(query: &str, folded: &[String], limit: usize) -> Vec<String> {
        let mut nearest = Nearest::new(query, limit);
        for name in folded {
            nearest.offer(name, Sketch::of(name));
        }
        nearest.finish().iter().map(|name| (**name).to_owned()).collect()
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
            assert_eq!(found(&query, &folded, 7), slowly(&query, &folded, 7), "{query}");
        }
    }

    #[test]
    fn oll_2_the_nearest_are_found_among_thousands_that_look_alike() {
        let names: Vec<String> = (0..9_000).map(|n| format!("account {n:05} gmbh")).collect();
        for wanted in [0, 17, 4_711, 8_999] {
            let (exact, typo) = (format!("Account {wanted:05}"), format!("Acount {wanted:05}"));
            assert_eq!(found(&exact, &names, 3)[0], names[wanted]);
            assert!(found(&typo, &names, 3).contains(&names[wanted]), "{wanted}");
        }
    }

    /// What has no name takes nobody's place.
    #[test]
    fn oll_2_no_name_is_near_nothing() {
        let mut names: Vec<String> = (0..999).map(|n| format!("ab{n:04}")).collect();
        names.extend(["zz a".to_owned(), String::new()]);
        assert_eq!(found("a", &names, 3)[0], "zz a");
        assert_eq!(found("", &names, 3), Vec::<String>::new());
    }

    /// Databases hold sketches: who changes how they are made has to have them made anew.
    #[test]
    fn a_sketch_stays_the_same() {
        let sketch = Sketch::of("contoso gmbh 東京");
        let bytes = sketch.to_bytes();
        assert_eq!(Sketch::from_bytes(bytes), sketch);
        assert_eq!(crate::model::hex(&bytes), "1830c00080c1800300000000c8000000");
    }

    #[test]
    fn oll_2_nothing_typed_is_near_nothing() {
        for query in ["", "  ", "…", "--"] {
            assert!(Nearest::new(query, 7).is_empty(), "{query:?}");
        }
    }
}
