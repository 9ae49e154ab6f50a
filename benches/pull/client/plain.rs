//! Baselines G and G2: loops that follow nextLinks and decode, nothing else.

use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use futures_util::future::try_join_all;
use reqwest::Client;
use serde::de::DeserializeOwned;

use crate::client::rows::{Account, Contact, Instance, Opportunity, Other, Page};
use crate::client::{Tasks, Told, cpu_seconds};
use crate::server::{Addresses, Start};

pub(crate) async fn run(addresses: &Addresses, starts: &[Start], tasks: Tasks) -> Result<Told> {
    let client = Client::builder().build()?;
    let loops = starts.iter().map(|start| {
        let (client, org, start) = (client.clone(), addresses.org.clone(), start.clone());
        async move { read(&client, &org, &start).await }
    });
    let (cpu, begin) = (cpu_seconds()?, Instant::now());
    let ends: Vec<(u64, u64)> = match tasks {
        Tasks::One => try_join_all(loops).await?,
        Tasks::Each => {
            let spawned: Vec<_> = loops.map(tokio::spawn).collect();
            try_join_all(spawned).await?.into_iter().collect::<Result<_>>()?
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Told {
        seconds,
        reading_seconds: seconds,
        rows: ends.iter().map(|(rows, _)| rows).sum(),
        pages: ends.iter().map(|(_, pages)| pages).sum(),
        calls: 1,
        cpu_seconds: cpu_seconds()? - cpu,
        ..Told::default()
    })
}

/// Reads one list; gives rows and pages.
async fn read(client: &Client, org: &str, start: &Start) -> Result<(u64, u64)> {
    match start.set.as_str() {
        "accounts" => follow::<Account>(client, org, start).await,
        "contacts" => follow::<Contact>(client, org, start).await,
        "opportunities" => follow::<Opportunity>(client, org, start).await,
        "opportunitysalesprocesses" => follow::<Instance>(client, org, start).await,
        _ => follow::<Other>(client, org, start).await,
    }
}

async fn follow<T: DeserializeOwned>(
    client: &Client,
    org: &str,
    start: &Start,
) -> Result<(u64, u64)> {
    let (mut rows, mut pages) = (0, 0);
    let mut next = Some(format!("{org}{}", start.target));
    while let Some(url) = next {
        let body = fetch(client, &url, &start.prefer).await?;
        let page: Page<T> = serde_json::from_slice(&body)?;
        rows += page.value.len() as u64;
        pages += 1;
        next = page.next;
    }
    Ok((rows, pages))
}

pub(crate) async fn fetch(client: &Client, url: &str, prefer: &str) -> Result<Bytes> {
    let request = client.get(url).header("prefer", prefer).header("authorization", "Bearer none");
    Ok(request.send().await?.error_for_status()?.bytes().await?)
}
