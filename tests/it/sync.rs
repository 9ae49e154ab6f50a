//! A sync above the connector: pulls, vanished rows, promotion, the feed.

use fluint_crm::documents::{PublishTarget, Published};
use fluint_crm::host::Members;
use fluint_crm::model::{
    DealState, Document, DocumentId, FeedEvent, MemberStatus, OpportunityId, OwnerProblem, RunId,
    SkipReason, StageFilter, StageId, Table,
};
use fluint_crm::walk::Notice;
use fluint_crm::{Budget, Error, Remedy, RunReport};
use time::Duration;

use crate::support::{Failure, Host, ada, host, opportunity, user, workspace};

async fn run(host: &Host) -> RunReport {
    host.crm.run_due(&Budget::default()).await.unwrap()
}

async fn synced(host: &Host) -> fluint_crm::SyncReport {
    let connection = host.crm.connections(&workspace()).await.unwrap().remove(0);
    host.crm.sync_now(&workspace(), connection.id).await.unwrap();
    run(host).await.syncs.pop().expect("a sync was due").outcome.unwrap()
}

async fn failed(host: &Host) -> Error {
    let connection = host.crm.connections(&workspace()).await.unwrap().remove(0);
    host.crm.sync_now(&workspace(), connection.id).await.unwrap();
    run(host).await.syncs.pop().expect("a sync was due").outcome.unwrap_err()
}

async fn events(host: &Host) -> Vec<FeedEvent> {
    let connection = host.crm.connections(&workspace()).await.unwrap().remove(0);
    let mut entries = host.crm.feed(&workspace(), connection.id, None, 200).await.unwrap();
    entries.reverse();
    entries.into_iter().map(|entry| entry.event).collect()
}

/// An org where Ada owns three opportunities and a stranger owns one.
fn small_org(host: &Host) {
    let mut state = host.plain.state();
    state.users = vec![user("u1", "ada@contoso.com"), user("u2", "stranger@contoso.com")];
    state.opportunities = vec![
        opportunity("o1", "u1"),
        opportunity("o2", "u1"),
        opportunity("o3", "u2"),
        opportunity("o4", "u1"),
    ];
}

#[tokio::test]
async fn syn_3_the_first_sync_is_due_on_connecting_and_the_next_after_the_interval() {
    let host = host();
    small_org(&host);
    assert!(run(&host).await.next_due.is_none(), "nothing is due before connecting");
    host.connect().await;
    let report = run(&host).await;
    assert_eq!(report.syncs.len(), 1);
    let next = report.next_due.expect("the next sync is planned");
    let wait = next - host.crm.now();
    assert!(wait >= Duration::minutes(54) && wait <= Duration::minutes(66), "waits {wait}");
    assert!(run(&host).await.syncs.is_empty(), "nothing is due before its time");
    host.clock.set(next);
    assert_eq!(run(&host).await.syncs.len(), 1);
}

#[tokio::test]
async fn dea_1_dea_2_open_opportunities_become_deals_and_skips_are_explained() {
    let host = host();
    small_org(&host);
    let connection = host.connect().await;
    let report = synced(&host).await;
    assert_eq!((report.counts.deals_created, report.counts.skipped), (3, 1));
    let deals = host.crm.deals(&workspace(), connection.id, None, 10).await.unwrap();
    assert!(deals.iter().all(|deal| deal.details.owner.member == ada()));
    assert!(deals.iter().all(|deal| deal.details.url.is_some()), "DEA-5: a link to the record");
    let skipped = host.crm.skipped(&workspace(), connection.id, None, 10).await.unwrap();
    assert!(matches!(
        &skipped[..],
        [one] if matches!(&one.reason, SkipReason::Owner { problem: OwnerProblem::Unmatched { .. } })
    ));
}

#[tokio::test]
async fn act_1_the_feed_tells_each_thing_once() {
    let host = host();
    small_org(&host);
    host.connect().await;
    synced(&host).await;
    let first = events(&host).await;
    let kinds = |wanted: fn(&FeedEvent) -> bool| first.iter().filter(|event| wanted(event)).count();
    assert_eq!(kinds(|event| matches!(event, FeedEvent::Connected { .. })), 1);
    assert_eq!(kinds(|event| matches!(event, FeedEvent::DealCreated { .. })), 3);
    assert_eq!(kinds(|event| matches!(event, FeedEvent::OpportunitySkipped { .. })), 1);
    assert_eq!(kinds(|event| matches!(event, FeedEvent::SyncFinished { .. })), 1);
    // A second sync without changes adds its own start and end, and nothing else.
    synced(&host).await;
    assert_eq!(events(&host).await.len(), first.len() + 2);
}

