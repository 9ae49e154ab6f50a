//! Which orgs a person has, orgs that move, administrators who approve: in process, so that orgs have
//! their real names.

use std::sync::Arc;

use async_trait::async_trait;
use fluint_crm::connector::{Callback, CallbackKind};
use fluint_crm::dynamics::DYNAMICS;
use fluint_crm::host::{Availability, SealingKey, StaticKeys};
use fluint_crm::model::{
    Connection, ConnectionChange, CrmKind, FeedEvent, Health, Member, WorkspaceId,
};
use fluint_crm::storage::Stores;
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::{CrashControl, CrashPoint, CrashStore, FakeMicrosoft, Org, SignIn};
use fluint_crm::{
    Budget, Clock as _, Crm, DiscoverRequest, Error, Randomness, Remedy, Result, RunReport,
    SignInState,
};
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use crate::dynamics::bench::{ada, request, small_org, workspace};
use crate::dynamics::jumping_clock::JumpingClock;
use crate::support::watch::watch_secrets;

const NEW_ADDRESS: &str = "https://fabrikam.crm4.dynamics.com";

struct InProcess {
    fake: FakeMicrosoft,
    clock: Arc<JumpingClock>,
    stores: Stores,
    crm: Crm,
}

/// Offers everything but to one workspace.
#[derive(Debug)]
struct NotForGlobex;

#[async_trait]
impl Availability for NotForGlobex {
    async fn is_available(&self, workspace: &WorkspaceId, _kind: &CrmKind) -> Result<bool> {
        Ok(workspace.as_str() != "globex")
    }
}

impl InProcess {
    fn new(org: Org) -> Self {
        watch_secrets();
        let clock = Arc::new(JumpingClock::new(datetime!(2026-02-02 09:00 UTC)));
        let fake = FakeMicrosoft::new(org, Arc::clone(&clock) as _);
        let stores = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)));
        let crm = crm(&fake, &clock, &stores);
        Self { fake, clock, stores, crm }
    }

    /// The same site, where a crash is waited for: the program that crashes, and its control.
    fn crashing(&self) -> (Self, CrashControl) {
        let (stores, control) = CrashStore::wrap(self.stores.clone());
        let crm = crm(&self.fake, &self.clock, &stores);
        let (fake, clock) = (self.fake.clone(), Arc::clone(&self.clock));
        (Self { fake, clock, stores: self.stores.clone(), crm }, control)
    }

    async fn connect(&self) -> Connection {
        self.connect_to("contoso.crm4.dynamics.com").await.unwrap()
    }

    async fn connect_to(&self, address: &str) -> Result<Connection> {
        let mut asked = request();
        asked.address = address.to_owned();
        let started = self.crm.begin_connect(asked).await?;
        let back = Callback::from_url(&self.fake.browse(&started.url).unwrap());
        assert_eq!(back.kind(), CallbackKind::SignIn);
        self.crm.finish_connect(&workspace(), &ada(), &back).await
    }

    /// Asks for the list of orgs, up to the way back.
    async fn look_for_orgs(&self) -> Callback {
        let asked = DiscoverRequest::new(workspace(), ada(), DYNAMICS);
        let started = self.crm.begin_discovery(asked).await.unwrap();
        Callback::from_url(&self.fake.browse(&started.url).unwrap())
    }

    async fn run(&self) -> RunReport {
        let activity = || self.fake.dataverse().total_requests();
        self.clock.drive(activity, self.crm.run_due(&Budget::default())).await.unwrap()
    }

    async fn sync(&self, connection: &Connection) -> RunReport {
        self.crm.sync_now(&workspace(), connection.id).await.unwrap();
        self.run().await
    }

    /// Confirms the new address; whatever waits for a dead worker's lease has the time to.
    async fn confirm(&self, connection: &Connection) -> Result<Connection> {
        let activity = || self.fake.dataverse().total_requests();
        let acme = workspace();
        let confirmed = self.crm.confirm_address(&acme, connection.id, NEW_ADDRESS);
        self.clock.drive(activity, confirmed).await
    }

    async fn now(&self, connection: &Connection) -> Connection {
        self.crm.connection(&workspace(), connection.id).await.unwrap()
    }

    async fn feed(&self, connection: &Connection) -> Vec<FeedEvent> {
        let entries = self.crm.feed(&workspace(), connection.id, None, 100).await.unwrap();
        entries.into_iter().map(|entry| entry.event).collect()
    }
}

