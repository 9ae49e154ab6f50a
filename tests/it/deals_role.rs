//! HOST-7: a host with a deal table of its own plays the deals role on it, or follows ours.

mod follower;
mod host_deals;

use std::sync::Arc;

use fluint_crm::model::{
    ChangeSeq, DealDetails, DealState, Decided, Decision, EmailAddress, OpportunityId,
    OpportunityStatus, Outcome, OwnerMatch, RowVersion, UserId,
};
use fluint_crm::storage::{Deals as _, Stores, WorkKind};
use fluint_crm::store::MemoryStore;
use fluint_crm::testkit::ManualClock;
use fluint_crm::testkit::conformance::store::StoreUnderTest;
use fluint_crm::{Budget, Error};
use time::Duration;
use time::macros::datetime;

use crate::deals_role::host_deals::HostDeals;
use crate::support::{Host, PlainCrm, ada, host_on, opportunity, user, workspace};

/// Our memory store for everything but the deals.
fn with_own_deals(clock: Arc<dyn fluint_crm::Clock>) -> (Stores, Arc<HostDeals>) {
    let deals = Arc::new(HostDeals::new(Arc::clone(&clock)));
    let mut stores = Stores::all(Arc::new(MemoryStore::new(clock)));
    stores.deals = Arc::clone(&deals) as _;
    (stores, deals)
}

fn under_test() -> StoreUnderTest {
    StoreUnderTest::open(|clock| with_own_deals(clock).0)
}

/// The suite for the deals role. The behaviour about stale claims is left out: it takes for granted
/// that the role knows of a newer claim at once, which a role apart from the claims learns from the
/// newer claim's first step; see the test of R-26 below.
mod conforms {
    use super::under_test;

    fluint_crm::store_conformance!(@role deals, under_test();
        dea_5_a_created_deal_is_whole
        dea_5_amounts_of_a_deal_are_exact
        dea_7_creating_twice_makes_one_deal
        dea_7_the_same_update_is_not_written_again
        dea_7_an_update_moves_revision_and_time_on
        dea_7_an_update_of_no_deal_does_nothing
        dea_4_a_stopped_deal_keeps_its_details
        dea_4_an_update_resumes_a_stopped_deal
        dea_4_creating_a_stopped_deal_makes_it_live
        dea_4_a_stop_for_another_reason_is_a_change
        dea_5_an_ended_deal_records_its_outcome
        dea_5_a_stopped_deal_can_end
        dea_7_stopping_or_ending_no_deal_does_nothing
        dea_7_unchanged_writes_nothing
        host_7_changes_are_ordered_and_complete
        host_7_changes_come_in_pages
        host_7_what_is_already_so_makes_no_entry
        host_7_changes_carry_the_deal_as_it_was_written
        dea_7_applied_counts_what_really_changed
        deals_are_found_by_id
        deals_come_in_pages_in_the_order_of_their_ids
        con_8_deals_survive_a_purge
        oll_4_deals_of_two_workspaces_keep_apart
        oll_4_deals_of_two_connections_keep_apart
    );
    fluint_crm::store_conformance!(@role skipped, under_test();
        dea_2_a_skipped_opportunity_is_listed
        dea_2_skipped_ones_come_in_pages_in_the_order_of_their_ids
        dea_2_a_created_deal_leaves_the_list_of_skipped_ones
        dea_2_every_other_decision_takes_off_the_list
        dea_2_since_stays_while_the_reason_stays
        dea_2_since_moves_with_another_reason
    );
}

/// A host whose deals are its own; Ada owns three opportunities, a stranger one.
fn host() -> (Host, Arc<HostDeals>) {
    let clock = Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC)));
    let (stores, deals) = with_own_deals(Arc::clone(&clock) as _);
    let host = host_on(stores, clock, PlainCrm::default());
    {
        let mut state = host.plain.state();
        state.users = vec![user("u1", "ada@contoso.com"), user("u2", "stranger@contoso.com")];
        state.opportunities = vec![
            opportunity("o1", "u1"),
            opportunity("o2", "u1"),
            opportunity("o3", "u2"),
            opportunity("o4", "u1"),
        ];
    }
    (host, deals)
}

/// Changes one row of the CRM.
fn edit(host: &Host, index: usize, change: impl FnOnce(&mut fluint_crm::model::Opportunity)) {
    let mut state = host.plain.state();
    let row = &mut state.opportunities[index];
    row.version = RowVersion::new(row.version.as_i64() + 1);
    change(row);
}

async fn sync(host: &Host) -> fluint_crm::SyncReport {
    let connection = host.crm.connections(&workspace()).await.unwrap().remove(0);
    host.crm.sync_now(&workspace(), connection.id).await.unwrap();
    let report = host.crm.run_due(&Budget::default()).await.unwrap();
    report.syncs.into_iter().next().expect("a sync was due").outcome.unwrap()
}

