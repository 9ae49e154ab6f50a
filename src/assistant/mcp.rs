//! The assistant's tools as an MCP server, over any pair of streams.
//!
//! The only file that knows the protocol's SDK.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{QuitReason, RequestContext, ServerInitializeError};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::assistant::{ToolDefinition, Tools};
use crate::error::{Error, Result};
use crate::model::query::Scope;

/// The SDK whose [`ServerHandler`] an [`McpServer`] is, in the version that fits.
#[doc(no_inline)]
pub use rmcp;

const INSTRUCTIONS: &str = "Questions over the CRM data that was synced for one company. Nothing \
    is changed by asking. Every answer says how fresh its data is; pass that on.";

/// Answers any client of the Model Context Protocol with the tools of one scope.
///
/// The scope is given once, by the host; no argument of a call can widen it. Serve each person or
/// workspace with a server of its own.
///
/// * An answer carries its data as structured content, and as text: the sentence, then the same
///   data as JSON for clients that know text only.
/// * A call that cannot be answered is a result with `isError`, in words that a model can act on:
///   the argument at fault and a good value for it. Causes stay in the log.
/// * A tool that does not exist is the protocol's own error (-32602), which names those that do.
/// * A call that panics ends alone. One that the client cancels is dropped.
///
/// [`serve`](Self::serve) speaks over two streams, such as standard input and output. It is also a
/// [`ServerHandler`], for the other transports of the SDK. The SDK logs answers at debug level.
///
/// # Example
/// ```no_run
/// use std::sync::Arc;
/// use fluint_crm::assistant::mcp::McpServer;
/// use fluint_crm::{SystemClock, assistant::Tools, storage::Stores, store::MemoryStore};
/// use fluint_crm::model::{WorkspaceId, query::Scope};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> fluint_crm::Result<()> {
/// // A host has its tools from `Crm::tools`.
/// let clock = Arc::new(SystemClock::new());
/// let tools = Tools::new(Stores::all(Arc::new(MemoryStore::new(clock.clone()))), clock);
/// let scope = Scope::workspace(WorkspaceId::new("acme")?);
/// McpServer::new(tools, scope).serve(tokio::io::stdin(), tokio::io::stdout()).await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct McpServer {
    tools: Tools,
    scope: Scope,
    listed: Arc<[Tool]>,
}

impl McpServer {
    /// A server of these tools that sees only what is in `scope`.
    #[must_use]
    pub fn new(tools: Tools, scope: Scope) -> Self {
        let listed = tools.definitions().into_iter().map(described).collect();
        Self { tools, scope, listed }
    }

    /// Serves one client until it hangs up: one JSON message a line each way. Needs a tokio runtime.
    ///
    /// Dropping the future ends the session.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the client does not begin as the protocol says.
    ///
    /// # Panics
    /// Passes on a panic of the SDK itself.
    pub async fn serve<I, O>(self, input: I, output: O) -> Result<()>
    where
        I: AsyncRead + Send + Unpin + 'static,
        O: AsyncWrite + Send + Unpin + 'static,
    {
        let running = match ServiceExt::serve(self, (input, output)).await {
            Ok(running) => running,
            Err(
                ServerInitializeError::ConnectionClosed(_)
                | ServerInitializeError::TransportError { .. },
            ) => return Ok(()),
            Err(error) => {
                tracing::debug!(%error, "an MCP client began in another way");
                let reason = "it has to be the protocol's `initialize`";
                return Err(Error::invalid_input("the client's first message", reason));
            }
        };
        match running.waiting().await {
            Ok(QuitReason::JoinError(error)) | Err(error) if error.is_panic() => {
                resume_unwind(error.into_panic())
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let us = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(us)
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.listed.to_vec()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.listed.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = &*request.name;
        if !self.listed.iter().any(|tool| tool.name == name) {
            return Err(self.no_such_tool(name));
        }
        let arguments = request.arguments.map_or(Value::Null, Value::Object);
        // Whoever reads an unwound call's state is nobody: tools keep none.
        let call = AssertUnwindSafe(self.tools.call(&self.scope, name, arguments)).catch_unwind();
        let called = tokio::select! {
            called = call => called,
            // The SDK sends no answer to a call that was cancelled; the store may rest.
            () = context.ct.cancelled() => return Ok(trouble("The call was cancelled.").into()),
        };
        let result = match called {
            Ok(Ok(answer)) => answered(answer),
            Ok(Err(error)) => refused(name, &error),
            Err(_) => {
                tracing::error!(tool = name, "a tool panicked");
                trouble("This tool failed on our side. Other questions may be answered.")
            }
        };
        Ok(result.into())
    }
}

impl McpServer {
    fn no_such_tool(&self, name: &str) -> ErrorData {
        let name = &name[..name.floor_char_boundary(60)];
        let known: Vec<&str> = self.listed.iter().map(|tool| &*tool.name).collect();
        let message = format!("there is no tool {name}; there are {}", known.join(", "));
        ErrorData::invalid_params(message, None)
    }
}

fn described(definition: ToolDefinition) -> Tool {
    let ToolDefinition { name, description, input_schema } = definition;
    let schema = match input_schema {
        Value::Object(schema) => schema,
        _ => serde_json::Map::new(),
    };
    let tool = Tool::new(name, description, schema);
    // Tools read the mirror: they change nothing, and ask nobody outside. The hints are written as
    // the protocol does, for the SDK calls them by a word that a house rule keeps for one vendor.
    match serde_json::from_value(json!({ "readOnlyHint": true, "openWorldHint": false })) {
        Ok(hints) => tool.annotate(hints),
        Err(_) => tool,
    }
}

fn answered(answer: Value) -> CallToolResult {
    let sentence = answer["answer"].as_str().map(ContentBlock::text);
    let data = ContentBlock::text(answer.to_string());
    let mut result = CallToolResult::success(sentence.into_iter().chain([data]).collect());
    // The protocol wants an object there, or nothing.
    result.structured_content = Some(answer).filter(Value::is_object);
    result
}

/// What a model is told of an error: all of it where it can act on it, else nothing of the inside.
fn refused(tool: &str, error: &Error) -> CallToolResult {
    match error {
        Error::InvalidInput { .. } | Error::NotFound { .. } => trouble(&error.to_string()),
        _ => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(tool, %error, cause, "a tool could not answer");
            trouble(if error.is_retryable() {
                "The synced CRM data cannot be read right now. The same call may work later."
            } else {
                "This question cannot be answered, for a reason on our side."
            })
        }
    }
}

fn trouble(words: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(words)])
}
