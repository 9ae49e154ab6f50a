//! The list of tools, and calling them by name.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::assistant::accounts::{self, AccountsArguments};
use crate::assistant::arguments::{ToolArguments, read, schema};
use crate::assistant::opportunities::{self, SearchArguments};
use crate::assistant::pipeline::{self, PipelineArguments};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::query::Scope;
use crate::storage::Query;

/// Answers questions about a workspace's CRM data, for an assistant to call.
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
        Self { query, clock }
    }

    /// Every tool with the schema of its arguments.
    #[must_use]
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        vec![
            define::<PipelineArguments>(),
            define::<AccountsArguments>(),
            define::<SearchArguments>(),
        ]
    }

    /// Calls a tool. Only rows in `scope` are seen, whatever the arguments say.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] names the argument at fault and shows a good value, for the model
    /// to correct itself; [`Error::NotFound`] when there is no such tool; [`Error::Store`].
    pub async fn call(&self, scope: &Scope, name: &str, arguments: Value) -> Result<Value> {
        let query = &*self.query;
        match name {
            PipelineArguments::NAME => {
                pipeline::answer(query, scope, &read(arguments)?, self.clock.now()).await
            }
            AccountsArguments::NAME => accounts::answer(query, scope, &read(arguments)?).await,
            SearchArguments::NAME => opportunities::answer(query, scope, &read(arguments)?).await,
            _ => Err(Error::not_found("a tool of that name")),
        }
    }
}

fn define<A: ToolArguments>() -> ToolDefinition {
    ToolDefinition { name: A::NAME, description: A::DESCRIPTION, input_schema: schema::<A>() }
}
