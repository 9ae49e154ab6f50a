//! How near a name is to what was typed.

use std::collections::BTreeSet;

use super::NameKey;
use super::fold::is_dense;

/// How near two names are, from 0 to 1000: whole numbers, so that the order is total.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Similarity(u16);

impl Similarity {
    /// The same characters.
    pub const SAME: Self = Self(1000);
    /// Equal but for case, accents, width, punctuation and spacing.
    pub const SAME_FOLDED: Self = Self(990);
    /// Equal but for a legal form that one of them leaves out.
    pub const SAME_CORE: Self = Self(980);
    /// From here on a name is worth asking "did you mean" for.
    pub const CLOSE: Self = Self(400);

    /// The number, 0 to 1000.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether it is worth asking "did you mean".
    #[must_use]
    pub const fn is_close(self) -> bool {
        self.0 >= Self::CLOSE.0
    }
}

/// Names that differ in their legal forms alone, both spelt out.
const OTHER_FORM: u16 = 975;
/// "cocacola" for "Coca-Cola".
const SAME_LETTERS: u16 = 960;
/// "ibm" for "International Business Machines", and back.
const INITIALS: u16 = 800;
/// The most that a word with a typo is worth.
const TYPO: usize = 800;
/// The most that shared trigrams alone are worth.
const TRIGRAMS: usize = 800;
/// What a prefix of no length would be worth.
const PREFIX: usize = 800;
/// A word of a dense script within a longer one.
const WITHIN: usize = 700;
/// Words of a name that are compared one by one; the trigrams see them all.
const MAX_WORDS: usize = 16;
/// From how many characters on a word may hold a typo.
const CLOSE_FROM: usize = 3;

/// How near a name is to what was typed.
///
/// Words may be typed in part and in any order, as initials, and with a typo. The query may leave
/// words out; the name may not.
///
/// # Example
/// ```
/// use fluint_crm::rules::similarity;
///
/// let typo = similarity("Contosso", "Contoso Deutschland GmbH");
/// let other = similarity("Contosso", "Northwind Traders");
/// assert!(typo.is_close() && !other.is_close());
/// ```
#[must_use]
pub fn similarity(query: &str, name: &str) -> Similarity {
    if !query.trim().is_empty() && query.trim() == name.trim() {
        return Similarity::SAME;
    }
    Query::new(query).similarity(&NameKey::new(name))
}

/// What was typed, prepared to be compared with many names.
pub(super) struct Query {
    pub(super) key: NameKey,
    grams: Vec<Gram>,
}

impl Query {
    pub(super) fn new(query: &str) -> Self {
        let key = NameKey::new(query);
        let grams = grams(key.core());
        Self { key, grams }
    }

    /// How near a name is, once both are folded.
    pub(super) fn similarity(&self, name: &NameKey) -> Similarity {
        let query = &self.key;
        if query.folded().is_empty() || name.folded().is_empty() {
            return Similarity::default();
        }
        // Of a name that was cut nobody knows whether the rest is equal too.
        if !query.is_cut() && !name.is_cut() {
            if query.folded() == name.folded() {
                return Similarity::SAME_FOLDED;
            }
            if query.has_core_of(name) {
                return Similarity::SAME_CORE;
            }
        }
        if query.core() == name.core() {
            return Similarity(OTHER_FORM);
        }
        if query.core().split(' ').eq_letters(name.core().split(' ')) {
            return Similarity(SAME_LETTERS);
        }
        let mut best = word_score(query.core(), name);
        if is_initials(query.core(), name.core()) || is_initials(name.core(), query.core()) {
            best = best.max(INITIALS);
        }
        // What trigrams are worth at most is not asked for when it is reached already.
        if usize::from(best) < TRIGRAMS && is_long_enough(query.core()) {
            best = best.max(to_score(TRIGRAMS * dice(&self.grams, &grams(name.core())) / 1000));
        }
        Similarity(best)
    }
}

/// Whether two rows of words hold the same letters in the same order.
trait EqLetters {
    fn eq_letters(self, other: Self) -> bool;
}

impl<'a, I: Iterator<Item = &'a str>> EqLetters for I {
    fn eq_letters(self, other: Self) -> bool {
        self.flat_map(str::chars).eq(other.flat_map(str::chars))
    }
}

