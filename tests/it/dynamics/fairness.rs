//! One connection's long wait is nobody else's (HOST-3).

use fluint_crm::connector::Callback;
use fluint_crm::dynamics::DYNAMICS;
use fluint_crm::model::WorkspaceId;
use fluint_crm::testkit::{Cell, Fault, Place};
use fluint_crm::{Budget, Clock as _, ConnectRequest};
use time::Duration;
use uuid::Uuid;

use crate::dynamics::bench::{ADDRESS, Bench, IN_FLIGHT, ada, small_org};

#[tokio::test]
async fn host_3_a_connection_in_a_long_throttle_delays_no_other_connections_sync() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let dataverse = bench.fake.dataverse();
    let ours = bench.connect().await;
    let slow = Fault::TooManyRequests { retry_after: Some("840".to_owned()) };
    dataverse.plant(Place::page("contacts", 1), slow);
    // A while later another workspace connects, as another user of the org.
    let bob = Uuid::from_u128(0xb0b);
    let values = [
        ("azureactivedirectoryobjectid", Cell::Guid(bob)),
        ("isdisabled", Cell::Bool(false)),
        ("fullname", Cell::from("Bob")),
    ];
    assert!(dataverse.insert("systemuser", Uuid::from_u128(0xb0b0), &values));
    let theirs = WorkspaceId::new("globex").unwrap();
    let join_later = async {
        bench.clock.sleep_until(bench.crm.now() + Duration::seconds(30)).await;
        bench.fake.entra().switch_person(bob, "Bob", "bob@contoso.com");
        let request = ConnectRequest::new(theirs.clone(), ada(), DYNAMICS, ADDRESS);
        let started = bench.crm.begin_connect(request).await.unwrap();
        let back = Callback::from_url(&bench.fake.browse(&started.url).unwrap());
        bench.crm.finish_connect(&theirs, &ada(), &back).await.unwrap()
    };
    let budget = Budget::default();
    let before = bench.crm.now();
    let work = async { tokio::join!(bench.crm.run_due(&budget), join_later) };
    let (report, other) = Box::pin(bench.drive(work)).await;
    let report = report.unwrap();
    let order: Vec<_> = report.syncs.iter().map(|sync| sync.connection).collect();
    assert_eq!(order, [other.id, ours.id]);
    let ended = |index: usize| report.syncs[index].outcome.as_ref().unwrap().finished_at - before;
    assert!(ended(0) < Duration::seconds(120), "the other one ended after {}", ended(0));
    assert!(ended(1) >= Duration::seconds(840), "ours waited in full");
}

#[tokio::test]
async fn r_3_a_note_waits_for_its_users_throttle_and_no_longer() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let deal = bench.deal(&connection, org.deals[0]).await;
    let slow = Fault::TooManyRequests { retry_after: Some("840".to_owned()) };
    bench.fake.dataverse().plant(Place::page("contacts", 1), slow);
    let id = bench.publish(&deal, "plan", 1).await;
    bench.crm.sync_now(&deal.workspace, connection.id).await.unwrap();
    let before = bench.crm.now();
    // the same user is throttled as a whole, so the note waits with the pull, and no longer.
    let report = bench.run_after(Duration::seconds(61)).await;
    assert!(report.syncs.iter().all(|sync| sync.outcome.is_ok()), "{report:#?}");
    // One request writes the note, and one more at most was refused by the throttle.
    assert!(bench.fake.dataverse().requests("annotations") <= 2);
    assert_eq!(bench.fake.dataverse().ids("annotation").len(), 1);
    assert!(bench.crm.now() - before < Duration::seconds(1000));
    assert!(bench.fake.dataverse().impatient_requests() <= IN_FLIGHT);
    let state = bench.publication(id).await.state;
    assert_eq!(state, fluint_crm::model::PublicationState::Published);
}
