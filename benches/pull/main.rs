//! How fast, how big and how polite a pull is, against plain loops written by hand.
//!
//! `cargo bench --bench pull -- [scenario...] [--rows N] [--runs K]`; `--help` lists the scenarios.
//! The org is a server in a process of its own that answers prepared, compressed pages. Every
//! measured client is a fresh process, so that its memory and its processor time are its own.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a program may measure time")]

mod bench;
mod child;
mod client;
mod options;
mod report;
mod scenarios;
mod server;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::options::Options;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if let Some(serve) = &options.serve {
        return server::run(&serde_json::from_str(serve)?);
    }
    if let Some(client) = &options.client {
        let told = client::run(&serde_json::from_str(client)?)?;
        println!("{}", serde_json::to_string(&told)?);
        return Ok(());
    }
    scenarios::run(options)
}
