//! Names as people type them: one form for comparing, how near two are, and who is meant (OLL-2).
//!
//! This is for finding and grouping, where a person sees the answer. It is never for identity:
//! e-mail addresses are compared as they are, see [`EmailAddress`](crate::model::EmailAddress).

use std::ops::Range;

mod fold;
mod legal_forms;
mod nearest;
mod resolve;
mod similarity;
mod words;

pub(crate) use nearest::{Nearest, Sketch};
pub use resolve::{NameMatch, Resolved, resolve};
pub use similarity::{Similarity, similarity, trigrams};
pub use words::NameWords;

/// A name in the form that names are compared in.
///
/// Case, accents, width, punctuation and spacing do not matter, and "&", "and", "und" and "et" are
/// one word. Names are cut after 300 characters: comparing stays cheap whatever a CRM holds, and
/// [`NameKey::is_cut`] tells.
///
/// # Example
/// ```
/// use fluint_crm::rules::NameKey;
///
/// let key = NameKey::new("Müller & Söhne GmbH");
/// assert_eq!(key.folded(), "muller and sohne gmbh");
/// assert_eq!(key.core(), "muller and sohne");
/// assert_eq!(NameKey::new("A.B.C. Ltd"), NameKey::new("ABC LTD."));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameKey {
    folded: Box<str>,
    core_start: usize,
    core_end: usize,
    form: Box<str>,
    cut: bool,
}

impl NameKey {
    /// Folds a name as it was typed.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let (folded, cut) = fold::fold(name);
        Self::of(folded, cut)
    }

    /// The key of a name that is folded already, as stores hold it. Whether it was cut is not known
    /// any more.
    fn of_folded(folded: &str) -> Self {
        Self::of(folded.to_owned(), false)
    }

    fn of(folded: String, cut: bool) -> Self {
        let Range { start, end } = legal_forms::core(&folded);
        let form = legal_forms::form(&folded[..start], &folded[end..]);
        let (core_start, core_end) = (start, end);
        Self { folded: folded.into(), core_start, core_end, form: form.into(), cut }
    }

    /// The whole name folded, legal form and all; empty when the name has no letter or digit.
    #[must_use]
    pub const fn folded(&self) -> &str {
        &self.folded
    }

    /// The folded name without legal forms ("GmbH", "Inc.", "株式会社") and without a leading
    /// "the"; the whole when nothing else would be left.
    #[must_use]
    pub fn core(&self) -> &str {
        self.folded.get(self.core_start..self.core_end).unwrap_or(&self.folded)
    }

    /// The words of the folded name.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.folded.split(' ').filter(|word| !word.is_empty())
    }

    /// The words without the legal forms, then those of the forms.
    fn words_core_first(&self) -> impl Iterator<Item = &str> {
        let before = self.folded.get(..self.core_start).unwrap_or("");
        let after = self.folded.get(self.core_end..).unwrap_or("");
        let words = [self.core(), after, before].into_iter().flat_map(|part| part.split(' '));
        words.filter(|word| !word.is_empty())
    }

    /// Whether the name was too long to be compared as a whole: what is equal to it may differ
    /// further on.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether a name has another legal form than this one says.
    fn is_of_other_form(&self, name: &Self) -> bool {
        !self.form.is_empty() && self.form != name.form
    }

    /// Whether two names are equal but for a legal form that one of them leaves out or abbreviates.
    ///
    /// "Contoso" is "Contoso GmbH", and "Contoso Ltd" is "Contoso Limited", but "Contoso GmbH" is
    /// not "Contoso Ltd": who spells the form out means it.
    fn has_core_of(&self, other: &Self) -> bool {
        let forms_agree = self.form.is_empty() || other.form.is_empty() || self.form == other.form;
        !self.core().is_empty() && self.core() == other.core() && forms_agree
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
