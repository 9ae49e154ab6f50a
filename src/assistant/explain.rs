//! Why an opportunity is a deal, or is none.

mod facts;
mod verdict;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::assistant::arguments::{ToolArguments, refuse};
use crate::assistant::pipeline::freshness;
use crate::assistant::words::{clipped, count, given, maybe_clipped, written};
use crate::error::Result;
use crate::model::query::{MAX_LIMIT, OpportunityQuery, Scope};
use crate::model::{ConnectionId, Opportunity, OpportunityId, OpportunityStatus};
use crate::rules::{Resolved, resolve};
use crate::storage::fallback::oldest;
use crate::storage::{Query, Stores};

use facts::Facts;
use verdict::Explanation;

/// How many opportunities are offered when a name is not clear.
const MAX_CANDIDATES: usize = 10;

/// How many opportunities that hold the words of a name are looked at: 10 pages.
const MAX_NAMESAKES: usize = 2_000;

/// The arguments of `explain_opportunity`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainArguments {
    /// The id of the opportunity in the CRM.
    opportunity_id: Option<String>,
    /// The name of the opportunity, as the person said it. The id counts more when both are given.
    opportunity_name: Option<String>,
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
        })
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
    status: OpportunityStatus,
    /// As `2026-03-31`.
    close_date: Option<String>,
}

/// Where an opportunity is kept.
type Place = (ConnectionId, OpportunityId);

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
    let Some(name) = given(arguments.opportunity_name.as_deref()).map(clipped) else {
        let reason = "it is missing, and so is opportunity_id; a good value is \"Contoso renewal\"";
        return Err(refuse("opportunity_name", reason));
    };
    let found = namesakes(query, scope, &name).await?;
    written(&match found.meaning(&name) {
        Some((connection, id)) => {
            explain(query, stores, scope, connection, &id).await?.unwrap_or_default()
        }
        None => found.ask(&name),
    })
}

/// Looks for an id in every connection in scope.
async fn by_id(
    query: &dyn Query,
    stores: &Stores,
    scope: &Scope,
    id: &OpportunityId,
) -> Result<ExplainAnswer> {
    let connections = query.as_of(scope).await?;
    for (connection, _) in &connections {
        if let Some(answer) = explain(query, stores, scope, *connection, id).await? {
            return Ok(answer);
        }
    }
    let as_of = oldest(&connections);
    let answer = format!(
        "No sync has ever seen an opportunity with the id {id}. It may be new, belong to another \
         org, be hidden from the connected user, or have been closed or deleted before the first \
         sync.{}",
        freshness(as_of)
    );
    Ok(ExplainAnswer { answer, as_of, ..ExplainAnswer::default() })
}

/// Explains one opportunity; `None` when the connection knows nothing of it.
async fn explain(
    query: &dyn Query,
    stores: &Stores,
    scope: &Scope,
    connection: ConnectionId,
    id: &OpportunityId,
) -> Result<Option<ExplainAnswer>> {
    let Some(facts) = Facts::read(stores, &scope.workspace, connection, id).await? else {
        return Ok(None);
    };
    let one = Scope::connection(scope.workspace.clone(), connection);
    let as_of = oldest(&query.as_of(&one).await?);
    let explanation = facts.explain(connection, id, as_of);
    let answer = format!("{}{}", facts.sentence(id), freshness(as_of));
    let opportunity = Some(explanation);
    Ok(Some(ExplainAnswer { answer, opportunity, candidates: Vec::new(), as_of }))
}

/// The opportunities whose names hold the words of a name.
struct Namesakes {
    rows: Vec<(ConnectionId, Opportunity)>,
    /// Whether there are more than were looked at.
    is_cut: bool,
    as_of: Option<OffsetDateTime>,
}

async fn namesakes(query: &dyn Query, scope: &Scope, name: &str) -> Result<Namesakes> {
    let mut found = Namesakes { rows: Vec::new(), is_cut: false, as_of: None };
    let mut question = OpportunityQuery::new(scope.clone());
    question.filter.name = Some(name.to_owned());
    question.page.limit = MAX_LIMIT;
    loop {
        let page = query.opportunities(&question).await?;
        found.as_of = page.as_of;
        found.rows.extend(page.rows.into_iter().map(|one| (one.connection, one.row)));
        question.page.cursor = page.next;
        if question.page.cursor.is_none() {
            return Ok(found);
        }
        if found.rows.len() >= MAX_NAMESAKES {
            found.is_cut = true;
            return Ok(found);
        }
    }
}

impl Namesakes {
    /// The one that carries the name, if that is sure.
    fn meaning(&self, name: &str) -> Option<Place> {
        let named = self.rows.iter().filter_map(|(connection, row)| {
            Some(((*connection, row.id.clone()), row.name.as_deref()?))
        });
        match resolve(name, named) {
            // Another one of the name may be among those that were not looked at.
            Resolved::Exact(found) if !self.is_cut => Some(found.id),
            _ => None,
        }
    }

    /// The answer that asks which one is meant.
    fn ask(&self, name: &str) -> ExplainAnswer {
        let fresh = freshness(self.as_of);
        let answer = if self.rows.is_empty() {
            format!("No opportunity is called anything like “{name}”.{fresh}")
        } else {
            let all = count(self.rows.len() as u64, "opportunity", "opportunities");
            let at_least = if self.is_cut { "More than " } else { "" };
            let shown = self.rows.len().min(MAX_CANDIDATES);
            format!(
                "It is not clear which opportunity “{name}” is. {at_least}{all} could be meant, \
                 {shown} listed; ask which one.{fresh}"
            )
        };
        let candidates = self.rows.iter().take(MAX_CANDIDATES).map(|(connection, row)| Candidate {
            connection: *connection,
            id: row.id.clone(),
            name: maybe_clipped(row.name.as_deref()),
            status: row.status,
            close_date: row.close_date.map(|date| date.to_string()),
        });
        let candidates = candidates.collect();
        ExplainAnswer { answer, opportunity: None, candidates, as_of: self.as_of }
    }
}