fn crm(fake: &FakeMicrosoft, clock: &Arc<JumpingClock>, stores: &Stores) -> Crm {
    let keys = StaticKeys::new(SealingKey::new("k1", [7; 32]).unwrap(), vec![]);
    Crm::builder(stores.clone(), Arc::new(Vec::<Member>::new()), Arc::new(keys))
        .provider(fake.provider().unwrap())
        .clock(Arc::clone(clock) as _)
        .randomness(Randomness::seeded(11))
        .availability(Arc::new(NotForGlobex))
        .build()
        .unwrap()
}

fn host() -> InProcess {
    InProcess::new(small_org().builder.build())
}

#[tokio::test]
async fn con_2_a_page_offers_the_orgs_of_whoever_signs_in() {
    let host = host();
    let directories = host.crm.org_directories(&DYNAMICS).unwrap();
    assert_eq!(directories[0].name, "Dynamics 365");
    let back = host.look_for_orgs().await;
    assert_eq!(back.kind(), CallbackKind::Discovery);
    let orgs = host.crm.finish_discovery(&workspace(), &ada(), &back).await.unwrap();
    assert_eq!(orgs.len(), 1);
    assert_eq!(
        (orgs[0].name.as_str(), orgs[0].address.as_str()),
        ("Contoso Sales", FakeMicrosoft::ORG_ADDRESS)
    );
    // Nothing is connected by looking, and the answer counts once.
    assert!(host.crm.connections(&workspace()).await.unwrap().is_empty());
    let again = host.crm.finish_discovery(&workspace(), &ada(), &back).await.unwrap_err();
    assert_eq!(again.remedy(), Remedy::FixInput);
    let connection = host.connect_to(&orgs[0].address).await.unwrap();
    assert_eq!(connection.identity.organisation, orgs[0].organisation);
}

#[tokio::test]
async fn con_2_somebody_without_an_org_gets_an_empty_list() {
    let host = host();
    host.fake.entra().switch_person(Uuid::from_u128(99), "Eve", "eve@contoso.com");
    let back = host.look_for_orgs().await;
    assert!(host.crm.finish_discovery(&workspace(), &ada(), &back).await.unwrap().is_empty());
}

#[tokio::test]
async fn con_3_an_answer_to_one_question_does_not_answer_another() {
    let host = host();
    let back = host.look_for_orgs().await;
    let refused = host.crm.finish_connect(&workspace(), &ada(), &back).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::FixInput);
    let connecting = host.crm.begin_connect(request()).await.unwrap();
    let back = Callback::from_url(&host.fake.browse(&connecting.url).unwrap());
    let refused = host.crm.finish_discovery(&workspace(), &ada(), &back).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::FixInput);
    assert_eq!(host.fake.entra().counts().codes, 0, "no code was redeemed");
}

#[tokio::test]
async fn con_7_an_org_that_moved_is_noticed_and_followed_only_when_a_member_confirms() {
    let host = host();
    let connection = host.connect().await;
    assert!(host.run().await.syncs[0].outcome.is_ok());
    host.fake.rename_org(NEW_ADDRESS);
    let failed = host.sync(&connection).await;
    assert!(failed.syncs[0].outcome.is_err());
    let noticed = host.now(&connection).await;
    assert_eq!(noticed.address, FakeMicrosoft::ORG_ADDRESS, "never followed silently");
    assert_eq!(noticed.moved_to.as_deref(), Some(NEW_ADDRESS));
    let moved = FeedEvent::OrgMoved { to: NEW_ADDRESS.to_owned() };
    assert!(host.feed(&connection).await.contains(&moved));
    // It is told once, however often syncs fail.
    host.sync(&connection).await;
    assert_eq!(host.feed(&connection).await.iter().filter(|event| **event == moved).count(), 1);

    let elsewhere = "https://elsewhere.crm4.dynamics.com";
    let refused = host.crm.confirm_address(&workspace(), connection.id, elsewhere).await;
    assert_eq!(refused.unwrap_err().remedy(), Remedy::FixInput);
    let confirmed =
        host.crm.confirm_address(&workspace(), connection.id, "fabrikam.crm4.dynamics.com").await;
    let confirmed = confirmed.unwrap();
    assert_eq!((confirmed.id, confirmed.address.as_str()), (connection.id, NEW_ADDRESS));
    assert_eq!((confirmed.moved_to, confirmed.health), (None, Health::Connected));
    let changed = FeedEvent::AddressChanged {
        from: FakeMicrosoft::ORG_ADDRESS.to_owned(),
        to: NEW_ADDRESS.to_owned(),
    };
    assert!(host.feed(&connection).await.contains(&changed));
    let report = host.run().await;
    assert!(report.syncs[0].outcome.is_ok(), "due at once: {:?}", report.syncs[0].outcome);
    // Confirming twice is harmless: the first answer may have been lost.
    host.crm.confirm_address(&workspace(), connection.id, NEW_ADDRESS).await.unwrap();
    assert_eq!(host.feed(&connection).await.iter().filter(|event| **event == changed).count(), 1);
}

