//! The list of tools, and calling them by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::assistant::accounts::{self, AccountsArguments};
use crate::assistant::arguments::{ToolArguments, read, schema};
use crate::assistant::brief::{self, BriefArguments};
use crate::assistant::contacts::{self, ContactArguments};
use crate::assistant::engagement::{self, EmailedArguments};
use crate::assistant::explain::{self, ExplainArguments};
use crate::assistant::opportunities::{self, SearchArguments};
use crate::assistant::pipeline::{self, PipelineArguments};
use crate::assistant::status::{self, StatusArguments};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::host::Engagement;
use crate::model::CrmKind;
use crate::model::query::Scope;
use crate::rules::FiscalYear;
use crate::storage::Stores;
use crate::storage::fallback::oldest;

/// Answers questions about a workspace's CRM data, for an assistant to call.
///
/// [`Crm::tools`](crate::Crm::tools) gives them as the host has set things up. Put together by hand,
/// two things want to be said: how often a CRM syncs, for late syncs to be told
/// ([`with_interval`](Tools::with_interval)), and whom the team has been e-mailing
/// ([`with_engagement`](Tools::with_engagement)).
///
/// Every answer is an object with
/// * `answer`: the answer as a sentence, with what to know before relying on it;
/// * `as_of`: the end of the last sync, the oldest of the connections asked (RFC 3339, UTC), `null`
///   before the first one has finished;
/// * `warnings`: a sentence per connection whose data is incomplete, old or in doubt, three at most;
/// * and the data, bounded in size, with a `next` to go on from where a list is longer.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::{SystemClock, assistant::Tools, storage::Stores, store::MemoryStore};
/// use fluint_crm::model::{WorkspaceId, query::Scope};
/// use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> fluint_crm::Result<()> {
/// let clock = Arc::new(SystemClock::new());
/// let tools = Tools::new(Stores::all(Arc::new(MemoryStore::new(clock.clone()))), clock);
/// assert_eq!(tools.definitions()[0].name, "pipeline_value");
///
/// let scope = Scope::workspace(WorkspaceId::new("acme")?);
/// let answer = tools.call(&scope, "pipeline_value", json!({ "period": "this_quarter" })).await?;
/// assert_eq!(answer["count"], 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Tools {
    stores: Stores,
    clock: Arc<dyn Clock>,
    engagement: Option<Arc<dyn Engagement>>,
    intervals: Intervals,
    fiscal_year: Option<FiscalYear>,
}

/// How often each kind of CRM syncs where a connection does not say so itself.
pub(crate) type Intervals = BTreeMap<CrmKind, Duration>;

/// A tool as an assistant is told of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct ToolDefinition {
    /// The name to call it by.
    pub name: &'static str,
    /// What it answers and when to use it.
    pub description: &'static str,
    /// The JSON Schema of its arguments.
    pub input_schema: Value,
}

impl Tools {
    /// The tools over what is stored.
    #[must_use]
    pub fn new(stores: Stores, clock: Arc<dyn Clock>) -> Self {
        Self { stores, clock, engagement: None, intervals: Intervals::new(), fiscal_year: None }
    }

    /// Tells how often a kind of CRM syncs where a connection does not say so itself.
    #[must_use]
    pub fn with_interval(mut self, kind: CrmKind, interval: Duration) -> Self {
        self.intervals.insert(kind, interval);
        self
    }

    /// Answers whom the workspace has been e-mailing from the host's own records.
    #[must_use]
    pub fn with_engagement(mut self, engagement: Arc<dyn Engagement>) -> Self {
        self.engagement = Some(engagement);
        self
    }

    /// Tells when the company's fiscal year begins, for fiscal periods where a call does not say.
    #[must_use]
    pub const fn with_fiscal_year(mut self, fiscal_year: FiscalYear) -> Self {
        self.fiscal_year = Some(fiscal_year);
        self
    }

    /// Every tool with the schema of its arguments.
    #[must_use]
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        vec![
            define::<PipelineArguments>(),
            define::<AccountsArguments>(),
            define::<BriefArguments>(),
            define::<SearchArguments>(),
            define::<ContactArguments>(),
            define::<EmailedArguments>(),
            define::<ExplainArguments>(),
            define::<StatusArguments>(),
        ]
    }

    /// Calls a tool. Only rows in `scope` are seen, whatever the arguments say.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] names the argument at fault and shows a good value, for the model
    /// to correct itself; [`Error::NotFound`] when there is no such tool; [`Error::Store`].
    pub async fn call(&self, scope: &Scope, name: &str, arguments: Value) -> Result<Value> {
        let Self { stores, engagement, intervals, fiscal_year, clock } = self;
        let (query, now) = (&*stores.query, clock.now());
        let answer = match name {
            PipelineArguments::NAME => {
                pipeline::answer(query, *fiscal_year, scope, &read(arguments)?, now).await?
            }
            AccountsArguments::NAME => accounts::answer(query, scope, &read(arguments)?).await?,
            BriefArguments::NAME => brief::answer(query, scope, &read(arguments)?).await?,
            SearchArguments::NAME => {
                opportunities::answer(query, *fiscal_year, scope, &read(arguments)?, now).await?
            }
            ContactArguments::NAME => contacts::answer(query, scope, &read(arguments)?).await?,
            EmailedArguments::NAME => {
                let engagement = engagement.as_deref();
                engagement::answer(query, engagement, scope, &read(arguments)?, now).await?
            }
            ExplainArguments::NAME => {
                explain::answer(query, stores, scope, &read(arguments)?).await?
            }
            // Its answer is about nothing else.
            StatusArguments::NAME => {
                return status::answer(stores, intervals, scope, &read(arguments)?, now).await;
            }
            _ => return Err(Error::not_found("a tool of that name")),
        };
        let fresh = query.as_of(scope).await?;
        let warnings = status::warnings(stores, intervals, scope, &fresh, now).await?;
        Ok(status::with_freshness(answer, oldest(&fresh), warnings))
    }
}

fn define<A: ToolArguments>() -> ToolDefinition {
    ToolDefinition { name: A::NAME, description: A::DESCRIPTION, input_schema: schema::<A>() }
}
