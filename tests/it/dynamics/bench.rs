//! One workspace, its members, a store, a clock, and Microsoft's side on loopback.

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fluint_crm::connector::Callback;
use fluint_crm::documents::{PublishTarget, Published};
use fluint_crm::dynamics::{DYNAMICS, DynamicsProvider};
use fluint_crm::host::{Members, SealingKey, StaticKeys};
use fluint_crm::model::{
    Connection, Deal, Document, DocumentId, EmailAddress, FeedEvent, Member, MemberId, Publication,
    PublicationId, Skipped, WorkspaceId,
};
use fluint_crm::storage::Stores;
use fluint_crm::store::{MemoryStore, SqliteStore};
use fluint_crm::testkit::{FakeEntra, FakeMicrosoft, FakeServer, Org, OrgBuilder};
use fluint_crm::{
    Budget, Clock as _, ConnectRequest, Crm, Error, Randomness, Result, RunReport, SyncReport,
};
use time::macros::datetime;
use url::Url;
use uuid::Uuid;

use crate::dynamics::jumping_clock::JumpingClock;
use crate::support::watch::watch_secrets;

/// What a customer types.
pub(crate) const ADDRESS: &str = "contoso.crm4.dynamics.com";

/// Requests that may be on their way already when a 429 comes back to another one.
pub(crate) const IN_FLIGHT: u64 = 3;

/// The host's members, who change while a test goes on.
#[derive(Debug, Default)]
pub(crate) struct People(Mutex<Vec<Member>>);

#[async_trait]
impl Members for People {
    async fn members(&self, _workspace: &WorkspaceId) -> Result<Vec<Member>> {
        Ok(self.0.lock().unwrap().clone())
    }
}

impl People {
    pub(crate) fn set(&self, members: Vec<Member>) {
        *self.0.lock().unwrap() = members;
    }

    pub(crate) fn all(&self) -> Vec<Member> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn add_alternate(&self, id: &MemberId, email: &EmailAddress) {
        for member in self.0.lock().unwrap().iter_mut().filter(|member| member.id == *id) {
            member.alternate_emails.push(email.clone());
        }
    }
}

/// A host over the fakes.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) fake: FakeMicrosoft,
    pub(crate) server: FakeServer,
    pub(crate) clock: Arc<JumpingClock>,
    pub(crate) people: Arc<People>,
    pub(crate) stores: Stores,
    pub(crate) crm: Crm,
}

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

pub(crate) fn ada() -> MemberId {
    MemberId::new("ada").unwrap()
}

pub(crate) fn member(id: &str, email: &str) -> Member {
    Member::new(MemberId::new(id).unwrap(), EmailAddress::new(email).unwrap())
}

/// What Ada asks for.
pub(crate) fn request() -> ConnectRequest {
    ConnectRequest::new(workspace(), ada(), DYNAMICS, ADDRESS)
}

/// The app as the fakes know it, with another secret if need be.
pub(crate) fn provider(authority: Url, org: Url, secret: &str) -> DynamicsProvider {
    DynamicsProvider::builder()
        .client_id(FakeEntra::CLIENT_ID)
        .client_secret(secret.to_owned())
        .redirect_uri(FakeEntra::REDIRECT_URI)
        .authority_base(authority)
        .org_base(org)
        .build()
        .unwrap()
}

/// The facade over these parts.
pub(crate) fn crm(
    stores: &Stores,
    people: &Arc<People>,
    clock: &Arc<JumpingClock>,
    provider: DynamicsProvider,
) -> Crm {
    let keys = StaticKeys::new(SealingKey::new("k1", [7; 32]).unwrap(), vec![]);
    Crm::builder(stores.clone(), Arc::clone(people) as _, Arc::new(keys))
        .provider(provider)
        .clock(Arc::clone(clock) as _)
        .randomness(Randomness::seeded(11))
        .build()
        .unwrap()
}

impl Bench {
    /// On a memory store.
    pub(crate) async fn new(org: Org) -> Self {
        Self::with(org, |clock| Stores::all(Arc::new(MemoryStore::new(clock)))).await
    }

