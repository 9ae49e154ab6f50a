//! What there is to know about one company before talking to it.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::assistant::account::Candidate;
use crate::assistant::arguments::ToolArguments;
use crate::assistant::changes::{self, FoundChanges, Told};
use crate::assistant::choice::{Choice, choose_one};
use crate::assistant::company::{Kinship, company_of};
use crate::assistant::contacts::{self, row as contact_row};
use crate::assistant::opportunities;
use crate::assistant::sums::Sums;
use crate::assistant::words::{clipped, count, quoted, sums, written};
use crate::error::Result;
use crate::model::query::{
    ContactQuery, Found, OpportunityQuery, OpportunitySort, Scope, Totals, TotalsQuery,
};
use crate::model::{
    Account, AccountId, AccountStatus, ConnectionId, Contact, ContactStatus, Opportunity,
    OpportunityStatus, UnifiedKey,
};
use crate::storage::Query;
use crate::storage::fallback::oldest;

/// The most accounts of one company that are looked into.
const MAX_ACCOUNTS: usize = 50;

/// The most accounts, and web domains, of one company that an answer carries.
const MAX_LISTED: usize = 10;

/// The most contacts and the most opportunities that one answer carries.
const MAX_ROWS: u32 = 10;

/// The most pages of contacts of one account that are read.
const MAX_PAGES: usize = 5;

/// The arguments of `account_brief`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BriefArguments {
    /// The name of the account, as the person said it. Needed unless account_id is given.
    account_name: Option<String>,
    /// The id of the account, to choose one of several that an earlier answer offered.
    account_id: Option<String>,
    /// The id of one connection, to look in one CRM alone. Left out or empty for all of them.
    connection: Option<String>,
}

impl ToolArguments for BriefArguments {
    const NAME: &'static str = "account_brief";

    const DESCRIPTION: &'static str = "What there is to know about a company: its accounts in all \
        connected CRMs (joined by web domain, then by name), its contacts, its open opportunities, \
        the soonest close date first, what they are worth per currency, and what the last syncs \
        found changed. When several accounts \
        could be meant, the answer lists them instead: ask the person which one, then call again \
        with its account_id.";

    fn example() -> Value {
        json!({ "account_name": "Contoso", "account_id": "", "connection": "" })
    }

    fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

/// The answer of `account_brief`.
#[derive(Default, Serialize)]
struct BriefAnswer {
    answer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<Company>,
    /// Accounts to choose from, when the name is not clear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    contacts: Vec<contacts::Row>,
    /// Whether there are more contacts; `search_contacts` lists them.
    more_contacts: bool,
    opportunities: Vec<opportunities::Row>,
    /// What the last syncs found changed about the accounts, their contacts and their opportunities,
    /// the newest first.
    changes: Vec<changes::Row>,
    /// Whether more changed than is listed.
    more_changes: bool,
    /// Whether others may be missing, for a sync found more than is kept.
    changes_not_kept: bool,
    /// What the open opportunities of the accounts looked into are worth.
    pipeline: Totals,
}

/// A company and its accounts.
#[derive(Serialize)]
struct Company {
    /// What the accounts have in common.
    key: UnifiedKey,
    name: Option<String>,
    domains: Vec<String>,
    /// The account asked for first.
    accounts: Vec<Member>,
    /// How many accounts are known to be of the company.
    accounts_known: usize,
    /// Of how many of them contacts, opportunities and sums are told.
    accounts_looked_into: usize,
}

#[derive(Serialize)]
struct Member {
    connection: ConnectionId,
    id: AccountId,
    name: Option<String>,
    status: AccountStatus,
    website: Option<String>,
    phone: Option<String>,
    industry: Option<String>,
    employees: Option<i64>,
    city: Option<String>,
    country: Option<String>,
}

/// Answers `account_brief`.
pub(crate) async fn answer(
    query: &dyn Query,
    scope: &Scope,
    arguments: &BriefArguments,
) -> Result<Value> {
    let (name, id) = (arguments.account_name.as_deref(), arguments.account_id.as_deref());
    let account = match choose_one(query, scope, name, id).await? {
        Choice::One(account) => *account,
        Choice::Unclear { answer, candidates } => {
            return written(&BriefAnswer { answer, candidates, ..BriefAnswer::default() });
        }
    };
    let Kinship { company, mut accounts, is_cut } = company_of(query, scope, account).await?;
    let accounts_known = accounts.len();
    accounts.truncate(MAX_ACCOUNTS);
    let mut brief = Brief::default();
    for account in &accounts {
        brief.add(query, scope, account).await?;
    }
    let company = Company {
        key: company.key,
        name: company.name.as_deref().map(clipped),
        domains: company.domains.iter().take(MAX_LISTED).map(|one| clipped(one)).collect(),
        accounts_known,
        accounts_looked_into: accounts.len(),
        accounts: accounts.into_iter().take(MAX_LISTED).map(member).collect(),
    };
    written(&brief.answer(query, scope, company, is_cut).await?)
}

/// What is gathered account by account.
#[derive(Default)]
struct Brief {
    contacts: Vec<contacts::Row>,
    more_contacts: bool,
    opportunities: Vec<Found<Opportunity>>,
    pipeline: Sums,
    changes: FoundChanges,
}

impl Brief {
    async fn add(
        &mut self,
        query: &dyn Query,
        scope: &Scope,
        account: &Found<Account>,
    ) -> Result<()> {
        let within = Scope::connection(scope.workspace.clone(), account.connection);
        self.add_contacts(query, within.clone(), account).await?;

        let mut open = OpportunityQuery::new(within.clone());
        open.filter.account = Some(account.row.id.clone());
        open.filter.status = Some(OpportunityStatus::Open);
        open.sort = OpportunitySort::CloseDate;
        open.page.limit = MAX_ROWS;
        self.opportunities.extend(query.opportunities(&open).await?.rows);

        self.changes.add(query, scope, account).await?;

        let mut totals = TotalsQuery::new(within);
        totals.filter = open.filter;
        self.pipeline.add(&query.totals(&totals).await?)
    }

