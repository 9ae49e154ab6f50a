//! Finds contacts, by name, of an account, or both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::account::Candidate;
use crate::assistant::arguments::{ToolArguments, of_the_cursor};
use crate::assistant::choice::{Choice, at_account, choose, offered};
use crate::assistant::meaning::{MAX_OFFERED, close};
use crate::assistant::words::{given, listed, maybe_clipped, quoted, rows_wanted, written};
use crate::error::Result;
use crate::model::query::{ContactQuery, Contacts, Found, MAX_LIMIT, QueryCursor, Scope};
use crate::model::{
    AccountId, ConnectionId, Contact, ContactId, ContactStatus, EmailAddress, UserId,
};
use crate::storage::Query;

/// The most e-mail addresses of one contact that an answer carries.
const MAX_EMAILS: usize = 5;

/// The arguments of `search_contacts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactArguments {
    /// The name of the contact, or words of it.
    name: Option<String>,
    /// The name of the account whose contacts are wanted, as the person said it.
    account_name: Option<String>,
    /// The id of the account, to choose one of several that an earlier answer offered.
    account_id: Option<String>,
    /// The id of one connection, to look in one CRM alone. Left out or empty for all of them.
    connection: Option<String>,
    /// The most contacts wanted, 1 to 50. 20 by default.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
    /// The `next` of an earlier answer to the same question, for the contacts after it. Left out or
    /// empty for the first ones.
    cursor: Option<String>,
}

impl ToolArguments for ContactArguments {
    const NAME: &'static str = "search_contacts";

    const DESCRIPTION: &'static str = "The contacts (people) of the CRM by name, of one account or \
        of all, with e-mail addresses, telephone and job title. When several accounts could be \
        meant, the answer lists them instead: ask the person which one, then call again with its \
        account_id. When no contact holds the name, those with the nearest names are offered as \
        close_matches: ask the person whether one of them was meant. When there are more contacts, \
        call again with cursor set to next.";

    fn example() -> Value {
        json!({
            "name": "Ada Lovelace",
            "account_name": "Contoso",
            "account_id": "",
            "connection": "",
            "limit": 20,
            "cursor": "",
        })
    }

    fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

/// The answer of `search_contacts`.
#[derive(Default, Serialize)]
struct ContactAnswer {
    answer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Candidate>,
    /// Accounts to choose from, when the name is not clear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    contacts: Vec<Row>,
    /// Contacts that may have been meant, when none holds the name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    close_matches: Vec<Row>,
    /// Where the next contacts start; `null` at the end.
    next: Option<QueryCursor>,
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

/// A contact as an answer carries it.
#[derive(Serialize)]
pub(crate) struct Row {
    connection: ConnectionId,
    id: ContactId,
    name: Option<String>,
    emails: Vec<EmailAddress>,
    phone: Option<String>,
    job_title: Option<String>,
    department: Option<String>,
    /// The account that the contact belongs to directly.
    account: Option<AccountId>,
    owner: Option<UserId>,
    status: ContactStatus,
}

/// Answers `search_contacts`.
pub(crate) async fn answer(
    query: &dyn Query,
    scope: &Scope,
    arguments: &ContactArguments,
) -> Result<Value> {
    // What is wrong with the call itself comes before any question.
    let mut question = ContactQuery::new(scope.clone());
    question.name = given(arguments.name.as_deref()).map(str::to_owned);
    question.page.limit = rows_wanted(arguments.limit)?;
    question.page.cursor = given(arguments.cursor.as_deref()).map(QueryCursor::new);
    let (name, id) = (arguments.account_name.as_deref(), arguments.account_id.as_deref());
    let account = match choose(query, scope, name, id).await? {
        None => None,
        Some(Choice::One(account)) => {
            question.scope = Scope::connection(scope.workspace.clone(), account.connection);
            question.account = Some(account.row.id.clone());
            Some(Candidate::of(&account))
        }
        Some(Choice::Unclear { answer, candidates }) => {
            return written(&ContactAnswer { answer, candidates, ..ContactAnswer::default() });
        }
    };
    let found = query.contacts(&question).await.map_err(of_the_cursor)?;
    let close = match &question.name {
        Some(name) if found.rows.is_empty() && question.page.cursor.is_none() => {
            close_matches(query, &question, name).await?
        }
        _ => Vec::new(),
    };
    let answer = sentence(&question, &found, &close, account.as_ref());
    let contacts = found.rows.into_iter().map(row).collect();
    let close_matches = close.into_iter().map(row).collect();
    let Contacts { next, as_of, .. } = found;
    let candidates = Vec::new();
    written(&ContactAnswer { answer, account, candidates, contacts, close_matches, next, as_of })
}

/// The contacts with names near to the one asked for, of the same account.
async fn close_matches(
    query: &dyn Query,
    question: &ContactQuery,
    name: &str,
) -> Result<Vec<Found<Contact>>> {
    let near = match &question.account {
        None => query.nearest_contacts(&question.scope, name, MAX_LIMIT).await?.rows,
        Some(account) => {
            let mut of_it = ContactQuery::new(question.scope.clone());
            of_it.account = Some(account.clone());
            of_it.page.limit = MAX_LIMIT;
            close(name, query.contacts(&of_it).await?.rows)
        }
    };
    Ok(near.into_iter().take(MAX_OFFERED).collect())
}

fn sentence(
    question: &ContactQuery,
    found: &Contacts,
    close: &[Found<Contact>],
    account: Option<&Candidate>,
) -> String {
    let (further, more) = (question.page.cursor.is_some(), found.next.is_some());
    let all = listed(further, more, found.rows.len(), "contact", "contacts");
    let named = question
        .name
        .as_deref()
        .map_or_else(String::new, |name| format!(" named {}", quoted(name)));
    let whose = at_account(account);
    if close.is_empty() {
        return format!("{all}{named}{whose}.");
    }
    let words = |one: &Found<Contact>| {
        let name = quoted(one.row.name.as_deref().unwrap_or("one without a name"));
        let email = one.row.emails.first();
        email.map_or_else(|| name.clone(), |email| format!("{name} ({email})"))
    };
    let offered = offered(close.iter().map(words));
    format!("{all}{named}{whose}. Did the person mean {offered}? Ask.")
}

/// A contact as an answer carries it.
pub(crate) fn row(found: Found<Contact>) -> Row {
    let Found { connection, row } = found;
    let account = row.account().cloned();
    let mut emails = row.emails;
    emails.truncate(MAX_EMAILS);
    let owner = match row.owner {
        Some(crate::model::OwnerRef::User(user)) => Some(user),
        Some(crate::model::OwnerRef::Team(_)) | None => None,
    };
    Row {
        connection,
        id: row.id,
        name: maybe_clipped(row.name.as_deref()),
        emails,
        phone: maybe_clipped(row.phone.as_deref()),
        job_title: maybe_clipped(row.job_title.as_deref()),
        department: maybe_clipped(row.department.as_deref()),
        account,
        owner,
        status: row.status,
    }
}