    /// On a SQLite file.
    pub(crate) async fn on_file(org: Org, path: &Path) -> Self {
        Self::with(org, |clock| Stores::all(Arc::new(SqliteStore::open(path, clock).unwrap())))
            .await
    }

    async fn with(org: Org, stores: impl FnOnce(Arc<JumpingClock>) -> Stores) -> Self {
        watch_secrets();
        let clock = Arc::new(JumpingClock::new(datetime!(2026-02-02 09:00 UTC)));
        let fake = FakeMicrosoft::new(org, Arc::clone(&clock) as _);
        let server = fake.start().await;
        let people = Arc::new(People::default());
        people.set(vec![member("ada", "ada@contoso.com")]);
        let stores = stores(Arc::clone(&clock));
        let provider =
            provider(server.authority_base(), server.org_base(), FakeEntra::CLIENT_SECRET);
        let crm = crm(&stores, &people, &clock, provider);
        Self { fake, server, clock, people, stores, crm }
    }

    /// As after a crash: the same file and the same Microsoft, everything else new.
    pub(crate) fn reopen(self, path: &Path) -> Self {
        let Self { fake, server, clock, people, stores, crm: before } = self;
        drop((stores, before));
        let stores =
            Stores::all(Arc::new(SqliteStore::open(path, Arc::clone(&clock) as _).unwrap()));
        let provider =
            provider(server.authority_base(), server.org_base(), FakeEntra::CLIENT_SECRET);
        let crm = crm(&stores, &people, &clock, provider);
        Self { fake, server, clock, people, stores, crm }
    }

