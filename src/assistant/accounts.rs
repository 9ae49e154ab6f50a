//! Finds accounts by a name as somebody typed it, or lists them all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::account::{Candidate, Meaning, meaning};
use crate::assistant::arguments::{ToolArguments, of_the_cursor};
use crate::assistant::choice::offered;
use crate::assistant::words::{given, listed, quoted, rows_wanted, written};
use crate::error::Result;
use crate::model::query::{AccountQuery, QueryCursor, Scope};
use crate::storage::Query;

/// The arguments of `search_accounts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountsArguments {
    /// The name, or the beginnings of its words, as the person said it. Without one all accounts are
    /// listed by name.
    name: Option<String>,
    /// The id of one connection, to look in one CRM alone. Left out or empty for all of them.
    connection: Option<String>,
    /// The most accounts wanted, 1 to 50. 20 by default.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
    /// The `next` of an earlier answer to the same question, for the accounts after it. Left
    /// out or empty for the first ones.
    cursor: Option<String>,
}

impl ToolArguments for AccountsArguments {
    const NAME: &'static str = "search_accounts";

    const DESCRIPTION: &'static str = "The accounts whose names hold the words asked for, by name. \
        When there are none, those with the nearest names are offered as candidates: ask the person \
        whether one of them was meant.";

    fn example() -> Value {
        json!({ "name": "contoso", "connection": "", "limit": 20, "cursor": "" })
    }

    fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

/// The answer of `search_accounts`.
#[derive(Serialize)]
struct AccountsAnswer {
    answer: String,
    accounts: Vec<Candidate>,
    /// Accounts that may have been meant, when none holds the words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    /// Hand it back as `cursor` for the accounts after these.
    next: Option<QueryCursor>,
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

/// Answers `search_accounts`.
pub(crate) async fn answer(
    query: &dyn Query,
    scope: &Scope,
    arguments: &AccountsArguments,
) -> Result<Value> {
    let question = arguments.question(scope)?;
    let found = query.accounts(&question).await.map_err(of_the_cursor)?;
    let accounts: Vec<Candidate> = found.rows.iter().map(Candidate::of).collect();
    let candidates = match &question.name {
        Some(name) if accounts.is_empty() && question.page.cursor.is_none() => {
            match meaning(query, scope, name).await? {
                Meaning::Clear(one) => vec![Candidate::of(&one)],
                Meaning::Unclear(several) => several,
                Meaning::Unknown => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    let answer = sentence(&question, &accounts, &candidates, found.next.is_some());
    let (next, as_of) = (found.next, found.as_of);
    written(&AccountsAnswer { answer, accounts, candidates, next, as_of })
}

impl AccountsArguments {
    fn question(&self, scope: &Scope) -> Result<AccountQuery> {
        let mut question = AccountQuery::new(scope.clone());
        question.name = given(self.name.as_deref()).map(str::to_owned);
        question.page.limit = rows_wanted(self.limit)?;
        question.page.cursor = given(self.cursor.as_deref()).map(QueryCursor::new);
        Ok(question)
    }
}

fn sentence(
    question: &AccountQuery,
    accounts: &[Candidate],
    candidates: &[Candidate],
    more: bool,
) -> String {
    let named =
        question.name.as_deref().map_or_else(String::new, |name| format!(" for {}", quoted(name)));
    let found = listed(question.page.cursor.is_some(), more, accounts.len(), "account", "accounts");
    if candidates.is_empty() {
        return format!("{found}{named}.");
    }
    let offered = offered(candidates.iter().map(Candidate::words));
    format!("{found}{named}. Did the person mean {offered}? Ask.")
}
