//! Why an opportunity is a deal, or is none.

mod facts;
mod verdict;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::arguments::{ToolArguments, refuse};
use crate::assistant::choice::offered;
use crate::assistant::meaning::{MAX_OFFERED, Meant, meant};
use crate::assistant::words::{given, maybe_clipped, quoted, written};
use crate::error::Result;
use crate::model::query::{Found, MAX_LIMIT, OpportunityQuery, Scope};
use crate::model::{ConnectionId, Opportunity, OpportunityId, OpportunityStatus};
use crate::storage::fallback::oldest;
use crate::storage::{Query, Stores};

use facts::Facts;
use verdict::Explanation;

/// The arguments of `explain_opportunity`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainArguments {
    /// The id of the opportunity in the CRM.
    opportunity_id: Option<String>,
    /// The name of the opportunity, as the person said it. The id counts more when both are given.
    opportunity_name: Option<String>,
    /// The id of one connection, to look in one CRM alone. Left out or empty for all of them.
    connection: Option<String>,
}

impl ToolArguments for ExplainArguments {
    const NAME: &'static str = "explain_opportunity";

    const DESCRIPTION: &'static str = "Why an opportunity of the CRM is a deal or is none: the \
        state of its deal or the reason that there is none, what would change that, its owner and \
        stage, and when it was last seen. Give opportunity_id or opportunity_name. When several \
        could be meant, the answer lists them instead: ask the person which one, then call again \
        with its opportunity_id.";

    fn example() -> Value {
        json!({
            "opportunity_id": "0a1b2c3d-1111-2222-3333-444455556666",
            "opportunity_name": "Contoso renewal",
            "connection": "",
        })
    }

    fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }
}

/// The answer of `explain_opportunity`.
#[derive(Default, Serialize)]
struct ExplainAnswer {
    answer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    opportunity: Option<Explanation>,
    /// Opportunities to choose from, when it is not clear which one is meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

/// An opportunity that may be meant.
#[derive(Serialize)]
struct Candidate {
    connection: ConnectionId,
    id: OpportunityId,
    name: Option<String>,
    /// Not known of one that the CRM's copy was erased of.
    status: Option<OpportunityStatus>,
    /// As `2026-03-31`.
    close_date: Option<String>,
}

/// Answers `explain_opportunity`.
pub(crate) async fn answer(
    query: &dyn Query,
    stores: &Stores,
    scope: &Scope,
    arguments: &ExplainArguments,
) -> Result<Value> {
    if let Some(id) = given(arguments.opportunity_id.as_deref()) {
        let id = OpportunityId::new(id).map_err(|error| {
            let reason = error.customer_message();
            refuse("opportunity_id", &format!("{reason}; a good value is the id of a candidate"))
        })?;
        return written(&by_id(query, stores, scope, &id).await?);
    }
    let Some(name) = given(arguments.opportunity_name.as_deref()) else {
        let reason = "it is missing, and so is opportunity_id; a good value is \"Contoso renewal\"";
        return Err(refuse("opportunity_name", reason));
    };
    let near = query.nearest_opportunities(scope, name, MAX_LIMIT).await?.rows;
    match meant(name, &near, MAX_LIMIT) {
        Meant::One(found) => {
            let one = Scope::connection(scope.workspace.clone(), found.connection);
            written(&by_id(query, stores, &one, &found.row.id).await?)
        }
        Meant::SameName(several) | Meant::Close(several) => written(&ask(name, &several)),
        Meant::Nothing => {
            let mut question = OpportunityQuery::new(scope.clone());
            question.filter.name = Some(name.to_owned());
            let holding = query.opportunities(&question).await?.rows;
            written(&ask(name, &holding.iter().collect::<Vec<_>>()))
        }
    }
}

/// Looks for an id in every connection in scope.
async fn by_id(
    query: &dyn Query,
    stores: &Stores,
    scope: &Scope,
    id: &OpportunityId,
) -> Result<ExplainAnswer> {
    let connections = query.as_of(scope).await?;
    let mut known = Vec::new();
    for &(connection, as_of) in &connections {
        let facts = Facts::read(stores, &scope.workspace, connection, id).await?;
        known.extend(facts.map(|facts| (connection, as_of, facts)));
    }
    let quoted = quoted(id.as_str());
    let answer = match &known[..] {
        [(connection, as_of, facts)] => {
            return Ok(ExplainAnswer {
                answer: facts.sentence(id),
                opportunity: Some(facts.explain(*connection, id, *as_of)),
                candidates: Vec::new(),
                as_of: *as_of,
            });
        }
        [] => format!(
            "No sync has ever seen an opportunity with the id {quoted}. It may be new, belong to \
             another org, be hidden from the connected user, or have been closed or deleted before \
             the first sync."
        ),
        _ => format!(
            "Opportunities of several connections have the id {quoted}. Ask which one, then call \
             again with its connection, too."
        ),
    };
    let candidates = known.iter().take(MAX_OFFERED);
    let candidates =
        candidates.map(|(connection, _, facts)| facts.candidate(*connection, id)).collect();
    Ok(ExplainAnswer { answer, opportunity: None, candidates, as_of: oldest(&connections) })
}

/// The answer that asks which one is meant.
fn ask(name: &str, several: &[&Found<Opportunity>]) -> ExplainAnswer {
    let name = quoted(name);
    let answer = if several.is_empty() {
        format!("No opportunity is called anything like {name}.")
    } else {
        let offered = offered(several.iter().map(|one| words(one)));
        format!(
            "It is not clear which opportunity {name} is. Did the person mean {offered}? Ask which \
             one."
        )
    };
    let candidates = several.iter().take(MAX_OFFERED).map(|found| Candidate {
        connection: found.connection,
        id: found.row.id.clone(),
        name: maybe_clipped(found.row.name.as_deref()),
        status: Some(found.row.status),
        close_date: found.row.close_date.map(|date| date.to_string()),
    });
    ExplainAnswer { answer, candidates: candidates.collect(), ..ExplainAnswer::default() }
}

fn words(found: &Found<Opportunity>) -> String {
    let name = quoted(found.row.name.as_deref().unwrap_or("one without a name"));
    let closes = found.row.close_date.map(|date| format!(" (to close on {date})"));
    format!("{name}{}", closes.unwrap_or_default())
}
