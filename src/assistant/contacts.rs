//! Finds contacts, by name, of an account, or both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::account::Candidate;
use crate::assistant::arguments::{ToolArguments, of_the_cursor};
use crate::assistant::choice::{Choice, at_account, choose};
use crate::assistant::pipeline::freshness;
use crate::assistant::words::{clipped, count, given, maybe_clipped, rows_wanted, written};
use crate::error::Result;
use crate::model::query::{ContactQuery, Contacts, Found, QueryCursor, Scope};
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
        account_id. When there are more contacts, call again with cursor set to next.";

    fn example() -> Value {
        json!({
            "name": "Ada Lovelace",
            "account_name": "Contoso",
            "account_id": "",
            "limit": 20,
            "cursor": "",
        })
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
    rows_wanted(arguments.limit)?;
    let (name, id) = (arguments.account_name.as_deref(), arguments.account_id.as_deref());
    let (scope, id, account) = match choose(query, scope, name, id).await? {
        None => (scope.clone(), None, None),
        Some(Choice::One { scope, id, account }) => (scope, Some(id), account),
        Some(Choice::Unclear { answer, candidates }) => {
            return written(&ContactAnswer { answer, candidates, ..ContactAnswer::default() });
        }
    };
    let found = arguments.search(query, scope, id).await?;
    let answer = arguments.sentence(&found, account.as_ref());
    let contacts = found.rows.into_iter().map(row).collect();
    let Contacts { next, as_of, .. } = found;
    written(&ContactAnswer { answer, account, candidates: Vec::new(), contacts, next, as_of })
}

impl ContactArguments {
    async fn search(
        &self,
        query: &dyn Query,
        scope: Scope,
        account: Option<AccountId>,
    ) -> Result<Contacts> {
        let mut question = ContactQuery::new(scope);
        question.name = given(self.name.as_deref()).map(clipped);
        question.account = account;
        question.page.limit = rows_wanted(self.limit)?;
        question.page.cursor = given(self.cursor.as_deref()).map(QueryCursor::new);
        query.contacts(&question).await.map_err(of_the_cursor)
    }

    fn sentence(&self, found: &Contacts, account: Option<&Candidate>) -> String {
        let named = given(self.name.as_deref())
            .map_or_else(String::new, |name| format!(" named “{}”", clipped(name)));
        let found_now = count(found.rows.len() as u64, "contact", "contacts");
        let is_continued = given(self.cursor.as_deref()).is_some();
        let (further, more) = (
            if is_continued { "Further: " } else { "" },
            if found.next.is_some() { " There are more." } else { "" },
        );
        let (whose, fresh) = (at_account(account), freshness(found.as_of));
        format!("{further}{found_now}{named}{whose}.{more}{fresh}")
    }
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
