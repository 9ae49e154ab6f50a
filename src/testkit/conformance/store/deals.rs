//! Behaviours of [`Deals`](crate::storage::Deals): decisions, skipped ones, and the change feed.

use time::OffsetDateTime;

use crate::model::{
    AccountId, ChangeSeq, ContactId, CurrencyCode, CurrentStage, Deal, DealChange, DealChangeKind,
    DealDetails, DealId, DealState, Decision, Money, Named, OpportunityStatus, Outcome, SkipReason,
    Skipped, StageSource,
};
use crate::storage::{Applied, Claim, WorkKind};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    LEASE, Site, amount, assert_stale, decided, details, opportunity_id, stage_id,
};

pub(super) const NO_STAGE: SkipReason = SkipReason::NoStage;
pub(super) const WON: SkipReason = SkipReason::NotOpen { status: OpportunityStatus::Won };

impl Site {
    pub(super) fn deal_id(&self, opportunity: &str) -> DealId {
        DealId::derive(&self.workspace, self.connection, &opportunity_id(opportunity))
    }

    pub(super) async fn find(&self, opportunity: &str) -> Option<Deal> {
        let ids = [self.deal_id(opportunity)];
        self.stores.deals.by_id(&self.workspace, &ids).await.unwrap().pop()
    }

    pub(super) async fn deal(&self, opportunity: &str) -> Deal {
        self.find(opportunity).await.expect("there should be a deal")
    }

    pub(super) async fn changes(&self) -> Vec<DealChange> {
        let deals = &self.stores.deals;
        let start = ChangeSeq::default();
        deals.changes(&self.workspace, self.connection, start, 1_000).await.unwrap()
    }

    /// What happened, in a word each.
    pub(super) async fn history(&self) -> Vec<&'static str> {
        let word = |change: &DealChange| match change.kind {
            DealChangeKind::Created { .. } => "created",
            DealChangeKind::Ended { .. } => "ended",
            DealChangeKind::Skipped { .. } => "skipped",
            DealChangeKind::Stopped { .. } => "stopped",
            DealChangeKind::Updated { .. } => "updated",
        };
        self.changes().await.iter().map(word).collect()
    }

    pub(super) async fn skipped(&self) -> Vec<Skipped> {
        let deals = &self.stores.deals;
        deals.skipped(&self.workspace, self.connection, None, 1_000).await.unwrap()
    }

    pub(super) async fn applied(
        &self,
        claim: &Claim,
        opportunity: &str,
        decision: Decision,
    ) -> Applied {
        self.stores.deals.apply(claim, &[decided(opportunity, decision)]).await.unwrap()
    }
}

/// Details with every field filled.
fn full_details() -> DealDetails {
    let mut full = details("Grüße \u{1f4bc}");
    let mut stage = CurrentStage::new(stage_id("s1"), StageSource::FinishedProcess);
    stage.name = Some("Propose".to_owned());
    stage.since = Some(OffsetDateTime::UNIX_EPOCH);
    full.stage = Some(stage);
    full.value = Some(money("922337203685477.5807"));
    full.base_value = Some(money("-0.0001"));
    full.amount_without_currency = Some(amount("9007199254740993"));
    full.close_date = Some(time::macros::date!(2026 - 03 - 31));
    full.account = Some(Named { id: AccountId::new("a1").unwrap(), name: None });
    let name = Some("Grace".to_owned());
    full.contact = Some(Named { id: ContactId::new("c1").unwrap(), name });
    full.probability = Some(0);
    full.url = Some("https://example.com/o1?a=b&c=d".parse().unwrap());
    full
}

fn money(text: &str) -> Money {
    Money::new(amount(text), CurrencyCode::new("EUR").unwrap())
}

