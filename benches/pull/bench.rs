//! What the scenarios share: an org whose pages are prepared, clients, files.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use crate::child::{Server, measure};
use crate::client::{Client, Ours, Tasks, Told};
use crate::options::Options;
use crate::report::summary;
use crate::server::{Serve, Start};

/// One scenario's surroundings.
pub(crate) struct Bench<'a> {
    options: &'a Options,
    directory: TempDir,
}

/// A server whose pages are prepared, and where a plain loop begins.
pub(crate) struct Warm {
    pub(crate) server: Server,
    starts: Vec<Start>,
}

/// An org that shows so many rows over all tables.
pub(crate) const fn org(rows: u64) -> Serve {
    // Of two and a half times the opportunities' number: a fifth as many accounts, half as many
    // contacts, four in five opportunities, as many instances.
    let opportunities = rows * 2 / 5;
    Serve {
        accounts: opportunities / 5,
        contacts: opportunities / 2,
        opportunities,
        instances: opportunities,
        hint: 8,
    }
}

impl<'a> Bench<'a> {
    pub(crate) fn new(options: &'a Options) -> Result<Self> {
        Ok(Self { options, directory: tempfile::tempdir()? })
    }

    pub(crate) fn rows(&self, usual: u64) -> u64 {
        self.options.rows.unwrap_or(usual)
    }

    pub(crate) fn runs(&self) -> Range<usize> {
        0..self.options.runs.max(1)
    }

    /// A file for a database; nothing is in it when `name` was not used before.
    pub(crate) fn file(&self, name: &str, run: usize) -> PathBuf {
        self.directory.path().join(format!("{name}-{run}.db"))
    }

    /// Runs a client and says how it went.
    pub(crate) fn one(&self, who: &str, client: &Client) -> Result<Told> {
        let told = measure(client)?;
        if self.options.verbose {
            say(&summary(who, std::slice::from_ref(&told)));
        }
        Ok(told)
    }

    /// Starts a server and lets one client read everything, so that every page is prepared.
    pub(crate) fn warm(&self, serve: &Serve) -> Result<Warm> {
        let server = Server::start(serve)?;
        say("preparing pages");
        measure(&server.ours(None, Some(1)))?;
        let starts = server.starts()?;
        for (set, size) in server.sizes()? {
            if size.pages > 1 || self.options.verbose {
                say(&format!("{set}: {size}"));
            }
        }
        server.counters()?;
        Ok(Warm { server, starts })
    }
}

impl Warm {
    pub(crate) fn plain(&self, tasks: Tasks) -> Client {
        let (addresses, starts) = (self.server.addresses.clone(), self.starts.clone());
        Client::Plain { addresses, starts, tasks }
    }

    pub(crate) fn fill(&self, database: PathBuf) -> Client {
        let (addresses, starts) = (self.server.addresses.clone(), self.starts.clone());
        Client::Fill { addresses, starts, database }
    }
}

impl Server {
    pub(crate) fn ours(&self, database: Option<PathBuf>, ranges: Option<u32>) -> Client {
        Client::Ours(Ours { addresses: self.addresses.clone(), database, ranges })
    }
}

/// Removes a database with what lies beside it.
pub(crate) fn forget(file: &Path) {
    for end in ["", "-wal", "-shm"] {
        // Not every file is there.
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
}

/// Tells whoever waits what goes on.
fn say(what: &str) {
    eprintln!("  {what}");
}
