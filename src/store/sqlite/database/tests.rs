use super::*;
use std::error::Error as _;

use rusqlite::ErrorCode;

fn count(tx: &Transaction<'_>) -> Result<i64, Trouble> {
    Ok(tx.query_row("SELECT count(*) FROM gates", [], |row| row.get(0))?)
}

fn fill(tx: &Transaction<'_>, numbers: std::ops::Range<u32>) -> Result<(), Trouble> {
    let text = "x".repeat(3_000);
    for number in numbers {
        tx.execute(
            "INSERT INTO gates (kind, scope, until) VALUES (?, ?, 0)",
            (&text, number.to_string()),
        )?;
    }
    Ok(())
}

#[tokio::test]
async fn host_5_a_full_disk_undoes_the_step_says_so_and_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("crm.db")).unwrap();
    database.write("fill", Survives::Crash, |tx| fill(tx, 0..10)).await.unwrap();
    database
        .write("limit", Survives::Crash, |tx| {
            let pages: i64 = tx.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let set = format!("PRAGMA max_page_count = {}", pages + 20);
            Ok(tx.query_row(&set, [], |_| Ok(()))?)
        })
        .await
        .unwrap();
    let error = database
        .write("apply a page", Survives::Crash, |tx| fill(tx, 10..5_000))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the store failed to apply a page");
    let told = error.source().unwrap();
    assert_eq!(told.to_string(), "the disk is full; free some space, then it goes on");
    let cause = told.source().unwrap().downcast_ref::<rusqlite::Error>().unwrap();
    assert_eq!(cause.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert_eq!(database.read("count", count).await.unwrap(), 10);
    database
        .write("empty", Survives::PowerLoss, |tx| Ok(tx.execute("DELETE FROM gates", [])?))
        .await
        .unwrap();
    assert_eq!(database.read("count", count).await.unwrap(), 0);
}

#[tokio::test]
async fn host_5_a_refused_step_writes_nothing() {
    let database = Database::in_memory().unwrap();
    let refused = database.write("fill", Survives::Crash, |tx| {
        fill(tx, 0..10)?;
        Err::<(), _>(Error::conflict("it").into())
    });
    assert!(matches!(refused.await, Err(Error::Conflict { .. })));
    assert_eq!(database.read("count", count).await.unwrap(), 0);
}

#[tokio::test]
async fn host_5_a_panic_in_a_step_undoes_it_and_spares_the_thread() {
    let database = Database::in_memory().unwrap();
    let lost = database.write("fill", Survives::Crash, |tx| -> Result<(), Trouble> {
        fill(tx, 0..10)?;
        panic!("this panic is meant");
    });
    assert_eq!(lost.await.unwrap_err().to_string(), "the store failed to fill");
    assert_eq!(database.read("count", count).await.unwrap(), 0);
}

#[tokio::test]
async fn host_5_a_reader_refuses_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("crm.db")).unwrap();
    assert!(database.read("fill", |tx| fill(tx, 0..1)).await.is_err());
}

/// A page may be lost with the power, a decision may not: the mode is set for each step.
#[tokio::test]
async fn syn_8_what_must_survive_a_loss_of_power_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("crm.db")).unwrap();
    let mode = |tx: &Transaction<'_>| -> Result<i64, Trouble> {
        Ok(tx.query_row("PRAGMA synchronous", [], |row| row.get(0))?)
    };
    for (survives, number) in [(Survives::Crash, 1), (Survives::PowerLoss, 2), (Survives::Crash, 1)]
    {
        assert_eq!(database.write("look", survives, mode).await.unwrap(), number);
    }
}

/// R-12 in spirit: a damaged file gives errors, never a panic and never made-up rows.
#[tokio::test]
async fn host_5_a_damaged_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.db");
    let database = Database::open(&path).unwrap();
    database.write("fill", Survives::Crash, |tx| fill(tx, 0..500)).await.unwrap();
    drop(database);
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let database = Database::open(&path).unwrap();
    let read = |tx: &Transaction<'_>| -> Result<i64, Trouble> {
        Ok(tx.query_row("SELECT sum(length(kind)) FROM gates", [], |row| row.get(0))?)
    };
    let error = database.read("read the gates", read).await.unwrap_err();
    let told = error.source().unwrap().to_string();
    assert_eq!(told, "the database file is damaged; restore it from a backup");
}