/// DEA-5: a deal carries all that was decided, under its derived id, from revision 1.
pub async fn dea_5_a_created_deal_is_whole(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(full_details())).await;
    let deal = site.deal("o1").await;
    let (workspace, connection) = (site.workspace.clone(), site.connection);
    let expected =
        Deal::new(workspace, connection, opportunity_id("o1"), full_details(), store.now());
    assert_eq!(deal, expected);
}

/// DEA-5: four decimal places and nineteen digits survive an update.
pub async fn dea_5_amounts_of_a_deal_are_exact(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    for text in ["922337203685477.5807", "922337203685477.5808", "0.0001"] {
        let mut priced = details("A");
        priced.value = Some(money(text));
        site.apply(&claim, "o1", Decision::Update(priced)).await;
        let value = site.deal("o1").await.details.value;
        assert_eq!(value.map(|value| value.amount.to_string()).as_deref(), Some(text));
    }
    assert_eq!(site.history().await, ["created", "updated", "updated", "updated"]);
}

/// DEA-7: a repeated create makes no second deal and no second entry.
pub async fn dea_7_creating_twice_makes_one_deal(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    let first = site.deal("o1").await;
    store.advance(10);
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    let deals = store.stores.deals.list(&site.scope(), None, 10).await.unwrap();
    assert_eq!(deals, [first]);
    assert_eq!(site.history().await, ["created"]);
}

/// DEA-7: details that are already so are not written: revision and time stay.
pub async fn dea_7_the_same_update_is_not_written_again(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    site.apply(&claim, "o1", Decision::Update(details("B"))).await;
    let before = site.deal("o1").await;
    store.advance(10);
    site.apply(&claim, "o1", Decision::Update(details("B"))).await;
    assert_eq!(site.deal("o1").await, before);
    assert_eq!(site.history().await, ["created", "updated"]);
}

/// DEA-7: an update replaces the details and moves revision and time on.
pub async fn dea_7_an_update_moves_revision_and_time_on(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let created_at = store.now();
    site.apply(&claim, "o1", Decision::Create(full_details())).await;
    store.advance(10);
    site.apply(&claim, "o1", Decision::Update(details("B"))).await;
    let deal = site.deal("o1").await;
    assert_eq!((deal.details, deal.revision), (details("B"), 2));
    assert_eq!((deal.created_at, deal.updated_at), (created_at, store.now()));
}

/// DEA-7: an update does not make a deal.
pub async fn dea_7_an_update_of_no_deal_does_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let applied = site.applied(&claim, "o1", Decision::Update(details("A"))).await;
    assert_eq!(applied, Applied::default());
    assert_eq!(site.find("o1").await, None);
    assert_eq!(site.changes().await, []);
}

/// DEA-4: a deal that stops stays as it is.
pub async fn dea_4_a_stopped_deal_keeps_its_details(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(full_details())).await;
    let applied = site.applied(&claim, "o1", Decision::Stop(NO_STAGE)).await;
    assert_eq!(applied, Applied { stopped: 1, ..Applied::default() });
    let deal = site.deal("o1").await;
    assert_eq!((deal.details, deal.state), (full_details(), DealState::Stopped(NO_STAGE)));
    assert_eq!(deal.revision, 2);
}

/// DEA-4: an update resumes a stopped deal, even with the details it has.
pub async fn dea_4_an_update_resumes_a_stopped_deal(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    site.apply(&claim, "o1", Decision::Stop(NO_STAGE)).await;
    let applied = site.applied(&claim, "o1", Decision::Update(details("A"))).await;
    assert_eq!(applied, Applied { updated: 1, ..Applied::default() });
    assert_eq!(site.deal("o1").await.state, DealState::Live);
    assert_eq!(site.history().await, ["created", "stopped", "updated"]);
}

/// DEA-4: a create of a deal that is there updates it and makes it live.
pub async fn dea_4_creating_a_stopped_deal_makes_it_live(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    site.apply(&claim, "o1", Decision::Stop(NO_STAGE)).await;
    site.apply(&claim, "o1", Decision::Create(details("B"))).await;
    let deal = site.deal("o1").await;
    assert_eq!((deal.state, deal.details), (DealState::Live, details("B")));
    assert_eq!(site.history().await, ["created", "stopped", "updated"]);
}