#[tokio::test]
async fn syn_6_a_repeated_sync_writes_no_row_and_no_deal() {
    let host = host();
    small_org(&host);
    host.connect().await;
    let first = synced(&host).await.counts;
    assert_eq!((first.rows_read, first.rows_written), (6, 6));
    let second = synced(&host).await.counts;
    assert_eq!((second.rows_read, second.rows_written), (6, 0));
    assert_eq!((second.deals_created, second.deals_updated, second.deals_stopped), (0, 0, 0));
}

#[tokio::test]
async fn dea_4_a_filter_applies_on_the_next_sync_and_stops_updates() {
    let host = host();
    small_org(&host);
    {
        let mut state = host.plain.state();
        let stage = fluint_crm::model::Stage::new(StageId::new("s1").unwrap());
        state.stages = vec![stage];
        state.opportunities[0].record_stage.stage = Some(StageId::new("s1").unwrap());
    }
    let connection = host.connect().await;
    synced(&host).await;
    let unknown = StageFilter::new([StageId::new("nope").unwrap()]);
    let refused = host.crm.set_stage_filter(&workspace(), connection.id, unknown).await;
    assert_eq!(refused.unwrap_err().remedy(), Remedy::FixInput);
    let filter = StageFilter::new([StageId::new("s1").unwrap()]);
    host.crm.set_stage_filter(&workspace(), connection.id, filter).await.unwrap();
    let live = || async {
        let deals = host.crm.deals(&workspace(), connection.id, None, 10).await.unwrap();
        deals.iter().filter(|deal| deal.state == DealState::Live).count()
    };
    assert_eq!(live().await, 3, "nothing changes before the next sync");
    assert_eq!(synced(&host).await.counts.deals_stopped, 2);
    assert_eq!(live().await, 1);
    host.crm.set_stage_filter(&workspace(), connection.id, StageFilter::EMPTY).await.unwrap();
    assert_eq!(synced(&host).await.counts.deals_updated, 2, "back in the filter they resume");
}

#[tokio::test]
async fn dea_3_a_stage_of_the_filter_that_disappears_is_reported() {
    let host = host();
    small_org(&host);
    let stage = StageId::new("s1").unwrap();
    host.plain.state().stages = vec![fluint_crm::model::Stage::new(stage.clone())];
    let connection = host.connect().await;
    synced(&host).await;
    let filter = StageFilter::new([stage.clone()]);
    host.crm.set_stage_filter(&workspace(), connection.id, filter).await.unwrap();
    host.crm.disconnect(&workspace(), connection.id, fluint_crm::MirrorFate::Purge).await.unwrap();
    host.plain.state().stages.clear();
    host.connect().await;
    synced(&host).await;
    assert!(events(&host).await.contains(&FeedEvent::FilterStageGone { stage }));
}

#[tokio::test]
async fn syn_7_r_16_a_vanished_row_is_marked_and_nothing_is_removed() {
    let host = host();
    small_org(&host);
    let connection = host.connect().await;
    synced(&host).await;
    host.plain.state().opportunities.remove(0);
    assert_eq!(synced(&host).await.counts.rows_missing, 1);
    let deals = host.crm.deals(&workspace(), connection.id, None, 10).await.unwrap();
    assert_eq!(deals.len(), 3, "the deal stays");
    assert!(deals.iter().all(|deal| deal.state == DealState::Live), "nothing ends on absence");
    let withheld = |event: &&FeedEvent| {
        matches!(event, FeedEvent::SweepWithheld { table: Table::Opportunities, missing: 1, .. })
    };
    assert_eq!(events(&host).await.iter().filter(withheld).count(), 1);
    synced(&host).await;
    assert_eq!(events(&host).await.iter().filter(withheld).count(), 1, "ACT-1: told once");
}

