//! A host whose Notes go to the foreign server, connected and synced.

use std::sync::Arc;

use fluint_crm::connector::Callback;
use fluint_crm::documents::{PublishTarget, Published};
use fluint_crm::model::{Connection, Deal, Document, FeedEvent, PublicationId, PublicationState};
use fluint_crm::storage::Stores;
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::{FakeEntra, FakeMicrosoft, FakeServer};
use fluint_crm::{Budget, Clock as _, Crm};
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use crate::dynamics::bench::{
    People, ada, crm, document_of, member, provider, request, small_org, workspace,
};
use crate::dynamics::jumping_clock::JumpingClock;
use crate::foreign::front::Front;
use crate::foreign::server::ODataServer;
use crate::support::watch::watch_secrets;

/// A host, its three counterparts, and the deals of a first sync.
pub(crate) struct Site {
    pub(crate) odata: ODataServer,
    pub(crate) fake: FakeMicrosoft,
    pub(crate) front: Front,
    pub(crate) clock: Arc<JumpingClock>,
    pub(crate) crm: Crm,
    pub(crate) connection: Connection,
    pub(crate) deals: Vec<Deal>,
    _server: FakeServer,
}

impl Site {
    /// Connected and synced. The foreign server knows the first opportunity alone.
    pub(crate) async fn new() -> Option<Self> {
        watch_secrets();
        let odata = ODataServer::start()?;
        let clock = Arc::new(JumpingClock::new(datetime!(2026-02-02 09:00 UTC)));
        let org = small_org();
        let fake = FakeMicrosoft::new(org.builder.build(), Arc::clone(&clock) as _);
        let server = fake.start().await;
        let front = Front::start(odata.at, &server.org_base(), Arc::clone(&clock)).await;
        odata.add_opportunity(org.deals[0]).await;

        let people = Arc::new(People::default());
        people.set(vec![member("ada", "ada@contoso.com")]);
        let stores = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)));
        let secret = FakeEntra::CLIENT_SECRET;
        let provider = provider(server.authority_base(), front.base(), secret);
        let crm = crm(&stores, &people, &clock, provider);
        let started = crm.begin_connect(request()).await.unwrap();
        let back = Callback::from_url(&fake.browse(&started.url).unwrap());
        let connection = crm.finish_connect(&workspace(), &ada(), &back).await.unwrap();

        let deals = Vec::new();
        let mut site = Self { odata, fake, front, clock, crm, connection, deals, _server: server };
        site.crm.sync_now(&workspace(), site.connection.id).await.unwrap();
        site.run().await;
        let found = site.crm.deals(&workspace(), site.connection.id, None, 50).await.unwrap();
        let deal = |id: &Uuid| {
            found.iter().find(|deal| deal.opportunity.as_str() == id.to_string()).unwrap().clone()
        };
        site.deals = org.deals.iter().map(deal).collect();
        Some(site)
    }

    pub(crate) async fn run(&self) {
        let activity = || {
            let entra = self.fake.entra().counts();
            self.front.activity() + self.fake.dataverse().total_requests() + entra.refreshes
        };
        self.clock.drive(activity, self.crm.run_due(&Budget::default())).await.unwrap();
    }

    pub(crate) async fn run_after(&self, wait: Duration) {
        self.clock.advance(wait);
        self.run().await;
    }

    /// Works on what is due, now and later, until nothing is left but the next sync.
    pub(crate) async fn settle(&self) {
        for _ in 0..12 {
            self.run_after(Duration::seconds(61)).await;
        }
    }

    pub(crate) async fn publish_to(&self, deal: &Deal, document: Document) -> PublicationId {
        let target = PublishTarget::Deal(deal.id);
        match self.crm.publish(&workspace(), target, document).await.unwrap() {
            Published::Accepted { publication, .. } => publication,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(crate) async fn publish(&self, document: &str, revision: u64) -> PublicationId {
        self.publish_to(&self.deals[0], document_of(document, revision, self.clock.now())).await
    }

    pub(crate) async fn state(&self, id: PublicationId) -> PublicationState {
        let publication = self.crm.publication(&workspace(), id).await.unwrap();
        publication.expect("it is in the ledger").state
    }

    pub(crate) async fn told(&self, wanted: fn(&FeedEvent) -> bool) -> usize {
        let feed = self.crm.feed(&workspace(), self.connection.id, None, 500).await.unwrap();
        feed.iter().filter(|entry| wanted(&entry.event)).count()
    }

    pub(crate) async fn overwritten(&self) -> usize {
        self.told(|event| matches!(event, FeedEvent::NoteOverwritten { .. })).await
    }

    /// There is exactly one Note, and it shows this revision.
    pub(crate) async fn shows(&self, revision: u64) -> Uuid {
        let row = self.odata.row().await;
        let page = row.page();
        assert!(page.contains(&format!("Revision <strong>{revision}</strong>")), "{page}");
        row.id
    }
}