/// DEA-4: the same reason again is no change, another one is.
pub async fn dea_4_a_stop_for_another_reason_is_a_change(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    for reason in [NO_STAGE, NO_STAGE, WON] {
        site.apply(&claim, "o1", Decision::Stop(reason)).await;
    }
    assert_eq!(site.deal("o1").await.state, DealState::Stopped(WON));
    assert_eq!(site.history().await, ["created", "stopped", "stopped"]);
}

/// DEA-5: each outcome is recorded once.
pub async fn dea_5_an_ended_deal_records_its_outcome(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    for (id, outcome) in [("o1", Outcome::Won), ("o2", Outcome::Lost), ("o3", Outcome::Deleted)] {
        site.apply(&claim, id, Decision::Create(details("A"))).await;
        let applied = site.applied(&claim, id, Decision::End(outcome)).await;
        assert_eq!(applied, Applied { stopped: 1, ..Applied::default() });
        let again = site.applied(&claim, id, Decision::End(outcome)).await;
        assert_eq!(again, Applied::default());
        assert_eq!(site.deal(id).await.state, DealState::Ended(outcome));
    }
    assert_eq!(site.history().await, ["created", "ended"].repeat(3));
}

/// DEA-5: the outcome is recorded also when the deal had stopped.
pub async fn dea_5_a_stopped_deal_can_end(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    site.apply(&claim, "o1", Decision::Stop(NO_STAGE)).await;
    site.apply(&claim, "o1", Decision::End(Outcome::Won)).await;
    assert_eq!(site.deal("o1").await.state, DealState::Ended(Outcome::Won));
    assert_eq!(site.history().await, ["created", "stopped", "ended"]);
}

/// DEA-7: there is nothing to stop or end where there is no deal.
pub async fn dea_7_stopping_or_ending_no_deal_does_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    for decision in [Decision::Stop(NO_STAGE), Decision::End(Outcome::Won)] {
        assert_eq!(site.applied(&claim, "o1", decision).await, Applied::default());
    }
    assert_eq!(site.find("o1").await, None);
    assert_eq!(site.changes().await, []);
}

/// DEA-7: an unchanged deal is not touched.
pub async fn dea_7_unchanged_writes_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    let before = site.deal("o1").await;
    store.advance(10);
    assert_eq!(site.applied(&claim, "o1", Decision::Unchanged).await, Applied::default());
    assert_eq!(site.deal("o1").await, before);
    assert_eq!(site.history().await, ["created"]);
}

/// HOST-7: one entry for each thing that changed, in the order of the decisions.
pub async fn host_7_changes_are_ordered_and_complete(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let decisions = [
        decided("o2", Decision::Create(details("A"))),
        decided("o1", Decision::Skip(NO_STAGE)),
        decided("o3", Decision::Create(details("A"))),
        decided("o2", Decision::Update(details("B"))),
        decided("o3", Decision::End(Outcome::Won)),
        decided("o2", Decision::Stop(WON)),
    ];
    store.stores.deals.apply(&claim, &decisions).await.unwrap();
    let changes = site.changes().await;
    let about: Vec<_> = changes.iter().map(|change| change.opportunity.as_str()).collect();
    assert_eq!(about, ["o2", "o1", "o3", "o2", "o3", "o2"]);
    let expected = ["created", "skipped", "created", "updated", "ended", "stopped"];
    assert_eq!(site.history().await, expected);
    assert!(changes[0].seq > ChangeSeq::default(), "places count from 1");
    assert!(changes.is_sorted_by(|one, next| one.seq < next.seq), "places should grow");
    assert!(changes.iter().all(|change| change.at == store.now()), "each says when");
    assert_eq!(changes[1].name.as_deref(), Some("Opportunity o1"));
}

