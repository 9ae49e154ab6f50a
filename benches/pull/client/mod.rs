//! What is measured: the crate, and plain loops.

mod fill;
mod ours;
mod plain;
mod rows;
mod schema;

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::server::{Addresses, Start};

/// A client to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Client {
    /// The crate, from "sync begins" to "sync ends".
    Ours(Ours),
    /// Plain loops, one a table, all at once, that store nothing.
    Plain { addresses: Addresses, starts: Vec<Start>, tasks: Tasks },
    /// A plain loop over all tables, one after the other, into the same schema.
    Fill { addresses: Addresses, starts: Vec<Start>, database: PathBuf },
}

/// How the crate is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ours {
    pub(crate) addresses: Addresses,
    /// The file of the SQLite store; none is the store in memory.
    pub(crate) database: Option<PathBuf>,
    /// How many ranges a big table is split into; none is one chain a table.
    pub(crate) ranges: Option<u32>,
}

/// Where plain loops run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Tasks {
    /// All of them in one task.
    One,
    /// Each in a task of its own.
    Each,
}

/// What a client tells of its run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) seconds: f64,
    /// Until the last table was read and stored; of ours alone.
    pub(crate) reading_seconds: f64,
    pub(crate) rows: u64,
    pub(crate) written: u64,
    pub(crate) pages: u64,
    /// How often the sync had to be called until it ended well.
    pub(crate) calls: u32,
    pub(crate) peak_mib: f64,
    pub(crate) cpu_seconds: f64,
}

/// Runs a client to its end in this process.
pub(crate) fn run(client: &Client) -> Result<Told> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut told = match client {
        Client::Ours(ours) => runtime.block_on(ours::run(ours))?,
        Client::Plain { addresses, starts, tasks } => {
            runtime.block_on(plain::run(addresses, starts, *tasks))?
        }
        Client::Fill { addresses, starts, database } => {
            runtime.block_on(fill::run(addresses, starts, database))?
        }
    };
    told.peak_mib = peak_mib()?;
    Ok(told)
}

/// The largest part of this process that was ever in memory.
fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line.context("VmHWM")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Processor time of this process so far, all threads together.
pub(crate) fn cpu_seconds() -> Result<f64> {
    /// Ticks a second, on every Linux there is.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The program's name may hold spaces; the fields begin behind its bracket.
    let (_, fields) = stat.rsplit_once(')').context("the fields of /proc/self/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let (user, system): (f64, f64) = (fields[11].parse()?, fields[12].parse()?);
    Ok((user + system) / TICKS)
}
