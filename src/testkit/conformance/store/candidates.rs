//! Behaviours of [`Mirror`](crate::storage::Mirror): joined candidates, and the stages to choose from.

use crate::model::{
    Account, Contact, Currency, CurrencyRole, CustomerRef, Opportunity, OpportunityId,
    OpportunityStatus, OwnerRef, Presence, Record, RowVersion, Stage, StageAssignment, TeamId,
    User,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    account, assignment, contact, currency, opportunities, opportunity, stage, three, user,
};

/// SYN-1: everything that deciding needs comes with the opportunity.
pub async fn syn_1_candidates_are_joined(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let (ada, at) = (user("u1"), stage("s1", "p1"));
    let (euro, mut dollar) = (currency("cur1", "EUR"), currency("cur2", "USD"));
    dollar.role = CurrencyRole::Base;
    let assigned = assignment("as1", "o1", "s2");
    let mut found = opportunity("o1");
    found.owner = Some(OwnerRef::User(ada.id.clone()));
    found.customer = Some(CustomerRef::Account(account("a1", "").id));
    found.contact = Some(contact("c1", "").id);
    found.record_stage.stage = Some(at.id.clone());
    found.currency = Some(euro.id.clone());
    let tables = [
        User::batch(vec![user("u0"), ada.clone()]),
        Account::batch(vec![account("a1", "Contoso")]),
        Contact::batch(vec![contact("c1", "Grace")]),
        Opportunity::batch(vec![found.clone()]),
        Stage::batch(vec![at.clone(), stage("s2", "p2")]),
        StageAssignment::batch(vec![assigned.clone()]),
        Currency::batch(vec![euro.clone(), dollar.clone()]),
    ];
    site.pull(&claim, 1, tables).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 10).await.unwrap();
    let [candidate] = candidates.as_slice() else { panic!("one candidate: {candidates:?}") };
    assert_eq!(candidate.opportunity, found);
    assert_eq!(candidate.presence, Presence::Seen);
    assert_eq!(candidate.owner, Some(ada));
    assert_eq!(candidate.record_stage, Some(at));
    assert_eq!(candidate.account_name.as_deref(), Some("Contoso"));
    assert_eq!(candidate.contact_name.as_deref(), Some("Grace"));
    assert_eq!((&candidate.currency, &candidate.base_currency), (&Some(euro), &Some(dollar)));
    assert_eq!(candidate.assignments[0].assignment, assigned);
    assert_eq!(candidate.assignments[0].stage, Some(stage("s2", "p2")));
}

/// SYN-1: what the mirror does not hold is left open, and a team is no user.
pub async fn syn_1_a_candidate_joins_only_what_the_mirror_holds(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let mut teams = opportunity("o1");
    teams.owner = Some(OwnerRef::Team(TeamId::new("u1").unwrap()));
    let mut strange = opportunity("o2");
    strange.owner = Some(OwnerRef::User(user("u9").id));
    strange.account = Some(account("a9", "").id);
    strange.contact = Some(contact("c9", "").id);
    strange.currency = Some(currency("cur9", "EUR").id);
    strange.record_stage.stage = Some(stage("s9", "p").id);
    let assigned = StageAssignment::batch(vec![assignment("as1", "o2", "s9")]);
    let users = User::batch(vec![user("u1")]);
    site.pull(&claim, 1, [users, Opportunity::batch(vec![teams, strange]), assigned]).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 10).await.unwrap();
    assert_eq!(candidates[0].owner, None);
    let strange = &candidates[1];
    assert_eq!(
        (&strange.owner, &strange.account_name, &strange.contact_name),
        (&None, &None, &None)
    );
    assert_eq!((&strange.currency, &strange.base_currency), (&None, &None));
    assert_eq!((&strange.record_stage, &strange.assignments[0].stage), (&None, &None));
}

/// SYN-1: an opportunity may run through several processes; each candidate gets its own places.
pub async fn syn_1_a_candidate_lists_every_assignment(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let assigned = [("as1", "o1", "s1"), ("as2", "o2", "s1"), ("as3", "o1", "s2")];
    let assigned = assigned.map(|(id, of, at)| assignment(id, of, at)).to_vec();
    site.pull(&claim, 1, [three(), StageAssignment::batch(assigned)]).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 10).await.unwrap();
    let found = candidates.iter().map(|candidate| {
        let mut ids: Vec<_> =
            candidate.assignments.iter().map(|found| found.assignment.id.as_str()).collect();
        ids.sort_unstable();
        ids
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found, [vec!["as1", "as3"], vec!["as2"], vec![]]);
}

