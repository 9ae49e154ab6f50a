//! The main job, end to end: connect, sync, deals, skips explained, a Note, an answer.
//!
//! `cargo run --example quickstart` needs no account and no network: it starts a stand-in for
//! Dynamics in this process and talks to it over loopback HTTP. `--help` lists the options.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]
#![allow(clippy::unwrap_used, reason = "a poisoned lock in an example may panic")]
#![allow(clippy::disallowed_methods, reason = "a program may read its environment")]

mod bars;
mod browser;
mod options;
mod org;
mod people;
mod place;
mod requests;
mod show;
mod story;
mod tally;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use fluint_crm::documents::PublishOptions;
use fluint_crm::host::{SealingKey, StaticKeys};
use fluint_crm::model::WorkspaceId;
use fluint_crm::storage::Stores;
use fluint_crm::store::SqliteStore;
use fluint_crm::{Crm, SystemClock};

use crate::bars::Bars;
use crate::options::Options;
use crate::people::People;
use crate::place::Place;
use crate::requests::Requests;
use crate::show::Show;
use crate::story::Story;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let database = options.database.display().to_string();
    let json = options.json;
    tokio::select! {
        told = run(options) => match told {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\nerror: {error:#}");
                ExitCode::FAILURE
            }
        },
        _ = tokio::signal::ctrl_c() => {
            if !json {
                println!("\nInterrupted. What was synced is in {database}; run again to go on.");
            }
            ExitCode::from(130)
        }
    }
}

async fn run(options: Options) -> Result<()> {
    let requests = Requests::install();
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(SqliteStore::open(&options.database, clock)?);
    let (place, provider) = Place::open(&options).await?;
    let members = match (&place, options.rows) {
        (Place::Here { .. }, None) => org::members()?,
        (Place::Here { .. }, Some(_)) => org::sellers()?,
        (Place::Real { .. } | Place::StandIn { .. }, _) => Vec::new(),
    };
    let people = Arc::new(People::new(members));
    let bars = Arc::new(Bars::new(options.json));
    // A real host keeps its key in a vault; here it only has to be the same in every run.
    let keys = StaticKeys::new(SealingKey::new("quickstart", [42; 32])?, vec![]);
    // Nobody wants to wait a minute here for edits to pause.
    let mut publishing = PublishOptions::default();
    publishing.debounce.quiet = std::time::Duration::ZERO;
    let crm = Crm::builder(Stores::all(store), Arc::clone(&people) as _, Arc::new(keys))
        .provider(provider)
        .observer(Arc::clone(&bars) as _)
        .publishing(publishing)
        .build()?;
    let mut story = Story {
        crm,
        place,
        people,
        bars,
        requests,
        workspace: WorkspaceId::new("quickstart")?,
        show: Show::new(options.json),
    };
    story.tell().await?;
    let show = story.show;
    show.chapter("Done");
    show.line(&format!(
        "  Everything is in {0}; look inside with: sqlite3 {0} '.tables'",
        options.database.display()
    ));
    show.finish();
    Ok(())
}
