//! Finds opportunities, of an account by its name or of all.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::account::Candidate;
use crate::assistant::arguments::{ToolArguments, refuse};
use crate::assistant::choice::{Choice, choose};
use crate::assistant::pipeline::freshness;
use crate::assistant::words::{clipped, written};
use crate::error::Result;
use crate::model::query::{Found, OpportunityQuery, OpportunitySort, Scope};
use crate::model::{
    AccountId, Amount, ConnectionId, CurrencyCode, CurrencyId, Opportunity, OpportunityId,
    OpportunityStatus, Rows, Table,
};
use crate::storage::Query;

/// The most opportunities that one answer carries.
const MAX_ROWS: u32 = 50;

/// An org has a handful of currencies; the bound is for a broken one.
const MAX_CURRENCIES: u32 = 200;

/// The arguments of `search_opportunities`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchArguments {
    /// The name of the account whose opportunities are wanted, as the person said it.
    account_name: Option<String>,
    /// The id of the account, to choose one of several that an earlier answer offered.
    account_id: Option<String>,
    /// Whether open, won or lost ones are wanted. Open by default.
    status: Option<Status>,
    /// The most opportunities wanted, 1 to 50. 20 by default.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
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

    const DESCRIPTION: &'static str = "The opportunities of an account, or of all accounts, the \
        soonest expected close date first. When several accounts could be meant, the answer lists \
        them instead: ask the person which one, then call again with its account_id.";

    fn example() -> Value {
        json!({
            "account_name": "Contoso",
            "account_id": "0a1b2c3d-1111-2222-3333-444455556666",
            "status": "open",
            "limit": 20,
        })
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
    /// Whether there are more than the answer carries.
    more: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

#[derive(Serialize)]
struct Row {
    connection: ConnectionId,
    id: OpportunityId,
    name: Option<String>,
    status: OpportunityStatus,
    value: Option<Amount>,
    currency: Option<CurrencyCode>,
    /// As `2026-03-31`.
    close_date: Option<String>,
    probability: Option<u8>,
}

/// Answers `search_opportunities`.
pub(crate) async fn answer(
    query: &dyn Query,
    scope: &Scope,
    arguments: &SearchArguments,
) -> Result<Value> {
    let (name, id) = (arguments.account_name.as_deref(), arguments.account_id.as_deref());
    written(&match choose(query, scope, name, id).await? {
        Choice::Everything => arguments.search(query, scope, None, None).await?,
        Choice::One { scope, id, account } => {
            arguments.search(query, &scope, Some(id), account).await?
        }
        Choice::Unclear { answer, candidates } => {
            SearchAnswer { answer, candidates, ..SearchAnswer::default() }
        }
    })
}

impl SearchArguments {
    async fn search(
        &self,
        query: &dyn Query,
        scope: &Scope,
        id: Option<AccountId>,
        account: Option<Candidate>,
    ) -> Result<SearchAnswer> {
        let limit = self.limit.unwrap_or(20);
        if !(1..=MAX_ROWS).contains(&limit) {
            return Err(refuse("limit", "it must be 1 to 50; a good value is 20"));
        }
        let status = self.status.unwrap_or_default();
        let mut question = OpportunityQuery::new(scope.clone());
        question.filter.account = id;
        question.filter.status = Some(status.into());
        question.sort = OpportunitySort::CloseDate;
        question.page.limit = limit;
        let found = query.opportunities(&question).await?;
        let codes = currency_codes(query, scope, &found.rows).await?;
        let opportunities: Vec<Row> = found.rows.into_iter().map(|one| row(one, &codes)).collect();
        let more = found.next.is_some();
        let answer = sentence(status, &opportunities, more, account.as_ref(), found.as_of);
        Ok(SearchAnswer {
            answer,
            account,
            candidates: Vec::new(),
            opportunities,
            more,
            as_of: found.as_of,
        })
    }
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

type Codes = BTreeMap<(ConnectionId, CurrencyId), CurrencyCode>;

/// The currency codes of the connections that rows came from.
async fn currency_codes(
    query: &dyn Query,
    scope: &Scope,
    rows: &[Found<Opportunity>],
) -> Result<Codes> {
    let mut connections: Vec<ConnectionId> = rows.iter().map(|found| found.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    let mut codes = Codes::new();
    for connection in connections {
        let table = Table::Currencies;
        let rows = query.scan(&scope.workspace, connection, table, None, MAX_CURRENCIES).await?;
        if let Rows::Currencies(currencies) = rows {
            codes.extend(currencies.into_iter().map(|one| ((connection, one.id), one.code)));
        }
    }
    Ok(codes)
}

fn row(found: Found<Opportunity>, codes: &Codes) -> Row {
    let Found { connection, row } = found;
    let currency = row.currency.and_then(|id| codes.get(&(connection, id)).cloned());
    Row {
        connection,
        id: row.id,
        name: row.name.as_deref().map(clipped),
        status: row.status,
        value: row.value,
        currency,
        close_date: row.close_date.map(|date| date.to_string()),
        probability: row.probability,
    }
}

fn sentence(
    status: Status,
    rows: &[Row],
    more: bool,
    account: Option<&Candidate>,
    as_of: Option<OffsetDateTime>,
) -> String {
    let status = match status {
        Status::Lost => "lost",
        Status::Open => "open",
        Status::Won => "won",
    };
    let at_least = if more { "More than " } else { "" };
    let noun = if rows.len() == 1 { "opportunity" } else { "opportunities" };
    let whose = account
        .and_then(|account| account.name.as_deref())
        .map_or_else(String::new, |name| format!(" at {}", clipped(name)));
    format!("{at_least}{} {status} {noun}{whose}.{}", rows.len(), freshness(as_of))
}
