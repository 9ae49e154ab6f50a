//! Which account a call is about: by id, by name, or not said.

use crate::assistant::account::{Candidate, Meaning, meaning};
use crate::assistant::arguments::refuse;
use crate::assistant::words::{clipped, given};
use crate::error::Result;
use crate::model::AccountId;
use crate::model::query::Scope;
use crate::storage::Query;

/// What the arguments `account_name` and `account_id` choose.
pub(crate) enum Choice {
    /// One account, and the scope that it is in.
    One {
        scope: Scope,
        id: AccountId,
        /// What is known of it; `None` when it was chosen by its id.
        account: Option<Candidate>,
    },
    /// The name does not say which one: the answer to give instead.
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
        let id = AccountId::new(id).map_err(|error| {
            let reason = error.customer_message();
            refuse("account_id", &format!("{reason}; a good value is the id of a candidate"))
        })?;
        return Ok(Some(Choice::One { scope: scope.clone(), id, account: None }));
    }
    let Some(name) = given(name).map(clipped) else {
        return Ok(None);
    };
    Ok(Some(match meaning(query, scope, &name).await? {
        Meaning::Clear(account) => Choice::One {
            scope: Scope::connection(scope.workspace.clone(), account.connection),
            id: account.id.clone(),
            account: Some(account),
        },
        Meaning::Unclear(candidates) => Choice::Unclear {
            answer: format!(
                "It is not clear which account “{name}” is. {} could be meant; ask which one.",
                candidates.len()
            ),
            candidates,
        },
        Meaning::Unknown => Choice::Unclear {
            answer: format!("No account is called anything like “{name}”."),
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

/// ` at Contoso`, when the account's name is known.
pub(crate) fn at_account(account: Option<&Candidate>) -> String {
    let name = account.and_then(|account| account.name.as_deref());
    name.map_or_else(String::new, |name| format!(" at {}", clipped(name)))
}
