//! Every fault at every request of a sync: nothing is called missing, no deal ends (SYN-7, R-16).

use std::time::Duration;

use fluint_crm::model::DealState;
use fluint_crm::testkit::{Fault, Place};

use crate::dynamics::bench::{Bench, small_org};

/// Everything that a sync asks for.
const SETS: [&str; 14] = [
    "WhoAmI",
    "RetrieveUserSetOfPrivilegesByNames",
    "organizations",
    "systemusers",
    "accounts",
    "contacts",
    "opportunities",
    "workflows",
    "processstages",
    "EntityDefinitions",
    "opportunitysalesprocesses",
    "leadtoopportunitysalesprocesses",
    "new_bpf_enterprises",
    "transactioncurrencies",
];

fn faults() -> Vec<Fault> {
    vec![
        Fault::AnswerLost,
        Fault::BadGateway,
        Fault::BadJson,
        Fault::ClaimsChallenge,
        Fault::ConnectionRefused,
        Fault::DeepBody,
        Fault::EmptyPage,
        Fault::ErrorInSuccess,
        Fault::ExpiredToken,
        Fault::HugeNumber,
        Fault::LandsLater,
        Fault::LoneSurrogates,
        Fault::MillionBrackets,
        Fault::NotANumber,
        Fault::ReadTimeout,
        Fault::Redirect("https://evil.example/".to_owned()),
        Fault::Reset,
        Fault::Status(204),
        Fault::Status(304),
        Fault::Status(400),
        Fault::Status(404),
        Fault::Status(408),
        Fault::Status(409),
        Fault::Status(413),
        Fault::Status(500),
        Fault::Status(504),
        Fault::TooManyRequests { retry_after: Some("40".to_owned()) },
        Fault::TooManyRequests { retry_after: None },
        Fault::TruncatedBody,
        Fault::Unavailable { retry_after: None },
        Fault::Unavailable { retry_after: Some(Duration::from_secs(20)) },
    ]
}

async fn bench() -> Bench {
    let mut org = small_org();
    let custom = org.builder.add_process(
        "Enterprise",
        "new_bpf_enterprise",
        "opportunity",
        &["Discover", "Sign"],
    );
    let builder = &mut org.builder;
    builder.add_opportunity("Big", org.account).owned_by(org.ada).in_stage(&custom, 1);
    Bench::new(org.builder.build()).await
}

/// Runs a sync under each fault, so many times in a row at every set, and looks at the harm.
async fn survive(times: u32, sets: &[&str]) {
    let bench = bench().await;
    let dataverse = bench.fake.dataverse();
    let connection = bench.connect().await;
    let clean = bench.synced(&connection).await;
    let deals = bench.deals(&connection).await;
    assert_eq!(deals.len(), 4);
    let (mut sound, mut failed) = (0, 0);
    for set in sets {
        for fault in faults() {
            let asked = dataverse.requests(set);
            dataverse.plant_times(Place::next_to(*set), fault.clone(), times);
            let outcome = bench.sync(&connection).await;
            assert!(dataverse.requests(set) > asked, "{set} is asked for at all");
            match &outcome {
                Ok(report) => {
                    sound += 1;
                    assert_eq!(report.counts.rows_missing, 0, "{set}: {fault:?}");
                    // Without the base currency, the row that had that role is kept as it was, and
                    // marked to be written once it is known again.
                    let marked = u64::from(*set == "organizations");
                    assert!(report.counts.rows_written <= marked, "{set}: {fault:?}");
                }
                Err(error) => {
                    failed += 1;
                    assert!(!error.customer_message().is_empty());
                }
            }
            assert_eq!(bench.missing(&connection).await, 0, "{set}: {fault:?}: {outcome:?}");
            let after = bench.deals(&connection).await;
            assert_eq!(after, deals, "{set}: {fault:?}: {outcome:?}");
            assert!(after.iter().all(|deal| deal.state == DealState::Live));
            dataverse.clear_faults();
            if outcome.is_err() {
                if !bench.health(&connection).await.is_working() {
                    bench.connect().await;
                }
                let report = bench.sync(&connection).await;
                let report = report.unwrap_or_else(|e| panic!("{set}: {fault:?}: then {e:?}"));
                assert_eq!(report.counts.rows_missing, 0, "{set}: {fault:?}: the next run");
                assert_eq!(bench.deals(&connection).await, deals);
            }
        }
    }
    assert!(sound > 0 && failed > 0, "{sound} went well, {failed} failed");
    let again = bench.synced(&connection).await;
    assert_eq!(again.counts.rows_read, clean.counts.rows_read);
}

#[tokio::test]
async fn syn_7_r_16_no_single_fault_at_any_request_makes_a_row_missing_or_ends_a_deal() {
    survive(1, &SETS).await;
}

#[tokio::test]
async fn syn_7_r_16_no_fault_that_lasts_makes_a_row_missing_or_ends_a_deal() {
    survive(40, &["WhoAmI", "opportunities", "workflows", "opportunitysalesprocesses"]).await;
}
