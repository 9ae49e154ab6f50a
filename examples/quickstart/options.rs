//! The command line.

use std::path::PathBuf;

use clap::Parser;
use url::Url;

/// Connects to a Dynamics 365 org, syncs it, turns opportunities into deals, publishes a document
/// and answers a question. Without options it does all of it against an org on this machine.
#[derive(Parser, Clone, Debug)]
#[command(name = "quickstart", max_term_width = 100)]
pub(crate) struct Options {
    /// The org's address, as you would paste it from the browser.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) org: Option<String>,

    /// Use a real org with the access token in this environment variable. Reads only, unless
    /// --publish is given.
    #[arg(long, value_name = "NAME", requires = "org", conflicts_with_all = ["authority", "rows"])]
    pub(crate) access_token_env: Option<String>,

    /// Publish a document to a real org's opportunity.
    #[arg(long)]
    pub(crate) publish: bool,

    /// Sign in at this loopback address instead of Microsoft's: a stand-in of your own.
    #[arg(long, value_name = "URL", requires = "org_api", conflicts_with = "rows")]
    pub(crate) authority: Option<Url>,

    /// Call the org's API at this loopback address: a stand-in of your own.
    #[arg(long, value_name = "URL", requires = "authority")]
    pub(crate) org_api: Option<Url>,

    /// The app's client id at your stand-in.
    #[arg(long, value_name = "ID", requires = "authority")]
    pub(crate) client_id: Option<String>,

    /// The environment variable with the app's secret at your stand-in.
    #[arg(long, value_name = "NAME", requires = "authority")]
    pub(crate) client_secret_env: Option<String>,

    /// The redirect address registered at your stand-in. Nothing has to listen there.
    #[arg(long, value_name = "URL", requires = "authority")]
    pub(crate) redirect: Option<Url>,

    /// Make up an org of about so many rows over all tables instead of the one shipped with the
    /// repository.
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<u64>,

    /// Print one JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    /// Where to keep the synced data.
    #[arg(long, value_name = "FILE", default_value = "quickstart.db")]
    pub(crate) database: PathBuf,
}
