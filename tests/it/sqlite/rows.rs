//! Which rows are written, and that values come back as they were.

use fluint_crm::Error;
use fluint_crm::model::{OpportunityId, RecordId, Rows, Table};
use fluint_crm::storage::{Connections as _, Mirror as _, Query as _};

use crate::sqlite::{
    apply, begin, connected, connection, euro, finish, in_memory, open, opportunity,
    opportunity_id, page, put, run, workspace,
};

/// SYN-6: proved from outside, by a trigger that notes every write of a row.
#[tokio::test]
async fn syn_6_a_row_that_did_not_change_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    let store = open(&path);
    let first = connected(&store).await;
    begin(&store, &first, run()).await.unwrap();
    let spy = rusqlite::Connection::open(&path).unwrap();
    spy.execute_batch(
        "CREATE TABLE written (id TEXT); \
         CREATE TRIGGER on_insert AFTER INSERT ON opportunities \
             BEGIN INSERT INTO written VALUES (new.id); END; \
         CREATE TRIGGER on_update AFTER UPDATE ON opportunities \
             BEGIN INSERT INTO written VALUES (new.id); END;",
    )
    .unwrap();
    let writes =
        || -> i64 { spy.query_row("SELECT count(*) FROM written", [], |row| row.get(0)).unwrap() };

    let written = apply(&store, &first, 0, (0..1_000).map(|n| opportunity(n, 1)).collect()).await;
    assert_eq!((written.inserted, written.updated, written.unchanged), (1_000, 0, 0));
    assert_eq!(writes(), 1_000);

    // Another place in the same run; ten rows have another version.
    let rows = (0..1_000).map(|n| opportunity(n, if n % 100 == 0 { 2 } else { 1 }));
    let written = apply(&store, &first, 1, rows.collect()).await;
    assert_eq!((written.inserted, written.updated, written.unchanged), (0, 10, 990));
    assert_eq!(writes(), 1_010);

    // The same page once more is not stored again, and reports what it did at first.
    let again = apply(&store, &first, 1, vec![opportunity(0, 3)]).await;
    assert_eq!(again, written);
    assert_eq!(writes(), 1_010);
}

#[tokio::test]
async fn syn_7_a_row_that_was_missing_is_missing_no_more_once_seen() {
    let store = in_memory();
    let first = connected(&store).await;
    begin(&store, &first, run()).await.unwrap();
    apply(&store, &first, 0, (0..10).map(|n| opportunity(n, 1)).collect()).await;
    assert_eq!(finish(&store, &first).await.missing, 0);

    let second = fluint_crm::model::RunId::new(uuid::Uuid::from_u128(100));
    begin(&store, &first, second).await.unwrap();
    let mut partial = page(0, Rows::Opportunities((0..4).map(|n| opportunity(n, 1)).collect()));
    partial.run = second;
    partial.also_seen = vec![RecordId::new(opportunity_id(4)).unwrap()];
    put(&store, &first, partial).await;
    let proofs = [crate::sqlite::proof(second, Table::Opportunities)];
    let summaries = store.finish_pull(&first, second, &proofs).await.unwrap();
    let found = (summaries[0].seen, summaries[0].present, summaries[0].missing);
    assert_eq!((found, summaries[0].newly_missing), ((5, 5, 5), 5));
    let again = store.finish_pull(&first, second, &proofs).await.unwrap();
    assert_eq!(again, summaries, "a repeated step reports the same");
    store.finish_run(&first, second).await.unwrap();

    let third = fluint_crm::model::RunId::new(uuid::Uuid::from_u128(101));
    begin(&store, &first, third).await.unwrap();
    let mut whole = page(0, Rows::Opportunities((4..10).map(|n| opportunity(n, 1)).collect()));
    whole.run = third;
    let written = put(&store, &first, whole).await;
    assert_eq!(written.unchanged, 6, "the rows themselves are the same");
    let summaries = store.finish_pull(&first, third, &[]).await.unwrap();
    assert_eq!((summaries[0].present, summaries[0].missing), (10, 0), "no proof, nothing missing");
}

#[tokio::test]
async fn dea_5_an_opportunity_comes_back_as_it_was() {
    let store = in_memory();
    let claim = connected(&store).await;
    begin(&store, &claim, run()).await.unwrap();
    put(&store, &claim, page(0, Rows::Currencies(vec![euro()]))).await;
    let rows: Vec<_> = (0..300).map(|n| opportunity(n, 1)).collect();
    apply(&store, &claim, 0, rows.clone()).await;
    let scanned =
        store.scan(&workspace(), connection(), Table::Opportunities, None, 1_000).await.unwrap();
    assert_eq!(scanned, Rows::Opportunities(rows.clone()));
    let after = OpportunityId::new(opportunity_id(99)).unwrap();
    let candidates = store.candidates(&workspace(), connection(), Some(&after), 100).await.unwrap();
    assert_eq!(candidates.len(), 100);
    for (candidate, row) in candidates.iter().zip(&rows[100..]) {
        assert_eq!(candidate.opportunity, *row);
        assert_eq!(candidate.currency, Some(euro()));
        assert_eq!(candidate.base_currency, Some(euro()));
    }
}

#[tokio::test]
async fn con_8_purging_erases_the_copy_and_nothing_else() {
    let store = in_memory();
    let first = connected(&store).await;
    begin(&store, &first, run()).await.unwrap();
    apply(&store, &first, 0, vec![opportunity(1, 1)]).await;
    store.purge(&workspace(), connection()).await.unwrap();
    assert!(store.progress(&workspace(), connection()).await.unwrap().is_none());
    let left =
        store.scan(&workspace(), connection(), Table::Opportunities, None, 10).await.unwrap();
    assert!(left.is_empty());
    assert_eq!(store.connections(&workspace()).await.unwrap().len(), 1);
    let gone = store.finish_run(&first, run()).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone:?}");
}
