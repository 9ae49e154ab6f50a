//! The assistant's tools over standard input and output, for an MCP client to start.
//!
//! `cargo run --example quickstart` first; then name this program to your client:
//! `cargo run --quiet --features mcp --example mcp -- --database quickstart.db`.
//! Standard output belongs to the protocol; whatever is for people goes to standard error.

#![allow(clippy::print_stderr, reason = "telling people what goes on")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fluint_crm::SystemClock;
use fluint_crm::assistant::{Tools, mcp::McpServer};
use fluint_crm::model::WorkspaceId;
use fluint_crm::model::query::Scope;
use fluint_crm::storage::Stores;
use fluint_crm::store::SqliteStore;

/// Serves the questions over a synced database to an MCP client, over standard input and output.
#[derive(Parser, Clone, Debug)]
#[command(name = "mcp", max_term_width = 100)]
struct Options {
    /// The database that the quickstart left behind.
    #[arg(long, value_name = "FILE", default_value = "quickstart.db")]
    database: PathBuf,

    /// Whose data is asked about. No call can ask about another workspace's.
    #[arg(long, value_name = "ID", default_value = "quickstart")]
    workspace: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<()> {
    let Options { database, workspace } = options;
    let file = database.display();
    // Opening would create an empty one, which answers every question with nothing.
    ensure!(
        database.is_file(),
        "{file} is not there; run the quickstart first (cargo run --example quickstart), or name \
         its file with --database"
    );
    let clock = Arc::new(SystemClock::new());
    let store = SqliteStore::open(&database, Arc::clone(&clock) as _)
        .with_context(|| format!("{file} cannot be opened"))?;
    let stores = Stores::all(Arc::new(store));
    let scope = Scope::workspace(WorkspaceId::new(workspace.as_str())?);
    let connections = stores.query.as_of(&scope).await?;
    let tools = Tools::new(stores, clock);
    let count = tools.definitions().len();
    eprintln!("Serving {count} tools over workspace {workspace} of {file} until input ends.");
    match connections.iter().filter_map(|(_, synced)| *synced).min() {
        Some(oldest) => eprintln!("CRMs connected: {}, synced {oldest}.", connections.len()),
        None => eprintln!("Nothing was synced for this workspace yet; answers will say so."),
    }
    McpServer::new(tools, scope).serve(tokio::io::stdin(), tokio::io::stdout()).await?;
    Ok(())
}
