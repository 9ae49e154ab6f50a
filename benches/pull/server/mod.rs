//! The org: prepared pages from memory, everything else from the fake.

mod control;
mod http;
mod pages;
mod throttle;
mod upstream;

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use fluint_crm::SystemClock;
use fluint_crm::testkit::{FakeMicrosoft, OrgBuilder};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};

use crate::server::control::{Control, InFlight};
use crate::server::http::{Answer, Head, Reader};
use crate::server::pages::Pages;
use crate::server::upstream::Upstream;

pub(crate) use control::{Counters, Settings};
pub(crate) use pages::{Size, Start};
pub(crate) use throttle::WAIT;

/// The org to serve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Serve {
    pub(crate) accounts: u64,
    pub(crate) contacts: u64,
    pub(crate) opportunities: u64,
    pub(crate) instances: u64,
    /// The parallelism that the service recommends.
    pub(crate) hint: u32,
}

/// Where the server is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) org: String,
    pub(crate) authority: String,
}

/// What all connections share.
struct Shared {
    control: Control,
    pages: Pages,
    upstream: Upstream,
}

/// A server whose parent forgot it ends by itself.
const LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// Serves until standard input ends, as it does with the parent.
pub(crate) fn run(serve: &Serve) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    runtime.block_on(async {
        let org = OrgBuilder::synthetic(7, serve.opportunities)
            .computed_rows("account", serve.accounts)
            .computed_rows("contact", serve.contacts)
            .computed_rows("opportunitysalesprocess", serve.instances);
        let fake = FakeMicrosoft::new(org.build(), Arc::new(SystemClock::new()));
        fake.dataverse().recommend_parallelism(serve.hint);
        let behind = fake.start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addresses = Addresses {
            org: format!("http://{}", listener.local_addr()?),
            authority: behind.authority_base().to_string(),
        };
        println!("{}", serde_json::to_string(&addresses)?);
        let shared = Arc::new(Shared {
            control: Control::default(),
            pages: Pages::default(),
            upstream: Upstream::new(behind.org_base())?,
        });
        let accept = async {
            loop {
                let (stream, _) = listener.accept().await?;
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { shared.converse(stream).await });
            }
        };
        tokio::time::timeout(LIFETIME, accept).await.unwrap_or(Ok(()))
    })
}

impl Shared {
    /// Answers the requests of one connection until the client hangs up.
    async fn converse(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = Reader::new(stream);
        while let Some((head, body)) = reader.next().await? {
            if let Some(command) = head.target.strip_prefix("/control/") {
                let answer = self.obey(command, &body).await?;
                reader.send(&answer).await?;
                continue;
            }
            let arrived = Instant::now();
            let _in_flight = InFlight::begin(&self.control);
            let answer = self.answer(&head, body, arrived).await?;
            self.control.sent(answer.body.len());
            reader.send(&answer).await?;
        }
        Ok(())
    }

    async fn answer(&self, head: &Head, body: Vec<u8>, arrived: Instant) -> Result<Answer> {
        self.control.count(head);
        if let Some(refusal) = self.control.throttle(arrived) {
            return Ok(refusal);
        }
        tokio::time::sleep(self.control.latency()).await;
        if let Some(answer) = self.pages.find(head) {
            return Ok(answer);
        }
        let answer = self.upstream.ask(head, body).await?;
        if head.method == "GET" && answer.status == 200 && head.target.contains('?') {
            return self.pages.keep(head, &answer);
        }
        Ok(answer)
    }

    async fn obey(&self, command: &str, body: &[u8]) -> Result<Answer> {
        Ok(match command {
            "settings" => {
                self.control.set(serde_json::from_slice(body)?);
                Answer::json(b"{}".to_vec())
            }
            "counters" => Answer::json(serde_json::to_vec(&self.control.take_counters())?),
            "starts" => Answer::json(serde_json::to_vec(&self.pages.starts())?),
            "change" => Answer::json(serde_json::to_vec(&self.pages.change()?)?),
            "sizes" => Answer::json(serde_json::to_vec(&self.pages.sizes())?),
            _ => Answer::refused(404, "no such command"),
        })
    }
}