    /// Runs a future; the clock jumps whenever everybody waits for it.
    pub(crate) async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let activity = || {
            let entra = self.fake.entra().counts();
            self.fake.dataverse().total_requests() + entra.codes + entra.refreshes
        };
        self.clock.drive(activity, work).await
    }

    /// Starts a sign-in and plays the browser; `None` when the page never leads back.
    pub(crate) async fn sign_in(&self) -> Option<Callback> {
        let started = self.crm.begin_connect(request()).await.unwrap();
        self.fake.browse(&started.url).map(|back| Callback::from_url(&back))
    }

    pub(crate) async fn finish(&self, callback: &Callback) -> Result<Connection> {
        self.drive(self.crm.finish_connect(&workspace(), &ada(), callback)).await
    }

    pub(crate) async fn connect(&self) -> Connection {
        let callback = self.sign_in().await.expect("the sign-in leads back");
        self.finish(&callback).await.unwrap()
    }

    pub(crate) async fn run(&self) -> RunReport {
        self.drive(self.crm.run_due(&Budget::default())).await.unwrap()
    }

    /// Makes a sync due and runs it.
    pub(crate) async fn sync(&self, connection: &Connection) -> Result<SyncReport> {
        self.crm.sync_now(&workspace(), connection.id).await.unwrap();
        self.run().await.syncs.pop().expect("a sync was due").outcome
    }

    pub(crate) async fn synced(&self, connection: &Connection) -> SyncReport {
        self.sync(connection).await.unwrap()
    }

    pub(crate) async fn sync_error(&self, connection: &Connection) -> Error {
        self.sync(connection).await.unwrap_err()
    }

    pub(crate) async fn deals(&self, connection: &Connection) -> Vec<Deal> {
        let mut deals: Vec<Deal> = Vec::new();
        loop {
            let after = deals.last().map(|deal| deal.id);
            let page = self.crm.deals(&workspace(), connection.id, after, 500).await.unwrap();
            if page.is_empty() {
                return deals;
            }
            deals.extend(page);
        }
    }

    /// The deal of an opportunity.
    pub(crate) async fn deal(&self, connection: &Connection, opportunity: Uuid) -> Deal {
        let id = opportunity.to_string();
        let deals = self.deals(connection).await;
        deals.into_iter().find(|deal| deal.opportunity.as_str() == id).expect("it is a deal")
    }

    pub(crate) async fn skipped(&self, connection: &Connection) -> Vec<Skipped> {
        let mut skipped: Vec<Skipped> = Vec::new();
        loop {
            let after = skipped.last().map(|one| one.opportunity.clone());
            let page =
                self.crm.skipped(&workspace(), connection.id, after.as_ref(), 500).await.unwrap();
            if page.is_empty() {
                return skipped;
            }
            skipped.extend(page);
        }
    }

    /// The activity feed, oldest first.
    pub(crate) async fn feed(&self, connection: &Connection) -> Vec<FeedEvent> {
        let mut newest = self.crm.feed(&workspace(), connection.id, None, 500).await.unwrap();
        newest.reverse();
        newest.into_iter().map(|entry| entry.event).collect()
    }

    pub(crate) async fn health(&self, connection: &Connection) -> fluint_crm::model::Health {
        self.crm.connection(&workspace(), connection.id).await.unwrap().health
    }

    /// How many opportunities the mirror calls missing.
    pub(crate) async fn missing(&self, connection: &Connection) -> usize {
        let mut missing = 0;
        let mut after = None;
        loop {
            let page = self
                .stores
                .mirror
                .candidates(&workspace(), connection.id, after.as_ref(), 500)
                .await
                .unwrap();
            let Some(last) = page.last() else { return missing };
            after = Some(last.opportunity.id.clone());
            let gone = |presence| presence != fluint_crm::model::Presence::Seen;
            missing += page.iter().filter(|candidate| gone(candidate.presence)).count();
            let assigned = page.iter().flat_map(|candidate| &candidate.assignments);
            missing += assigned.filter(|assigned| gone(assigned.presence)).count();
        }
    }

    /// Publishes a revision; it is due after a minute.
    pub(crate) async fn publish(
        &self,
        deal: &Deal,
        document: &str,
        revision: u64,
    ) -> PublicationId {
        let document = document_of(document, revision, self.clock.now());
        let target = PublishTarget::Deal(deal.id);
        match self.crm.publish(&workspace(), target, document).await.unwrap() {
            Published::Accepted { publication, .. } => publication,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// Lets the debounce pass and works on what is due then.
    pub(crate) async fn run_after(&self, wait: time::Duration) -> RunReport {
        self.clock.advance(wait);
        self.run().await
    }

    pub(crate) async fn publication(&self, id: PublicationId) -> Publication {
        let found = self.crm.publication(&workspace(), id).await.unwrap();
        found.expect("it is in the ledger").publication
    }
}

pub(crate) fn document_of(id: &str, revision: u64, at: time::OffsetDateTime) -> Document {
    let html = format!("<h1>Plan</h1><p>Revision <strong>{revision}</strong> of {id}.</p>");
    Document::new(DocumentId::new(id).unwrap(), format!("Plan {id}"), html, revision, at)
}

/// Ada owns three opportunities in stages, a stranger owns one; two accounts, one contact.
pub(crate) struct SmallOrg {
    pub(crate) builder: OrgBuilder,
    pub(crate) ada: Uuid,
    pub(crate) account: Uuid,
    pub(crate) deals: Vec<Uuid>,
}

pub(crate) fn small_org() -> SmallOrg {
    let mut builder = OrgBuilder::new(7);
    let ada = builder.add_user("Ada Lovelace", "Ada@Contoso.com").id();
    let stranger = builder.add_user("Eve Stranger", "eve@fabrikam.com").id();
    let account = builder.add_account("Fabrikam").owned_by(ada).id();
    builder.add_account("Northwind").owned_by(ada);
    builder.add_contact("Grace Hopper", account);
    let sales = builder.sales_process();
    let deals = (0..3).map(|number| {
        let name = format!("Looms {number}");
        let entry = builder.add_opportunity(&name, account).owned_by(ada).worth("1200.50");
        entry.in_stage(&sales, number).id()
    });
    let deals = deals.collect();
    builder.add_opportunity("Foreign", account).owned_by(stranger).worth("10").in_stage(&sales, 1);
    SmallOrg { builder, ada, account, deals }
}