#[tokio::test]
async fn r_16_a_read_that_breaks_off_calls_nothing_missing() {
    let host = host();
    small_org(&host);
    let connection = host.connect().await;
    synced(&host).await;
    for page in 0..2 {
        host.plain.state().fail = Some((Table::Opportunities, page, Failure::Unavailable));
        failed(&host).await;
        let progress = host.crm.progress(&workspace(), connection.id).await.unwrap().unwrap();
        assert!(progress.finished_at.is_none());
    }
    host.plain.state().fail = None;
    assert_eq!(synced(&host).await.counts.rows_missing, 0);
}

#[tokio::test]
async fn r_17_an_answer_that_comes_back_empty_removes_nothing() {
    let host = host();
    small_org(&host);
    let connection = host.connect().await;
    synced(&host).await;
    host.plain.state().opportunities.clear();
    host.plain.state().users.clear();
    synced(&host).await;
    let deals = host.crm.deals(&workspace(), connection.id, None, 10).await.unwrap();
    assert_eq!(deals.iter().filter(|deal| deal.state == DealState::Live).count(), 3);
}

#[tokio::test]
async fn syn_8_a_pull_that_was_cut_off_goes_on_where_it_was() {
    let host = host();
    small_org(&host);
    host.connect().await;
    host.plain.state().fail = Some((Table::Opportunities, 1, Failure::Unavailable));
    failed(&host).await;
    host.plain.state().fail = None;
    host.plain.state().pages.clear();
    let report = synced(&host).await;
    assert_eq!(report.counts.deals_created, 3);
    let again = |table| host.plain.state().pages.iter().filter(|page| **page == table).count();
    assert_eq!(again(Table::Opportunities), 1, "only the page that is left is read");
    assert_eq!(again(Table::Users), 0, "a table that was read is not read again");
}

#[tokio::test]
async fn syn_8_r_19_a_pull_of_another_user_or_another_day_is_read_again() {
    for other_user in [true, false] {
        let host = host();
        small_org(&host);
        host.connect().await;
        host.plain.state().fail = Some((Table::Opportunities, 1, Failure::Unavailable));
        failed(&host).await;
        host.plain.state().fail = None;
        host.plain.state().pages.clear();
        if other_user {
            host.plain.state().user = "u-other".into();
        } else {
            host.clock.advance(Duration::days(2));
        }
        synced(&host).await;
        let pages = host.plain.state().pages.clone();
        assert_eq!(pages.iter().filter(|page| **page == Table::Opportunities).count(), 2);
    }
}

#[tokio::test]
async fn syn_8_a_place_that_is_not_taken_any_more_means_reading_the_table_again() {
    let host = host();
    small_org(&host);
    host.connect().await;
    host.plain.state().fail = Some((Table::Opportunities, 1, Failure::Unavailable));
    failed(&host).await;
    host.plain.state().fail = Some((Table::Opportunities, 1, Failure::PlaceNotTaken));
    host.plain.state().pages.clear();
    assert_eq!(synced(&host).await.counts.deals_created, 3);
    let pages = host.plain.state().pages.clone();
    assert_eq!(pages.iter().filter(|page| **page == Table::Opportunities).count(), 3);
}

#[tokio::test]
async fn syn_8_a_run_whose_places_are_refused_time_and_again_is_not_stuck() {
    let host = host();
    small_org(&host);
    host.connect().await;
    for _ in 0..6 {
        // A page is read and the next is not there; by the next sync its place is not taken.
        host.plain.state().fail = Some((Table::Opportunities, 1, Failure::Unavailable));
        failed(&host).await;
        host.plain.state().fail = Some((Table::Opportunities, 1, Failure::PlaceNotTaken));
        host.plain.state().fail_again = Some((Table::Opportunities, 1, Failure::Unavailable));
        failed(&host).await;
    }
    host.plain.state().fail = Some((Table::Opportunities, 1, Failure::PlaceNotTaken));
    assert_eq!(synced(&host).await.counts.deals_created, 3);
}

#[tokio::test]
async fn syn_8_dropping_a_sync_is_as_safe_as_a_crash() {
    let host = host();
    small_org(&host);
    host.connect().await;
    host.plain.state().fail = Some((Table::Contacts, 0, Failure::NeverAnswers));
    {
        let budget = Budget::default();
        let sync = host.crm.run_due(&budget);
        tokio::pin!(sync);
        for _ in 0..50 {
            assert!(futures_util::poll!(&mut sync).is_pending());
        }
    }
    host.plain.state().fail = None;
    assert!(run(&host).await.syncs.is_empty(), "the lease of the dropped worker still holds");
    host.clock.advance(Duration::minutes(2));
    let report = run(&host).await;
    assert_eq!(report.syncs[0].outcome.as_ref().unwrap().counts.deals_created, 3);
}