#[tokio::test]
async fn host_7_a_sync_writes_into_the_hosts_own_deal_table() {
    let (host, deals) = host();
    let connection = host.connect().await;
    let counts = sync(&host).await.counts;
    assert_eq!((counts.deals_created, counts.skipped), (3, 1));
    let rows = deals.rows();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|deal| deal.details.owner.member == ada()));
    assert_eq!(host.crm.deals(&workspace(), connection.id, None, 10).await.unwrap().len(), 3);

    let before = deals.changes_made();
    sync(&host).await;
    assert_eq!(deals.changes_made(), before, "DEA-7: a sync without a change writes nothing");

    edit(&host, 0, |row| row.status = OpportunityStatus::Won);
    edit(&host, 1, |row| row.name = Some("Renamed".into()));
    let counts = sync(&host).await.counts;
    assert_eq!((counts.deals_updated, counts.deals_stopped), (1, 1));
    let named = |name: &str| deals.rows().into_iter().find(|deal| deal.details.name == name);
    assert_eq!(named("Deal o1").unwrap().state, DealState::Ended(Outcome::Won));
    assert_eq!(named("Renamed").unwrap().revision, 2);

    let feed = host.crm.feed(&workspace(), connection.id, None, 100).await.unwrap();
    let lines: Vec<String> = feed.iter().map(|entry| entry.event.to_string()).collect();
    for line in ["Deal ended (won): Deal o1", "Deal updated: Renamed", "Deal created: Deal o4"] {
        assert_eq!(lines.iter().filter(|told| *told == line).count(), 1, "{line} in {lines:?}");
    }
}

/// Dropped at every await of the deals role and of all around it, a sync that is taken up again
/// leaves the same table and the same changes.
#[tokio::test]
async fn host_7_r_23_a_sync_dropped_anywhere_neither_loses_nor_doubles_a_deal() {
    let mut dropped = 0;
    loop {
        let (host, deals) = host();
        host.connect().await;
        let finished = {
            let budget = Budget::default();
            let run = host.crm.run_due(&budget);
            tokio::pin!(run);
            let mut finished = false;
            for _ in 0..=dropped {
                finished = finished || futures_util::poll!(&mut run).is_ready();
                // Lets the runtime wake what has stepped aside.
                tokio::task::yield_now().await;
            }
            finished
        };
        // The dropped worker's lease ends; somebody else goes on.
        host.clock.advance(Duration::minutes(2));
        sync(&host).await;
        assert_eq!(deals.rows().len(), 3, "dropped at poll {dropped}");
        assert_eq!(deals.changes_made(), 4, "three deals and a skip, dropped at poll {dropped}");
        if finished {
            break;
        }
        dropped += 1;
        assert!(dropped < 100, "the sync ends");
    }
    assert!(dropped >= 3, "the role waits at three places, {dropped} were found");
}

#[tokio::test]
async fn r_26_a_role_apart_refuses_a_claim_once_it_has_seen_a_newer_one() {
    let (host, deals) = host();
    host.connect().await;
    let lease = std::time::Duration::from_secs(60);
    let old = host.stores.due.claim(WorkKind::Pull, 1, lease).await.unwrap().remove(0);
    host.clock.advance(Duration::minutes(1));
    let new = host.stores.due.claim(WorkKind::Pull, 1, lease).await.unwrap().remove(0);
    let email = EmailAddress::new("ada@contoso.com").unwrap();
    let owner = OwnerMatch::new(ada(), UserId::new("u1").unwrap(), email);
    let create = |name: &str| Decided {
        opportunity: OpportunityId::new(name).unwrap(),
        name: None,
        decision: Decision::Create(DealDetails::new(name.to_owned(), owner.clone())),
    };
    deals.apply(&new, &[create("o1")]).await.unwrap();
    let refused = deals.apply(&old, &[create("o2")]).await.unwrap_err();
    assert!(matches!(refused, Error::StaleClaim { .. }), "{refused}");
    assert_eq!(deals.rows().len(), 1);
}

/// A host that follows the change feed into a table of its own, and crashes between any two of its
/// writes, ends with the same deals.
#[tokio::test]
async fn host_7_r_23_a_host_that_follows_the_changes_survives_a_crash_at_every_write() {
    let (host, _) = host();
    let connection = host.connect().await;
    sync(&host).await;
    edit(&host, 1, |row| row.name = Some("Renamed".into()));
    sync(&host).await;
    edit(&host, 3, |row| row.status = OpportunityStatus::Lost);
    edit(&host, 1, |row| row.name = Some("Renamed again".into()));
    sync(&host).await;
    let ours = host.crm.deals(&workspace(), connection.id, None, 10).await.unwrap();
    let place = (workspace(), connection.id);

    let mut undisturbed = follower::Table::default();
    let writes = undisturbed.follow(&host.crm, &place, usize::MAX).await;
    assert!(undisturbed.agrees_with(&ours));
    assert!(undisturbed.followed() > ChangeSeq::default());
    for crash_at in 0..writes {
        let mut table = follower::Table::default();
        table.follow(&host.crm, &place, crash_at).await;
        assert!(!table.is_done(&undisturbed), "the crash at write {crash_at} left work to do");
        table.follow(&host.crm, &place, usize::MAX).await;
        assert!(table.agrees_with(&ours), "after a crash at write {crash_at}");
    }
}

/// While the host was away, a deal changed many times: the feed brings the last word all the same.
#[tokio::test]
async fn host_7_a_host_that_comes_back_late_catches_up() {
    let (host, _) = host();
    let connection = host.connect().await;
    let place = (workspace(), connection.id);
    sync(&host).await;
    let mut table = follower::Table::default();
    table.follow(&host.crm, &place, usize::MAX).await;
    for round in 0..5 {
        edit(&host, 0, |row| row.name = Some(format!("Name {round}")));
        sync(&host).await;
    }
    let late = table.follow(&host.crm, &place, usize::MAX).await;
    let ours = host.crm.deals(&workspace(), connection.id, None, 10).await.unwrap();
    assert!(table.agrees_with(&ours));
    assert!(late >= 5, "five changes were read, {late} writes made");
    assert_eq!(table.follow(&host.crm, &place, usize::MAX).await, 0, "nothing is left");
}
