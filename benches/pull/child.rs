//! The processes beside this one: the org's server, and the clients that are measured.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;

use crate::client::{Client, Told};
use crate::server::{Addresses, Counters, Serve, Settings, Size, Start};

/// The org's server; it ends with this value.
pub(crate) struct Server {
    process: Child,
    pub(crate) addresses: Addresses,
}

impl Server {
    pub(crate) fn start(serve: &Serve) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--serve", &serde_json::to_string(serve)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("the server's output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let addresses = serde_json::from_str(&line).context("the server did not start")?;
        Ok(Self { process, addresses })
    }

    pub(crate) fn set(&self, settings: Settings) -> Result<()> {
        self.ask::<serde_json::Value>("settings", &serde_json::to_vec(&settings)?).map(drop)
    }

    /// What happened since the last call.
    pub(crate) fn counters(&self) -> Result<Counters> {
        self.ask("counters", b"")
    }

    /// The first page of every list that was read so far, in the order of the key.
    pub(crate) fn starts(&self) -> Result<Vec<Start>> {
        self.ask("starts", b"")
    }

    /// Changes another hundredth of the rows.
    pub(crate) fn change(&self) -> Result<u64> {
        self.ask("change", b"")
    }

    /// How much was prepared, by entity set.
    pub(crate) fn sizes(&self) -> Result<BTreeMap<String, Size>> {
        self.ask("sizes", b"")
    }

    fn ask<T: DeserializeOwned>(&self, command: &str, body: &[u8]) -> Result<T> {
        let address = self.addresses.org.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)?;
        let length = body.len();
        write!(stream, "POST /control/{command} HTTP/1.1\r\ncontent-length: {length}\r\n\r\n")?;
        stream.write_all(body)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a client in a process of its own and gives what it tells.
pub(crate) fn measure(client: &Client) -> Result<Told> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--client", &serde_json::to_string(client)?])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "a measured client failed: {client:?}");
    let text = String::from_utf8(output.stdout)?;
    serde_json::from_str(text.lines().last().unwrap_or_default()).context("what the client tells")
}
