//! Which contacts of an account we have been e-mailing lately.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::assistant::account::Candidate;
use crate::assistant::arguments::{ToolArguments, of_the_cursor, refuse};
use crate::assistant::choice::{Choice, at_account, choose_one};
use crate::assistant::words::{count, given, maybe_clipped, rows_wanted, written};
use crate::error::Result;
use crate::host::{Engaged, Engagement};
use crate::model::query::{
    Answer, ContactQuery, Found, MAX_LIMIT, PageRequest, QueryCursor, Scope,
};
use crate::model::{
    Account, ConnectionId, Contact, ContactId, ContactStatus, EmailAddress, MemberId, WorkspaceId,
};
use crate::storage::Query;
use crate::storage::fallback::{SortKey, SortKind, SortedPage};

/// The most addresses that the host is asked about at once.
const BATCH: usize = 200;

/// The most contacts that one call looks at: 50 pages.
const MAX_CONTACTS: u64 = 10_000;

/// What is answered where the host has no [`Engagement`].
const NOT_SUPPLIED: &str = "It is not known whom the team has been e-mailing: this installation \
     supplies no record of e-mails.";

/// The longest time that can be asked for: ten years.
const MAX_DAYS: u32 = 3_650;

/// The arguments of `contacts_emailed`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailedArguments {
    /// The name of the account whose contacts are meant, as the person said it.
    account_name: Option<String>,
    /// The id of the account, to choose one of several that an earlier answer offered.
    account_id: Option<String>,
    /// The id of one connection, to look in one CRM alone. Left out or empty for all of them.
    connection: Option<String>,
    /// How many days back the last message may be, 1 to 3650. 90 by default.
    #[schemars(range(min = 1, max = 3650))]
    days: Option<u32>,
    /// The most contacts wanted, 1 to 50. 20 by default.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
    /// The `next` of an earlier answer to the same question, for the contacts after it. Left out or
    /// empty for the first ones.
    cursor: Option<String>,
}

impl ToolArguments for EmailedArguments {
    const NAME: &'static str = "contacts_emailed";

    const DESCRIPTION: &'static str = "The contacts at an account that members of the team have \
        exchanged e-mail with lately, the most recent first: when, with whom and how often. Give \
        account_name or account_id. When several accounts could be meant, the answer lists them \
        instead: ask the person which one, then call again with its account_id. When there are more \
        contacts, call again with cursor set to next.";

    fn example() -> Value {
        json!({
            "account_name": "Contoso",
            "account_id": "",
            "connection": "",
            "days": 90,
            "limit": 20,
            "cursor": "",
        })
    }

    fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

/// The answer of `contacts_emailed`.
#[derive(Default, Serialize)]
struct EmailedAnswer {
    answer: String,
    /// Whether the host tells whom the team has been e-mailing; without that, nothing is known.
    engagement_known: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Candidate>,
    /// Accounts to choose from, when the name is not clear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    contacts: Vec<Row>,
    /// How many contacts were e-mailed, on this page and on all others.
    total: u64,
    /// Where the next contacts start; `null` at the end.
    next: Option<QueryCursor>,
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

#[derive(Serialize)]
struct Row {
    connection: ConnectionId,
    id: ContactId,
    name: Option<String>,
    job_title: Option<String>,
    status: ContactStatus,
    /// The address of the last message.
    email: EmailAddress,
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
    last_by: Option<MemberId>,
    messages: u64,
}

/// Answers `contacts_emailed`.
pub(crate) async fn answer(
    query: &dyn Query,
    engagement: Option<&dyn Engagement>,
    scope: &Scope,
    arguments: &EmailedArguments,
    now: OffsetDateTime,
) -> Result<Value> {
    let limit = rows_wanted(arguments.limit)?;
    let since = arguments.since(now)?;
    let (name, id) = (arguments.account_name.as_deref(), arguments.account_id.as_deref());
    let choice = choose_one(query, scope, name, id).await?;
    let Some(engagement) = engagement else {
        let answer = NOT_SUPPLIED.to_owned();
        return written(&EmailedAnswer { answer, ..EmailedAnswer::default() });
    };
    let start = EmailedAnswer { engagement_known: true, ..EmailedAnswer::default() };
    match choice {
        Choice::One(account) => {
            let cursor = given(arguments.cursor.as_deref()).map(QueryCursor::new);
            let page = PageRequest { limit, cursor };
            let is_further = page.cursor.is_some();
            let asked = ("contacts_emailed", account.connection, &account.row.id, arguments.days);
            let page = SortedPage::open(&page, &asked, SortKind::Newest).map_err(of_the_cursor)?;
            let mut tally = Tally { page, total: 0, seen: 0, is_cut: false, as_of: None };
            let question = Question { engagement, workspace: &scope.workspace, since };
            question.ask(query, &account, &mut tally).await?;
            let Tally { page, total, seen, is_cut, as_of } = tally;
            let Answer { rows, next, .. } = page.answer(as_of)?;
            let contacts: Vec<Row> = rows.into_iter().map(|found| found.row).collect();
            let account = Some(Candidate::of(&account));
            let answer = sentence(account.as_ref(), since, (contacts.len(), total), is_further);
            let answer = if is_cut {
                format!(
                    "{answer} The account has more contacts; the first {seen} by name were looked at."
                )
            } else {
                answer
            };
            let since = Some(since);
            written(&EmailedAnswer {
                answer,
                account,
                contacts,
                total,
                next,
                since,
                as_of,
                ..start
            })
        }
        Choice::Unclear { answer, candidates } => {
            written(&EmailedAnswer { answer, candidates, ..start })
        }
    }
}

fn sentence(
    account: Option<&Candidate>,
    since: OffsetDateTime,
    (rows, total): (usize, u64),
    is_further: bool,
) -> String {
    let whose = at_account(account);
    let were = if total == 1 { "has" } else { "have" };
    let all = count(total, "contact", "contacts");
    let mut text =
        format!("{all}{whose} {were} exchanged e-mail with the team since {}.", since.date());
    if is_further {
        text.push_str(&format!(" Of these, {rows} further are listed."));
    } else if rows as u64 != total {
        text.push_str(&format!(" Of these, the most recent are listed: {rows}."));
    }
    text
}

impl EmailedArguments {
    fn since(&self, now: OffsetDateTime) -> Result<OffsetDateTime> {
        let days = self.days.unwrap_or(90);
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(refuse("days", "it must be 1 to 3650; a good value is 90"));
        }
        Ok(now.checked_sub(Duration::days(days.into())).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }
}

/// What the host is asked.
struct Question<'a> {
    engagement: &'a dyn Engagement,
    workspace: &'a WorkspaceId,
    since: OffsetDateTime,
}

impl Question<'_> {
    /// Goes through the contacts of an account, a page at a time.
    async fn ask(
        &self,
        query: &dyn Query,
        account: &Found<Account>,
        tally: &mut Tally,
    ) -> Result<()> {
        let within = Scope::connection(self.workspace.clone(), account.connection);
        let mut contacts = ContactQuery::new(within);
        contacts.account = Some(account.row.id.clone());
        contacts.page.limit = MAX_LIMIT;
        loop {
            let page = query.contacts(&contacts).await?;
            tally.as_of = page.as_of;
            tally.seen += page.rows.len() as u64;
            let engaged = self.contacted(&page.rows).await?;
            for found in page.rows {
                // What one of two duplicates had, the CRM moved to the other.
                let is_merged = matches!(found.row.status, ContactStatus::MergedInto(_));
                if let Some(row) = row(found, &engaged).filter(|_| !is_merged) {
                    tally.total += 1;
                    let key = SortKey::newest(row.last_at);
                    tally.page.offer_at((key, row.connection, row.id.clone().into()), row);
                }
            }
            contacts.page.cursor = page.next;
            if contacts.page.cursor.is_none() {
                return Ok(());
            }
            if tally.seen >= MAX_CONTACTS {
                tally.is_cut = true;
                return Ok(());
            }
        }
    }

    /// What the host knows of the addresses of a page of contacts.
    async fn contacted(
        &self,
        contacts: &[Found<Contact>],
    ) -> Result<BTreeMap<EmailAddress, Engaged>> {
        let addresses: BTreeSet<&EmailAddress> =
            contacts.iter().flat_map(|found| &found.row.emails).collect();
        let addresses: Vec<EmailAddress> = addresses.into_iter().cloned().collect();
        let mut known = BTreeMap::new();
        for batch in addresses.chunks(BATCH) {
            let told = self.engagement.contacted(self.workspace, batch, self.since).await?;
            // A host that tells more than it was asked is not believed.
            let told = told.into_iter().filter(|one| one.last_at >= self.since);
            known.extend(
                told.filter(|one| batch.binary_search(&one.address).is_ok())
                    .map(|one| (one.address.clone(), one)),
            );
        }
        Ok(known)
    }
}

/// The contact with its last message at whichever of its addresses; `None` when there was none.
fn row(found: Found<Contact>, engaged: &BTreeMap<EmailAddress, Engaged>) -> Option<Row> {
    let Found { connection, row: contact } = found;
    let addresses: BTreeSet<&EmailAddress> = contact.emails.iter().collect();
    let ours = || addresses.iter().filter_map(|address| engaged.get(*address));
    let last = ours().max_by_key(|one| one.last_at)?;
    Some(Row {
        connection,
        name: maybe_clipped(contact.name.as_deref()),
        job_title: maybe_clipped(contact.job_title.as_deref()),
        email: last.address.clone(),
        last_at: last.last_at,
        last_by: last.last_by.clone(),
        messages: ours().fold(0, |sum, one| sum.saturating_add(one.messages)),
        id: contact.id,
        status: contact.status,
    })
}

/// The newest rows so far, and what is known of the others.
struct Tally {
    page: SortedPage<Row>,
    /// Contacts that were e-mailed.
    total: u64,
    /// Contacts looked at.
    seen: u64,
    /// Whether there are contacts that were not looked at.
    is_cut: bool,
    as_of: Option<OffsetDateTime>,
}