#[tokio::test]
async fn con_7_an_org_that_answers_again_where_it_was_has_not_moved() {
    let host = host();
    let connection = host.connect().await;
    host.run().await;
    host.fake.rename_org(NEW_ADDRESS);
    host.sync(&connection).await;
    assert!(host.now(&connection).await.moved_to.is_some());
    host.fake.rename_org(FakeMicrosoft::ORG_ADDRESS);
    assert!(host.sync(&connection).await.syncs[0].outcome.is_ok());
    assert_eq!(host.now(&connection).await.moved_to, None);
    assert_eq!(host.now(&connection).await.address, FakeMicrosoft::ORG_ADDRESS);
}

#[tokio::test]
async fn con_7_connecting_a_moved_org_again_keeps_the_connection_and_says_so() {
    let host = host();
    let before = host.connect().await;
    host.run().await;
    host.fake.rename_org(NEW_ADDRESS);
    let refused = host.connect_to("contoso.crm4.dynamics.com").await.unwrap_err();
    assert!(refused.customer_message().contains("No Dynamics 365 org answers"), "{refused}");
    let after = host.connect_to(NEW_ADDRESS).await.unwrap();
    assert_eq!((after.id, after.address.as_str()), (before.id, NEW_ADDRESS));
    let changed = |event: &FeedEvent| matches!(event, FeedEvent::AddressChanged { .. });
    assert!(host.feed(&after).await.iter().any(changed));
    assert!(host.run().await.syncs[0].outcome.is_ok());
}

#[tokio::test]
async fn con_4_an_administrators_approval_wakes_what_waits_for_it() {
    let host = host();
    let connection = host.connect().await;
    host.run().await;
    let waiting = Health::NeedsAdminApproval { link: None };
    let revision = host.now(&connection).await.revision;
    let change = ConnectionChange::Health(waiting.clone());
    let connections = &host.stores.connections;
    connections.change(&workspace(), connection.id, revision, &change).await.unwrap();
    // Whoever opens the link comes back with a state that stands for no sign-in.
    let link = host.crm.begin_connect(request()).await.unwrap().admin_consent.unwrap();
    host.fake.entra().sign_in_as(SignIn::Cancels);
    let declined = Callback::from_url(&host.fake.browse(&link).unwrap());
    assert_eq!(declined.kind(), CallbackKind::AdminConsent(DYNAMICS));
    let refused = host.crm.finish_admin_consent(&workspace(), &DYNAMICS, &declined).await;
    assert!(matches!(refused, Err(Error::NeedsAdmin { .. })));
    assert_eq!(host.now(&connection).await.health, waiting);

    host.fake.entra().sign_in_as(SignIn::NeedsAdminApproval);
    let approved = Callback::from_url(&host.fake.browse(&link).unwrap());
    let woken = host.crm.finish_admin_consent(&workspace(), &DYNAMICS, &approved).await.unwrap();
    assert_eq!(woken.len(), 1);
    assert_eq!(woken[0].health, Health::Connected);
    assert!(host.run().await.syncs[0].outcome.is_ok());
}

#[tokio::test]
async fn con_7_a_connection_that_waits_for_an_approval_looks_for_itself_once_an_hour() {
    let host = host();
    let connection = host.connect().await;
    host.run().await;
    let revision = host.now(&connection).await.revision;
    let waiting = ConnectionChange::Health(Health::NeedsAdminApproval { link: None });
    let connections = &host.stores.connections;
    connections.change(&workspace(), connection.id, revision, &waiting).await.unwrap();
    host.fake.entra().revoke_access_tokens();
    // Refused with the link: it goes on waiting.
    host.fake.entra().fail_next(90094, "invalid_grant");
    host.sync(&connection).await;
    let health = host.now(&connection).await.health;
    assert!(matches!(health, Health::NeedsAdminApproval { link: Some(_) }), "{health:?}");
    let next = host.run().await.next_due.expect("it is looked at again");
    assert_eq!(next - host.clock.now(), Duration::hours(1));
    // Approved meanwhile, and nobody came back to say so.
    host.clock.advance(Duration::hours(1));
    let report = host.run().await;
    assert!(report.syncs[0].outcome.is_ok(), "{:?}", report.syncs[0].outcome);
    assert_eq!(host.now(&connection).await.health, Health::Connected);
}

