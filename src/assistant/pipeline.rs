//! What the open pipeline of a period is worth.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::arguments::{ToolArguments, refuse};
use crate::assistant::groups::{self, GroupRow};
use crate::assistant::when::{Days, When, period_schema};
use crate::assistant::who::{self, places};
use crate::assistant::words::{moment, written};
use crate::error::Result;
use crate::model::OpportunityStatus;
use crate::model::query::{
    CurrencyTotal, GroupBy, GroupsQuery, OpportunityFilter, Scope, Totals, TotalsQuery,
};
use crate::rules::{FiscalYear, Period};
use crate::storage::Query;

/// The arguments of `pipeline_value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineArguments {
    /// The period in which the opportunities are expected to close. Needed unless close_from or
    /// close_to is given; with them, only days in both count.
    #[schemars(schema_with = "period_schema")]
    period: Option<Period>,
    /// The first expected close date wanted, as 2026-01-01.
    close_from: Option<String>,
    /// The last expected close date wanted, as 2026-03-31.
    close_to: Option<String>,
    /// The month, 1 to 12, in which the company's fiscal year begins; for fiscal periods only.
    #[schemars(range(min = 1, max = 12))]
    fiscal_year_starts: Option<u8>,
    /// The asker's time zone by its IANA name; decides which day today is. UTC by default.
    time_zone: Option<String>,
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
        period are worth: exact totals per currency, and in the CRM's base currency as the CRM \
        converted it. Amounts of different currencies are never added up.";

    fn example() -> Value {
        json!({
            "period": "this_quarter",
            "close_from": "2026-01-01",
            "close_to": "2099-12-31",
            "fiscal_year_starts": 7,
            "time_zone": "Europe/Berlin",
            "stage": "",
            "owner": "",
            "group_by": "month",
        })
    }
}

/// The answer of `pipeline_value`.
#[derive(Serialize)]
struct PipelineAnswer {
    answer: String,
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
    let stages = who::stages(query, scope, arguments.stage.as_deref()).await?;
    let owners = who::owners(query, scope, arguments.owner.as_deref()).await?;
    let mut filter = OpportunityFilter {
        stages: places(&stages)?,
        owners: places(&owners)?,
        status: Some(OpportunityStatus::Open),
        ..OpportunityFilter::default()
    };
    days.narrow(&mut filter);
    let mut question = TotalsQuery::new(scope.clone());
    question.filter = filter.clone();
    let totals = query.totals(&question).await?;
    let groups = match arguments.group_by {
        None => None,
        Some(by) => {
            let mut question = GroupsQuery::new(scope.clone(), by.into());
            question.filter = filter;
            Some(groups::rows(query, scope, &question).await?)
        }
    };
    let (groups, groups_left_off) = groups.unzip();
    written(&PipelineAnswer {
        answer: sentence(days, &totals),
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
            period: self.period,
            close_from: self.close_from.as_deref(),
            close_to: self.close_to.as_deref(),
            fiscal_year_starts: self.fiscal_year_starts,
            time_zone: self.time_zone.as_deref(),
            fiscal_year,
        };
        let days = when.days(now)?;
        if days.is_bounded() {
            return Ok(days);
        }
        Err(refuse(
            "period",
            "it is missing; a good value is \"this_quarter\", or give close_from and close_to",
        ))
    }
}

fn sentence(days: Days, totals: &Totals) -> String {
    let noun = if totals.count == 1 { "opportunity closes" } else { "opportunities close" };
    let mut text = format!("{} open {noun}{}", totals.count, days.words());
    if !totals.by_currency.is_empty() {
        text.push_str(", worth ");
        text.push_str(&list(&totals.by_currency));
    }
    if !totals.by_base_currency.is_empty() {
        text.push_str(" (in base currency ");
        text.push_str(&list(&totals.by_base_currency));
        text.push(')');
    }
    text.push('.');
    if totals.without_value > 0 {
        text.push_str(&format!(" {} of them without a known value.", totals.without_value));
    }
    text.push_str(&freshness(totals.as_of));
    text
}

/// Sums as people read them: `1 EUR, 2 GBP and 3 USD`.
pub(crate) fn list(totals: &[CurrencyTotal]) -> String {
    let sums: Vec<String> = totals.iter().map(|one| one.total.to_string()).collect();
    match sums.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// How fresh an answer is, as a sentence with a space in front.
pub(crate) fn freshness(as_of: Option<OffsetDateTime>) -> String {
    match as_of {
        None => " No sync has finished yet, so this may be incomplete.".to_owned(),
        Some(at) => format!(" As of {}.", moment(at)),
    }
}