/// Every word typed against the words of the name, each of which answers for one.
fn word_score(query: &str, name: &NameKey) -> u16 {
    let typed: Vec<&str> = query.split(' ').take(MAX_WORDS).collect();
    let mut words: Vec<Option<&str>> = name.words_core_first().take(MAX_WORDS).map(Some).collect();
    let (mut letters, mut worth, mut covered) = (0, 0, 0);
    let (mut all_found, mut in_order) = (true, true);
    for (place, typed) in typed.into_iter().enumerate() {
        let length = typed.chars().count();
        letters += length;
        let mut best = (0, 0);
        for (at, word) in words.iter().enumerate() {
            let score = word.map_or(0, |word| one_word(typed, length, word));
            if score > best.0 {
                best = (score, at);
            }
        }
        let (score, at) = best;
        if score == 0 {
            all_found = false;
            continue;
        }
        worth += score * length;
        covered += words[at].take().map_or(0, |word| word.chars().count());
        in_order &= at == place;
    }
    let whole = name.core().split(' ').map(|word| word.chars().count()).sum::<usize>().max(1);
    let coverage = (covered * 100 / whole).min(100);
    let order = if in_order { 10 } else { 0 };
    let score = worth / letters.max(1) * (840 + coverage + order) / 1000;
    // A word that stands nowhere in the name speaks against it.
    to_score(if all_found { score } else { score * 4 / 5 })
}

/// What one word typed is worth for one word of the name, 0 to 1000.
fn one_word(typed: &str, length: usize, word: &str) -> usize {
    if typed == word {
        return 1000;
    }
    let word_length = word.chars().count();
    if word.starts_with(typed) {
        return PREFIX + (1000 - PREFIX) * length / word_length;
    }
    // Words of a dense script stand within longer ones without a space.
    if typed.starts_with(is_dense) && word.contains(typed) {
        return WITHIN;
    }
    let typos_allowed = match length {
        0..CLOSE_FROM => 0,
        CLOSE_FROM..8 => 1,
        _ => 2,
    };
    if length.abs_diff(word_length) > typos_allowed || typos_allowed == 0 {
        return 0;
    }
    let typos = strsim::osa_distance(typed, word);
    if typos > typos_allowed {
        return 0;
    }
    (1000 - 1000 * typos / length.max(word_length)).min(TYPO)
}

/// Whether a word is made of the first letters of the words of a name.
fn is_initials(initials: &str, name: &str) -> bool {
    const SMALL: [&str; 8] = ["and", "of", "the", "for", "de", "du", "la", "fur"];
    if initials.contains(' ') || !name.contains(' ') || initials.chars().nth(1).is_none() {
        return false;
    }
    let all = name.split(' ').filter_map(|word| word.chars().next());
    let big = name.split(' ').filter(|word| !SMALL.contains(word));
    all.eq(initials.chars()) || big.filter_map(|word| word.chars().next()).eq(initials.chars())
}

/// Whether enough was typed to guess from: three letters, or two of a script that says more.
fn is_long_enough(query: &str) -> bool {
    query.chars().nth(CLOSE_FROM - 1).is_some()
        || query.chars().filter(|&c| is_dense(c)).count() > 1
}

/// Three characters in a row; a bigram of a dense script leaves the last one empty, a single
/// character the last two.
type Gram = [char; 3];

/// The trigrams of a name, for a store to index: sets that share many belong to names that are near.
///
/// The name is folded first. Each word counts as if two spaces stood before it and one behind, so
/// that its start weighs more. Where a script needs no spaces between words (Han, kana, hangul,
/// Thai) they are bigrams, as one character there says as much as two or three letters.
///
/// # Example
/// ```
/// use fluint_crm::rules::trigrams;
///
/// assert!(trigrams("Öko").into_iter().eq(["  o", " ok", "ko ", "oko"]));
/// assert!(trigrams("日立製作所").into_iter().eq(["作所", "日立", "立製", "製作"]));
/// ```
#[must_use]
pub fn trigrams(name: &str) -> BTreeSet<String> {
    let text = |gram: Gram| gram.into_iter().filter(|&c| c != '\0').collect();
    grams(NameKey::new(name).folded()).into_iter().map(text).collect()
}

/// The trigrams of a folded text, in order, each once.
fn grams(folded: &str) -> Vec<Gram> {
    let mut grams = Vec::with_capacity(folded.len() + 4);
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        let chars: Vec<char> = word.chars().collect();
        for run in chars.chunk_by(|&left, &right| is_dense(left) == is_dense(right)) {
            match run {
                [one] if is_dense(*one) => grams.push([*one, '\0', '\0']),
                [first, ..] if is_dense(*first) => {
                    grams.extend(run.windows(2).map(|pair| [pair[0], pair[1], '\0']));
                }
                _ => {
                    let padded = [&[' ', ' '], run, &[' ']].concat();
                    grams.extend(padded.windows(3).map(|three| [three[0], three[1], three[2]]));
                }
            }
        }
    }
    grams.sort_unstable();
    grams.dedup();
    grams
}

/// How many of two sets of trigrams are common to both, 0 to 1000 (Dice's coefficient).
fn dice(left: &[Gram], right: &[Gram]) -> usize {
    let common = left.iter().filter(|gram| right.binary_search(gram).is_ok()).count();
    2000 * common / (left.len() + right.len()).max(1)
}

/// A figure that is at most 1000 by its making.
fn to_score(score: usize) -> u16 {
    u16::try_from(score.min(1000)).unwrap_or(1000)
}
