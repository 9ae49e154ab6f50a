//! Sealed tokens: swapped between connections, under rotated keys, and a refresh cut off at any of
//! its writes.

use std::sync::Arc;

use fluint_crm::connector::Callback;
use fluint_crm::host::{SealingKey, StaticKeys};
use fluint_crm::model::{Connection, Health, Member, WorkspaceId};
use fluint_crm::storage::{Stores, TokenVersion};
use fluint_crm::store::{MemoryStore, SqliteStore};
use fluint_crm::testkit::{CrashPoint, CrashStore, FakeMicrosoft};
use fluint_crm::{Budget, Clock as _, Crm, Randomness, Remedy, Result, Sealed, SyncReport};
use time::Duration;
use time::macros::datetime;

use crate::dynamics::bench::{ada, request, small_org, workspace};
use crate::dynamics::jumping_clock::JumpingClock;
use crate::support::watch::watch_secrets;

/// A store and Microsoft; every [`Crm`] on it is a process of its own.
struct Site {
    fake: FakeMicrosoft,
    clock: Arc<JumpingClock>,
    stores: Stores,
    _folder: Option<tempfile::TempDir>,
}

fn key(id: &str) -> SealingKey {
    let byte = id.bytes().fold(0, u8::wrapping_add);
    SealingKey::new(id, [byte; 32]).unwrap()
}

/// A ring of which the first key seals.
fn ring(ids: &[&str]) -> StaticKeys {
    StaticKeys::new(key(ids[0]), ids[1..].iter().map(|id| key(id)).collect())
}

impl Site {
    fn in_memory() -> Self {
        Self::with(|clock| (Stores::all(Arc::new(MemoryStore::new(clock))), None))
    }

    fn on_file() -> Self {
        Self::with(|clock| {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(folder.path().join("crm.sqlite"), clock).unwrap();
            (Stores::all(Arc::new(store)), Some(folder))
        })
    }

    fn with(open: impl FnOnce(Arc<JumpingClock>) -> (Stores, Option<tempfile::TempDir>)) -> Self {
        watch_secrets();
        let clock = Arc::new(JumpingClock::new(datetime!(2026-02-02 09:00 UTC)));
        let fake = FakeMicrosoft::new(small_org().builder.build(), Arc::clone(&clock) as _);
        let (stores, folder) = open(Arc::clone(&clock));
        Self { fake, clock, stores, _folder: folder }
    }

    fn process(&self, keys: &[&str]) -> Crm {
        self.process_on(self.stores.clone(), keys)
    }

    fn process_on(&self, stores: Stores, keys: &[&str]) -> Crm {
        Crm::builder(stores, Arc::new(Vec::<Member>::new()), Arc::new(ring(keys)))
            .provider(self.fake.provider().unwrap())
            .clock(Arc::clone(&self.clock) as _)
            .randomness(Randomness::seeded(11))
            .build()
            .unwrap()
    }

    async fn connect(&self, crm: &Crm, workspace: &WorkspaceId) -> Connection {
        let mut asked = request();
        asked.workspace = workspace.clone();
        let started = crm.begin_connect(asked).await.unwrap();
        let back = Callback::from_url(&self.fake.browse(&started.url).unwrap());
        crm.finish_connect(workspace, &ada(), &back).await.unwrap()
    }

    async fn sync(&self, crm: &Crm, connection: &Connection) -> Result<SyncReport> {
        crm.sync_now(&connection.workspace, connection.id).await.unwrap();
        let activity = || self.fake.dataverse().total_requests();
        let mut report = self.clock.drive(activity, crm.run_due(&Budget::default())).await.unwrap();
        report.syncs.retain(|sync| sync.connection == connection.id);
        report.syncs.pop().expect("it was due").outcome
    }

    /// What the store holds of a connection's tokens.
    async fn row(&self, connection: &Connection) -> (Sealed, TokenVersion) {
        let held = self.stores.connections.tokens(&connection.workspace, connection.id).await;
        held.unwrap().unwrap()
    }

    async fn key_of(&self, connection: &Connection) -> String {
        self.row(connection).await.0.key_id
    }

