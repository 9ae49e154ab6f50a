//! Access tokens that end in the middle of work, and sign-ins that end for good.

use fluint_crm::Remedy;
use fluint_crm::model::{FeedEvent, Health, PublicationState};
use fluint_crm::testkit::{Fault, OrgBuilder, Place, Rotation};
use time::Duration;

use crate::dynamics::bench::{Bench, small_org};

fn throttle(seconds: u32) -> Fault {
    Fault::TooManyRequests { retry_after: Some(seconds.to_string()) }
}

#[tokio::test]
async fn con_5_a_token_rejected_in_the_middle_of_a_pull_is_refreshed_once() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let connection = bench.connect().await;
    bench.fake.dataverse().plant(Place::page("opportunities", 1), Fault::ExpiredToken);
    let report = bench.synced(&connection).await;
    assert_eq!(report.counts.deals_created, 3);
    assert_eq!(bench.fake.entra().counts().refreshes, 1);
}

#[tokio::test]
async fn con_5_a_token_that_ends_during_a_throttle_is_refreshed_once_and_the_pull_goes_on() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    bench.fake.entra().set_token_life(Duration::minutes(10));
    let connection = bench.connect().await;
    bench.fake.dataverse().plant(Place::next_to("WhoAmI"), throttle(700));
    let before = bench.crm.now();
    let report = bench.synced(&connection).await;
    assert!(bench.crm.now() - before >= Duration::seconds(700), "R-3: waited in full");
    assert_eq!(bench.fake.dataverse().impatient_requests(), 0);
    assert_eq!(report.counts.deals_created, 3);
    assert_eq!(bench.fake.entra().counts().refreshes, 1);
}

#[tokio::test]
async fn con_5_a_rotated_refresh_token_is_stored_before_it_is_used() {
    let org = small_org();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.sqlite");
    let bench = Bench::on_file(org.builder.build(), &path).await;
    bench.fake.entra().set_rotation(Rotation::Strict);
    let connection = bench.connect().await;
    for refreshes in 1..=3 {
        bench.fake.entra().revoke_access_tokens();
        bench.synced(&connection).await;
        assert_eq!(bench.fake.entra().counts().refreshes, refreshes);
    }
    // The old ones are dead, so only what the file holds can work after a restart.
    let bench = bench.reopen(&path);
    bench.fake.entra().revoke_access_tokens();
    bench.synced(&connection).await;
    assert_eq!(bench.fake.entra().counts().refreshes, 4);
}

#[tokio::test]
async fn con_5_con_7_a_refused_refresh_needs_reconnecting_and_holds_what_is_queued() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let deal = bench.deal(&connection, org.deals[0]).await;
    let publication = bench.publish(&deal, "plan", 1).await;
    bench.fake.entra().revoke_sessions();
    bench.fake.entra().revoke_access_tokens();
    let error = bench.sync_error(&connection).await;
    assert_eq!(error.remedy(), Remedy::Reconnect, "{error:?}");
    assert!(matches!(bench.health(&connection).await, Health::NeedsReconnect { .. }));
    let refreshes = bench.fake.entra().counts().refreshes;
    // The publication becomes due, is held, and nothing is waiting any more.
    let report = bench.run_after(Duration::minutes(2)).await;
    assert!(report.syncs.is_empty(), "an unhealthy connection is not synced");
    assert_eq!(report.next_due, None);
    let state = bench.publication(publication).await.state;
    assert!(matches!(state, PublicationState::Held { .. }), "{state:?}");
    assert_eq!(bench.fake.entra().counts().refreshes, refreshes, "nobody asks again");
    let feed = bench.feed(&connection).await;
    let failed = |event: &&FeedEvent| matches!(event, FeedEvent::SyncFailed { remedy, .. } if remedy == "reconnect");
    assert_eq!(feed.iter().filter(failed).count(), 1, "ACT-1");
    assert_eq!(feed.iter().filter(|e| matches!(e, FeedEvent::NoteHeld { .. })).count(), 1);
    assert!(bench.fake.dataverse().ids("annotation").is_empty());
    // Reconnecting resumes both.
    let again = bench.connect().await;
    assert_eq!((again.id, again.health.clone()), (connection.id, Health::Connected));
    let report = bench.run().await;
    assert!(report.syncs.iter().all(|sync| sync.outcome.is_ok()) && report.syncs.len() == 1);
    assert_eq!(bench.publication(publication).await.state, PublicationState::Published);
    assert_eq!(bench.fake.dataverse().ids("annotation").len(), 1);
}