/// HOST-7: who remembers the last place misses nothing and sees nothing twice.
pub async fn host_7_changes_come_in_pages(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    for id in ["o1", "o2", "o3", "o4", "o5"] {
        site.apply(&claim, id, Decision::Create(details("A"))).await;
    }
    let (mut after, mut found) = (ChangeSeq::default(), Vec::new());
    for expected in [2, 2, 1, 0] {
        let deals = &store.stores.deals;
        let page = deals.changes(&site.workspace, site.connection, after, 2).await.unwrap();
        assert_eq!(page.len(), expected);
        after = page.last().map_or(after, |change| change.seq);
        found.extend(page.into_iter().map(|change| change.opportunity.to_string()));
    }
    assert_eq!(found, ["o1", "o2", "o3", "o4", "o5"]);
}

/// HOST-7: a whole batch that was applied before makes no entry.
pub async fn host_7_what_is_already_so_makes_no_entry(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o4", Decision::Create(details("A"))).await;
    let decisions = [
        decided("o1", Decision::Create(details("A"))),
        decided("o2", Decision::Skip(NO_STAGE)),
        decided("o4", Decision::End(Outcome::Won)),
    ];
    store.stores.deals.apply(&claim, &decisions).await.unwrap();
    let before = site.changes().await;
    store.advance(10);
    store.stores.deals.apply(&claim, &decisions).await.unwrap();
    assert_eq!(site.changes().await, before);
}

/// HOST-7: a follower needs no second read: each entry carries its deal.
pub async fn host_7_changes_carry_the_deal_as_it_was_written(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let decisions = [
        Decision::Create(full_details()),
        Decision::Update(details("B")),
        Decision::Stop(NO_STAGE),
        Decision::End(Outcome::Lost),
    ];
    let mut written = Vec::new();
    for decision in decisions {
        store.advance(1);
        site.apply(&claim, "o1", decision).await;
        written.push(site.deal("o1").await);
    }
    let carried = site.changes().await.into_iter().map(|change| match change.kind {
        DealChangeKind::Created { deal }
        | DealChangeKind::Updated { deal }
        | DealChangeKind::Stopped { deal }
        | DealChangeKind::Ended { deal } => *deal,
        DealChangeKind::Skipped { reason } => panic!("nothing was skipped: {reason}"),
    });
    assert_eq!(carried.collect::<Vec<_>>(), written);
}

/// DEA-7: the figures count writes, not decisions.
pub async fn dea_7_applied_counts_what_really_changed(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    for id in ["o2", "o3", "o4"] {
        site.apply(&claim, id, Decision::Create(details("A"))).await;
    }
    let decisions = [
        decided("o1", Decision::Create(details("A"))),
        decided("o2", Decision::Update(details("B"))),
        decided("o3", Decision::Stop(NO_STAGE)),
        decided("o4", Decision::End(Outcome::Won)),
        decided("o5", Decision::Skip(NO_STAGE)),
        decided("o6", Decision::Unchanged),
    ];
    let applied = store.stores.deals.apply(&claim, &decisions).await.unwrap();
    assert_eq!(applied, Applied { created: 1, updated: 1, stopped: 2, skipped: 1 });
    let again = store.stores.deals.apply(&claim, &decisions).await.unwrap();
    assert_eq!(again, Applied { skipped: 1, ..Applied::default() });
}

/// Ids that are not there are left out.
pub async fn deals_are_found_by_id(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    for id in ["o1", "o2"] {
        site.apply(&claim, id, Decision::Create(details(id))).await;
    }
    let ids = ["o2", "o9", "o1"].map(|id| site.deal_id(id));
    let found = store.stores.deals.by_id(&site.workspace, &ids).await.unwrap();
    let mut names: Vec<_> = found.into_iter().map(|deal| deal.details.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["o1", "o2"]);
    assert_eq!(store.stores.deals.by_id(&site.workspace, &[]).await.unwrap(), []);
}