#[tokio::test]
async fn syn_1_a_source_that_cannot_be_read_is_reported_and_proves_nothing() {
    let host = host();
    small_org(&host);
    host.connect().await;
    synced(&host).await;
    let notice = Notice::SourceUnreadable { origin: "custom".into(), detail: "refused".into() };
    host.plain.state().notice = Some((Table::Opportunities, notice));
    host.plain.state().opportunities.truncate(1);
    assert_eq!(synced(&host).await.counts.rows_missing, 0);
    assert!(events(&host).await.iter().any(|event| matches!(
        event,
        FeedEvent::ReadDegraded { table: Table::Opportunities, message } if message.contains("custom")
    )));
}

#[tokio::test]
async fn r_19_another_organisation_at_the_address_stops_the_connection() {
    let host = host();
    small_org(&host);
    let connection = host.connect().await;
    synced(&host).await;
    host.plain.state().organisation = "org-2".into();
    assert_eq!(failed(&host).await.remedy(), Remedy::Reconnect);
    let connection = host.crm.connection(&workspace(), connection.id).await.unwrap();
    assert!(!connection.health.is_working());
    assert!(run(&host).await.next_due.is_none(), "CON-7: an unhealthy connection stops syncing");
}

#[tokio::test]
async fn r_19_another_user_sees_other_rows_and_that_proves_nothing() {
    let host = host();
    small_org(&host);
    host.connect().await;
    synced(&host).await;
    host.plain.state().user = "u-other".into();
    host.plain.state().opportunities.truncate(1);
    assert_eq!(synced(&host).await.counts.rows_missing, 0);
    assert_eq!(synced(&host).await.counts.rows_missing, 3, "the next run by the same user counts");
}

#[tokio::test]
async fn r_19_syn_7_reconnecting_as_another_user_calls_nothing_missing() {
    let host = host();
    small_org(&host);
    host.connect().await;
    synced(&host).await;
    host.plain.state().user = "u-other".into();
    host.plain.state().opportunities.truncate(1);
    host.clock.advance(Duration::minutes(1));
    host.connect().await;
    assert_eq!(synced(&host).await.counts.rows_missing, 0);
    assert_eq!(synced(&host).await.counts.rows_missing, 3, "the next run by the same user counts");
}

#[tokio::test]
async fn con_8_an_org_is_not_asked_any_more_after_disconnecting() {
    let host = host();
    small_org(&host);
    let connection = host.connect().await;
    synced(&host).await;
    let deal = host.crm.deals(&workspace(), connection.id, None, 1).await.unwrap().remove(0);
    let document = Document::new(
        DocumentId::new("plan").unwrap(),
        "Plan".into(),
        "<p>One</p>".into(),
        1,
        host.crm.now(),
    );
    let target = PublishTarget::Deal(deal.id);
    let published = host.crm.publish(&workspace(), target, document).await.unwrap();
    let Published::Accepted { publication, .. } = published else { panic!("{published:?}") };
    host.clock.advance(Duration::minutes(1));
    run(&host).await;
    host.crm.read_note(&workspace(), publication).await.unwrap();
    let keep = fluint_crm::MirrorFate::Keep;
    host.crm.disconnect(&workspace(), connection.id, keep).await.unwrap();
    let refused = host.crm.read_note(&workspace(), publication).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Reconnect);
}

#[tokio::test]
async fn con_7_a_dead_sign_in_stops_syncing_and_reconnecting_resumes() {
    let host = host();
    small_org(&host);
    let before = host.connect().await;
    host.plain.state().fail = Some((Table::Users, 0, Failure::SignedOut));
    assert_eq!(failed(&host).await.remedy(), Remedy::Reconnect);
    assert!(run(&host).await.next_due.is_none());
    host.plain.state().fail = None;
    let after = host.connect().await;
    assert_eq!(before.id, after.id, "the same organisation is the same connection");
    assert_eq!(run(&host).await.syncs.len(), 1);
}

