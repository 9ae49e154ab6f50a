//! What customers do while a sync is under way: disconnect, reconnect, publish.

use std::future::Future;

use fluint_crm::model::query::Scope;
use fluint_crm::model::{Connection, FeedEvent, Health, Table};
use fluint_crm::testkit::{Fault, Place};
use fluint_crm::{Budget, Clock as _, MirrorFate, RunReport};
use time::Duration;

use crate::dynamics::bench::{Bench, ada, small_org, workspace};

/// Runs what is due while a throttle holds it in the middle, and does something else meanwhile.
async fn in_a_throttle<T>(
    bench: &Bench,
    set: &str,
    meanwhile: impl Future<Output = T>,
) -> RunReport {
    let slow = Fault::TooManyRequests { retry_after: Some("300".to_owned()) };
    bench.fake.dataverse().plant(Place::next_to(set), slow);
    let later = async {
        bench.clock.sleep_until(bench.crm.now() + Duration::seconds(100)).await;
        meanwhile.await;
    };
    let budget = Budget::default();
    let work = async { tokio::join!(bench.crm.run_due(&budget), later).0 };
    bench.drive(work).await.unwrap()
}

async fn disconnect(bench: &Bench, connection: &Connection, mirror: MirrorFate) {
    bench.crm.disconnect(&workspace(), connection.id, mirror).await.unwrap();
}

async fn bench() -> (Bench, Connection) {
    let bench = Bench::new(small_org().builder.build()).await;
    let connection = bench.connect().await;
    (bench, connection)
}

#[tokio::test]
async fn con_8_disconnecting_during_a_sync_stops_it_and_it_stays_disconnected() {
    for set in ["WhoAmI", "contacts", "opportunities"] {
        let (bench, connection) = bench().await;
        let report =
            in_a_throttle(&bench, set, disconnect(&bench, &connection, MirrorFate::Keep)).await;
        assert_eq!(report.syncs.len(), 1);
        assert!(report.syncs[0].outcome.is_err(), "{set}: the sync went on");
        assert_eq!(bench.health(&connection).await, Health::Disconnected, "{set}");
        assert_eq!(report.next_due, None, "{set}: nothing is planned any more");
        let asked = bench.fake.dataverse().total_requests();
        let later = bench.run_after(Duration::days(1)).await;
        assert!(later.syncs.is_empty() && later.next_due.is_none(), "{set}");
        assert_eq!(bench.fake.dataverse().total_requests(), asked, "{set}: nothing is sent");
        // And back again.
        let again = bench.connect().await;
        assert_eq!(again.id, connection.id);
        let report = bench.run().await;
        assert_eq!(report.syncs[0].outcome.as_ref().unwrap().counts.rows_missing, 0);
        assert_eq!(bench.deals(&connection).await.len(), 3);
    }
}

#[tokio::test]
async fn con_8_a_purged_mirror_is_not_filled_again_by_a_sync_under_way() {
    let (bench, connection) = bench().await;
    bench.synced(&connection).await;
    bench.crm.sync_now(&workspace(), connection.id).await.unwrap();
    let purged = disconnect(&bench, &connection, MirrorFate::Purge);
    in_a_throttle(&bench, "contacts", purged).await;
    for table in [Table::Accounts, Table::Contacts, Table::Opportunities, Table::Users] {
        let query = bench.crm.query();
        let rows = query.scan(&workspace(), connection.id, table, None, 10).await.unwrap();
        assert!(rows.is_empty(), "{table}: {rows:?}");
    }
    let scope = Scope::connection(workspace(), connection.id);
    let as_of = bench.crm.query().as_of(&scope).await.unwrap();
    assert!(as_of.iter().all(|(_, at)| at.is_none()), "{as_of:?}");
    assert_eq!(bench.deals(&connection).await.len(), 3, "deals stay");
    assert_eq!(bench.health(&connection).await, Health::Disconnected);
}

#[tokio::test]
async fn con_7_reconnecting_during_a_sync_leaves_a_connection_that_works() {
    for set in ["WhoAmI", "contacts"] {
        let (bench, connection) = bench().await;
        let reconnect = async {
            bench.fake.entra().revoke_sessions();
            bench.fake.entra().revoke_access_tokens();
            let callback = bench.sign_in().await.unwrap();
            let again = bench.crm.finish_connect(&workspace(), &ada(), &callback).await.unwrap();
            assert_eq!(again.id, connection.id);
        };
        in_a_throttle(&bench, set, Box::pin(reconnect)).await;
        assert_eq!(bench.health(&connection).await, Health::Connected, "{set}");
        bench.synced(&connection).await;
        assert_eq!(bench.deals(&connection).await.len(), 3);
        let feed = bench.feed(&connection).await;
        let asks = |event: &FeedEvent| matches!(event, FeedEvent::SyncFailed { remedy, .. } if remedy == "reconnect");
        assert!(!feed.iter().any(asks), "{set}: {feed:?}");
    }
}

#[tokio::test]
async fn dea_4_a_filter_set_during_a_sync_applies_to_the_next_one() {
    let (bench, connection) = bench().await;
    bench.synced(&connection).await;
    let stages = bench.crm.stages(&workspace(), connection.id).await.unwrap();
    let busy = stages.iter().find(|choice| choice.open_opportunities == 1).unwrap();
    let filter = fluint_crm::model::StageFilter::new([busy.stage.id.clone()]);
    let set = async {
        bench.crm.set_stage_filter(&workspace(), connection.id, filter).await.unwrap();
    };
    bench.crm.sync_now(&workspace(), connection.id).await.unwrap();
    let report = Box::pin(in_a_throttle(&bench, "contacts", set)).await;
    let counts = report.syncs[0].outcome.as_ref().unwrap().counts;
    assert_eq!(counts.deals_stopped, 0);
    assert_eq!(bench.synced(&connection).await.counts.deals_stopped, 2);
}
