//! Behaviours of [`Deals`](crate::storage::Deals): opportunities that are no deal, and why.

use crate::model::{
    Decision, EmailAddress, MemberId, OpportunityId, Outcome, OwnerHint, OwnerProblem, SkipReason,
    Skipped,
};
use crate::storage::Applied;
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::deals::{NO_STAGE, WON};
use crate::testkit::conformance::store::fixtures::{details, opportunity_id};

/// DEA-2: the list says what is no deal, why, and since when; hints included.
pub async fn dea_2_a_skipped_opportunity_is_listed(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let email = EmailAddress::new("ada@old.example.com").unwrap();
    let member = MemberId::new("ada").unwrap();
    let hint = Some(OwnerHint::AddAlternateEmail { member, email: email.clone() });
    let reason = SkipReason::Owner { problem: OwnerProblem::Unmatched { email, hint } };
    let applied = site.applied(&claim, "o1", Decision::Skip(reason.clone())).await;
    assert_eq!(applied, Applied { skipped: 1, ..Applied::default() });
    let expected = Skipped {
        opportunity: opportunity_id("o1"),
        name: Some("Opportunity o1".to_owned()),
        reason,
        since: store.now(),
    };
    assert_eq!(site.skipped().await, [expected]);
    assert_eq!(site.find("o1").await, None);
}

/// DEA-2: a reason that lasts keeps its time, and is told once.
pub async fn dea_2_since_stays_while_the_reason_stays(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let since = store.now();
    site.apply(&claim, "o1", Decision::Skip(NO_STAGE)).await;
    store.advance(10);
    let applied = site.applied(&claim, "o1", Decision::Skip(NO_STAGE)).await;
    assert_eq!(applied.skipped, 1, "an old reason counts as skipped too");
    assert_eq!(site.skipped().await[0].since, since);
    assert_eq!(site.history().await, ["skipped"]);
}

/// DEA-2: another reason starts a new time.
pub async fn dea_2_since_moves_with_another_reason(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Skip(NO_STAGE)).await;
    store.advance(10);
    site.apply(&claim, "o1", Decision::Skip(WON)).await;
    let skipped = site.skipped().await;
    assert_eq!((&skipped[0].reason, skipped[0].since), (&WON, store.now()));
    assert_eq!(site.history().await, ["skipped", "skipped"]);
}

/// DEA-2: an opportunity that becomes a deal is skipped no more.
pub async fn dea_2_a_created_deal_leaves_the_list_of_skipped_ones(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.apply(&claim, "o1", Decision::Skip(NO_STAGE)).await;
    site.apply(&claim, "o1", Decision::Create(details("A"))).await;
    assert_eq!(site.skipped().await, []);
    assert_eq!(site.history().await, ["skipped", "created"]);
}

/// DEA-2: so it is with every other decision, and skipping again is news again.
pub async fn dea_2_every_other_decision_takes_off_the_list(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let others = [
        Decision::Update(details("A")),
        Decision::Stop(WON),
        Decision::End(Outcome::Lost),
        Decision::Unchanged,
    ];
    for decision in others {
        site.apply(&claim, "o1", Decision::Skip(NO_STAGE)).await;
        site.apply(&claim, "o1", decision.clone()).await;
        assert_eq!(site.skipped().await, [], "{decision:?} should take it off the list");
    }
    assert_eq!(site.history().await, ["skipped"; 4]);
}

/// DEA-2: the list comes in pages.
pub async fn dea_2_skipped_ones_come_in_pages_in_the_order_of_their_ids(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    for id in ["o3", "o1", "o20", "o2"] {
        site.apply(&claim, id, Decision::Skip(NO_STAGE)).await;
    }
    let mut after: Option<OpportunityId> = None;
    let mut found = Vec::new();
    for expected in [3, 1, 0] {
        let deals = &store.stores.deals;
        let page =
            deals.skipped(&site.workspace, site.connection, after.as_ref(), 3).await.unwrap();
        assert_eq!(page.len(), expected);
        after = page.last().map(|skipped| skipped.opportunity.clone()).or(after);
        found.extend(page.into_iter().map(|skipped| skipped.opportunity.to_string()));
    }
    assert_eq!(found, ["o1", "o2", "o20", "o3"]);
}