#[tokio::test]
async fn syn_3_a_failure_backs_off_and_is_told_once() {
    let host = host();
    small_org(&host);
    host.connect().await;
    host.plain.state().fail = Some((Table::Users, 0, Failure::Unavailable));
    let mut waits = Vec::new();
    for _ in 0..4 {
        let report = run(&host).await;
        assert!(report.syncs[0].outcome.is_err());
        let next = report.next_due.unwrap();
        waits.push(next - host.crm.now());
        host.clock.set(next);
    }
    assert!(waits.is_sorted() && waits[0] < Duration::minutes(2), "{waits:?}");
    let told = events(&host).await;
    let failures =
        told.iter().filter(|event| matches!(event, FeedEvent::SyncFailed { .. })).count();
    assert_eq!(failures, 1, "a state that lasts is told once");
}

#[tokio::test]
async fn con_8_disconnecting_stops_work_and_keeps_the_deals() {
    let host = host();
    small_org(&host);
    let connection = host.connect().await;
    synced(&host).await;
    let keep = fluint_crm::MirrorFate::Purge;
    host.crm.disconnect(&workspace(), connection.id, keep).await.unwrap();
    assert!(host.stores.connections.tokens(&workspace(), connection.id).await.unwrap().is_none());
    host.clock.advance(Duration::days(1));
    assert!(run(&host).await.syncs.iter().all(|sync| sync.outcome.is_err()));
    let deals = host.crm.deals(&workspace(), connection.id, None, 10).await.unwrap();
    assert_eq!(deals.len(), 3);
}

#[tokio::test]
async fn dea_2_a_new_member_makes_deals_of_skipped_opportunities() {
    #[derive(Debug, Default)]
    struct Growing(std::sync::Mutex<Vec<fluint_crm::model::Member>>);
    #[async_trait::async_trait]
    impl Members for Growing {
        async fn members(
            &self,
            _: &fluint_crm::model::WorkspaceId,
        ) -> fluint_crm::Result<Vec<fluint_crm::model::Member>> {
            Ok(self.0.lock().unwrap().clone())
        }
    }
    let host = host();
    small_org(&host);
    let members = std::sync::Arc::new(Growing::default());
    let keys = crate::support::keys();
    let crm =
        fluint_crm::Crm::builder(host.stores.clone(), std::sync::Arc::clone(&members) as _, keys)
            .provider(host.plain.clone())
            .clock(std::sync::Arc::clone(&host.clock) as _)
            .build()
            .unwrap();
    let host = Host { crm, ..host };
    host.connect().await;
    assert_eq!(synced(&host).await.counts.skipped, 4);
    let mut inactive = crate::support::member("ada", "ada@contoso.com");
    inactive.status = MemberStatus::Inactive;
    members.0.lock().unwrap().push(inactive);
    assert_eq!(synced(&host).await.counts.deals_created, 0, "inactive members never match");
    members.0.lock().unwrap()[0].status = MemberStatus::Active;
    assert_eq!(synced(&host).await.counts.deals_created, 3);
}

#[tokio::test]
async fn dea_5_a_changed_opportunity_updates_its_deal_and_the_change_feed() {
    let host = host();
    small_org(&host);
    let connection = host.connect().await;
    synced(&host).await;
    {
        let mut state = host.plain.state();
        state.opportunities[0].name = Some("Renamed".into());
        state.opportunities[0].version = fluint_crm::model::RowVersion::new(9);
    }
    let counts = synced(&host).await.counts;
    assert_eq!((counts.rows_written, counts.deals_updated), (1, 1));
    let changes = host
        .crm
        .deal_changes(&workspace(), connection.id, fluint_crm::model::ChangeSeq::default(), 100)
        .await
        .unwrap();
    assert_eq!(changes.len(), 5, "three deals, one skip, one update");
    assert!(changes.is_sorted_by_key(|change| change.seq));
    assert_eq!(changes[4].opportunity, OpportunityId::new("o1").unwrap());
}

/// How many pages of a table were read since it was last asked.
fn pages_of(host: &Host, table: Table) -> usize {
    let mut state = host.plain.state();
    let of_it = state.pages.iter().filter(|page| **page == table).count();
    state.pages.retain(|page| *page != table);
    of_it
}

async fn failed_run(host: &Host) -> RunId {
    failed(host).await;
    let connection = host.crm.connections(&workspace()).await.unwrap().remove(0);
    host.crm.progress(&workspace(), connection.id).await.unwrap().expect("a run").run
}

