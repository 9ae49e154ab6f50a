//! What the open pipeline of a period is worth.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::account::Candidate;
use crate::assistant::arguments::{ToolArguments, refuse};
use crate::assistant::choice::{Choice, at_account, choose};
use crate::assistant::groups::{self, Broken, GroupRow};
use crate::assistant::when::{Days, When, period_schema};
use crate::assistant::who::{self, at_stage, owned_by, places};
use crate::assistant::words::{count, sums, written};
use crate::error::Result;
use crate::model::OpportunityStatus;
use crate::model::query::{GroupBy, GroupsQuery, OpportunityFilter, Scope, Totals, TotalsQuery};
use crate::rules::FiscalYear;
use crate::storage::Query;

/// The arguments of `pipeline_value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineArguments {
    /// The period in which the opportunities are expected to close; "any" for the whole pipeline,
    /// whenever it is to close. Needed unless close_from or close_to is given; with them, only days
    /// in both count.
    #[schemars(schema_with = "period_schema")]
    period: Option<String>,
    /// The first expected close date wanted, as 2026-01-01.
    close_from: Option<String>,
    /// The last expected close date wanted, as 2026-03-31.
    close_to: Option<String>,
    /// The month, 1 to 12, in which the company's fiscal year begins; for fiscal periods only.
    #[schemars(range(min = 1, max = 12))]
    fiscal_year_starts: Option<u8>,
    /// The asker's time zone by its IANA name; decides which day today is. UTC by default.
    time_zone: Option<String>,
    /// The name of the account whose opportunities are meant, as the person said it.
    account_name: Option<String>,
    /// The id of the account, to choose one of several that an earlier answer offered.
    account_id: Option<String>,
    /// The id of one connection, to ask one CRM alone. Left out or empty for all of them.
    connection: Option<String>,
    /// Only opportunities at this stage: its name or its id.
    stage: Option<String>,
    /// Only opportunities owned by this CRM user: name, e-mail address or id.
    owner: Option<String>,
    /// Also break the totals down by the month of the close date, by owner or by stage.
    group_by: Option<Breakdown>,
}

/// What totals are broken down by.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Breakdown {
    Month,
    Owner,
    Stage,
}

impl From<Breakdown> for GroupBy {
    fn from(by: Breakdown) -> Self {
        match by {
            Breakdown::Month => Self::Month,
            Breakdown::Owner => Self::Owner,
            Breakdown::Stage => Self::Stage,
        }
    }
}

impl ToolArguments for PipelineArguments {
    const NAME: &'static str = "pipeline_value";

    const DESCRIPTION: &'static str = "What the open opportunities that are expected to close in a \
        period are worth, all of them or those of one account, owner or stage: exact totals per \
        currency, and in the CRM's base currency as the CRM converted it. Amounts of different \
        currencies are never added up. When several accounts could be meant, the answer lists them \
        instead: ask the person which one, then call again with its account_id.";

    fn example() -> Value {
        json!({
            "period": "this_quarter",
            "close_from": "2026-01-01",
            "close_to": "2099-12-31",
            "fiscal_year_starts": 7,
            "time_zone": "Europe/Berlin",
            "account_name": "Contoso",
            "account_id": "",
            "connection": "",
            "stage": "",
            "owner": "",
            "group_by": "month",
        })
    }

    fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

/// The answer of `pipeline_value`.
#[derive(Serialize)]
struct PipelineAnswer {
    answer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Candidate>,
    /// The first and the last day of the period, as `2026-03-31`; `null` where there is no bound.
    from: Option<String>,
    to: Option<String>,
    #[serde(flatten)]
    totals: Totals,
    /// The same by month, owner or stage, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<GroupRow>>,
    /// How many groups were left off.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_left_off: Option<u64>,
}

/// Answers `pipeline_value`.
pub(crate) async fn answer(
    query: &dyn Query,
    fiscal_year: Option<FiscalYear>,
    scope: &Scope,
    arguments: &PipelineArguments,
    now: OffsetDateTime,
) -> Result<Value> {
    let days = arguments.days(fiscal_year, now)?;
    let (name, id) = (arguments.account_name.as_deref(), arguments.account_id.as_deref());
    let (account, within) = match choose(query, scope, name, id).await? {
        None => (None, scope.clone()),
        Some(Choice::One(account)) => {
            let within = Scope::connection(scope.workspace.clone(), account.connection);
            (Some(account), within)
        }
        Some(Choice::Unclear { answer, candidates }) => {
            return Ok(json!({ "answer": answer, "candidates": candidates }));
        }
    };
    let stages = who::stages(query, &within, arguments.stage.as_deref()).await?;
    let owners = who::owners(query, &within, arguments.owner.as_deref()).await?;
    let mut filter = OpportunityFilter {
        account: account.as_ref().map(|account| account.row.id.clone()),
        stages: places(&stages)?,
        owners: places(&owners)?,
        status: Some(OpportunityStatus::Open),
        ..OpportunityFilter::default()
    };
    days.narrow(&mut filter);
    let broken = match arguments.group_by {
        None => None,
        Some(by) => {
            let mut question = GroupsQuery::new(within.clone(), by.into());
            question.filter = filter.clone();
            Some(groups::broken_down(query, scope, &question).await?)
        }
    };
    let (broken, whole) = match broken {
        None => (None, None),
        Some(Broken { rows, left_off, whole }) => (Some((rows, left_off)), whole),
    };
    let totals = match whole {
        Some(whole) => whole,
        None => {
            let mut question = TotalsQuery::new(within);
            question.filter = filter;
            query.totals(&question).await?
        }
    };
    let (groups, groups_left_off) = broken.unzip();
    let account = account.as_deref().map(Candidate::of);
    let whose =
        format!("{}{}{}", at_account(account.as_ref()), owned_by(&owners), at_stage(&stages));
    written(&PipelineAnswer {
        answer: sentence(&whose, days, &totals),
        account,
        from: days.from.map(|date| date.to_string()),
        to: days.last.map(|date| date.to_string()),
        totals,
        groups,
        groups_left_off,
    })
}

impl PipelineArguments {
    fn days(&self, fiscal_year: Option<FiscalYear>, now: OffsetDateTime) -> Result<Days> {
        let when = When {
            period: self.period.as_deref(),
            close_from: self.close_from.as_deref(),
            close_to: self.close_to.as_deref(),
            fiscal_year_starts: self.fiscal_year_starts,
            time_zone: self.time_zone.as_deref(),
            fiscal_year,
        };
        let days = when.days(now)?;
        if days.is_bounded() || when.is_any() {
            return Ok(days);
        }
        Err(refuse(
            "period",
            "it is missing; a good value is \"this_quarter\", or \"any\" for the whole pipeline, or \
             give close_from and close_to",
        ))
    }
}

fn sentence(whose: &str, days: Days, totals: &Totals) -> String {
    let all = count(totals.count, "open opportunity", "open opportunities");
    let mut text = match (days.is_bounded(), totals.count) {
        (false, _) => format!("{all}{whose}, whenever expected to close"),
        (true, 1) => format!("{all}{whose} closes{}", days.words()),
        (true, _) => format!("{all}{whose} close{}", days.words()),
    };
    if !totals.by_currency.is_empty() {
        text.push_str(", worth ");
        text.push_str(&sums(&totals.by_currency));
    }
    if !totals.by_base_currency.is_empty() {
        text.push_str(" (in base currency ");
        text.push_str(&sums(&totals.by_base_currency));
        text.push(')');
    }
    text.push('.');
    if totals.without_value > 0 {
        text.push_str(&format!(" {} of them without a known value.", totals.without_value));
    }
    text
}
