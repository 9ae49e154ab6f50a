//! Opening, refusing and closing files.

use std::sync::Arc;
use std::time::Duration;

use fluint_crm::storage::{Connections as _, Due as _};
use fluint_crm::store::SqliteStore;
use fluint_crm::{Error, SystemClock};

use crate::sqlite::{apply, begin, claim, connected, open, opportunity, run, workspace};

/// Opens a file that must be refused, and gives the error's words.
#[track_caller]
fn refused(path: &std::path::Path) -> String {
    let error = SqliteStore::open(path, Arc::new(SystemClock::new())).unwrap_err();
    let Error::Config { key, reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!(key, "database file");
    reason.to_string()
}

#[tokio::test]
async fn host_2_what_was_stored_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    let store = open(&path);
    connected(&store).await;
    let before = store.connections(&workspace()).await.unwrap();
    drop(store);
    assert_eq!(open(&path).connections(&workspace()).await.unwrap(), before);
}

#[tokio::test]
async fn host_2_dropping_the_store_leaves_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    let store = open(&path);
    let claim = connected(&store).await;
    begin(&store, &claim, run()).await.unwrap();
    apply(&store, &claim, 0, (0..100).map(|n| opportunity(n, 1)).collect()).await;
    drop(store);
    let left: Vec<_> =
        folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["crm.db"], "the log was moved into the file");
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let pull = begin(&open(&copy), &claim, run()).await.unwrap();
    assert_eq!(pull.tables[0].chains[0].pages, 1);
}

#[test]
fn host_2_many_may_open_a_new_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let path = folder.path().join(format!("crm-{round}.db"));
        let openers: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || drop(open(&path)))
            })
            .collect();
        for opener in openers {
            opener.join().unwrap();
        }
    }
}

#[test]
fn host_5_a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    drop(open(&path));
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    raw.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    let reason = refused(&path);
    assert!(reason.contains("newer release (schema 99"), "{reason}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn host_5_another_programs_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TABLE theirs (id)").unwrap();
    raw.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(refused(&path), "it is another program's database");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn host_5_a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "Dear diary, this is not a database. ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    assert_eq!(refused(&path), "it is not an SQLite database");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn host_5_a_path_that_cannot_be_a_file_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("no/such/folder/crm.db")] {
        assert!(refused(&path).contains("its folder must exist"));
    }
}

/// The superuser may write anything, so this test says nothing when run as one.
#[cfg(unix)]
#[test]
fn host_5_a_file_that_may_not_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    drop(open(&path));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().append(true).open(&path).is_err() {
        assert!(refused(&path).contains("may not be written"));
    }
}

/// Two handles behave to each other like two processes do: SQLite's locks are between connections.
#[tokio::test]
async fn host_3_two_openers_of_a_file_never_hold_the_same_claim() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    let (one, two) = (open(&path), open(&path));
    let first = connected(&one).await;
    assert!(
        two.claim(fluint_crm::storage::WorkKind::Pull, 10, Duration::from_secs(60))
            .await
            .unwrap()
            .is_empty()
    );
    one.complete(&first, Some(time::OffsetDateTime::UNIX_EPOCH)).await.unwrap();
    let second = claim(&two).await;
    assert!(second.token > first.token);
    let refused = begin(&one, &first, run()).await.unwrap_err();
    assert!(matches!(refused, Error::StaleClaim { .. }), "{refused:?}");
    begin(&two, &second, run()).await.unwrap();
}

/// While another program holds the write lock, writers wait and readers go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_3_a_writer_waits_for_another_programs_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    let store = Arc::new(open(&path));
    let claim = connected(&store).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = tokio::spawn({
        let (store, claim) = (Arc::clone(&store), claim.clone());
        async move { begin(&*store, &claim, run()).await }
    });
    assert_eq!(store.connections(&workspace()).await.unwrap().len(), 1);
    assert!(!waiting.is_finished());
    other.execute_batch("COMMIT").unwrap();
    waiting.await.unwrap().unwrap();
}
