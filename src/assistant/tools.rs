//! The list of tools, and calling them by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::assistant::accounts::{self, AccountsArguments};
use crate::assistant::arguments::{ToolArguments, connection_id, read, refuse, schema};
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
use crate::storage::{Query, Stores};

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
        // What is wrong with the call itself comes before any question.
        let call = Call::read(name, arguments, || self.names())?;
        let scope = &within(query, scope, call.connection()).await?;
        let answer = match &call {
            Call::Pipeline(arguments) => {
                pipeline::answer(query, *fiscal_year, scope, arguments, now).await?
            }
            Call::Accounts(arguments) => accounts::answer(query, scope, arguments).await?,
            Call::Brief(arguments) => brief::answer(query, scope, arguments).await?,
            Call::Search(arguments) => {
                opportunities::answer(query, *fiscal_year, scope, arguments, now).await?
            }
            Call::Contacts(arguments) => contacts::answer(query, scope, arguments).await?,
            Call::Emailed(arguments) => {
                engagement::answer(query, engagement.as_deref(), scope, arguments, now).await?
            }
            Call::Explain(arguments) => explain::answer(query, stores, scope, arguments).await?,
            // Its answer is about nothing else.
            Call::Status(arguments) => {
                return status::answer(stores, intervals, scope, arguments, now).await;
            }
        };
        let fresh = query.as_of(scope).await?;
        let warnings = status::warnings(stores, intervals, scope, &fresh, now).await?;
        Ok(status::with_freshness(answer, &fresh, warnings))
    }

    fn names(&self) -> String {
        self.definitions().iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ")
    }
}

/// A call with its arguments.
enum Call {
    Accounts(AccountsArguments),
    Brief(BriefArguments),
    Contacts(ContactArguments),
    Emailed(EmailedArguments),
    Explain(ExplainArguments),
    Pipeline(PipelineArguments),
    Search(Box<SearchArguments>),
    Status(StatusArguments),
}

impl Call {
    fn read(name: &str, arguments: Value, names: impl FnOnce() -> String) -> Result<Self> {
        Ok(match name {
            AccountsArguments::NAME => Self::Accounts(read(arguments)?),
            BriefArguments::NAME => Self::Brief(read(arguments)?),
            ContactArguments::NAME => Self::Contacts(read(arguments)?),
            EmailedArguments::NAME => Self::Emailed(read(arguments)?),
            ExplainArguments::NAME => Self::Explain(read(arguments)?),
            PipelineArguments::NAME => Self::Pipeline(read(arguments)?),
            SearchArguments::NAME => Self::Search(Box::new(read(arguments)?)),
            StatusArguments::NAME => Self::Status(read(arguments)?),
            _ => {
                let what = format!("a tool of that name (there are {})", names());
                return Err(Error::not_found(what));
            }
        })
    }

    fn connection(&self) -> Option<&str> {
        match self {
            Self::Accounts(arguments) => arguments.connection(),
            Self::Brief(arguments) => arguments.connection(),
            Self::Contacts(arguments) => arguments.connection(),
            Self::Emailed(arguments) => arguments.connection(),
            Self::Explain(arguments) => arguments.connection(),
            Self::Pipeline(arguments) => arguments.connection(),
            Self::Search(arguments) => arguments.connection(),
            Self::Status(arguments) => arguments.connection(),
        }
    }
}

/// The one connection that a call asks, within what it may ask.
async fn within(query: &dyn Query, scope: &Scope, connection: Option<&str>) -> Result<Scope> {
    let Some(id) = connection_id("connection", connection)? else { return Ok(scope.clone()) };
    let connections = query.as_of(scope).await?;
    if connections.iter().any(|(known, _)| *known == id) {
        return Ok(Scope::connection(scope.workspace.clone(), id));
    }
    let good = connections.first().map_or_else(
        || "no CRM is connected; leave it out".to_owned(),
        |(first, _)| format!("there is no such connection; a good value is \"{first}\""),
    );
    Err(refuse("connection", &good))
}

fn define<A: ToolArguments>() -> ToolDefinition {
    ToolDefinition { name: A::NAME, description: A::DESCRIPTION, input_schema: schema::<A>() }
}
