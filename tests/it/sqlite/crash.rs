//! Dropped futures and killed processes.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Waker};

use fluint_crm::model::{Opportunity, Rows, Table};
use fluint_crm::storage::{Claim, Mirror as _, Query as _, Work, WorkItem};
use fluint_crm::walk::{Reached, ResumeToken, TablePlan};

use crate::sqlite::{
    apply, begin, connected, connection, finish, in_memory, open, opportunity, page, run, workspace,
};

/// Rows a page in these tests.
const PAGE: u64 = 50;

fn rows(page: u64) -> Vec<Opportunity> {
    (page * PAGE..(page + 1) * PAGE).map(|n| opportunity(n, 1)).collect()
}

/// SYN-10: a dropped future leaves its step undone or done, whatever the moment.
#[tokio::test]
async fn syn_10_r_23_a_dropped_future_never_leaves_half_a_page() {
    let store = Arc::new(in_memory());
    let claim = connected(&store).await;
    begin(&*store, &claim, run()).await.unwrap();
    let plan = TablePlan::whole("all");
    store.plan_table(&claim, run(), Table::Opportunities, 0, &plan).await.unwrap();
    let mut sent = 0;
    for turn in 0..40 {
        let page = page(sent, Rows::Opportunities(rows(sent)));
        let mut step = store.apply_page(&claim, page);
        // The first poll sends the step, or does not get that far; then the future is gone.
        let polls = if turn % 4 == 0 { 0 } else { 1 };
        sent += polls;
        for _ in 0..polls {
            let _ = step.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        drop(step);
    }
    let pull = begin(&*store, &claim, run()).await.unwrap();
    let chains = pull.tables.iter().flat_map(|read| &read.chains);
    let pages = chains.map(|chain| chain.pages).sum::<u64>();
    assert_eq!(pages, 30, "a step that was sent is done");
    let summary = finish(&store, &claim).await;
    assert_eq!((summary.seen, summary.present), (pages * PAGE, pages * PAGE));
}

/// The environment variable by which a test tells its own program to play the child.
const CHILD: &str = "FLUINT_CRM_SQLITE_CHILD";

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
#[ignore = "the child of syn_8_r_23_a_killed_process_leaves_whole_pages"]
async fn child_that_writes_until_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&path));
    let claim = connected(&store).await;
    begin(&store, &claim, run()).await.unwrap();
    for seq in 0.. {
        apply(&store, &claim, seq, rows(seq)).await;
    }
}

/// SYN-8, R-23: kill -9 at any moment leaves whole pages, each with its cursor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syn_8_r_23_a_killed_process_leaves_whole_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut stored = 0;
    for round in 0..4_u64 {
        let path = folder.path().join(format!("crm-{round}.db"));
        kill_a_writer(&path, 3 + round * 4).await;
        let store = open(&path);
        let pull = begin(&store, &dead_workers_claim(), run()).await.unwrap();
        let [table] = pull.tables.as_slice() else { panic!("one table was begun") };
        let pages = table.chains[0].pages;
        let resume = ResumeToken::new(format!("after page {}", pages - 1));
        assert_eq!(table.chains[0].reached, Reached::At(resume));
        let found = store
            .scan(&workspace(), connection(), Table::Opportunities, None, u32::MAX)
            .await
            .unwrap();
        assert_eq!(found.len() as u64, pages * PAGE);
        let raw = rusqlite::Connection::open(&path).unwrap();
        let sound: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        stored += pages;
    }
    assert!(stored >= 12, "the processes were killed while they wrote");
}

/// Nobody has claimed the work since the worker died, so its claim is still the newest.
fn dead_workers_claim() -> Claim {
    Claim {
        work: Work { workspace: workspace(), item: WorkItem::Pull(connection()) },
        token: 1,
        due_at: time::OffsetDateTime::UNIX_EPOCH,
        claimed_at: time::OffsetDateTime::UNIX_EPOCH,
        expires_at: time::OffsetDateTime::UNIX_EPOCH,
    }
}

/// Starts a writing process and kills it once it has stored some pages.
async fn kill_a_writer(path: &Path, pages: u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::crash::child_that_writes_until_killed", "--ignored"])
        .env(CHILD, OsString::from(path))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let enough = || {
        let watcher = rusqlite::Connection::open(path).ok()?;
        let sql = "SELECT count(*) FROM seen_pages";
        let stored: i64 = watcher.query_row(sql, [], |row| row.get(0)).ok()?;
        (stored.cast_unsigned() >= pages).then_some(())
    };
    while enough().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "the writer ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
