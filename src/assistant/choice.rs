//! Which account a call is about: by id, by name, or not said.

use crate::assistant::account::{Candidate, Meaning, meaning};
use crate::assistant::arguments::refuse;
use crate::assistant::meaning::{LOOKED_AT, MAX_OFFERED};
use crate::assistant::words::{given, quoted};
use crate::error::Result;
use crate::model::query::{AccountQuery, Found, Scope};
use crate::model::{Account, AccountId, AccountStatus};
use crate::storage::Query;

/// How often an account is followed into the one that it was merged into.
const MAX_MERGERS: usize = 5;

/// What the arguments `account_name` and `account_id` choose.
pub(crate) enum Choice {
    /// One account; one that was merged away counts as the one that it was merged into.
    One(Box<Found<Account>>),
    /// They do not say which one: the answer to give instead.
    Unclear { answer: String, candidates: Vec<Candidate> },
}

/// Finds the account of a call; `None` when none was named. An id counts more than a name: it
/// chooses one that was offered.
pub(crate) async fn choose(
    query: &dyn Query,
    scope: &Scope,
    name: Option<&str>,
    id: Option<&str>,
) -> Result<Option<Choice>> {
    if let Some(id) = given(id) {
        return by_id(query, scope, id).await.map(Some);
    }
    let Some(name) = given(name) else { return Ok(None) };
    Ok(Some(match meaning(query, scope, name).await? {
        Meaning::Clear(account) => Choice::One(followed(query, scope, account).await?),
        Meaning::Unclear(candidates) => Choice::Unclear {
            answer: format!(
                "It is not clear which account {} is. Did the person mean {}? Ask which one.",
                quoted(name),
                offered(candidates.iter().map(Candidate::words))
            ),
            candidates,
        },
        Meaning::Unknown => Choice::Unclear {
            answer: format!("No account is called anything like {}.", quoted(name)),
            candidates: Vec::new(),
        },
    }))
}

/// As [`choose`], for a tool that is about one account.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) when none was named, too.
pub(crate) async fn choose_one(
    query: &dyn Query,
    scope: &Scope,
    name: Option<&str>,
    id: Option<&str>,
) -> Result<Choice> {
    let missing = || refuse("account_name", "it is missing; a good value is \"Contoso\"");
    choose(query, scope, name, id).await?.ok_or_else(missing)
}

async fn by_id(query: &dyn Query, scope: &Scope, id: &str) -> Result<Choice> {
    let id = AccountId::new(id).map_err(|error| {
        let reason = error.customer_message();
        refuse("account_id", &format!("{reason}; a good value is the id of a candidate"))
    })?;
    let mut question = AccountQuery::new(scope.clone());
    question.id = Some(id.clone());
    question.page.limit = LOOKED_AT;
    let mut found = query.accounts(&question).await?.rows;
    let id = quoted(id.as_str());
    let (answer, candidates) = match found.len() {
        0 => (format!("No account has the id {id}."), Vec::new()),
        1 => return Ok(Choice::One(followed(query, scope, Box::new(found.remove(0))).await?)),
        _ => (
            format!(
                "Accounts of several connections have the id {id}. Ask which one, then call again \
                 with its connection, too."
            ),
            found.iter().take(MAX_OFFERED).map(Candidate::of).collect(),
        ),
    };
    Ok(Choice::Unclear { answer, candidates })
}

/// The account that one was merged into, as far as it is known.
async fn followed(
    query: &dyn Query,
    scope: &Scope,
    mut account: Box<Found<Account>>,
) -> Result<Box<Found<Account>>> {
    for _ in 0..MAX_MERGERS {
        let AccountStatus::MergedInto(survivor) = &account.row.status else { break };
        let within = Scope::connection(scope.workspace.clone(), account.connection);
        let mut question = AccountQuery::new(within);
        question.id = Some(survivor.clone());
        let Some(found) = query.accounts(&question).await?.rows.pop() else { break };
        *account = found;
    }
    Ok(account)
}

/// What there is to choose from: `“A”, “B” or “C”`, three at most.
pub(crate) fn offered(all: impl ExactSizeIterator<Item = String>) -> String {
    const MOST: usize = 3;
    let more = all.len().saturating_sub(MOST);
    let mut words: Vec<String> = all.take(MOST).collect();
    if more > 0 {
        words.push(format!("one of {more} more"));
    }
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// ` at “Contoso”`, when the account's name is known.
pub(crate) fn at_account(account: Option<&Candidate>) -> String {
    let name = account.and_then(|account| account.name.as_deref());
    name.map_or_else(String::new, |name| format!(" at {}", quoted(name)))
}
