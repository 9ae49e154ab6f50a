//! Which names hold the words that somebody typed.

use super::NameKey;
use super::fold::is_dense;

/// Words that a name must hold, each from the beginning of one of its own words: "con gmb" finds
/// "Contoso GmbH". A word of a script that needs no spaces may stand anywhere: "商事" finds "東京商事".
///
/// # Example
/// ```
/// use fluint_crm::rules::{NameKey, NameWords};
///
/// let words = NameWords::new("zür ag");
/// assert!(words.are_in(&NameKey::new("AG für Zürich")));
/// assert!(!words.are_in(&NameKey::new("Bazürka AG")));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameWords(Vec<NameWord>);

/// One of the words, folded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NameWord {
    /// The folded word, with a space in front where it has to be the beginning of one.
    pub(crate) text: String,
}

/// A folded name has letters, digits and spaces.
const IN_NO_NAME: &str = "%";

impl NameWords {
    /// The words of a text; of a long one only as much as [`NameKey`] keeps. A text without any letter
    /// or digit, such as "%", is in no name; a blank one is in every name.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let word = |word: &str| {
            let anywhere = word.starts_with(is_dense);
            NameWord { text: if anywhere { word.to_owned() } else { format!(" {word}") } }
        };
        let mut words: Vec<NameWord> = NameKey::new(text).words().map(word).collect();
        if words.is_empty() && !text.trim().is_empty() {
            words.push(NameWord { text: IN_NO_NAME.to_owned() });
        }
        Self(words)
    }

    /// Whether every name passes: nothing was typed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name holds them all.
    #[must_use]
    pub fn are_in(&self, name: &NameKey) -> bool {
        self.are_in_folded(name.folded())
    }

    /// Whether a name that is folded already holds them all.
    pub(crate) fn are_in_folded(&self, folded: &str) -> bool {
        self.iter().all(|word| {
            let first = word.text.strip_prefix(' ').is_some_and(|text| folded.starts_with(text));
            first || folded.contains(&word.text)
        })
    }

    /// The words, for a store that looks for them itself: each is found in the folded name with a
    /// space in front of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &NameWord> {
        self.0.iter()
    }
}