    /// Adds contacts by name, but for those that were merged into others.
    async fn add_contacts(
        &mut self,
        query: &dyn Query,
        within: Scope,
        account: &Found<Account>,
    ) -> Result<()> {
        let mut question = ContactQuery::new(within);
        question.account = Some(account.row.id.clone());
        let (most, mut own) = (MAX_ROWS as usize, Vec::new());
        for _ in 0..MAX_PAGES {
            let page = query.contacts(&question).await?;
            let is_merged = |row: &Contact| matches!(row.status, ContactStatus::MergedInto(_));
            own.extend(page.rows.into_iter().filter(|found| !is_merged(&found.row)));
            question.page.cursor = page.next;
            if question.page.cursor.is_none() || own.len() > most {
                break;
            }
        }
        self.more_contacts |= own.len() > most || question.page.cursor.is_some();
        self.contacts.extend(own.into_iter().map(contact_row));
        Ok(())
    }

    async fn answer(
        mut self,
        query: &dyn Query,
        scope: &Scope,
        company: Company,
        is_cut: bool,
    ) -> Result<BriefAnswer> {
        let most = MAX_ROWS as usize;
        self.more_contacts |= self.contacts.len() > most;
        self.contacts.truncate(most);
        // Those without a date come last, as in every list of them.
        self.opportunities.sort_by_key(|one| Reverse(one.row.close_date.map(Reverse)));
        self.opportunities.truncate(most);
        let opportunities = opportunities::rows(query, scope, self.opportunities).await?;
        let changes = self.changes.told(query, scope).await?;
        let mut pipeline = self.pipeline.totals();
        pipeline.as_of = oldest(&query.as_of(scope).await?);
        let mut answer = sentence(&company, &self.contacts, self.more_contacts, &pipeline);
        if is_cut {
            answer.push_str(" It may have further accounts that were not looked for.");
        }
        // Before the first sync has ended nothing can have changed.
        if pipeline.as_of.is_some() {
            answer.push_str(&changes.sentence());
        }
        let Told { rows: changes, is_cut: more_changes, not_kept: changes_not_kept } = changes;
        let Self { contacts, more_contacts, .. } = self;
        let (company, candidates) = (Some(company), Vec::new());
        Ok(BriefAnswer {
            answer,
            company,
            candidates,
            contacts,
            more_contacts,
            opportunities,
            changes,
            more_changes,
            changes_not_kept,
            pipeline,
        })
    }
}

fn member(found: Found<Account>) -> Member {
    let Found { connection, row } = found;
    let text = |text: Option<String>| text.as_deref().map(clipped);
    Member {
        connection,
        id: row.id,
        name: text(row.name),
        status: row.status,
        website: text(row.website),
        phone: text(row.phone),
        industry: text(row.industry),
        employees: row.employees,
        city: text(row.city),
        country: text(row.country),
    }
}

fn sentence(
    company: &Company,
    contacts: &[contacts::Row],
    more_contacts: bool,
    pipeline: &Totals,
) -> String {
    let name = company.name.as_deref();
    let name = name.map_or_else(|| "The company without a name".to_owned(), quoted);
    let (known, looked_into) = (company.accounts_known, company.accounts_looked_into);
    let accounts = count(known as u64, "account", "accounts");
    let accounts = if known == looked_into {
        accounts
    } else {
        format!("{accounts}, of which {looked_into} were looked into")
    };
    let at_least = if more_contacts { "more than " } else { "" };
    let contacts = count(contacts.len() as u64, "contact", "contacts");
    let open = count(pipeline.count, "open opportunity", "open opportunities");
    let mut text = format!("{name}: {accounts}, {at_least}{contacts}, {open}");
    if !pipeline.by_currency.is_empty() {
        text.push_str(", worth ");
        text.push_str(&sums(&pipeline.by_currency));
    }
    text.push('.');
    text
}