/// SYN-1: an assignment that the last complete pull did not see is still there, and says so.
pub async fn syn_1_a_candidate_says_which_assignments_are_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let assigned = vec![assignment("as1", "o1", "s1")];
    site.pull(&claim, 1, [three(), StageAssignment::batch(assigned)]).await;
    store.advance(10);
    site.pull(&claim, 2, [three(), StageAssignment::batch(Vec::new())]).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 1).await.unwrap();
    let presence = candidates[0].assignments[0].presence;
    assert_eq!(presence, Presence::Missing { since: store.now() });
}

/// SYN-1: an assignment that changes hands belongs to its new opportunity alone.
pub async fn syn_1_an_assignment_that_moves_leaves_its_old_opportunity(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let before = StageAssignment::batch(vec![assignment("as1", "o1", "s1")]);
    site.pull(&claim, 1, [three(), before]).await;
    let mut moved = assignment("as1", "o2", "s1");
    moved.version = RowVersion::new(2);
    site.pull(&claim, 2, [three(), StageAssignment::batch(vec![moved])]).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 10).await.unwrap();
    let counts: Vec<_> = candidates.iter().map(|found| found.assignments.len()).collect();
    assert_eq!(counts, [0, 1, 0]);
}

/// Candidates come in pages, whatever order the CRM showed them in.
pub async fn candidates_come_in_pages_in_the_order_of_their_ids(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [opportunities(["o3", "O9", "o10", "o1"])]).await;
    let mut after: Option<OpportunityId> = None;
    let mut found = Vec::new();
    loop {
        let mirror = &store.stores.mirror;
        let page = mirror.candidates(&site.workspace, site.connection, after.as_ref(), 3);
        let page = page.await.unwrap();
        assert!(page.len() <= 3, "a page should keep to its limit");
        let Some(last) = page.last() else { break };
        after = Some(last.opportunity.id.clone());
        found.extend(page.into_iter().map(|candidate| candidate.opportunity.id.to_string()));
    }
    assert_eq!(found, ["O9", "o1", "o10", "o3"]);
}

/// DEA-3: choices come by process position and name, then stage position and name, then id.
pub async fn dea_3_stages_come_in_process_order(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let place = |id: &str, process: (Option<i32>, Option<&str>), position, name: Option<&str>| {
        let mut stage = stage(id, "p");
        let known = stage.process.as_mut().unwrap();
        known.position = process.0;
        known.name = process.1.map(str::to_owned);
        (stage.position, stage.name) = (position, name.map(str::to_owned));
        stage
    };
    let mut alone = stage("a0", "p");
    alone.process = None;
    (alone.position, alone.name) = (Some(0), Some("A".to_owned()));
    let rows = vec![
        alone,
        place("a1", (None, Some("A")), Some(1), Some("A")),
        place("a2", (Some(2), None), Some(1), Some("A")),
        place("a3", (Some(2), Some("A")), None, None),
        place("a4", (Some(2), Some("A")), None, Some("B")),
        place("a6", (Some(2), Some("A")), Some(1), Some("B")),
        place("a5", (Some(2), Some("A")), Some(1), Some("B")),
        place("a7", (Some(2), Some("A")), Some(-1), Some("C")),
        place("a8", (Some(1), Some("Z")), Some(9), None),
    ];
    site.pull(&claim, 1, [Stage::batch(rows)]).await;
    let stages = store.stores.mirror.stages(&site.workspace, site.connection).await.unwrap();
    let ids: Vec<_> = stages.iter().map(|choice| choice.stage.id.as_str()).collect();
    assert_eq!(ids, ["a8", "a7", "a5", "a6", "a4", "a3", "a2", "a1", "a0"]);
}

/// DEA-3: a choice says how many open opportunities it would let pass.
pub async fn dea_3_stages_count_open_opportunities(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let at = |id, stage_on_record: &str| {
        let mut found = opportunity(id);
        found.record_stage.stage = Some(stage(stage_on_record, "p").id);
        found
    };
    let mut won = at("o4", "s1");
    won.status = OpportunityStatus::Won;
    let found = vec![at("o1", "s1"), at("o2", "s1"), at("o3", "s1"), won, opportunity("o5")];
    let mut older = assignment("as1", "o2", "s3");
    older.modified_at = Some(store.now());
    let mut newer = assignment("as2", "o2", "s2");
    newer.modified_at = Some(store.now() + time::Duration::seconds(1));
    let stages = ["s1", "s2", "s3"].map(|id| stage(id, "p")).to_vec();
    let tables = [
        Opportunity::batch(found),
        Stage::batch(stages),
        StageAssignment::batch(vec![newer, older]),
    ];
    site.pull(&claim, 1, tables).await;
    let stages = store.stores.mirror.stages(&site.workspace, site.connection).await.unwrap();
    let counts: Vec<_> = stages.iter().map(|choice| choice.open_opportunities).collect();
    assert_eq!(counts, [2, 1, 0], "o1 and o3 by their record, o2 by its newest assignment");
}