/// A run that went stale gives way to a fresh one, which then goes on like any other.
#[tokio::test]
async fn syn_8_r_19_a_stale_run_is_abandoned_once() {
    type Staleness = fn(&Host);
    let other_user: Staleness = |host| host.plain.state().user = "u-other".into();
    let other_day: Staleness = |host| host.clock.advance(Duration::hours(25));
    for goes_stale in [other_user, other_day] {
        let host = host();
        small_org(&host);
        host.connect().await;
        host.plain.state().fail = Some((Table::Opportunities, 1, Failure::Unavailable));
        let stale = failed_run(&host).await;
        goes_stale(&host);
        let fresh = failed_run(&host).await;
        assert_ne!(stale, fresh);
        pages_of(&host, Table::Users);
        pages_of(&host, Table::Opportunities);
        for _ in 0..6 {
            host.clock.advance(Duration::hours(1));
            assert_eq!(failed_run(&host).await, fresh, "interrupted again, it goes on");
            let read = (pages_of(&host, Table::Users), pages_of(&host, Table::Opportunities));
            assert_eq!(read, (0, 1), "only the page that is left");
        }
        host.plain.state().fail = None;
        assert_eq!(synced(&host).await.run, fresh);
        let started = |event: &&FeedEvent| matches!(event, FeedEvent::SyncStarted { .. });
        assert_eq!(events(&host).await.iter().filter(started).count(), 2, "one line a run");
    }
}

#[tokio::test]
async fn syn_8_r_19_a_run_of_an_earlier_sign_in_is_abandoned() {
    let host = host();
    small_org(&host);
    host.connect().await;
    host.plain.state().fail = Some((Table::Opportunities, 1, Failure::Unavailable));
    let stale = failed_run(&host).await;
    host.clock.advance(Duration::minutes(1));
    host.connect().await;
    let fresh = failed_run(&host).await;
    assert_ne!(stale, fresh);
    assert_eq!(failed_run(&host).await, fresh);
}

/// A CRM that does not say who asks ends no run, and the failure is told all the same.
#[tokio::test]
async fn syn_8_act_1_not_knowing_who_reads_abandons_nothing() {
    let host = host();
    small_org(&host);
    host.connect().await;
    host.plain.state().fail_check = Some(Failure::Unavailable);
    let first = failed_run(&host).await;
    assert_eq!(failed_run(&host).await, first);
    let told = events(&host).await;
    let of_it = |event: &&FeedEvent| match event {
        FeedEvent::SyncStarted { run } | FeedEvent::SyncFailed { run, .. } => *run == first,
        _ => false,
    };
    assert_eq!(told.iter().filter(of_it).count(), 2, "one start, one failure: {told:?}");
    host.plain.state().fail_check = None;
    host.plain.state().fail = Some((Table::Opportunities, 1, Failure::Unavailable));
    assert_eq!(failed_run(&host).await, first);
    host.clock.advance(Duration::hours(30));
    host.plain.state().fail_check = Some(Failure::Unavailable);
    assert_eq!(failed_run(&host).await, first, "nobody knows whether another one reads now");
}

/// who was asked before the first page need not be who has read the last.
#[tokio::test]
async fn r_19_a_user_who_is_moved_while_the_tables_are_read_proves_nothing() {
    let host = host();
    small_org(&host);
    host.plain.state().unit = Some("north");
    host.connect().await;
    synced(&host).await;
    {
        let mut state = host.plain.state();
        state.opportunities.truncate(1);
        state.moves_to = Some("south");
    }
    assert_eq!(synced(&host).await.counts.rows_missing, 0, "read in two units");
    assert!(host.plain.state().lookups.is_empty());
    assert_eq!(synced(&host).await.counts.rows_missing, 0, "the first run in the other unit");
    assert_eq!(synced(&host).await.counts.rows_missing, 3, "the next one there counts");
}

#[tokio::test]
async fn r_19_a_crm_that_does_not_say_who_has_read_proves_nothing_yet() {
    let host = host();
    small_org(&host);
    host.connect().await;
    synced(&host).await;
    host.plain.state().opportunities.truncate(1);
    host.plain.state().silent_after_reading = true;
    let interrupted = failed_run(&host).await;
    host.plain.state().fail_check = None;
    pages_of(&host, Table::Opportunities);
    let report = synced(&host).await;
    assert_eq!((report.run, report.counts.rows_missing), (interrupted, 3));
    assert_eq!(pages_of(&host, Table::Opportunities), 0, "what was read stays read");
}
