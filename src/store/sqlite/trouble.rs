//! What can go wrong inside a step, before it is told to the caller.

use rusqlite::ErrorCode;

use crate::error::{BoxError, Error};

/// A failure inside a step: SQLite's, our own, or stored data that cannot be read.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// SQLite failed.
    Sqlite(rusqlite::Error),
    /// What is stored makes no sense.
    Stored(BoxError),
    /// The step was refused; the caller is told as it is.
    Told(Box<Error>),
}

impl Trouble {
    /// Stored data that makes no sense, in words.
    pub(crate) fn stored(what: &'static str) -> Self {
        Self::Stored(what.into())
    }

    /// The error for the caller, naming what was being done.
    pub(crate) fn into_error(self, operation: &'static str) -> Error {
        match self {
            Self::Sqlite(cause) => Error::store(operation, Explained::new(cause)),
            Self::Stored(cause) => Error::store(operation, cause),
            Self::Told(error) => *error,
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Sqlite(cause)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Told(Box::new(error))
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(cause: serde_json::Error) -> Self {
        Self::Stored(Box::new(cause))
    }
}

/// SQLite's error with a sentence that tells an operator what to do.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Explained {
    sentence: &'static str,
    source: rusqlite::Error,
}

impl Explained {
    fn new(source: rusqlite::Error) -> Self {
        Self { sentence: sentence(&source), source }
    }
}

/// What an operator should know about an error of SQLite.
fn sentence(cause: &rusqlite::Error) -> &'static str {
    match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; free some space, then it goes on",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the database file may not be written; check the rights on the file and its folder"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps the database file locked"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the database file is damaged; restore it from a backup"
        }
        Some(ErrorCode::CannotOpen) => "the database file cannot be opened; does its folder exist",
        Some(ErrorCode::SystemIoFailure) => "the disk failed to read or write the database file",
        _ => "SQLite reported an error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    fn code(code: i32) -> Trouble {
        Trouble::Sqlite(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }

    #[test]
    fn host_5_an_operator_learns_what_to_do_and_the_cause_stays_in_the_chain() {
        for (failure, word) in [
            (rusqlite::ffi::SQLITE_FULL, "full"),
            (rusqlite::ffi::SQLITE_READONLY, "rights"),
            (rusqlite::ffi::SQLITE_BUSY, "locked"),
            (rusqlite::ffi::SQLITE_CORRUPT, "damaged"),
            (rusqlite::ffi::SQLITE_IOERR, "disk failed"),
        ] {
            let error = code(failure).into_error("apply a page");
            assert_eq!(error.to_string(), "the store failed to apply a page");
            let told = error.source().unwrap();
            assert!(told.to_string().contains(word), "{told}");
            assert!(told.source().is_some(), "SQLite's own error is kept");
        }
    }
}
