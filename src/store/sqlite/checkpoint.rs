//! Moves the write-ahead log into the file on a thread of its own, so that the thread that writes
//! goes on meanwhile.
//!
//! The log can only begin again at its start once all of it was moved, which a writer that never
//! rests leaves no moment for. So when the log has grown long, the writer moves the rest itself.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use crate::error::Result;
use crate::store::sqlite::database::spawn;
use crate::store::sqlite::schema;
use crate::store::sqlite::trouble::Trouble;

/// Pages written since the last time before the thread is woken: many steps write the same pages,
/// which are then moved once.
const STEP: i32 = pages(64 << 20);

/// Pages in the log from which the writer moves the rest itself.
const LONG: i32 = pages(512 << 20);

#[expect(clippy::cast_possible_truncation, reason = "a few ten thousand")]
const fn pages(bytes: i64) -> i32 {
    (bytes / schema::PAGE) as i32
}

/// Starts the thread, and has the writing connection wake it. It ends with that connection, and
/// gives back its own.
pub(crate) fn start(path: &Path, writer: &mut Connection) -> Result<JoinHandle<Connection>> {
    let connection = schema::open_mover(path)?;
    let (wake, woken) = sync_channel(1);
    let thread = spawn("fluint-crm-log", move || {
        move_on(&connection, &woken);
        connection
    })?;
    watch(writer, wake).map_err(|trouble| trouble.into_error("watch the database's log"))?;
    Ok(thread)
}

fn watch(writer: &mut Connection, wake: SyncSender<()>) -> Result<(), Trouble> {
    let mut woken_at = 0;
    writer.wal_hook(Some(move |log: &mut rusqlite::hooks::Wal, length: i32| {
        if length < woken_at {
            // It began again at its start.
            woken_at = 0;
        }
        if length >= LONG {
            // Where somebody else moves or reads just now, the next step tries again.
            let _ = log.checkpoint_v2(CheckpointMode::PASSIVE);
        } else if length >= woken_at + STEP {
            woken_at = length;
            // One call is enough; the thread may be at work still.
            let _ = wake.try_send(());
        }
        Ok(())
    }))?;
    Ok(())
}

/// Moves what is in the log each time it is woken, until the writer is gone.
fn move_on(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // What could not be moved now is moved the next time.
        if let Err(cause) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::debug!(%cause, "the database's log could not be moved into the file");
        }
    }
}
