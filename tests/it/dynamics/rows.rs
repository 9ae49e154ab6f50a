//! What is written, what is exact, and what a vanished row does (SYN-6, SYN-7, DEA-5).

use fluint_crm::model::{DealState, FeedEvent, Outcome};
use fluint_crm::testkit::{Cell, Closing, OrgBuilder};
use uuid::Uuid;

use crate::dynamics::bench::{Bench, member, small_org};

#[tokio::test]
async fn syn_6_with_one_opportunity_in_a_hundred_changed_only_those_are_written() {
    let bench = Bench::new(OrgBuilder::synthetic(7, 400).build()).await;
    bench.people.set(
        (1..=10).map(|n| member(&format!("s{n}"), &format!("seller{n}@contoso.com"))).collect(),
    );
    let connection = bench.connect().await;
    let first = bench.synced(&connection).await.counts;
    assert_eq!(first.rows_read, first.rows_written);
    let again = bench.synced(&connection).await.counts;
    assert_eq!((again.rows_read, again.rows_written), (first.rows_read, 0));
    // One in a hundred opportunities changes.
    let deals = bench.deals(&connection).await;
    for deal in deals.iter().take(4) {
        let id: Uuid = deal.opportunity.as_str().parse().unwrap();
        let dataverse = bench.fake.dataverse();
        assert!(dataverse.update("opportunity", id, "name", Cell::from("Renamed")));
    }
    let third = bench.synced(&connection).await.counts;
    assert_eq!((third.rows_read, third.rows_written), (first.rows_read, 4));
    assert_eq!((third.deals_created, third.deals_updated), (0, 4));
    let renamed = bench.deals(&connection).await;
    assert_eq!(renamed.iter().filter(|deal| deal.details.name == "Renamed").count(), 4);
}

#[tokio::test]
async fn dea_5_r_18_a_won_opportunity_is_found_by_its_id_and_ends_its_deal() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    assert!(bench.fake.dataverse().close_opportunity(org.deals[1], Closing::Won));
    let report = bench.synced(&connection).await;
    assert_eq!((report.counts.rows_missing, report.counts.deals_stopped), (0, 1));
    let after = bench.deal(&connection, org.deals[1]).await;
    assert_eq!(after.state, DealState::Ended(Outcome::Won));
    assert_eq!(bench.missing(&connection).await, 0, "a won one is explained");
    let requests = bench.fake.dataverse().requests("opportunities");
    bench.synced(&connection).await;
    let again = bench.fake.dataverse().requests("opportunities") - requests;
    assert_eq!(again, 1, "nobody asks for it again");
    let feed = bench.feed(&connection).await;
    let told = |event: &&FeedEvent| matches!(event, FeedEvent::SweepWithheld { .. });
    assert_eq!(feed.iter().filter(told).count(), 0, "a won deal is no missing row");
    // Reopened, it is there again, and nothing was lost.
    let dataverse = bench.fake.dataverse();
    assert!(dataverse.update("opportunity", org.deals[1], "statecode", 0));
    assert!(dataverse.update("opportunity", org.deals[1], "statuscode", 1));
    let report = bench.synced(&connection).await;
    assert_eq!((report.counts.rows_missing, report.counts.deals_created), (0, 0));
    assert_eq!(bench.deal(&connection, org.deals[1]).await.state, DealState::Live);
}

#[tokio::test]
async fn syn_7_a_row_that_is_hidden_deleted_or_not_readable_ends_no_deal() {
    let org = small_org();
    let bench = Bench::new(org.builder.build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let before = bench.deals(&connection).await;
    bench.fake.dataverse().hide(org.deals[0]);
    assert!(bench.fake.dataverse().delete("opportunity", org.deals[1]));
    bench.synced(&connection).await;
    assert_eq!(bench.deals(&connection).await, before);
    // The whole table is taken away from us: not even marked missing.
    bench.fake.dataverse().withhold_privilege("prvReadOpportunity");
    let error = bench.sync_error(&connection).await;
    assert!(matches!(error, fluint_crm::Error::PermissionDenied { .. }), "{error:?}");
    assert!(error.customer_message().len() > 10);
    assert_eq!(bench.deals(&connection).await, before);
}

#[tokio::test]
async fn dea_5_money_survives_from_json_to_the_deal_to_sqlite_and_back() {
    let mut org = OrgBuilder::new(7);
    let ada = org.add_user("Ada Lovelace", "ada@contoso.com").id();
    let account = org.add_account("Fabrikam").id();
    let yen = org.add_currency("JPY", "Yen", "¥", "160").id();
    let amounts = [
        "922337203685477.5807",
        "-922337203685477.5808",
        "0.0001",
        "9007199254740993",
        "100000000000.0000",
        "1200.5",
        "0",
    ];
    let ids: Vec<Uuid> = amounts
        .iter()
        .map(|amount| org.add_opportunity(amount, account).owned_by(ada).worth(amount).id())
        .collect();
    let in_yen = org.add_opportunity("yen", account).owned_by(ada).worth_in("1000", yen).id();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.sqlite");
    let bench = Bench::on_file(org.build(), &path).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let bench = bench.reopen(&path);
    for (amount, id) in amounts.iter().zip(ids) {
        let deal = bench.deal(&connection, id).await;
        let value = deal.details.value.expect("it has a value");
        assert_eq!(value.currency.as_str(), "EUR");
        let exact: rust_decimal::Decimal = amount.parse().unwrap();
        assert_eq!(value.amount.as_decimal(), exact, "{amount}");
        assert_eq!(value.amount.to_string(), exact.normalize().to_string());
        assert_eq!(deal.details.base_value.unwrap().amount.as_decimal(), exact);
    }
    let deal = bench.deal(&connection, in_yen).await;
    assert_eq!(deal.details.value.unwrap().to_string(), "1000.00 JPY");
    assert_eq!(deal.details.base_value.unwrap().to_string(), "6.25 EUR");
    assert_eq!(
        bench.synced(&connection).await.counts.deals_updated,
        0,
        "read back, it is the same"
    );
}
