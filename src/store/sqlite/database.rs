//! The threads that own the connections: one that writes, and a few that read beside it.
//!
//! A step is sent to a thread as a closure and answered through a channel. Dropping the future
//! that waits for the answer changes nothing for the step: it was never sent, or it runs to its
//! end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};
use crate::store::sqlite::checkpoint;
use crate::store::sqlite::packed;
use crate::store::sqlite::schema;
use crate::store::sqlite::trouble::Trouble;

/// How many steps may wait for a thread before callers wait themselves.
const WAITING: usize = 64;

/// How many threads read. Questions are short; more would not get more out of a few cores.
const READERS: usize = 3;

/// One database, shared by everything that holds the store.
#[derive(Debug)]
pub(crate) struct Database {
    /// `None` only while it is being dropped.
    writer: Option<mpsc::Sender<Job>>,
    /// `None` for a database in memory, which the writing thread also reads.
    readers: Option<mpsc::Sender<Job>>,
    writing: Option<JoinHandle<()>>,
    reading: Vec<JoinHandle<()>>,
    /// Ends once the writing thread has.
    moving: Option<JoinHandle<Connection>>,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// What a written step must survive before it is reported as done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Survives {
    /// A crash of the process. After a loss of power the newest such steps may be gone, as if they
    /// had never been made: right for pages, which are then read again.
    Crash,
    /// A loss of power as well.
    PowerLoss,
}

impl Survives {
    const fn synchronous(self) -> &'static str {
        match self {
            Self::Crash => "NORMAL",
            Self::PowerLoss => "FULL",
        }
    }
}

impl Database {
    /// Opens or creates a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut writer = schema::open_file(path)?;
        let readers =
            (0..READERS).map(|_| schema::open_reader(path)).collect::<Result<Vec<_>>>()?;
        let moving = checkpoint::start(path, &mut writer)?;
        let mut database = Self::with_writer(writer)?;
        database.moving = Some(moving);
        let (sender, receiver) = mpsc::channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for connection in readers {
            let receiver = Arc::clone(&receiver);
            database.reading.push(spawn("fluint-crm-read", move || read(connection, &receiver))?);
        }
        database.readers = Some(sender);
        Ok(database)
    }

    /// Creates an empty database in memory.
    pub(crate) fn in_memory() -> Result<Self> {
        Self::with_writer(schema::open_memory()?)
    }

    fn with_writer(connection: Connection) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let writing = spawn("fluint-crm-write", move || write(connection, receiver))?;
        Ok(Self {
            writer: Some(sender),
            readers: None,
            writing: Some(writing),
            reading: Vec::new(),
            moving: None,
        })
    }

    /// Runs a step that writes, as one transaction: wholly or not at all.
    pub(crate) async fn write<T, S>(
        &self,
        operation: &'static str,
        survives: Survives,
        step: S,
    ) -> Result<T>
    where
        T: Send + 'static,
        S: FnOnce(&Transaction<'_>) -> Result<T, Trouble> + Send + 'static,
    {
        let run = move |connection: &mut Connection| -> Result<T, Trouble> {
            connection.pragma_update(None, "synchronous", survives.synchronous())?;
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = step(&tx)?;
            packed::refresh(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        ask(self.writer.as_ref(), operation, run).await
    }

    /// Runs a step that reads one state of the database, beside whatever is being written.
    pub(crate) async fn read<T, S>(&self, operation: &'static str, step: S) -> Result<T>
    where
        T: Send + 'static,
        S: FnOnce(&Transaction<'_>) -> Result<T, Trouble> + Send + 'static,
    {
        let run = move |connection: &mut Connection| -> Result<T, Trouble> {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            step(&tx)
        };
        ask(self.readers.as_ref().or(self.writer.as_ref()), operation, run).await
    }
}

/// Sends a step to a thread and waits for its answer.
async fn ask<T: Send + 'static>(
    thread: Option<&mpsc::Sender<Job>>,
    operation: &'static str,
    step: impl FnOnce(&mut Connection) -> Result<T, Trouble> + Send + 'static,
) -> Result<T> {
    #[cfg(test)]
    let _outside = crate::clock::stepped::Outside::begin();
    let (answer, answered) = oneshot::channel();
    let job: Job = Box::new(move |connection| {
        // Nobody may be listening any more; the step counts all the same.
        let _ = answer.send(step(connection));
    });
    let gone = || Error::store(operation, "the database's thread gave no answer");
    thread.ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?.map_err(|trouble| trouble.into_error(operation))
}

pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|cause| Error::store("start a thread for the database", cause))
}

/// Writes until the last sender is gone.
///
/// Closing the last connection of a file moves everything from the log into the file itself.
fn write(mut connection: Connection, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.blocking_recv() {
        run(job, &mut connection);
    }
}

/// Reads until the last sender is gone. Whichever thread is idle takes the next step.
fn read(mut connection: Connection, jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = job else { return };
        run(job, &mut connection);
    }
}

/// Runs a step.
///
/// A panic inside rolls its transaction back, is reported to the caller as a missing answer, and
/// leaves the thread to the others.
fn run(job: Job, connection: &mut Connection) {
    let _ = catch_unwind(AssertUnwindSafe(|| job(connection)));
}

impl Drop for Database {
    /// Ends the threads: what was sent is done first.
    fn drop(&mut self) {
        drop(self.readers.take());
        for thread in self.reading.drain(..) {
            let _ = thread.join();
        }
        drop(self.writer.take());
        if let Some(thread) = self.writing.take() {
            let _ = thread.join();
        }
        // Two connections that close at once each take the other for the last one, and the log
        // stays: this one closes when all others have.
        if let Some(thread) = self.moving.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests;
