//! Finds opportunities: by name, account, stage, owner, value and close date.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::account::Candidate;
use crate::assistant::arguments::{ToolArguments, of_the_cursor, refuse};
use crate::assistant::choice::{Choice, at_account, choose, offered};
use crate::assistant::meaning::{MAX_OFFERED, close};
use crate::assistant::names::{Names, Reference, owner};
use crate::assistant::when::{Days, When, period_schema};
use crate::assistant::who::{self, at_stage, owned_by, places};
use crate::assistant::words::{clipped, given, listed, quoted, rows_wanted, written};
use crate::error::Result;
use crate::model::query::{
    Found, MAX_LIMIT, OpportunityQuery, OpportunitySort, QueryCursor, Scope,
};
use crate::model::{
    AccountId, Amount, ConnectionId, CurrencyCode, Opportunity, OpportunityId, OpportunityStatus,
    RecordId, Table, UserId,
};
use crate::rules::FiscalYear;
use crate::storage::Query;

/// The arguments of `search_opportunities`. Texts may be left empty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchArguments {
    /// Words of the name of the opportunity.
    name: Option<String>,
    /// The name of the account whose opportunities are wanted, as the person said it.
    account_name: Option<String>,
    /// The id of the account, to choose one of several that an earlier answer offered.
    account_id: Option<String>,
    /// The id of one connection, to look in one CRM alone. Left out or empty for all of them.
    connection: Option<String>,
    /// Whether open, won or lost ones are wanted. Open by default. Of those that are over, only
    /// those are known that were open in some sync.
    status: Option<Status>,
    /// Only opportunities at this stage: its name or its id.
    stage: Option<String>,
    /// Only opportunities owned by this CRM user: name, e-mail address or id.
    owner: Option<String>,
    /// Only opportunities in this currency, as EUR.
    currency: Option<String>,
    /// Only opportunities worth at least this much in their own currency, as "12500.50".
    min_value: Option<String>,
    /// Only opportunities worth at most this much in their own currency, as "90000".
    max_value: Option<String>,
    /// Only open opportunities expected to close in this period; of won and lost ones, those that
    /// closed in it.
    #[schemars(schema_with = "period_schema")]
    period: Option<String>,
    /// The first day wanted, as 2026-01-01: of the expected close date, or of the day on which a won
    /// or lost one closed.
    close_from: Option<String>,
    /// The last day wanted, as 2026-03-31.
    close_to: Option<String>,
    /// The month, 1 to 12, in which the company's fiscal year begins; for fiscal periods only.
    #[schemars(range(min = 1, max = 12))]
    fiscal_year_starts: Option<u8>,
    /// The asker's time zone by its IANA name; decides which day today is. UTC by default.
    time_zone: Option<String>,
    /// The order: the soonest expected close date first, by name, or the largest value first
    /// whatever the currency. By close date by default.
    sort: Option<Sort>,
    /// The most opportunities wanted, 1 to 50. 20 by default.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
    /// The `next` of an earlier answer to the same question, for the opportunities after it.
    cursor: Option<String>,
}

/// The order of opportunities.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Sort {
    #[default]
    CloseDate,
    Name,
    Value,
}

/// The state of an opportunity.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Status {
    Lost,
    #[default]
    Open,
    Won,
}

impl ToolArguments for SearchArguments {
    const NAME: &'static str = "search_opportunities";

    const DESCRIPTION: &'static str = "The opportunities of an account, or of all accounts, by \
        name, stage, owner, value and expected close date. When several accounts could be meant, \
        the answer lists them instead: ask the person which one, then call again with its \
        account_id. When no opportunity holds the name, those with the nearest names are offered as \
        close_matches, whatever their status: ask the person whether one of them was meant. For \
        sums use pipeline_value.";

    fn example() -> Value {
        json!({
            "name": "renewal",
            "account_name": "Contoso",
            "account_id": "",
            "connection": "",
            "status": "open",
            "stage": "",
            "owner": "",
            "currency": "EUR",
            "min_value": "12500.50",
            "max_value": "90000",
            "period": "this_year",
            "close_from": "2026-01-01",
            "close_to": "2099-12-31",
            "fiscal_year_starts": 7,
            "time_zone": "Europe/Berlin",
            "sort": "close_date",
            "limit": 20,
            "cursor": "",
        })
    }

    fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

/// The answer of `search_opportunities`.
#[derive(Default, Serialize)]
struct SearchAnswer {
    answer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Candidate>,
    /// Accounts to choose from, when the name is not clear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    opportunities: Vec<Row>,
    /// Opportunities that may have been meant, when none holds the name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    close_matches: Vec<Row>,
    /// Hand it back as `cursor` for the opportunities after these; `null` at the end.
    next: Option<QueryCursor>,
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

/// An opportunity as an answer carries it.
#[derive(Serialize)]
pub(crate) struct Row {
    connection: ConnectionId,
    id: OpportunityId,
    name: Option<String>,
    account: Option<AccountId>,
    account_name: Option<String>,
    owner: Option<UserId>,
    owner_name: Option<String>,
    status: OpportunityStatus,
    value: Option<Amount>,
    /// Its code.
    currency: Option<String>,
    /// When it is expected to close, as `2026-03-31`.
    close_date: Option<String>,
    /// When it was won or lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_on: Option<String>,
    probability: Option<u8>,
}

/// Answers `search_opportunities`.
pub(crate) async fn answer(
    query: &dyn Query,
    fiscal_year: Option<FiscalYear>,
    scope: &Scope,
    arguments: &SearchArguments,
    now: OffsetDateTime,
) -> Result<Value> {
    // What is wrong with the call itself comes before any question.
    let days = arguments.days(fiscal_year, now)?;
    let mut question = arguments.question(scope, days)?;
    let (name, id) = (arguments.account_name.as_deref(), arguments.account_id.as_deref());
    let account = match choose(query, scope, name, id).await? {
        None => None,
        Some(Choice::One(account)) => {
            question.scope = Scope::connection(scope.workspace.clone(), account.connection);
            question.filter.account = Some(account.row.id.clone());
            Some(Candidate::of(&account))
        }
        Some(Choice::Unclear { answer, candidates }) => {
            return written(&SearchAnswer { answer, candidates, ..SearchAnswer::default() });
        }
    };
    let stages = who::stages(query, &question.scope, arguments.stage.as_deref()).await?;
    let owners = who::owners(query, &question.scope, arguments.owner.as_deref()).await?;
    question.filter.stages = places(&stages)?;
    question.filter.owners = places(&owners)?;
    let found = query.opportunities(&question).await.map_err(of_the_cursor)?;
    let (next, as_of) = (found.next, found.as_of);
    let opportunities = rows(query, scope, found.rows).await?;
    let close_matches = match &question.filter.name {
        Some(name) if opportunities.is_empty() && question.page.cursor.is_none() => {
            close_matches(query, scope, &question, name).await?
        }
        _ => Vec::new(),
    };
    let whose =
        format!("{}{}{}", at_account(account.as_ref()), owned_by(&owners), at_stage(&stages));
    let answer = Told { rows: &opportunities, more: next.is_some(), close: &close_matches };
    let answer = arguments.sentence(&answer, &whose, days);
    let candidates = Vec::new();
    written(&SearchAnswer {
        answer,
        account,
        candidates,
        opportunities,
        close_matches,
        next,
        as_of,
    })
}

/// The opportunities with names near to the one asked for, of the same account.
async fn close_matches(
    query: &dyn Query,
    scope: &Scope,
    question: &OpportunityQuery,
    name: &str,
) -> Result<Vec<Row>> {
    let near = match &question.filter.account {
        None => query.nearest_opportunities(&question.scope, name, MAX_LIMIT).await?.rows,
        Some(account) => {
            let mut of_it = OpportunityQuery::new(question.scope.clone());
            of_it.filter.account = Some(account.clone());
            of_it.page.limit = MAX_LIMIT;
            close(name, query.opportunities(&of_it).await?.rows)
        }
    };
    rows(query, scope, near.into_iter().take(MAX_OFFERED).collect()).await
}

/// What was found, to be told.
struct Told<'a> {
    rows: &'a [Row],
    more: bool,
    close: &'a [Row],
}

impl SearchArguments {
    fn question(&self, scope: &Scope, days: Days) -> Result<OpportunityQuery> {
        let mut question = OpportunityQuery::new(scope.clone());
        let filter = &mut question.filter;
        filter.name = given(self.name.as_deref()).map(str::to_owned);
        filter.status = Some(self.status.unwrap_or_default().into());
        filter.currency = given(self.currency.as_deref())
            .map(CurrencyCode::new)
            .transpose()
            .map_err(|_| refuse("currency", "it must be a code; a good value is \"EUR\""))?;
        filter.min_value = amount("min_value", self.min_value.as_deref())?;
        filter.max_value = amount("max_value", self.max_value.as_deref())?;
        if let (Some(min), Some(max)) = (filter.min_value, filter.max_value)
            && max < min
        {
            let reason = format!("it is less than min_value; a good value is \"{min}\"");
            return Err(refuse("max_value", &reason));
        }
        days.narrow(filter);
        question.sort = match self.sort.unwrap_or_default() {
            Sort::CloseDate => OpportunitySort::CloseDate,
            Sort::Name => OpportunitySort::Name,
            Sort::Value => OpportunitySort::ValueDescending,
        };
        question.page.limit = rows_wanted(self.limit)?;
        question.page.cursor = given(self.cursor.as_deref()).map(QueryCursor::new);
        Ok(question)
    }

