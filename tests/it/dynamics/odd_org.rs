//! An org that misbehaves in ways that the fake Dataverse, which keeps its contract, never does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fluint_crm::connector::Callback;
use fluint_crm::model::Connection;
use fluint_crm::storage::Stores;
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::{FakeEntra, FakeMicrosoft, FakeServer, OrgBuilder};
use fluint_crm::{Budget, Crm, Result, SyncReport};
use serde_json::json;
use time::macros::datetime;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::dynamics::bench::{People, ada, crm, member, provider, request, workspace};
use crate::dynamics::jumping_clock::JumpingClock;

type Answers = Arc<Mutex<HashMap<String, ResponseTemplate>>>;

/// An org whose tables are empty, except those that a test answers for.
#[derive(Debug)]
pub(crate) struct OddOrg {
    entra: FakeMicrosoft,
    _entra_server: FakeServer,
    server: MockServer,
    answers: Answers,
    clock: Arc<JumpingClock>,
    crm: Crm,
}

/// Answers by the last part of the path.
struct Odd(Answers);

impl Respond for Odd {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().trim_start_matches("/api/data/v9.2/");
        let table = path.split(['(', '/']).next().unwrap_or_default();
        if table == "WhoAmI" {
            let id = |n: u32| format!("00000000-0000-4000-8000-{n:012}");
            return ResponseTemplate::new(200).set_body_json(json!({
                "BusinessUnitId": id(1), "UserId": id(2), "OrganizationId": id(3),
            }));
        }
        let known = self.0.lock().unwrap().get(table).cloned();
        known.unwrap_or_else(|| ResponseTemplate::new(200).set_body_json(json!({ "value": [] })))
    }
}

impl OddOrg {
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(JumpingClock::new(datetime!(2026-02-02 09:00 UTC)));
        let mut org = OrgBuilder::new(7);
        org.add_user("Ada Lovelace", "ada@contoso.com");
        let entra = FakeMicrosoft::new(org.build(), Arc::clone(&clock) as _);
        let entra_server = entra.start().await;
        let server = MockServer::start().await;
        let answers = Answers::default();
        let all = Mock::given(any()).respond_with(Odd(Arc::clone(&answers)));
        all.mount(&server).await;
        let stores = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)));
        let people = Arc::new(People::default());
        people.set(vec![member("ada", "ada@contoso.com")]);
        let base = server.uri().parse().unwrap();
        let provider = provider(entra_server.authority_base(), base, FakeEntra::CLIENT_SECRET);
        let crm = crm(&stores, &people, &clock, provider);
        Self { entra, _entra_server: entra_server, server, answers, clock, crm }
    }

    /// Its own address.
    pub(crate) fn base(&self) -> String {
        self.server.uri()
    }

    /// What every request to a table gets from now on.
    pub(crate) fn answer(&self, table: &str, answer: ResponseTemplate) {
        self.answers.lock().unwrap().insert(table.to_owned(), answer);
    }

    pub(crate) fn refuse(&self, table: &str, status: u16, code: &str, message: &str) {
        let body = json!({ "error": { "code": code, "message": message } });
        self.answer(table, ResponseTemplate::new(status).set_body_json(body));
    }

    /// The requests to a table, as path and query.
    pub(crate) async fn requests(&self, table: &str) -> Vec<String> {
        let all = self.server.received_requests().await.unwrap();
        let wanted = format!("/api/data/v9.2/{table}");
        let to_table = all.iter().filter(|request| request.url.path() == wanted);
        to_table.map(|request| request.url.to_string()).collect()
    }

    pub(crate) async fn connect(&self) -> Connection {
        let started = self.crm.begin_connect(request()).await.unwrap();
        let back = Callback::from_url(&self.entra.browse(&started.url).unwrap());
        self.crm.finish_connect(&workspace(), &ada(), &back).await.unwrap()
    }

    pub(crate) async fn sync(&self, connection: &Connection) -> Result<SyncReport> {
        self.crm.sync_now(&workspace(), connection.id).await.unwrap();
        let budget = Budget::default();
        let running = self.crm.run_due(&budget);
        let mut report = self.clock.drive(|| 0, running).await.unwrap();
        report.syncs.pop().expect("a sync was due").outcome
    }
}