/// Deals come in pages, in the order of their own ids.
pub async fn deals_come_in_pages_in_the_order_of_their_ids(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let id = format!("o{number}");
        site.apply(&claim, &id, Decision::Create(details("A"))).await;
        expected.push(site.deal_id(&id));
    }
    expected.sort_unstable();
    let (mut after, mut found) = (None, Vec::new());
    for count in [3, 3, 1, 0] {
        let deals = &store.stores.deals;
        let page = deals.list(&site.scope(), after, 3).await.unwrap();
        assert_eq!(page.len(), count);
        after = page.last().map(|deal| deal.id).or(after);
        found.extend(page.into_iter().map(|deal| deal.id));
    }
    assert_eq!(found, expected);
}

/// CON-8: deals, skipped ones and the change feed outlive the mirror.
pub async fn con_8_deals_survive_a_purge(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    site.apply(&claim, "o2", Decision::Skip(NO_STAGE)).await;
    store.stores.mirror.purge(&site.workspace, site.connection).await.unwrap();
    assert_eq!(site.deal("o1").await.details, details("A"));
    assert_eq!(site.history().await, ["created", "skipped"]);
}

/// under a lost claim no decision is applied.
pub async fn r_26_a_stale_claim_cannot_apply_decisions(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    site.apply(&lost, "o1", Decision::Create(details("A"))).await;
    store.lose(&site, &lost).await;
    let decisions =
        [decided("o1", Decision::Update(details("B"))), decided("o2", Decision::Skip(NO_STAGE))];
    assert_stale(store.stores.deals.apply(&lost, &decisions).await);
    assert_eq!(site.deal("o1").await.details, details("A"));
    assert_eq!((site.skipped().await, site.changes().await.len()), (Vec::new(), 1));
}

/// Applies to one connection and looks whether the other saw nothing of it.
async fn keep_apart(store: &StoreUnderTest, one: (&str, u128), other: (&str, u128)) {
    let (one, other) = (store.connect(one.0, one.1).await, store.connect(other.0, other.1).await);
    let claims = store.stores.due.claim(WorkKind::Pull, 10, LEASE).await.unwrap();
    let of = |site: &Site| claims.iter().find(|claim| claim.work == site.work()).unwrap();
    one.apply(of(&one), "o1", Decision::Create(details("A"))).await;
    one.apply(of(&one), "o2", Decision::Skip(NO_STAGE)).await;
    assert_eq!(other.find("o1").await, None);
    assert_eq!((other.skipped().await, other.changes().await), (Vec::new(), Vec::new()));
    other.apply(of(&other), "o1", Decision::Create(details("B"))).await;
    assert_ne!(one.deal_id("o1"), other.deal_id("o1"));
    for (site, name) in [(&one, "A"), (&other, "B")] {
        let deals = store.stores.deals.list(&site.scope(), None, 10).await.unwrap();
        let names: Vec<_> = deals.iter().map(|deal| deal.details.name.as_str()).collect();
        assert_eq!(names, [name]);
    }
}

/// OLL-4: deals, skipped ones and changes of two workspaces with the same ids keep apart.
pub async fn oll_4_deals_of_two_workspaces_keep_apart(store: &StoreUnderTest) {
    keep_apart(store, ("acme", 1), ("other", 1)).await;
    let (acme, other) = (store.connect("acme", 1).await, store.connect("other", 1).await);
    let stolen = store.stores.deals.by_id(&other.workspace, &[acme.deal_id("o1")]).await.unwrap();
    assert_eq!(stolen, []);
}

/// OLL-4: so do those of two connections.
pub async fn oll_4_deals_of_two_connections_keep_apart(store: &StoreUnderTest) {
    keep_apart(store, ("acme", 1), ("acme", 2)).await;
}
