//! Behaviours of [`Query`](crate::storage::Query): how fresh answers are.

use crate::model::query::{AccountQuery, Answer, Scope, Totals, TotalsQuery};
use crate::model::{ConnectionChange, Health};
use crate::storage::WorkKind;
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{Site, workspace};

/// OLL-1: a connection that never finished a run is listed without a time.
pub async fn oll_1_as_of_lists_every_connection_in_scope(store: &StoreUnderTest) {
    let second = store.connect("acme", 2).await;
    let first = store.connect("acme", 1).await;
    store.connect("other", 3).await;
    let claim = first.claim().await;
    let run = first.start(&claim, 1).await;
    store.stores.mirror.finish_pull(&claim, run, &[]).await.unwrap();
    let all = Scope::workspace(workspace("acme"));
    let as_of = store.stores.query.as_of(&all).await.unwrap();
    assert_eq!(as_of, [(first.connection, None), (second.connection, None)]);
    store.stores.mirror.finish_run(&claim, run).await.unwrap();
    let as_of = store.stores.query.as_of(&all).await.unwrap();
    assert_eq!(as_of, [(first.connection, Some(store.now())), (second.connection, None)]);
    let as_of = store.stores.query.as_of(&second.scope()).await.unwrap();
    assert_eq!(as_of, [(second.connection, None)]);
}

/// OLL-1: while a later run is under way, answers are as of the last finished one.
pub async fn oll_1_as_of_is_the_last_finished_sync(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, []).await;
    let finished = store.now();
    store.advance(10);
    site.start(&claim, 2).await;
    let as_of = store.stores.query.as_of(&site.scope()).await.unwrap();
    assert_eq!(as_of, [(site.connection, Some(finished))]);
}

/// OLL-1: an answer over several connections is as old as the oldest of their syncs.
pub async fn oll_1_an_answer_is_as_of_the_oldest_sync(store: &StoreUnderTest) {
    let (first, second) = (store.connect("acme", 1).await, store.connect("acme", 2).await);
    let query = AccountQuery::new(Scope::workspace(workspace("acme")));
    let totals = TotalsQuery::new(query.scope.clone());
    let claims = store
        .stores
        .due
        .claim(WorkKind::Pull, 10, std::time::Duration::from_secs(600))
        .await
        .unwrap();
    let of = |site: &Site| claims.iter().find(|claim| claim.work == site.work()).unwrap();
    first.pull(of(&first), 1, []).await;
    let oldest = store.now();
    let answer = store.stores.query.accounts(&query).await.unwrap();
    assert_eq!(answer.as_of, None, "one connection was never synced");
    store.advance(10);
    second.pull(of(&second), 2, []).await;
    assert_eq!(store.stores.query.accounts(&query).await.unwrap().as_of, Some(oldest));
    assert_eq!(store.stores.query.totals(&totals).await.unwrap().as_of, Some(oldest));
}

/// OLL-1: a connection that was disconnected and erased is not waited for; one whose copy was kept
/// counts as it was.
pub async fn oll_1_what_was_disconnected_and_erased_is_not_waited_for(store: &StoreUnderTest) {
    let mut sites = Vec::new();
    for number in [1, 2, 3] {
        let site = store.connect("acme", number).await;
        let claim = site.claim().await;
        site.pull(&claim, 1, []).await;
        sites.push(site);
    }
    let finished = store.now();
    for site in &sites[..2] {
        site.change(1, ConnectionChange::Health(Health::Disconnected)).await.unwrap();
    }
    store.stores.mirror.purge(&sites[1].workspace, sites[1].connection).await.unwrap();
    let as_of = store.stores.query.as_of(&Scope::workspace(workspace("acme"))).await.unwrap();
    let left = [sites[0].connection, sites[2].connection].map(|one| (one, Some(finished)));
    assert_eq!(as_of, left);
}

/// OLL-1: where there is no connection there is no row and no time.
pub async fn oll_1_without_a_connection_an_answer_is_empty(store: &StoreUnderTest) {
    let scope = Scope::workspace(workspace("nobody"));
    let answer = store.stores.query.accounts(&AccountQuery::new(scope.clone())).await.unwrap();
    assert_eq!(answer, Answer { rows: Vec::new(), next: None, as_of: None });
    let totals = store.stores.query.totals(&TotalsQuery::new(scope)).await.unwrap();
    assert_eq!(totals, Totals::default());
}