#[tokio::test]
async fn con_7_a_publication_finds_out_first_that_the_sign_in_has_ended() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let deal = bench.deal(&connection, org.deals[0]).await;
    let publication = bench.publish(&deal, "plan", 1).await;
    bench.fake.entra().revoke_sessions();
    bench.fake.entra().revoke_access_tokens();
    bench.run_after(Duration::minutes(2)).await;
    let state = bench.publication(publication).await.state;
    assert!(matches!(state, PublicationState::Held { .. }), "{state:?}");
    assert!(matches!(bench.health(&connection).await, Health::NeedsReconnect { .. }));
    // Nothing goes round in circles until somebody reconnects.
    let mut rounds = 0;
    while let Some(next) = bench.run().await.next_due {
        let wait = next - bench.crm.now();
        bench.clock.advance(wait.max(Duration::ZERO));
        rounds += 1;
        assert!(rounds < 4, "it goes on for ever");
    }
    bench.connect().await;
    bench.run().await;
    assert_eq!(bench.publication(publication).await.state, PublicationState::Published);
    assert_eq!(bench.fake.dataverse().ids("annotation").len(), 1, "DOC-2");
}

#[tokio::test]
async fn con_5_a_claims_challenge_is_answered_with_the_claims() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let connection = bench.connect().await;
    bench.fake.dataverse().plant(Place::page("opportunities", 1), Fault::ClaimsChallenge);
    let report = bench.synced(&connection).await;
    assert_eq!(report.counts.deals_created, 3);
    let counts = bench.fake.entra().counts();
    assert_eq!((counts.refreshes, counts.with_claims), (1, 1));
    // The same for every token that is out, between two syncs.
    bench.fake.dataverse().challenge(r#"{"access_token":{"nbf":{"essential":true}}}"#);
    bench.synced(&connection).await;
    let counts = bench.fake.entra().counts();
    assert_eq!((counts.refreshes, counts.with_claims), (2, 2));
}

#[tokio::test]
async fn con_5_a_token_is_refreshed_ahead_of_its_end_however_many_tables_ask() {
    let bench = Bench::new(OrgBuilder::synthetic(7, 40).build()).await;
    bench.fake.entra().set_token_life(Duration::minutes(60));
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    assert_eq!(bench.fake.entra().counts().refreshes, 0);
    bench.clock.advance(Duration::minutes(58));
    bench.synced(&connection).await;
    assert_eq!(bench.fake.entra().counts().refreshes, 1);
    let journal = bench.fake.dataverse().journal();
    assert!(!journal.is_empty());
}

#[tokio::test]
async fn con_5_entras_own_trouble_disconnects_nobody() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    bench.fake.entra().revoke_access_tokens();
    for _ in 0..3 {
        bench.fake.entra().fail_next(90033, "temporarily_unavailable");
    }
    let error = bench.sync_error(&connection).await;
    assert_eq!(error.remedy(), Remedy::Retry, "{error:?}");
    assert_eq!(bench.health(&connection).await, Health::Connected);
    for fault in [Fault::Reset, Fault::BadGateway, Fault::TruncatedBody, Fault::AnswerLost] {
        bench.fake.entra().revoke_access_tokens();
        bench.fake.entra().plant(fault.clone());
        let outcome = bench.sync(&connection).await;
        assert_eq!(bench.health(&connection).await, Health::Connected, "{fault:?}: {outcome:?}");
        bench.synced(&connection).await;
    }
}
