use std::num::NonZeroU32;

use proptest::prelude::*;
use time::Duration;
use time::macros::datetime;

use super::*;
use crate::dynamics::fixtures::{Org, ROOT, refusal};
use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::http::fixtures::answer;
use crate::model::Table;

const START: OffsetDateTime = datetime!(2020-01-01 00:00 UTC);

fn request(created: Vec<OffsetDateTime>, attempt: u32) -> PlanRequest {
    PlanRequest { table: Table::Accounts, expected: Some(300_000), created, attempt }
}

/// An org that tells the oldest and the newest row.
fn aged() -> Org {
    Org::new(|request, _| {
        let newest = request.url.as_str().contains("desc");
        let at = if newest { "2024-01-01T00:00:00Z" } else { "2020-01-01T00:00:00Z" };
        Ok(answer(200, &[], serde_json::json!({"value": [{"createdon": at}]}).to_string()))
    })
}

async fn plan(org: &Org, request: &PlanRequest, ranges: u64) -> TablePlan {
    in_ranges(&org.api(), &Accounts, &Words::Table, request, ranges).await.unwrap()
}

#[test]
fn syn_4_small_tables_are_read_whole_and_big_ones_in_a_few_ranges() {
    let fixed = |ranges| Split::Fixed(NonZeroU32::new(ranges).unwrap());
    for (split, expected, width, ranges) in [
        (Split::Automatic, None, 4, 1),
        (Split::Automatic, Some(49_999), 4, 1),
        (Split::Automatic, Some(50_000), 4, 2),
        (Split::Automatic, Some(99_999), 4, 3),
        (Split::Automatic, Some(1_000_000), 4, 4),
        (Split::Automatic, Some(1_000_000), 8, 4),
        (Split::Automatic, Some(1_000_000), 2, 2),
        (fixed(8), Some(1_000_000), 8, 8),
        (fixed(8), Some(1_000_000), 4, 4),
        (fixed(3), Some(5_001), 8, 3),
        (fixed(8), Some(5_000), 8, 1),
        (fixed(8), None, 8, 1),
        (Split::Off, Some(1_000_000), 8, 1),
    ] {
        assert_eq!(how_many(split, expected, width), ranges, "{split:?} {expected:?} {width}");
    }
}

#[tokio::test]
async fn syn_4_ranges_are_fixed_by_two_probes() {
    let org = aged();
    let plan = plan(&org, &request(Vec::new(), 0), 4).await;
    assert!(plan.covers());
    let from: Vec<_> = plan.chains.iter().map(|chain| chain.range.from).collect();
    let bounds = [
        datetime!(2020-12-31 06:00 UTC),
        datetime!(2021-12-31 12:00 UTC),
        datetime!(2022-12-31 18:00 UTC),
    ];
    assert_eq!(from, [None, Some(bounds[0]), Some(bounds[1]), Some(bounds[2])]);
    let mut lines = org.transport.lines();
    lines.sort();
    assert_eq!(
        lines,
        ["asc", "desc"].map(|direction| format!(
            "GET {ROOT}accounts?$select=createdon&$filter=createdon%20ne%20null\
             &$orderby=createdon%20{direction},accountid"
        ))
    );
    assert_eq!(org.transport.sent()[0].headers["prefer"], "odata.maxpagesize=1");
}

#[tokio::test]
async fn syn_4_a_sample_of_the_copy_makes_even_ranges_without_a_probe() {
    // Nine in ten rows came in one week, as after an import.
    let hours = |n: i64| START + Duration::hours(n);
    let mut created: Vec<_> = (0..180).map(|n| hours(n % 168)).collect();
    created.extend((0..20).map(|n| hours(10_000 + n * 100)));
    let org = Org::new(|_, _| panic!("nothing is asked for"));
    let plan = plan(&org, &request(created.clone(), 0), 4).await;
    assert!(plan.covers() && plan.chains.len() == 4);
    for chain in &plan.chains {
        let within = |at: &&OffsetDateTime| {
            chain.range.from.is_none_or(|from| **at >= from)
                && chain.range.until.is_none_or(|until| **at < until)
        };
        let rows = created.iter().filter(within).count();
        assert!((40..=60).contains(&rows), "{rows} in {:?}", chain.range);
    }
}

#[tokio::test]
async fn syn_4_a_table_without_the_column_is_read_whole() {
    let org = Org::new(|_, _| Ok(answer(400, &[], refusal("0x80041103", "no such attribute"))));
    assert_eq!(plan(&org, &request(Vec::new(), 0), 4).await.chains.len(), 1);
    let org = Org::new(|_, _| Ok(answer(200, &[], r#"{"value":[]}"#)));
    assert_eq!(plan(&org, &request(Vec::new(), 0), 4).await.chains.len(), 1, "no row");
    let org = Org::new(|_, _| panic!("nothing is asked for"));
    assert_eq!(plan(&org, &request(Vec::new(), 1), 4).await.chains.len(), 1, "after a failure");
}

#[test]
fn syn_4_a_range_is_a_condition_in_an_order_that_does_not_move() {
    let plan = TablePlan::ranges("", &[START, START + Duration::days(1)]);
    let conditions = [
        "(createdon lt 2020-01-01T00:00:00Z or createdon eq null)",
        "createdon ge 2020-01-01T00:00:00Z and createdon lt 2020-01-02T00:00:00Z",
        "createdon ge 2020-01-02T00:00:00Z",
    ];
    for (chain, condition) in plan.chains.iter().zip(conditions) {
        let path = first_page(&Opportunities, chain.range).unwrap();
        let tail =
            format!("&$filter=statecode eq 0 and {condition}&$orderby=createdon,opportunityid");
        assert!(path.ends_with(&tail), "{path}");
    }
}

proptest! {
    /// R-16: whatever the sample, the ranges make a whole.
    #[test]
    fn r_16_ranges_of_any_sample_cover_the_table(
        seconds in prop::collection::vec(0_i64..200_000, 0..200), ranges in 1_u64..9,
    ) {
        let created: Vec<_> = seconds.iter().map(|s| START + Duration::seconds(*s)).collect();
        let bounds = sampled(&created, ranges);
        prop_assert!(TablePlan::ranges("x", &bounds).covers());
        prop_assert!(bounds.len() < usize::try_from(ranges).unwrap());
    }

    /// R-16: so do ranges between any two ends.
    #[test]
    fn r_16_ranges_between_any_ends_cover_the_table(
        length in 0_i64..2_000_000_000, ranges in 1_u64..9,
    ) {
        let bounds = evenly(START, START + Duration::seconds(length), ranges);
        prop_assert!(TablePlan::ranges("x", &bounds).covers());
    }
}
