//! The fakes refuse what Microsoft refuses, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod dataverse;
mod entra;
mod notes;
pub(crate) mod pages;

use std::sync::Arc;

use fluint_crm::testkit::{FakeMicrosoft, FakeServer, ManualClock, Org, OrgBuilder};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use time::macros::datetime;
use uuid::Uuid;

/// The fakes on loopback, a client, and a token that works.
struct World {
    fake: FakeMicrosoft,
    server: FakeServer,
    clock: Arc<ManualClock>,
    http: Client,
    token: String,
}

/// An answer, read.
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl World {
    async fn new(org: Org) -> Self {
        crate::support::watch::watch_secrets();
        let clock = Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC)));
        let fake = FakeMicrosoft::new(org, Arc::<ManualClock>::clone(&clock));
        let server = fake.start().await;
        let token = fake.entra().mint_token(&server.org_base());
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { fake, server, clock, http, token }
    }

    /// A small org: Ada, one account, five opportunities of which the last is won.
    async fn small() -> (Self, Vec<Uuid>) {
        let mut org = OrgBuilder::new(7);
        let ada = org.add_user("Ada Lovelace", "Ada@contoso.com").id();
        let account = org.add_account("Fabrikam").owned_by(ada).id();
        let sales = org.sales_process();
        let deals = (0..5).map(|number| {
            let name = format!("Deal {number}");
            let entry = org.add_opportunity(&name, account).owned_by(ada).worth("1200.5");
            let entry = entry.in_stage(&sales, number % 4);
            match number {
                4 => entry.closed(fluint_crm::testkit::Closing::Won).id(),
                _ => entry.id(),
            }
        });
        let deals = deals.collect();
        (Self::new(org.build()).await, deals)
    }

    fn url(&self, path: &str) -> String {
        format!("{}api/data/v9.2/{path}", self.server.org_base())
    }

    /// A request with all headers that Dataverse wants.
    fn request(&self, method: reqwest::Method, url: &str) -> RequestBuilder {
        self.http
            .request(method, url)
            .bearer_auth(&self.token)
            .header("accept", "application/json")
            .header("odata-version", "4.0")
            .header("odata-maxversion", "4.0")
    }

    async fn read(&self, path: &str) -> Answer {
        send(self.request(reqwest::Method::GET, &self.url(path))).await
    }

    async fn read_preferring(&self, path: &str, prefer: &str) -> Answer {
        let request = self.request(reqwest::Method::GET, &self.url(path));
        send(request.header("prefer", prefer)).await
    }
}

async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }

    fn rows(&self) -> Vec<Value> {
        self.json()["value"].as_array().expect(&self.text).clone()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts a refusal by its status and Dataverse's code.
    #[track_caller]
    fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.json()["error"]["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
    }
}
