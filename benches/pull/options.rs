//! The command line.

use clap::Parser;

use crate::scenarios::Name;

/// Measures pulls against plain loops. Without a scenario, all of them.
#[derive(Parser, Debug)]
#[command(name = "pull", max_term_width = 100)]
pub(crate) struct Options {
    /// The scenarios to run.
    pub(crate) scenarios: Vec<Name>,

    /// Rows over all tables, instead of the scenario's own number.
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<u64>,

    /// Paired runs; the table shows medians.
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub(crate) runs: usize,

    /// Print every run, and what a client told of it.
    #[arg(long)]
    pub(crate) verbose: bool,

    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,

    /// Be the org's server.
    #[arg(long, hide = true)]
    pub(crate) serve: Option<String>,

    /// Be a measured client.
    #[arg(long, hide = true)]
    pub(crate) client: Option<String>,
}
