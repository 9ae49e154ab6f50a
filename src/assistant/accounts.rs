//! Finds accounts by a name as somebody typed it, or lists them all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::account::{Candidate, Meaning, meaning};
use crate::assistant::arguments::{ToolArguments, of_the_cursor};
use crate::assistant::pipeline::freshness;
use crate::assistant::words::{clipped, given, rows_wanted, written};
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
        json!({ "name": "contoso", "limit": 20, "cursor": "" })
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
        Some(name) if accounts.is_empty() => match meaning(query, scope, name).await? {
            Meaning::Clear(one) => vec![one],
            Meaning::Unclear(several) => several,
            Meaning::Unknown => Vec::new(),
        },
        _ => Vec::new(),
    };
    let answer = AccountsAnswer {
        answer: sentence(&question, &accounts, &candidates, found.next.is_some(), found.as_of),
        accounts,
        candidates,
        next: found.next,
        as_of: found.as_of,
    };
    written(&answer)
}

impl AccountsArguments {
    fn question(&self, scope: &Scope) -> Result<AccountQuery> {
        let mut question = AccountQuery::new(scope.clone());
        question.name = given(self.name.as_deref()).map(clipped);
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
    as_of: Option<OffsetDateTime>,
) -> String {
    let fresh = freshness(as_of);
    let named = question.name.as_deref().map_or_else(String::new, |name| format!(" for “{name}”"));
    if accounts.is_empty() {
        let offer = match candidates.len() {
            0 => String::new(),
            1 => " One has a name close to it; ask whether it was meant.".to_owned(),
            many => format!(" {many} have names close to it; ask whether one was meant."),
        };
        return format!("No account{named}.{offer}{fresh}");
    }
    let at_least = if more { "More than " } else { "" };
    let noun = if accounts.len() == 1 { "account" } else { "accounts" };
    format!("{at_least}{} {noun}{named}.{fresh}", accounts.len())
}
