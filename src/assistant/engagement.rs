//! Which contacts of an account we have been e-mailing lately.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::assistant::account::Candidate;
use crate::assistant::arguments::{ToolArguments, refuse};
use crate::assistant::choice::{Choice, at_account, choose_one};
use crate::assistant::pipeline::freshness;
use crate::assistant::words::{count, maybe_clipped, rows_wanted, written};
use crate::error::Result;
use crate::host::{Engaged, Engagement};
use crate::model::query::{ContactQuery, Found, MAX_LIMIT, Scope};
use crate::model::{
    AccountId, ConnectionId, Contact, ContactId, ContactStatus, EmailAddress, MemberId, WorkspaceId,
};
use crate::storage::Query;

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
    /// How many days back the last message may be, 1 to 3650. 90 by default.
    #[schemars(range(min = 1, max = 3650))]
    days: Option<u32>,
    /// The most contacts wanted, 1 to 50. 20 by default.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
}

impl ToolArguments for EmailedArguments {
    const NAME: &'static str = "contacts_emailed";

    const DESCRIPTION: &'static str = "The contacts at an account that members of the team have \
        exchanged e-mail with lately, the most recent first: when, with whom and how often. Give \
        account_name or account_id. When several accounts could be meant, the answer lists them \
        instead: ask the person which one, then call again with its account_id.";

    fn example() -> Value {
        json!({
            "account_name": "Contoso",
            "account_id": "0a1b2c3d-1111-2222-3333-444455556666",
            "days": 90,
            "limit": 20,
        })
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
    /// How many contacts were e-mailed, too, and are not listed.
    left_off: u64,
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

impl Row {
    /// The newest first; ties go by connection and id.
    const fn place(&self) -> (Reverse<OffsetDateTime>, ConnectionId, &ContactId) {
        (Reverse(self.last_at), self.connection, &self.id)
    }
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
        Choice::One { scope, id, account } => {
            let mut tally = Tally { limit: limit as usize, ..Tally::default() };
            let question = Question { engagement, workspace: &scope.workspace, since };
            question.ask(query, &scope, &id, &mut tally).await?;
            let answer = tally.sentence(account.as_ref(), since);
            let Tally { rows: contacts, left_off, as_of, .. } = tally;
            let since = Some(since);
            written(&EmailedAnswer { answer, account, contacts, left_off, since, as_of, ..start })
        }
        Choice::Unclear { answer, candidates } => {
            written(&EmailedAnswer { answer, candidates, ..start })
        }
    }
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
        scope: &Scope,
        account: &AccountId,
        tally: &mut Tally,
    ) -> Result<()> {
        let mut contacts = ContactQuery::new(scope.clone());
        contacts.account = Some(account.clone());
        contacts.page.limit = MAX_LIMIT;
        loop {
            let page = query.contacts(&contacts).await?;
            tally.as_of = page.as_of;
            tally.seen += page.rows.len() as u64;
            let engaged = self.contacted(&page.rows).await?;
            for found in page.rows {
                if let Some(row) = row(found, &engaged) {
                    tally.add(row);
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
#[derive(Default)]
struct Tally {
    limit: usize,
    rows: Vec<Row>,
    left_off: u64,
    /// Contacts looked at.
    seen: u64,
    /// Whether there are contacts that were not looked at.
    is_cut: bool,
    as_of: Option<OffsetDateTime>,
}

impl Tally {
    fn add(&mut self, row: Row) {
        let at = self.rows.partition_point(|known| known.place() < row.place());
        self.rows.insert(at, row);
        if self.rows.len() > self.limit {
            self.rows.pop();
            self.left_off += 1;
        }
    }

    fn sentence(&self, account: Option<&Candidate>, since: OffsetDateTime) -> String {
        let all = self.rows.len() as u64 + self.left_off;
        let whose = at_account(account);
        let were = if all == 1 { "has" } else { "have" };
        let all = count(all, "contact", "contacts");
        let mut text =
            format!("{all}{whose} {were} exchanged e-mail with the team since {}.", since.date());
        if self.left_off > 0 {
            let rows = self.rows.len();
            text.push_str(&format!(
                " The {rows} most recent are listed, {} left off.",
                self.left_off
            ));
        }
        if self.is_cut {
            text.push_str(&format!(
                " The account has more contacts; the first {} by name were looked at.",
                self.seen
            ));
        }
        text.push_str(&freshness(self.as_of));
        text
    }
}
