//! What the open pipeline of a period is worth.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Date, Month, OffsetDateTime, UtcOffset};

use crate::assistant::arguments::{ToolArguments, refuse};
use crate::assistant::groups::{self, GroupRow};
use crate::error::{Error, Result};
use crate::model::query::{
    CurrencyTotal, GroupBy, GroupsQuery, OpportunityFilter, Scope, Totals, TotalsQuery,
};
use crate::model::{OpportunityStatus, StageId, UserId};
use crate::rules::{DateRange, FiscalYear, Period, today};
use crate::storage::Query;

/// The arguments of `pipeline_value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineArguments {
    /// The period in which the opportunities are expected to close.
    #[schemars(schema_with = "period_schema")]
    period: Period,
    /// The month, 1 to 12, in which the company's fiscal year begins; for fiscal periods only.
    #[schemars(range(min = 1, max = 12))]
    fiscal_year_starts: Option<u8>,
    /// The asker's time zone as minutes ahead of UTC; decides which day today is. UTC by default.
    #[schemars(range(min = -840, max = 840))]
    utc_offset_minutes: Option<i32>,
    /// Only opportunities at the stage with this id.
    stage: Option<String>,
    /// Only opportunities owned by the CRM user with this id.
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
            "fiscal_year_starts": 7,
            "utc_offset_minutes": 60,
            "stage": "0a1b2c3d-1111-2222-3333-444455556666",
            "owner": "7d2f0e64-0f5e-5c0e-9a55-0d5a3f1c9b10",
            "group_by": "month",
        })
    }
}

fn period_schema(_generator: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = Period::ALL.iter().map(|period| period.as_str()).collect();
    json_schema!({ "type": "string", "enum": names })
}

/// The answer of `pipeline_value`.
#[derive(Serialize)]
struct PipelineAnswer {
    answer: String,
    /// The first and the last day of the period, as `2026-03-31`.
    from: String,
    to: String,
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
    scope: &Scope,
    arguments: &PipelineArguments,
    now: OffsetDateTime,
) -> Result<Value> {
    let range = arguments.range(now)?;
    let mut question = TotalsQuery::new(scope.clone());
    question.filter = arguments.filter(range)?;
    let totals = query.totals(&question).await?;
    let last = range.before.previous_day().unwrap_or(range.before);
    let groups = match arguments.group_by {
        None => None,
        Some(by) => {
            let mut question = GroupsQuery::new(scope.clone(), by.into());
            question.filter = arguments.filter(range)?;
            Some(groups::rows(query, scope, &question).await?)
        }
    };
    let (groups, groups_left_off) = groups.unzip();
    let answer = PipelineAnswer {
        answer: sentence(range.from, last, &totals),
        from: range.from.to_string(),
        to: last.to_string(),
        totals,
        groups,
        groups_left_off,
    };
    serde_json::to_value(answer).map_err(|cause| Error::store("write down an answer", cause))
}

impl PipelineArguments {
    fn range(&self, now: OffsetDateTime) -> Result<DateRange> {
        let minutes = self.utc_offset_minutes.unwrap_or(0);
        let offset = minutes
            .checked_mul(60)
            .filter(|_| (-840..=840).contains(&minutes))
            .and_then(|seconds| UtcOffset::from_whole_seconds(seconds).ok())
            .ok_or_else(|| {
                refuse("utc_offset_minutes", "it must be -840 to 840; a good value is 60")
            })?;
        let fiscal = match self.fiscal_year_starts {
            None => FiscalYear::default(),
            Some(month) => FiscalYear::starting_in(Month::try_from(month).map_err(|_| {
                refuse("fiscal_year_starts", "it must be a month, 1 to 12; a good value is 7")
            })?),
        };
        Ok(self.period.dates(today(now, offset), fiscal))
    }

    fn filter(&self, range: DateRange) -> Result<OpportunityFilter> {
        let stage = self.stage.as_deref().map(StageId::try_from).transpose();
        let owner = self.owner.as_deref().map(UserId::try_from).transpose();
        Ok(OpportunityFilter {
            stage: stage.map_err(|error| refuse("stage", &error.customer_message()))?,
            owner: owner.map_err(|error| refuse("owner", &error.customer_message()))?,
            status: Some(OpportunityStatus::Open),
            close_from: Some(range.from),
            close_before: Some(range.before),
            ..OpportunityFilter::default()
        })
    }
}

fn sentence(from: Date, last: Date, totals: &Totals) -> String {
    let noun = if totals.count == 1 { "opportunity closes" } else { "opportunities close" };
    let mut text = format!("{} open {noun} from {from} to {last}", totals.count);
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

fn list(totals: &[CurrencyTotal]) -> String {
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
        Some(at) => {
            format!(" As of {} {:02}:{:02} UTC.", at.date(), at.hour(), at.minute())
        }
    }
}