    /// What reached Microsoft's side.
    fn requests(&self) -> (u64, u64) {
        (self.fake.entra().counts().refreshes, self.fake.dataverse().total_requests())
    }
}

#[tokio::test]
async fn r_10_con_9_tokens_swapped_between_connections_open_nowhere_and_are_sent_nowhere() {
    for site in [Site::in_memory(), Site::on_file()] {
        let (crm, globex) = (site.process(&["k1"]), WorkspaceId::new("globex").unwrap());
        let ours = site.connect(&crm, &workspace()).await;
        let theirs = site.connect(&crm, &globex).await;
        let connections = &site.stores.connections;
        let (our_row, our_version) = site.row(&ours).await;
        let (their_row, their_version) = site.row(&theirs).await;
        let swaps = [(&ours, our_version, &their_row), (&theirs, their_version, &our_row)];
        for (connection, version, row) in swaps {
            let (workspace, id) = (&connection.workspace, connection.id);
            connections.swap_tokens(workspace, id, version, row).await.unwrap().unwrap();
        }
        let before = site.requests();
        // A process that holds no token in memory.
        let crm = site.process(&["k1"]);
        for connection in [&ours, &theirs] {
            let refused = site.sync(&crm, connection).await.unwrap_err();
            assert_eq!(refused.remedy(), Remedy::FixConfiguration, "{refused:?}");
        }
        assert_eq!(site.requests(), before, "nobody's token was sent anywhere");
    }
}

#[tokio::test]
async fn r_10_con_9_keys_rotate_under_a_connection_without_a_gap() {
    for site in [Site::in_memory(), Site::on_file()] {
        let crm = site.process(&["old"]);
        let connection = site.connect(&crm, &workspace()).await;
        site.sync(&crm, &connection).await.unwrap();
        assert_eq!(site.key_of(&connection).await, "old");
        // One worker has the new ring already, the other one has not: both read either.
        let (ahead, behind) = (site.process(&["new", "old"]), site.process(&["old", "new"]));
        site.sync(&ahead, &connection).await.unwrap();
        assert_eq!(site.key_of(&connection).await, "new", "sealed again in passing");
        site.sync(&behind, &connection).await.unwrap();
        site.sync(&ahead, &connection).await.unwrap();
        site.clock.advance(Duration::hours(2));
        site.sync(&ahead, &connection).await.unwrap();
        assert_eq!(site.key_of(&connection).await, "new");
        // The old key can go.
        let crm = site.process(&["new"]);
        site.clock.advance(Duration::hours(2));
        site.sync(&crm, &connection).await.unwrap();
        let now = crm.connection(&workspace(), connection.id).await.unwrap();
        assert_eq!(now.health, Health::Connected);
    }
}

#[tokio::test]
async fn r_23_con_5_a_refresh_killed_at_any_of_its_writes_costs_one_more_refresh_at_most() {
    let mut at_tokens = 0;
    for write in 1..=12 {
        for point in [CrashPoint::Before(write), CrashPoint::After(write)] {
            let site = Site::in_memory();
            let crm = site.process(&["k1"]);
            let connection = site.connect(&crm, &workspace()).await;
            site.sync(&crm, &connection).await.unwrap();
            // The token ends, and whoever fetches the next one dies.
            site.clock.advance(Duration::hours(2));
            let (stores, control) = CrashStore::wrap(site.stores.clone());
            let doomed = site.process_on(stores, &["k1"]);
            control.arm(point);
            let crash = tokio::select! {
                _ = site.sync(&doomed, &connection) => continue,
                crash = control.crashed() => crash,
            };
            at_tokens += u32::from(crash.write == "swap_tokens");
            let crm = site.process(&["k1"]);
            // Its claim on the sync, too, has to end first.
            site.clock.advance(Duration::minutes(10));
            site.sync(&crm, &connection).await.unwrap_or_else(|e| panic!("{crash}: {e:?}"));
            let now = crm.connection(&workspace(), connection.id).await.unwrap();
            assert_eq!(now.health, Health::Connected, "{crash}");
            assert!(site.fake.entra().counts().refreshes <= 2, "{crash}");
            assert!(site.clock.now() > connection.connected_at);
        }
    }
    assert_eq!(at_tokens, 4, "before and after reserving, before and after storing");
}
