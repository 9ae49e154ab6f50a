//! Opens a database file as ours: recognises it, brings its schema up to date, sets it up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::error::{BoxError, Error, Result};
use crate::store::sqlite::trouble::Trouble;

/// Marks a file as ours, in the place that SQLite's header keeps for it: `FlCr`.
const APPLICATION: i64 = 0x466c_4372;

/// The migrations, oldest first; a database's `user_version` says how many it has had.
const MIGRATIONS: [&str; 1] = [include_str!("001_first.sql")];

/// How long to wait for another process's write. Ours take milliseconds; a backup tool that holds
/// the file longer than this is better reported than waited for.
const BUSY: Duration = Duration::from_secs(10);

/// Bytes of a page of a new file. Ids come in random order, so that a step writes many pages in part;
/// with pages of 8 KiB these are half as many as with the usual 4 KiB, and a third of the time less.
pub(crate) const PAGE: i64 = 8_192;

/// What is left of the write-ahead log's file once all of it was moved. How far it grows is decided
/// where it is moved ([`checkpoint`](super::checkpoint)).
const LOG: i64 = 64 << 20;

/// What the writing connection keeps of the file in memory: the inner pages of a million rows' keys.
const CACHE_KIB: i64 = 8 << 10;

/// What each of the reading connections keeps: the operating system has the rest.
const READER_CACHE_KIB: i64 = 2 << 10;

/// How many statements each connection keeps prepared. There are about 120 in all.
const STATEMENTS: usize = 200;

/// Opens a connection that may write, and brings the schema up to date.
pub(crate) fn open_file(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path).map_err(cannot_open)?;
    prepare(&mut connection)?;
    Ok(connection)
}

/// Opens a further connection, to a file that is ours already, that refuses to write.
pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).map_err(cannot_open)?;
    set_up(&connection)
        .and_then(|()| connection.pragma_update(None, "cache_size", -READER_CACHE_KIB))
        .and_then(|()| connection.pragma_update(None, "query_only", true))
        .map_err(cannot_open)?;
    Ok(connection)
}

/// Opens a further connection that does nothing but move the log into the file.
pub(crate) fn open_mover(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).map_err(cannot_open)?;
    let small = |connection: &Connection| {
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "cache_size", 16)
    };
    small(&connection).map_err(cannot_open)?;
    Ok(connection)
}

/// Opens an empty database in memory.
pub(crate) fn open_memory() -> Result<Connection> {
    let mut connection = Connection::open_in_memory().map_err(cannot_open)?;
    prepare(&mut connection)?;
    Ok(connection)
}

fn prepare(connection: &mut Connection) -> Result<()> {
    set_up(connection).map_err(cannot_open)?;
    let state = recognise(connection)?;
    if connection.is_readonly("main").map_err(cannot_open)? {
        return Err(unusable("it may not be written; check the rights on it and its folder", None));
    }
    // Only now is it certain that the file may be changed.
    connection.pragma_update(None, "page_size", PAGE).map_err(cannot_open)?;
    write_ahead(connection)?;
    connection.pragma_update(None, "journal_size_limit", LOG).map_err(cannot_open)?;
    if state != State::Current {
        migrate(connection)?;
    }
    Ok(())
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Plans do not depend on what is bound. Otherwise SQLite prepares a statement again at every
    // value that might matter to a partial index.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)
}

/// What kind of file it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Current,
    Empty,
    Older,
}

/// Recognises an empty file, or one of ours, and refuses any other without touching it.
fn recognise(connection: &Connection) -> Result<State> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        Ok((
            number(connection, "PRAGMA application_id")?,
            number(connection, "PRAGMA user_version")?,
            number(connection, "SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    let (application, version, things) = read().map_err(cannot_open)?;
    let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match (application, version, things) {
        (0, 0, 0) => Ok(State::Empty),
        (APPLICATION, version, _) if version > newest => Err(unusable(
            format!(
                "it was written by a newer release (schema {version}, this one knows {newest}); \
                 run that release or a newer one"
            ),
            None,
        )),
        (APPLICATION, version, _) if version == newest => Ok(State::Current),
        (APPLICATION, 1.., _) => Ok(State::Older),
        _ => Err(unusable("it is another program's database", None)),
    }
}

fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.query_row(sql, [], |row| row.get(0))
}

/// Switches to a write-ahead log.
///
/// SQLite does not always wait here while another process does the same, so we do.
fn write_ahead(connection: &Connection) -> Result<()> {
    for _ in 0..100 {
        match connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())) {
            Err(cause) if is_busy(&cause) => std::thread::sleep(Duration::from_millis(50)),
            other => return other.map_err(cannot_open),
        }
    }
    Err(unusable("another program keeps it locked", None))
}

fn is_busy(cause: &rusqlite::Error) -> bool {
    matches!(cause.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Runs the migrations that the database has not had, each in a transaction of its own.
fn migrate(connection: &mut Connection) -> Result<()> {
    for (script, version) in MIGRATIONS.iter().zip(1_i64..) {
        let step = |connection: &mut Connection| -> Result<(), Trouble> {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Another process may have done it while this one waited.
            if number(&tx, "PRAGMA user_version")? < version {
                tx.execute_batch(script)?;
                tx.pragma_update(None, "application_id", APPLICATION)?;
                tx.pragma_update(None, "user_version", version)?;
            }
            Ok(tx.commit()?)
        };
        step(connection).map_err(|trouble| trouble.into_error("bring the schema up to date"))?;
    }
    Ok(())
}

fn cannot_open(cause: rusqlite::Error) -> Error {
    let reason = match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is not an SQLite database",
        Some(ErrorCode::CannotOpen) => {
            "it cannot be opened; its folder must exist, and both must be writable"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "it may not be written; check the rights on it and its folder"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps it locked"
        }
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged; restore it from a backup",
        _ => return Trouble::from(cause).into_error("open the database file"),
    };
    unusable(reason, Some(Box::new(cause)))
}

fn unusable(reason: impl Into<std::borrow::Cow<'static, str>>, source: Option<BoxError>) -> Error {
    Error::Config { key: "database file".into(), reason: reason.into(), source }
}
