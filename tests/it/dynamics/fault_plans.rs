//! Syncs under faults by chance: every seed another weather, the same seed the same.

use std::sync::Arc;

use fluint_crm::connector::Callback;
use fluint_crm::model::{Connection, DealState};
use fluint_crm::storage::Stores;
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::{FakeMicrosoft, Fault, FaultPlan, OrgBuilder};
use fluint_crm::{Budget, Clock as _, Crm};
use time::macros::datetime;

use crate::dynamics::bench::{People, ada, crm, member, request, workspace};
use crate::dynamics::jumping_clock::JumpingClock;

/// A host and its org in one process.
struct World {
    fake: FakeMicrosoft,
    clock: Arc<JumpingClock>,
    crm: Crm,
    connection: Connection,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(JumpingClock::new(datetime!(2026-02-02 09:00 UTC)));
        let org = OrgBuilder::synthetic(7, 40).build();
        let fake = FakeMicrosoft::new(org, Arc::clone(&clock) as _);
        let people = Arc::new(People::default());
        let sellers = (1..=10).map(|n| member(&format!("s{n}"), &format!("seller{n}@contoso.com")));
        people.set(sellers.collect());
        let stores = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&clock) as _)));
        let crm = crm(&stores, &people, &clock, fake.provider().unwrap());
        let started = crm.begin_connect(request()).await.unwrap();
        let back = Callback::from_url(&fake.browse(&started.url).unwrap());
        let connection = crm.finish_connect(&workspace(), &ada(), &back).await.unwrap();
        Self { fake, clock, crm, connection }
    }

    fn bad_weather(&self, seed: u64, share: f64) {
        self.fake.dataverse().plan_faults(FaultPlan::seeded(seed).share(share));
        // Entra is no Dataverse: its 200 holds tokens.
        let kinds = [
            Fault::AnswerLost,
            Fault::BadGateway,
            Fault::ConnectionRefused,
            Fault::Reset,
            Fault::Unavailable { retry_after: None },
        ];
        let plan = FaultPlan::seeded(seed).share(share).among(kinds);
        self.fake.entra().plan_faults(plan);
    }

    /// Syncs when it is due until a sync goes well; gives how many did not.
    async fn sync(&self) -> u32 {
        self.crm.sync_now(&workspace(), self.connection.id).await.unwrap();
        let mut failed = 0;
        loop {
            let (budget, activity) = (Budget::default(), || self.fake.dataverse().total_requests());
            let work = self.crm.run_due(&budget);
            let report = self.clock.drive(activity, work).await.unwrap();
            for sync in &report.syncs {
                match &sync.outcome {
                    Ok(done) => {
                        assert_eq!(done.counts.rows_missing, 0);
                        return failed;
                    }
                    Err(error) => assert!(error.is_retryable(), "{error:?}"),
                }
                failed += 1;
            }
            assert!(failed < 50, "no sync ever goes well");
            let next = report.next_due.expect("it is tried again");
            self.clock.advance((next - self.clock.now()).max(time::Duration::ZERO));
        }
    }

    async fn live_deals(&self) -> usize {
        let deals = self.crm.deals(&workspace(), self.connection.id, None, 500).await.unwrap();
        deals.iter().filter(|deal| deal.state == DealState::Live).count()
    }
}

#[tokio::test]
async fn syn_5_syn_8_r_16_transient_faults_by_chance_delay_a_sync_and_lose_nothing() {
    let clear = World::new().await;
    assert_eq!(clear.sync().await, 0);
    let expected = clear.live_deals().await;
    assert!(expected > 20, "{expected} deals");
    let (mut struck, mut failed) = (0, 0);
    for seed in 1..=40 {
        let world = World::new().await;
        world.bad_weather(seed, if seed % 4 == 0 { 0.3 } else { 0.05 });
        failed += world.sync().await;
        assert_eq!(world.live_deals().await, expected, "seed {seed}");
        failed += world.sync().await;
        assert_eq!(world.live_deals().await, expected, "seed {seed}, again");
        struck += world.fake.dataverse().faults_struck();
    }
    assert!(struck > 100, "{struck} faults struck");
    assert!(failed > 0, "three requests in ten failed, and every sync went well");
}

#[tokio::test]
async fn host_4_the_same_seed_gives_the_same_trace() {
    let mut traces = Vec::new();
    for seed in [3, 3, 4] {
        let world = World::new().await;
        world.bad_weather(seed, 0.3);
        world.sync().await;
        traces.push((world.fake.dataverse().journal(), world.clock.now()));
    }
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}

#[tokio::test]
async fn r_12_bodies_made_to_hurt_are_errors_that_pass() {
    let world = World::new().await;
    world.sync().await;
    let expected = world.live_deals().await;
    for fault in [
        Fault::BadJson,
        Fault::DeepBody,
        Fault::GzipBomb,
        Fault::MillionBrackets,
        Fault::NotANumber,
        Fault::Oversized,
    ] {
        let plan = FaultPlan::seeded(1).share(1.0).among([fault.clone()]);
        world.fake.dataverse().plan_faults(plan);
        world.crm.sync_now(&workspace(), world.connection.id).await.unwrap();
        let report = world.crm.run_due(&Budget::default()).await.unwrap();
        let error = report.syncs[0].outcome.as_ref().unwrap_err();
        assert!(
            matches!(error, fluint_crm::Error::UnexpectedResponse { .. }),
            "{fault:?}: {error:?}"
        );
        world.fake.dataverse().clear_faults();
        world.sync().await;
        assert_eq!(world.live_deals().await, expected, "{fault:?}");
    }
}