#[tokio::test]
async fn con_7_an_integration_that_is_not_enabled_cannot_be_connected() {
    let host = host();
    let globex = WorkspaceId::new("globex").unwrap();
    assert_eq!(host.crm.integrations(&globex).await.unwrap(), [(DYNAMICS, false)]);
    assert_eq!(host.crm.integrations(&workspace()).await.unwrap(), [(DYNAMICS, true)]);
    let mut asked = request();
    asked.workspace = globex.clone();
    let refused = host.crm.begin_connect(asked).await.unwrap_err();
    assert!(refused.customer_message().contains("contact support"), "{refused}");
    let looked = host.crm.begin_discovery(DiscoverRequest::new(globex, ada(), DYNAMICS)).await;
    assert!(looked.is_err());
    assert_eq!(host.fake.dataverse().total_requests(), 0);
}

#[tokio::test]
async fn con_4_a_sign_in_that_waits_is_no_outcome_yet() {
    let host = host();
    host.crm.begin_connect(request()).await.unwrap();
    let open = host.crm.unanswered_sign_ins(&workspace()).await.unwrap();
    assert_eq!(open[0].state, SignInState::Waiting);
    host.clock.advance(Duration::minutes(10));
    let open = host.crm.unanswered_sign_ins(&workspace()).await.unwrap();
    assert_eq!(open[0].state, SignInState::Expired);
    assert!(open[0].message().contains("administrator"), "{}", open[0].message());
}

/// Every place to crash, for a program that makes `writes` durable writes.
fn points(writes: u64) -> impl Iterator<Item = CrashPoint> {
    (1..=writes).flat_map(|write| [CrashPoint::Before(write), CrashPoint::After(write)])
}

#[tokio::test]
async fn r_23_con_3_killed_at_every_write_of_connecting_it_is_as_before_or_complete() {
    let (counting, control) = host().crashing();
    counting.connect().await;
    let writes = control.writes();
    assert!(writes >= 4, "the sign-in is remembered and taken, the connection stored and told");
    let (mut before, mut complete) = (0, 0);
    for point in points(writes) {
        let host = host();
        let (crashing, control) = host.crashing();
        control.arm(point);
        tokio::select! {
            connection = crashing.connect() => panic!("{point} never came: {connection:?}"),
            _ = control.crashed() => {}
        }
        // The next process: nothing there, or a connection that works.
        let connections = host.crm.connections(&workspace()).await.unwrap();
        if let [connection] = &connections[..] {
            let report = host.run().await;
            assert_eq!(report.syncs.len(), 1, "{point}: the first sync is due");
            assert!(report.syncs[0].outcome.is_ok(), "{point}: {:?}", report.syncs[0].outcome);
            let feed = host.feed(connection).await;
            let connected = feed.iter().filter(|e| matches!(e, FeedEvent::Connected { .. }));
            assert_eq!(connected.count(), 1, "{point}");
            complete += 1;
        } else {
            assert!(connections.is_empty(), "{point}");
            before += 1;
        }
        let again = host.connect().await;
        assert_eq!(again.health, Health::Connected, "{point}: trying again works");
        assert_eq!(host.crm.connections(&workspace()).await.unwrap().len(), 1, "{point}");
    }
    assert!(before > 0 && complete > 0);
}

#[tokio::test]
async fn r_23_con_7_killed_at_every_write_of_following_an_org_it_is_as_before_or_complete() {
    let moved = || async {
        let host = host();
        let connection = host.connect().await;
        host.run().await;
        host.fake.rename_org(NEW_ADDRESS);
        host.sync(&connection).await;
        (host, connection)
    };
    let (host, connection) = moved().await;
    let (counting, control) = host.crashing();
    counting.crm.confirm_address(&workspace(), connection.id, NEW_ADDRESS).await.unwrap();
    let writes = control.writes();
    for point in points(writes) {
        let (host, connection) = moved().await;
        let (crashing, control) = host.crashing();
        control.arm(point);
        let acme = workspace();
        tokio::select! {
            done = crashing.crm.confirm_address(&acme, connection.id, NEW_ADDRESS) => {
                panic!("{point} never came: {done:?}")
            }
            _ = control.crashed() => {}
        }
        let now = host.now(&connection).await;
        match now.moved_to.as_deref() {
            Some(to) => {
                assert_eq!((now.address.as_str(), to), (FakeMicrosoft::ORG_ADDRESS, NEW_ADDRESS))
            }
            None => assert_eq!(now.address, NEW_ADDRESS, "{point}"),
        }
        host.confirm(&connection).await.unwrap();
        let report = host.run().await;
        assert!(report.syncs[0].outcome.is_ok(), "{point}: {:?}", report.syncs[0].outcome);
        let feed = host.feed(&connection).await;
        let told = feed.iter().filter(|event| matches!(event, FeedEvent::AddressChanged { .. }));
        assert_eq!(told.count(), 1, "{point}");
    }
}
