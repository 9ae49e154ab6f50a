//! Where an opportunity's stage comes from, over the wire (SYN-1).

use fluint_crm::model::{CurrentStage, FeedEvent, StageFilter, StageId, StageSource};
use fluint_crm::testkit::{Org, OrgBuilder, Process};
use fluint_crm::{Error, Remedy};
use time::Duration;
use uuid::Uuid;

use crate::dynamics::bench::{Bench, workspace};
use crate::dynamics::odd_org::OddOrg;

struct Staged {
    org: Org,
    deal: Uuid,
    sales: Process,
    custom: Process,
}

/// One opportunity that went through the stock process and is now in the customer's own.
fn staged() -> Staged {
    let mut org = OrgBuilder::new(7);
    let ada = org.add_user("Ada Lovelace", "ada@contoso.com").id();
    let account = org.add_account("Fabrikam").id();
    let sales = org.sales_process();
    let stages = ["Discover", "Prove", "Sign"];
    let custom = org.add_process("Enterprise", "new_bpf_enterprise", "opportunity", &stages);
    let deal = org
        .add_opportunity("Looms", account)
        .owned_by(ada)
        .worth("5")
        .in_stage(&sales, 1)
        .in_stage(&custom, 2)
        .id();
    // The deprecated columns lag behind, as they do in real orgs.
    org.set("opportunity", deal, "stageid", sales.stages[0]);
    org.set("opportunity", deal, "processid", sales.id);
    Staged { org: org.build(), deal, sales, custom }
}

fn at(stage: &Option<CurrentStage>) -> (String, StageSource) {
    let stage = stage.as_ref().expect("it is at a stage");
    (stage.stage.as_ref().unwrap().to_string(), stage.source)
}

#[tokio::test]
async fn syn_1_the_newest_active_instance_decides_also_of_a_customers_own_process() {
    let Staged { org, deal, sales, custom } = staged();
    let bench = Bench::new(org).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let found = bench.deal(&connection, deal).await;
    let expected = (custom.stages[2].to_string(), StageSource::ActiveProcess);
    assert_eq!(at(&found.details.stage), expected);
    let stage = found.details.stage.unwrap();
    assert_eq!(stage.name.as_deref(), Some("Sign"));
    assert_eq!(stage.process_name.as_deref(), Some("Enterprise"));
    // The stock process moves on later, so now it is the newest. The opportunity's own row is not
    // touched by that.
    bench.clock.advance(Duration::hours(1));
    let stock = bench.fake.dataverse().ids("opportunitysalesprocess")[0];
    assert!(bench.fake.dataverse().update(
        "opportunitysalesprocess",
        stock,
        "activestageid",
        fluint_crm::testkit::Cell::lookup("processstage", sales.stages[3]),
    ));
    let report = bench.synced(&connection).await;
    assert_eq!((report.counts.rows_written, report.counts.deals_updated), (1, 1));
    let found = bench.deal(&connection, deal).await;
    let expected = (sales.stages[3].to_string(), StageSource::ActiveProcess);
    assert_eq!(at(&found.details.stage), expected);
}

#[tokio::test]
async fn syn_1_an_instance_table_that_may_not_be_read_degrades_and_the_last_stage_is_kept() {
    let Staged { org, deal, sales, custom } = staged();
    let bench = Bench::new(org).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let before = bench.deal(&connection, deal).await;
    let stages = [StageId::new(custom.stages[2].to_string()).unwrap()];
    let filter = StageFilter::new(stages);
    bench.crm.set_stage_filter(&workspace(), connection.id, filter).await.unwrap();
    for privilege in ["prvReadnew_bpf_enterprise", "prvReadopportunitysalesprocess"] {
        bench.fake.dataverse().withhold_privilege(privilege);
    }
    let report = bench.synced(&connection).await;
    assert_eq!(report.counts.deals_stopped, 0, "the deal is still in the filter");
    assert_eq!(bench.missing(&connection).await, 0, "R-16: a refused table proves nothing");
    let after = bench.deal(&connection, deal).await;
    assert_eq!(after.details.stage, before.details.stage, "not the column's {}", sales.stages[0]);
    let feed = bench.feed(&connection).await;
    let told: Vec<_> = feed
        .iter()
        .filter_map(|event| match event {
            FeedEvent::ReadDegraded { message, .. } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    assert!(told.iter().any(|message| message.contains("new_bpf_enterprise")), "{told:?}");
    // A first sync with that right missing falls back to the column and says so.
    bench.fake.dataverse().grant_privilege("prvReadnew_bpf_enterprise");
    let report = bench.synced(&connection).await;
    assert_eq!(report.counts.deals_updated, 0);
}

#[tokio::test]
async fn syn_1_without_any_readable_process_the_deprecated_column_counts() {
    let Staged { org, deal, sales, .. } = staged();
    let bench = Bench::new(org).await;
    for privilege in ["prvReadnew_bpf_enterprise", "prvReadopportunitysalesprocess"] {
        bench.fake.dataverse().withhold_privilege(privilege);
    }
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let found = bench.deal(&connection, deal).await;
    let expected = (sales.stages[0].to_string(), StageSource::RecordColumn);
    assert_eq!(at(&found.details.stage), expected);
}

#[tokio::test]
async fn syn_1_an_org_without_the_sales_app_gets_a_clear_error() {
    let odd = OddOrg::start().await;
    odd.refuse(
        "opportunities",
        404,
        "0x80060888",
        "Resource not found for the segment \
        'opportunities'.",
    );
    let connection = odd.connect().await;
    let error = odd.sync(&connection).await.unwrap_err();
    assert!(matches!(error, Error::NeedsAdmin { .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::AskAdmin);
    assert!(error.customer_message().contains("Sales app"), "{}", error.customer_message());
}
