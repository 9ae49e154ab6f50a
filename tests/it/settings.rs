//! What a settings page shows and changes: intervals, progress, stopping, the feed, health.

use std::sync::{Arc, Mutex};

use fluint_crm::connector::Callback;
use fluint_crm::documents::{PublishTarget, Published};
use fluint_crm::dynamics::{DYNAMICS, DynamicsProvider};
use fluint_crm::host::{Observer, SyncProgress, TableStep};
use fluint_crm::model::{
    Connection, Document, DocumentId, FeedEvent, Health, PublicationId, PublicationState, Table,
};
use fluint_crm::storage::Stores;
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::{FakeEntra, FakeMicrosoft, Fault, ManualClock, OrgBuilder, Place};
use fluint_crm::{Budget, ConnectRequest, Crm, MirrorFate, RunReport};
use time::Duration;
use time::macros::datetime;
use tokio::sync::oneshot;

use crate::support::{Failure, Host, KIND, ada, host, keys, member, opportunity, user, workspace};

async fn run(host: &Host) -> RunReport {
    host.crm.run_due(&Budget::default()).await.unwrap()
}

/// An org where Ada owns five opportunities: three pages.
fn org_of_three_pages(host: &Host) {
    let mut state = host.plain.state();
    state.users = vec![user("u1", "ada@contoso.com")];
    state.opportunities = (1..=5).map(|n| opportunity(&format!("o{n}"), "u1")).collect();
}

fn minutes(minutes: u64) -> Option<std::time::Duration> {
    Some(std::time::Duration::from_secs(minutes * 60))
}

#[tokio::test]
async fn syn_3_an_interval_of_ones_own_counts_from_the_next_sync_on_and_can_be_taken_back() {
    let host = host();
    let connection = host.connect().await;
    for (interval, least, most) in [(minutes(15), 13, 17), (minutes(120), 107, 133), (None, 53, 67)]
    {
        let changed = host.crm.set_interval(&workspace(), connection.id, interval).await.unwrap();
        assert_eq!(changed.interval, interval);
        host.crm.sync_now(&workspace(), connection.id).await.unwrap();
        let wait = run(&host).await.next_due.unwrap() - host.crm.now();
        let bounds = Duration::minutes(least)..=Duration::minutes(most);
        assert!(bounds.contains(&wait), "{interval:?} waits {wait}");
    }
}

/// What an observer heard.
#[derive(Debug, Default)]
struct Ear(Mutex<Vec<SyncProgress>>);

impl Observer for Ear {
    fn progress(&self, progress: &SyncProgress) {
        self.0.lock().unwrap().push(progress.clone());
    }
}

#[tokio::test]
async fn syn_9_progress_is_told_and_can_be_polled_while_a_sync_runs() {
    let ear = Arc::new(Ear::default());
    let host = host();
    let crm = Crm::builder(host.stores.clone(), Arc::new(vec![]), keys())
        .provider(host.plain.clone())
        .clock(Arc::clone(&host.clock) as _)
        .observer(Arc::clone(&ear) as _)
        .build()
        .unwrap();
    let host = Host { crm, ..host };
    org_of_three_pages(&host);
    let connection = host.connect().await;
    assert!(host.crm.progress(&workspace(), connection.id).await.unwrap().is_none());

    host.plain.state().fail = Some((Table::Opportunities, 2, Failure::NeverAnswers));
    let budget = Budget::default();
    let sync = host.crm.run_due(&budget);
    tokio::pin!(sync);
    for _ in 0..50 {
        assert!(futures_util::poll!(&mut sync).is_pending());
    }
    let running = host.crm.progress(&workspace(), connection.id).await.unwrap().unwrap();
    assert!(running.finished_at.is_none());
    let read = |table| running.tables.iter().find(|read| read.table == table).unwrap();
    let opportunities = read(Table::Opportunities);
    assert_eq!((opportunities.rows, opportunities.pages), (4, 2));
    assert_eq!(opportunities.expected, None, "nothing is known before the first full pull");
    assert_eq!(read(Table::Users).rows, 1);

    let heard = ear.0.lock().unwrap().clone();
    let of = |table| heard.iter().filter(move |told| told.table == table);
    let steps: Vec<_> = of(Table::Opportunities).map(|told| (told.rows, told.step)).collect();
    assert_eq!(steps, [(2, TableStep::Reading), (4, TableStep::Reading)]);
    assert!(of(Table::Users).any(|told| told.step == TableStep::Done));
}

