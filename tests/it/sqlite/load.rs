//! How fast pages are stored. Run by hand:
//! `cargo nextest run sqlite::load --run-ignored all --no-capture`.

use fluint_crm::model::{Rows, RunId};
use fluint_crm::storage::{Claim, Mirror as _, PageWritten};
use fluint_crm::store::SqliteStore;
use fluint_crm::{Clock as _, SystemClock};
use uuid::Uuid;

use crate::sqlite::{begin, connected, open, opportunity, page, proof, put};

const ROWS: u64 = 100_000;
const PAGE: u64 = 5_000;

/// SYN-6: a repeated pull of unchanged rows writes none of them.
#[tokio::test]
#[ignore = "measures; takes many seconds in the dev profile"]
async fn syn_6_a_hundred_thousand_rows_cold_and_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("crm.db"));
    let claim = connected(&store).await;
    let cold = pull(&store, &claim, 1).await;
    assert_eq!((cold.inserted, cold.unchanged), (ROWS, 0));
    let repeated = pull(&store, &claim, 2).await;
    assert_eq!((repeated.inserted, repeated.updated, repeated.unchanged), (0, 0, ROWS));
}

/// Pulls all rows in one run, and prints how fast they were stored.
async fn pull(store: &SqliteStore, claim: &Claim, number: u128) -> PageWritten {
    let run = RunId::new(Uuid::from_u128(number));
    begin(store, claim, run).await.unwrap();
    let mut sum = PageWritten::default();
    let mut storing = time::Duration::ZERO;
    for seq in 0..ROWS / PAGE {
        let rows = (seq * PAGE..(seq + 1) * PAGE).map(|n| opportunity(n, 1)).collect();
        let mut page = page(seq, Rows::Opportunities(rows));
        page.run = run;
        let start = SystemClock::new().now();
        let written = put(store, claim, page).await;
        storing += SystemClock::new().now() - start;
        sum.inserted += written.inserted;
        sum.updated += written.updated;
        sum.unchanged += written.unchanged;
    }
    let start = SystemClock::new().now();
    let table = fluint_crm::model::Table::Opportunities;
    store.finish_pull(claim, run, &[proof(run, table)]).await.unwrap();
    let ending = SystemClock::new().now() - start;
    store.finish_run(claim, run).await.unwrap();
    let speed = 100_000.0 / storing.as_seconds_f64();
    eprintln!("run {number}: {speed:.0} rows/s stored, finish_pull {ending:.2}");
    sum
}
