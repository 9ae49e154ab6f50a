//! Folding: what is left of a name when case, accents, width and punctuation do not matter.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest name that is compared, in characters.
///
/// CRMs hold up to a few hundred; a text pasted into a name field must not slow anyone else down.
pub(super) const MAX_CHARS: usize = 300;

/// The folded name, its words one space apart, and whether the name was too long and was cut.
pub(super) fn fold(name: &str) -> (String, bool) {
    let mut typed = name.trim().chars();
    let letters: String = typed
        .by_ref()
        .take(MAX_CHARS)
        .filter(|&c| !vanishes(c))
        .nfkd()
        .filter(|&c| !is_accent(c) && !vanishes(c))
        .flat_map(char::to_lowercase)
        .flat_map(|c| Letters::of(c).0.into_iter().flatten())
        // Composes what is one letter to its readers: kana with their voicing, hangul syllables.
        .nfc()
        .collect();
    let (folded, cut) = cut_to_words(with_one_and(&join_words(&letters)));
    (folded, cut || typed.next().is_some())
}

/// Whether a character is left out as if it had not been typed: signs that belong to no word,
/// apostrophes ("McDonald's" is "McDonalds"), and what nobody can see.
const fn vanishes(c: char) -> bool {
    matches!(
        c,
        '™' | '℠' | '®' | '©'
            | '\'' | '’' | '‘' | '‛' | 'ʼ' | 'ʻ' | 'ʹ' | '`' | '´' | '′' | '＇' | '׳' | '״'
            | '\u{ad}' | '\u{61c}' | '\u{640}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Whether a mark only colours the letter before it. Vowel signs of Indic scripts and Thai and the
/// voicing of kana are marks too, but without them it is another word.
const fn is_accent(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{489}'
            | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}'
            | '\u{5c7}'
            | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}'
            | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
            | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// What a lower-case letter is written as by those who lack it on their keyboard: the letters that
/// decomposition leaves alone.
struct Letters([Option<char>; 2]);

impl Letters {
    const fn of(c: char) -> Self {
        let (first, second) = match c {
            'ß' => ('s', Some('s')),
            'æ' => ('a', Some('e')),
            'œ' => ('o', Some('e')),
            'þ' => ('t', Some('h')),
            'ø' => ('o', None),
            'ł' => ('l', None),
            'đ' | 'ð' => ('d', None),
            'ħ' => ('h', None),
            'ı' => ('i', None),
            'ŋ' => ('n', None),
            'ŧ' => ('t', None),
            'ə' => ('e', None),
            'ƒ' => ('f', None),
            'ς' => ('σ', None),
            'ى' => ('ي', None),
            'ة' => ('ه', None),
            other => (other, None),
        };
        Self([Some(first), second])
    }
}

/// Splits at everything that is no letter and no digit, and joins dotted initials.
fn join_words(letters: &str) -> String {
    let mut words = String::with_capacity(letters.len());
    let mut dotted = false;
    let mut previous_is_initial = false;
    let mut rest = letters;
    while let Some(c) = rest.chars().next() {
        let word = &rest[..rest.find(|c| !is_in_word(c)).unwrap_or(rest.len())];
        if word.is_empty() {
            if c == '&' {
                push_word(&mut words, "and");
                previous_is_initial = false;
            }
            // "A.B.", "A. B." and "A/S" are dotted, "A B" is not.
            dotted |= matches!(c, '.' | '/');
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let initial = is_initial(word);
        if dotted && initial && previous_is_initial {
            words.push_str(word);
        } else {
            push_word(&mut words, word);
        }
        (previous_is_initial, dotted) = (initial, false);
        rest = &rest[word.len()..];
    }
    words
}

/// Makes one word of the words for "and". Last of all, as "E.T." is a word only once it is joined.
fn with_one_and(words: &str) -> String {
    let mut folded = String::with_capacity(words.len());
    for word in words.split(' ') {
        push_word(&mut folded, if matches!(word, "und" | "et") { "and" } else { word });
    }
    folded
}

fn push_word(words: &mut String, word: &str) {
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(word);
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// Whether a word is one letter of an alphabet.
fn is_initial(word: &str) -> bool {
    let mut chars = word.chars();
    let first = chars.next().is_some_and(|c| c.is_alphabetic() && !is_dense(c));
    first && chars.next().is_none()
}

/// Whether a character says as much as two or three letters, and words need no spaces between them:
/// Han, kana, hangul, and the scripts of South-East Asia.
pub(super) const fn is_dense(c: char) -> bool {
    matches!(
        c,
        '\u{0e00}'..='\u{0eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{2e80}'..='\u{2fdf}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3021}'..='\u{9fff}'
            | '\u{a960}'..='\u{a97f}'
            | '\u{ac00}'..='\u{d7ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// The words that fit into [`MAX_CHARS`]; half a word only when the first one is longer.
///
/// Half a word could be a word of its own, and a name folded twice would not be what it was.
fn cut_to_words(mut folded: String) -> (String, bool) {
    let Some((end, next)) = folded.char_indices().nth(MAX_CHARS) else {
        return (folded, false);
    };
    let whole = if next == ' ' { Some(end) } else { folded[..end].rfind(' ') };
    folded.truncate(whole.unwrap_or(end));
    (folded, true)
}