/// A run that is told to stop drops what it does, and ends though the clock stands still. The lease
/// is not given back but ends by itself: only then does another worker go on, where it stopped.
#[tokio::test]
async fn syn_10_telling_run_to_stop_ends_it_at_once_and_another_worker_goes_on() {
    let host = host();
    org_of_three_pages(&host);
    let connection = host.connect().await;
    host.plain.state().fail = Some((Table::Opportunities, 2, Failure::NeverAnswers));
    {
        let budget = Budget::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let running = host.crm.run(&budget, shutdown);
        tokio::pin!(running);
        for _ in 0..50 {
            assert!(futures_util::poll!(&mut running).is_pending());
        }
        stop.send(()).unwrap();
        assert!(futures_util::poll!(&mut running).is_ready(), "the clock has not moved");
    }
    let kept = host.crm.progress(&workspace(), connection.id).await.unwrap().unwrap();
    assert!(kept.finished_at.is_none() && kept.tables.iter().any(|table| table.pages == 2));

    host.plain.state().fail = None;
    host.plain.state().pages.clear();
    // The work was given back, so nobody waits for the lease to end.
    let report = run(&host).await;
    assert_eq!(report.syncs[0].outcome.as_ref().unwrap().run, kept.run, "the same run goes on");
    let pages = host.plain.state().pages.clone();
    assert_eq!(pages, [Table::Opportunities], "only the page that was left is read");
}

/// Dynamics, over loopback, with time moved by hand.
struct Loopback {
    crm: Crm,
    clock: Arc<ManualClock>,
    fake: FakeMicrosoft,
    connection: Connection,
    _server: fluint_crm::testkit::FakeServer,
}

impl Loopback {
    /// A connected org where Ada owns one opportunity.
    async fn connected() -> Self {
        let mut org = OrgBuilder::new(7);
        let owner = org.add_user("Ada Lovelace", "ada@contoso.com").id();
        let account = org.add_account("Fabrikam").owned_by(owner).id();
        org.add_opportunity("Looms", account).owned_by(owner).worth("1200.50");
        let clock = Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC)));
        let fake = FakeMicrosoft::new(org.build(), Arc::clone(&clock) as _);
        let server = fake.start().await;
        let provider = DynamicsProvider::builder()
            .client_id(FakeEntra::CLIENT_ID)
            .client_secret(FakeEntra::CLIENT_SECRET.to_owned())
            .redirect_uri(FakeEntra::REDIRECT_URI)
            .authority_base(server.authority_base())
            .org_base(server.org_base())
            .build()
            .unwrap();
        let stores = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)));
        let members = Arc::new(vec![member("ada", "ada@contoso.com")]);
        let crm = Crm::builder(stores, members, keys())
            .provider(provider)
            .clock(Arc::clone(&clock) as _)
            .build()
            .unwrap();
        let request = ConnectRequest::new(workspace(), ada(), DYNAMICS, FakeMicrosoft::ORG_ADDRESS);
        let started = crm.begin_connect(request).await.unwrap();
        let callback = Callback::from_url(&fake.browse(&started.url).expect("a way back"));
        let connection = crm.finish_connect(&workspace(), &ada(), &callback).await.unwrap();
        Self { crm, clock, fake, connection, _server: server }
    }
}

#[tokio::test]
async fn syn_10_r_3_telling_run_to_stop_ends_it_inside_a_throttle_wait() {
    let host = Loopback::connected().await;
    let throttle = Fault::TooManyRequests { retry_after: Some("120".to_owned()) };
    host.fake.dataverse().plant(Place::next_to("contacts"), throttle);
    let deadline = host.clock.now_plus(Duration::seconds(120));
    let budget = Budget::default();
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let running = host.crm.run(&budget, shutdown);
        tokio::pin!(running);
        while !host.clock.waits().contains(&deadline) {
            assert!(futures_util::poll!(&mut running).is_pending());
            tokio::task::yield_now().await;
        }
        stop.send(()).unwrap();
        assert!(futures_util::poll!(&mut running).is_ready(), "the wait is not sat out");
    }
    let asked = host.fake.dataverse().total_requests();
    // Requests that were on their way when the answer came; none may follow them.
    let on_their_way = host.fake.dataverse().impatient_requests();
    host.clock.set(deadline);
    let report = host.crm.run_due(&budget).await.unwrap();
    assert_eq!(report.syncs[0].outcome.as_ref().unwrap().counts.deals_created, 1);
    assert!(host.fake.dataverse().total_requests() > asked);
    assert_eq!(host.fake.dataverse().impatient_requests(), on_their_way);
    let deals = host.crm.deals(&workspace(), host.connection.id, None, 10).await.unwrap();
    assert_eq!(deals[0].details.name, "Looms");
}

trait NowPlus {
    fn now_plus(&self, wait: Duration) -> time::OffsetDateTime;
}

