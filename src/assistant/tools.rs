//! The list of tools, and calling them by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::assistant::accounts::{self, AccountsArguments};
use crate::assistant::arguments::{ToolArguments, read, schema};
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
use crate::storage::{Query, Stores};

/// Answers questions about a workspace's CRM data, for an assistant to call.
///
/// [`Crm::tools`](crate::Crm::tools) gives all tools that there are. Put together by hand, these
/// need more than [`new`](Tools::new) takes:
///
/// | tools | need |
/// |---|---|
/// | `explain_opportunity`, `sync_status` | [`with_stores`](Tools::with_stores), else they are not offered |
/// | `sync_status`, to tell late syncs | [`with_interval`](Tools::with_interval) |
/// | `contacts_emailed` | [`with_engagement`](Tools::with_engagement), else it answers that nothing is known |
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::{SystemClock, assistant::Tools, store::MemoryStore};
/// use fluint_crm::model::{WorkspaceId, query::Scope};
/// use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> fluint_crm::Result<()> {
/// let clock = Arc::new(SystemClock::new());
/// let tools = Tools::new(Arc::new(MemoryStore::new(clock.clone())), clock);
/// assert_eq!(tools.definitions()[0].name, "pipeline_value");
///
/// let scope = Scope::workspace(WorkspaceId::new("acme")?);
/// let answer = tools.call(&scope, "pipeline_value", json!({ "period": "this_quarter" })).await?;
/// assert_eq!(answer["count"], 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Tools {
    query: Arc<dyn Query>,
    clock: Arc<dyn Clock>,
    stores: Option<Stores>,
    engagement: Option<Arc<dyn Engagement>>,
    intervals: BTreeMap<CrmKind, Duration>,
}

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
    /// The tools over a store's questions.
    #[must_use]
    pub fn new(query: Arc<dyn Query>, clock: Arc<dyn Clock>) -> Self {
        Self { query, clock, stores: None, engagement: None, intervals: BTreeMap::new() }
    }

    /// Adds the tools that tell about connections and deals. Questions go on to the store that
    /// [`new`](Self::new) was given.
    #[must_use]
    pub fn with_stores(mut self, stores: Stores) -> Self {
        self.stores = Some(stores);
        self
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

    /// Every tool with the schema of its arguments.
    #[must_use]
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        let mut all = vec![
            define::<PipelineArguments>(),
            define::<AccountsArguments>(),
            define::<SearchArguments>(),
            define::<ContactArguments>(),
            define::<EmailedArguments>(),
        ];
        if self.stores.is_some() {
            all.extend([define::<ExplainArguments>(), define::<StatusArguments>()]);
        }
        all
    }

    /// Calls a tool. Only rows in `scope` are seen, whatever the arguments say.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] names the argument at fault and shows a good value, for the model
    /// to correct itself; [`Error::NotFound`] when there is no such tool; [`Error::Store`].
    pub async fn call(&self, scope: &Scope, name: &str, arguments: Value) -> Result<Value> {
        let (query, now) = (&*self.query, self.clock.now());
        match (name, &self.stores) {
            (PipelineArguments::NAME, _) => {
                pipeline::answer(query, scope, &read(arguments)?, now).await
            }
            (SearchArguments::NAME, _) => {
                opportunities::answer(query, scope, &read(arguments)?).await
            }
            (ContactArguments::NAME, _) => contacts::answer(query, scope, &read(arguments)?).await,
            (EmailedArguments::NAME, _) => {
                let engagement = self.engagement.as_deref();
                engagement::answer(query, engagement, scope, &read(arguments)?, now).await
            }
            (ExplainArguments::NAME, Some(stores)) => {
                explain::answer(query, stores, scope, &read(arguments)?).await
            }
            (StatusArguments::NAME, Some(stores)) => {
                let intervals = &self.intervals;
                status::answer(query, stores, intervals, scope, &read(arguments)?, now).await
            }
            (AccountsArguments::NAME, _) => accounts::answer(query, scope, &read(arguments)?).await,
            _ => Err(Error::not_found("a tool of that name")),
        }
    }
}

fn define<A: ToolArguments>() -> ToolDefinition {
    ToolDefinition { name: A::NAME, description: A::DESCRIPTION, input_schema: schema::<A>() }
}
