//! Finds the account that a person means by a name, and never guesses between two.

use serde::Serialize;

use crate::error::Result;
use crate::model::query::{AccountQuery, Found, MAX_LIMIT, Scope};
use crate::model::{Account, AccountId, ConnectionId};
use crate::storage::Query;

/// How many accounts are offered when a name is not clear.
const MAX_CANDIDATES: usize = 10;

/// What a name means.
pub(crate) enum Meaning {
    /// Several accounts, or none of exactly that name: the asker has to choose.
    Unclear(Vec<Candidate>),
    /// One account.
    Clear(Candidate),
    /// No account is called anything like it.
    Unknown,
}

/// An account that a name may mean.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Candidate {
    pub(crate) connection: ConnectionId,
    pub(crate) id: AccountId,
    pub(crate) name: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) website: Option<String>,
    #[serde(skip)]
    likeness: Likeness,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Likeness {
    /// In percent of shared letter groups, turned round so that the closest sorts first.
    Close(u32),
    Exact,
}

/// Finds what a name means: an account of exactly that name, else those with a close one.
pub(crate) async fn meaning(query: &dyn Query, scope: &Scope, name: &str) -> Result<Meaning> {
    let mut found = matching(query, scope, name, name).await?;
    if found.is_empty() {
        for word in folded(name).split(' ').filter(|word| word.chars().count() >= 3) {
            // A slip in the rest of a word is forgiven, one in its beginning is not.
            let start: String = word.chars().take(3).collect();
            found.extend(matching(query, scope, name, &start).await?);
        }
    }
    found.sort_by(|a, b| b.likeness.cmp(&a.likeness).then_with(|| a.id.cmp(&b.id)));
    found.dedup_by(|a, b| a.connection == b.connection && a.id == b.id);
    let exact = found.iter().filter(|one| one.likeness == Likeness::Exact).count();
    if exact > 0 {
        found.truncate(exact);
    }
    found.truncate(MAX_CANDIDATES);
    Ok(match (exact, found.len()) {
        (_, 0) => Meaning::Unknown,
        (1, _) => Meaning::Clear(found.remove(0)),
        _ => Meaning::Unclear(found),
    })
}

/// The accounts whose names hold `words` and look like `name`.
async fn matching(
    query: &dyn Query,
    scope: &Scope,
    name: &str,
    words: &str,
) -> Result<Vec<Candidate>> {
    let mut question = AccountQuery::new(scope.clone());
    question.name = Some(words.to_owned());
    question.page.limit = MAX_LIMIT;
    let rows = query.accounts(&question).await?.rows;
    Ok(rows.into_iter().filter_map(|row| candidate(row, name, words)).collect())
}

fn candidate(found: Found<Account>, name: &str, words: &str) -> Option<Candidate> {
    let Found { connection, row } = found;
    let (wanted, known) = (folded(name), folded(row.name.as_deref().unwrap_or_default()));
    let shared = likeness(&wanted, &known);
    // Every word of the name stands in it, or most of the letters do.
    let is_close = words == name || shared >= 40;
    let likeness = if wanted == known { Likeness::Exact } else { Likeness::Close(shared) };
    let Account { id, name, city, website, .. } = row;
    is_close.then_some(Candidate { connection, id, name, city, website, likeness })
}

/// Lower case, words apart by one space.
fn folded(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How many letter pairs two texts share, in percent (Dice's coefficient).
fn likeness(a: &str, b: &str) -> u32 {
    let pairs = |text: &str| -> Vec<(char, char)> {
        text.chars().zip(text.chars().skip(1)).take(200).collect()
    };
    let (left, mut right) = (pairs(a), pairs(b));
    let all = left.len() + right.len();
    let shared = left
        .iter()
        .filter(|pair| {
            right.iter().position(|other| other == *pair).map(|at| right.swap_remove(at)).is_some()
        })
        .count();
    u32::try_from(shared * 200 / all.max(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oll_2_close_names_share_letters() {
        assert_eq!(likeness("contoso", "contoso"), 100);
        assert!(likeness("contoso", "contso") >= 40);
        assert!(likeness("contoso", "contoso ltd") >= 40);
        assert!(likeness("contoso", "continental") < 40);
        assert_eq!(likeness("", ""), 0);
    }
}