    fn days(&self, fiscal_year: Option<FiscalYear>, now: OffsetDateTime) -> Result<Days> {
        let when = When {
            period: self.period.as_deref(),
            close_from: self.close_from.as_deref(),
            close_to: self.close_to.as_deref(),
            fiscal_year_starts: self.fiscal_year_starts,
            time_zone: self.time_zone.as_deref(),
            fiscal_year,
        };
        when.days(now)
    }

    fn sentence(&self, told: &Told<'_>, whose: &str, days: Days) -> String {
        let (one, many, closing) = match self.status.unwrap_or_default() {
            Status::Lost => ("lost opportunity", "lost opportunities", "closed"),
            Status::Open => ("open opportunity", "open opportunities", "closing"),
            Status::Won => ("won opportunity", "won opportunities", "closed"),
        };
        let is_further = given(self.cursor.as_deref()).is_some();
        let all = listed(is_further, told.more, told.rows.len(), one, many);
        let named = given(self.name.as_deref());
        let named = named.map_or_else(String::new, |name| format!(" named {}", quoted(name)));
        let days =
            if days.is_bounded() { format!(" {closing}{}", days.words()) } else { String::new() };
        let worth = self.worth();
        let mut text = format!("{all}{named}{whose}{worth}{days}.");
        if !told.close.is_empty() {
            let offered = offered(told.close.iter().map(Row::words));
            text.push_str(&format!(" Did the person mean {offered}? Ask."));
        }
        if !matches!(self.status.unwrap_or_default(), Status::Open) {
            text.push_str(
                " Of those that are over, only those are known that were open in a sync.",
            );
        }
        text
    }

    /// ` in EUR worth 10 to 90`, as far as it was asked for.
    fn worth(&self) -> String {
        let currency = given(self.currency.as_deref());
        let currency = currency.map_or_else(String::new, |code| format!(" in {}", clipped(code)));
        let bounds = match (given(self.min_value.as_deref()), given(self.max_value.as_deref())) {
            (None, None) => String::new(),
            (Some(min), None) => format!(" worth {} or more", clipped(min)),
            (None, Some(max)) => format!(" worth {} at most", clipped(max)),
            (Some(min), Some(max)) => format!(" worth {} to {}", clipped(min), clipped(max)),
        };
        format!("{currency}{bounds}")
    }
}

impl Row {
    /// The name as a sentence offers it, with what tells it from others of the name.
    fn words(&self) -> String {
        let name = quoted(self.name.as_deref().unwrap_or("one without a name"));
        let account = self.account_name.as_deref().map(|name| format!(" at {}", quoted(name)));
        let status = match self.status {
            OpportunityStatus::Open => "open",
            OpportunityStatus::Won => "won",
            OpportunityStatus::Lost => "lost",
            _ => "of an unknown status",
        };
        format!("{name}{} ({status})", account.unwrap_or_default())
    }
}

fn amount(argument: &str, text: Option<&str>) -> Result<Option<Amount>> {
    let parsed = given(text).map(str::parse).transpose();
    parsed.map_err(|_| {
        refuse(argument, "it must be an amount in digits; a good value is \"12500.50\"")
    })
}

impl From<Status> for OpportunityStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Lost => Self::Lost,
            Status::Open => Self::Open,
            Status::Won => Self::Won,
        }
    }
}

/// Opportunities as an answer carries them, with the names of what they refer to.
pub(crate) async fn rows(
    query: &dyn Query,
    scope: &Scope,
    found: Vec<Found<Opportunity>>,
) -> Result<Vec<Row>> {
    let names = Names::read(query, scope, found.iter().flat_map(references)).await?;
    Ok(found.into_iter().map(|one| row(&names, one)).collect())
}

fn references(found: &Found<Opportunity>) -> impl Iterator<Item = Reference> + use<> {
    let Found { connection, row } = found;
    let of = |table, id: RecordId| (*connection, table, id);
    let account = row.account().map(|id| of(Table::Accounts, id.clone().into()));
    let currency = row.currency.as_ref().map(|id| of(Table::Currencies, id.clone().into()));
    let owner = owner(row).map(|id| of(Table::Users, id.into()));
    account.into_iter().chain(currency).chain(owner)
}

fn row(names: &Names, found: Found<Opportunity>) -> Row {
    let Found { connection, row } = found;
    let (account, owner) = (row.account().cloned(), owner(&row));
    let currency = row.currency.and_then(|id| names.of(connection, Table::Currencies, id));
    Row {
        connection,
        id: row.id,
        name: row.name.as_deref().map(clipped),
        account_name: account.clone().and_then(|id| names.of(connection, Table::Accounts, id)),
        account,
        owner_name: owner.clone().and_then(|id| names.of(connection, Table::Users, id)),
        owner,
        status: row.status,
        value: row.value,
        currency,
        close_date: row.close_date.map(|date| date.to_string()),
        closed_on: row.closed_on.map(|date| date.to_string()),
        probability: row.probability,
    }
}
