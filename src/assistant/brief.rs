//! What there is to know about one company before talking to it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::account::Candidate;
use crate::assistant::arguments::ToolArguments;
use crate::assistant::changes::{self, FoundChanges, Told};
use crate::assistant::choice::{Choice, choose_one};
use crate::assistant::company::company_of;
use crate::assistant::contacts::{self, row as contact_row};
use crate::assistant::opportunities;
use crate::assistant::pipeline::{freshness, list};
use crate::assistant::words::{clipped, count, written};
use crate::error::{Error, Result};
use crate::model::query::{
    AccountQuery, ContactQuery, CurrencyTotal, Found, OpportunityQuery, OpportunitySort, Scope,
    Totals, TotalsQuery,
};
use crate::model::{
    Account, AccountId, AccountStatus, Amount, ConnectionId, CurrencyCode, Money, Opportunity,
    OpportunityStatus, UnifiedKey,
};
use crate::storage::Query;

/// The most accounts of one company that are looked into.
const MAX_ACCOUNTS: usize = 10;

/// The most contacts and the most opportunities that one answer carries.
const MAX_ROWS: u32 = 10;

/// The arguments of `account_brief`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BriefArguments {
    /// The name of the account, as the person said it. Needed unless account_id is given.
    account_name: Option<String>,
    /// The id of the account, to choose one of several that an earlier answer offered.
    account_id: Option<String>,
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
        json!({ "account_name": "Contoso", "account_id": "" })
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
    /// What all its open opportunities are worth.
    pipeline: Totals,
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

/// A company and its accounts.
#[derive(Serialize)]
struct Company {
    /// What the accounts have in common.
    key: UnifiedKey,
    name: Option<String>,
    domains: Vec<String>,
    accounts: Vec<Member>,
    /// How many of its accounts were not looked into.
    left_off: usize,
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
    let (within, id) = match choose_one(query, scope, name, id).await? {
        Choice::One { scope, id, .. } => (scope, id),
        Choice::Unclear { answer, candidates } => {
            return written(&BriefAnswer { answer, candidates, ..BriefAnswer::default() });
        }
    };
    let mut question = AccountQuery::new(within);
    question.id = Some(id.clone());
    let found = query.accounts(&question).await?;
    let Some(account) = found.rows.into_iter().next() else {
        let id = clipped(id.as_str());
        let answer = format!("No account has the id {id}.{}", freshness(found.as_of));
        return written(&BriefAnswer { answer, as_of: found.as_of, ..BriefAnswer::default() });
    };
    let (company, mut members) = company_of(query, scope, account).await?;
    let left_off = members.len().saturating_sub(MAX_ACCOUNTS);
    members.truncate(MAX_ACCOUNTS);
    let mut brief = Brief::default();
    for member in &members {
        brief.add(query, scope, member).await?;
    }
    let company = Company {
        key: company.key,
        name: company.name.as_deref().map(clipped),
        domains: company.domains.iter().take(MAX_ACCOUNTS).map(|one| clipped(one)).collect(),
        accounts: members.into_iter().map(member).collect(),
        left_off,
    };
    written(&brief.answer(query, scope, company, found.as_of).await?)
}

/// What is gathered account by account.
#[derive(Default)]
struct Brief {
    contacts: Vec<contacts::Row>,
    more_contacts: bool,
    opportunities: Vec<Found<Opportunity>>,
    count: u64,
    without_value: u64,
    by_currency: Sums,
    by_base_currency: Sums,
    changes: FoundChanges,
}

type Sums = BTreeMap<CurrencyCode, (Amount, u64)>;

impl Brief {
    async fn add(
        &mut self,
        query: &dyn Query,
        scope: &Scope,
        account: &Found<Account>,
    ) -> Result<()> {
        let within = Scope::connection(scope.workspace.clone(), account.connection);
        let mut contacts = ContactQuery::new(within.clone());
        contacts.account = Some(account.row.id.clone());
        contacts.page.limit = MAX_ROWS;
        let found = query.contacts(&contacts).await?;
        self.more_contacts |= found.next.is_some();
        self.contacts.extend(found.rows.into_iter().map(contact_row));

        let mut open = OpportunityQuery::new(within.clone());
        open.filter.account = Some(account.row.id.clone());
        open.filter.status = Some(OpportunityStatus::Open);
        open.sort = OpportunitySort::CloseDate;
        open.page.limit = MAX_ROWS;
        self.opportunities.extend(query.opportunities(&open).await?.rows);

        self.changes.add(query, scope, account).await?;

        let mut totals = TotalsQuery::new(within);
        totals.filter = open.filter;
        let Totals { count, without_value, by_currency, by_base_currency, .. } =
            query.totals(&totals).await?;
        self.count += count;
        self.without_value += without_value;
        add_up(&mut self.by_currency, by_currency)?;
        add_up(&mut self.by_base_currency, by_base_currency)
    }

    async fn answer(
        mut self,
        query: &dyn Query,
        scope: &Scope,
        company: Company,
        as_of: Option<OffsetDateTime>,
    ) -> Result<BriefAnswer> {
        let most = MAX_ROWS as usize;
        self.more_contacts |= self.contacts.len() > most;
        self.contacts.truncate(most);
        // Those without a date come last, as in every list of them.
        self.opportunities.sort_by_key(|one| Reverse(one.row.close_date.map(Reverse)));
        self.opportunities.truncate(most);
        let opportunities = opportunities::rows(query, scope, self.opportunities).await?;
        let changes = self.changes.told(query, scope).await?;
        let mut pipeline = Totals::default();
        (pipeline.count, pipeline.without_value) = (self.count, self.without_value);
        (pipeline.by_currency, pipeline.by_base_currency) =
            (told(self.by_currency), told(self.by_base_currency));
        pipeline.as_of = as_of;
        let answer = sentence(&company, &self.contacts, self.more_contacts, &pipeline);
        // Before the first sync has ended nothing can have changed.
        let changed = as_of.map(|_| changes.sentence()).unwrap_or_default();
        let answer = format!("{answer}{changed}{}", freshness(as_of));
        let Told { rows: changes, is_cut: more_changes } = changes;
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
            pipeline,
            as_of,
        })
    }
}

fn add_up(sums: &mut Sums, totals: Vec<CurrencyTotal>) -> Result<()> {
    for CurrencyTotal { total: Money { amount, currency }, count } in totals {
        let sum = sums.entry(currency).or_insert((Amount::ZERO, 0));
        let beyond = || Error::invalid_input("the sum of a currency", "it is 10^18 or larger");
        *sum = (sum.0.checked_add(amount).ok_or_else(beyond)?, sum.1 + count);
    }
    Ok(())
}

fn told(sums: Sums) -> Vec<CurrencyTotal> {
    let told =
        |(currency, (amount, count))| CurrencyTotal { total: Money::new(amount, currency), count };
    sums.into_iter().map(told).collect()
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
    let name = company.name.as_deref().unwrap_or("The company without a name");
    let accounts = count((company.accounts.len() + company.left_off) as u64, "account", "accounts");
    let at_least = if more_contacts { "more than " } else { "" };
    let contacts = count(contacts.len() as u64, "contact", "contacts");
    let open = count(pipeline.count, "open opportunity", "open opportunities");
    let mut text = format!("{name}: {accounts}, {at_least}{contacts}, {open}");
    if !pipeline.by_currency.is_empty() {
        text.push_str(", worth ");
        text.push_str(&list(&pipeline.by_currency));
    }
    text.push('.');
    text
}