impl NowPlus for ManualClock {
    fn now_plus(&self, wait: Duration) -> time::OffsetDateTime {
        fluint_crm::Clock::now(self) + wait
    }
}

#[tokio::test]
async fn act_1_the_feed_is_paged_from_the_newest_without_gap_or_double() {
    let host = host();
    org_of_three_pages(&host);
    let connection = host.connect().await;
    for _ in 0..3 {
        host.crm.sync_now(&workspace(), connection.id).await.unwrap();
        run(&host).await;
        host.clock.advance(Duration::minutes(1));
    }
    host.crm.disconnect(&workspace(), connection.id, MirrorFate::Keep).await.unwrap();
    let whole = host.crm.feed(&workspace(), connection.id, None, 1000).await.unwrap();
    assert!(whole.is_sorted_by(|newer, older| newer.seq > older.seq));
    assert_eq!(whole.first().unwrap().event, FeedEvent::Disconnected);
    assert!(matches!(whole.last().unwrap().event, FeedEvent::Connected { .. }));
    for size in [1, 3, 100] {
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let page = host.crm.feed(&workspace(), connection.id, before, size).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= size as usize);
            before = Some(last.seq);
            pages.extend(page);
        }
        assert_eq!(pages, whole, "in pages of {size}");
    }
    let created = |event: &FeedEvent| matches!(event, FeedEvent::DealCreated { .. });
    assert_eq!(whole.iter().filter(|entry| created(&entry.event)).count(), 5, "told once each");
}

/// A revision of a document, written now.
async fn publish(host: &Host, connection: &Connection) -> PublicationId {
    let deals = host.crm.deals(&workspace(), connection.id, None, 1).await.unwrap();
    let document = Document::new(
        DocumentId::new("plan").unwrap(),
        "Account plan".to_owned(),
        "<p>Hello</p>".to_owned(),
        1,
        host.crm.now(),
    );
    let target = PublishTarget::Deal(deals[0].id);
    match host.crm.publish(&workspace(), target, document).await.unwrap() {
        Published::Accepted { publication, .. } => publication,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn con_7_doc_4_what_a_lost_sign_in_holds_back_goes_on_once_it_is_connected_again() {
    let host = host();
    org_of_three_pages(&host);
    let connection = host.connect().await;
    run(&host).await;
    let publication = publish(&host, &connection).await;
    host.plain.state().fail = Some((Table::Users, 0, Failure::SignedOut));
    host.crm.sync_now(&workspace(), connection.id).await.unwrap();
    run(&host).await;
    let sick = host.crm.connection(&workspace(), connection.id).await.unwrap();
    let why = "Please sign in again.".into();
    assert_eq!(sick.health, Health::NeedsReconnect { why, claims: None });

    let state = async || {
        let found = host.crm.publication(&workspace(), publication).await.unwrap();
        found.expect("the ledger keeps it").publication.state
    };
    host.clock.advance(Duration::minutes(2));
    run(&host).await;
    assert!(matches!(state().await, PublicationState::Held { .. }));
    host.clock.advance(Duration::days(3));
    run(&host).await;
    assert!(
        host.plain.state().timeline.notes.is_empty(),
        "nothing is sent while the sign-in is lost"
    );

    host.plain.state().fail = None;
    let again = host.connect().await;
    assert_eq!((again.id, again.health), (connection.id, Health::Connected));
    let report = run(&host).await;
    assert_eq!(report.syncs.len(), 1, "syncing goes on, too");
    assert_eq!(state().await, PublicationState::Published);
    assert_eq!(host.plain.state().timeline.notes.len(), 1);
}

#[tokio::test]
async fn con_7_every_settings_call_of_an_unknown_connection_says_that_it_is_not_there() {
    let host = host();
    let connection = host.connect().await;
    let stranger = fluint_crm::model::WorkspaceId::new("globex").unwrap();
    let crm = &host.crm;
    let refused = [
        crm.connection(&stranger, connection.id).await.err(),
        crm.set_interval(&stranger, connection.id, minutes(30)).await.err(),
        crm.set_stage_filter(&stranger, connection.id, Default::default()).await.err(),
        crm.sync_now(&stranger, connection.id).await.err(),
        crm.disconnect(&stranger, connection.id, MirrorFate::Purge).await.err(),
    ];
    for error in refused {
        let error = error.expect("another workspace's connection is not there");
        assert!(matches!(error, fluint_crm::Error::NotFound { .. }), "{error}");
    }
    let ours = crm.connection(&workspace(), connection.id).await.unwrap();
    assert_eq!((ours.kind, ours.interval), (KIND, None));
}
