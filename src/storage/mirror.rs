//! The synced copy of a CRM's tables.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{
    Candidate, ConnectionId, OpportunityId, RecordId, Rows, RunId, Stage, Table, WorkspaceId,
};
use crate::storage::due::Claim;
use crate::walk::{Chain, ChainCursor, CompletenessProof, Incomplete};

/// The synced copy of the CRM's tables.
///
/// # Errors
/// Every method fails with [`Error::Store`](crate::Error::Store) when the step could not be done;
/// then nothing of it was. A method that can fail otherwise says so.
#[async_trait]
pub trait Mirror: fmt::Debug + Send + Sync {
    /// Starts a pull, or goes on with the connection's unfinished one.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn start_pull(&self, claim: &Claim, fresh: RunId) -> Result<Pull>;

    /// Forgets what an unfinished pull has read of one table (cursors and what was seen, not the
    /// rows), so that the table is read again from its start.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn restart_table(&self, claim: &Claim, run: RunId, table: Table) -> Result<()>;

    /// Stores a page: its rows, which ids were seen, and the chain's cursor.
    ///
    /// A row whose version is the stored one is not written. A row that was missing is missing no
    /// more. A page that was stored before in the same run (same table, chain and place) is stored
    /// again without effect.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn apply_page(&self, claim: &Claim, page: &MirrorPage) -> Result<PageWritten>;

    /// Ends the reading part of a pull: rows of the proved tables that the run did not see are
    /// marked missing (they stay as they are), everything else is left alone.
    ///
    /// Calling it again for a run that was already ended reports the same. A proof of another run
    /// is refused.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn finish_pull(
        &self,
        claim: &Claim,
        run: RunId,
        proofs: &[CompletenessProof],
    ) -> Result<Vec<TableSummary>>;

    /// Ends a run whose opportunities were all decided about: from now on answers are as of now.
    ///
    /// What was kept to resume the run is dropped. Calling it again has no effect.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn finish_run(&self, claim: &Claim, run: RunId) -> Result<()>;

    /// The newest run of a connection, finished or not, for a settings page to poll.
    async fn progress(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<PullProgress>>;

    /// Opportunities in the order of their ids, from after `after`, joined with what deciding
    /// about them needs.
    async fn candidates(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Candidate>>;

    /// The stages of a connection, for the choices of a filter: by process position, process name,
    /// position, name, id; what is unknown comes last.
    async fn stages(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<StageChoice>>;

    /// Erases the mirrored rows, runs and cursors of a connection.
    ///
    /// Deals and the ledger of publications stay.
    async fn purge(&self, workspace: &WorkspaceId, connection: ConnectionId) -> Result<()>;
}

/// A stage that a filter may name.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct StageChoice {
    /// The stage.
    pub stage: Stage,
    /// How many open opportunities have it as the stage of their newest active assignment, or on
    /// the record where there is no assignment.
    pub open_opportunities: u64,
}

/// An unfinished or fresh pull.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Pull {
    /// The run.
    pub run: RunId,
    /// When it started (UTC).
    pub started_at: OffsetDateTime,
    /// How far it came.
    pub phase: PullPhase,
    /// How far each table was read; a table that is not listed was not begun.
    pub tables: Vec<TableCursors>,
}

/// How far a run came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PullPhase {
    /// Ended.
    Finished,
    /// Reading is over; opportunities are being decided about.
    Promoting,
    /// Reading tables.
    Reading,
}

/// How far a table was read in a run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct TableCursors {
    /// The table.
    pub table: Table,
    /// Its chains, in the order of their index.
    pub chains: Vec<ChainCursor>,
    /// Pages stored so far; the next page's place counts on from here.
    pub pages: u64,
    /// What a page raised against a proof; an interrupted run must not forget it.
    pub doubt: Option<Incomplete>,
}

/// A page on its way into the mirror.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct MirrorPage {
    /// The run.
    pub run: RunId,
    /// The chain.
    pub chain: Chain,
    /// The page's place among all pages of its table in this run, from 0.
    pub seq: u64,
    /// The rows; they name the table.
    pub rows: Rows,
    /// Ids that were seen though their row is not to be written, because it could not be decoded.
    pub also_seen: Vec<RecordId>,
    /// Where the chain goes on.
    pub cursor: ChainCursor,
    /// What this or an earlier page of the table raised against a proof.
    pub doubt: Option<Incomplete>,
    /// How many rows the table may have in all, for progress.
    pub estimate: Option<u64>,
}

/// What storing a page did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct PageWritten {
    /// New rows.
    pub inserted: u64,
    /// Changed rows.
    pub updated: u64,
    /// Rows that were the same and not written.
    pub unchanged: u64,
}

/// What a pull did to one table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct TableSummary {
    /// The table.
    pub table: Table,
    /// Rows seen in this run.
    pub seen: u64,
    /// Rows held that are not missing, after the run.
    pub present: u64,
    /// Rows marked missing, after the run.
    pub missing: u64,
    /// Rows that this run found missing for the first time.
    pub newly_missing: u64,
}

/// How far a run has come, as a settings page polls it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct PullProgress {
    /// The run.
    pub run: RunId,
    /// When it started (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended (UTC).
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// How far it came.
    pub phase: PullPhase,
    /// The tables begun so far.
    pub tables: Vec<TableProgress>,
}

/// How far a table was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct TableProgress {
    /// The table.
    pub table: Table,
    /// Rows read.
    pub rows: u64,
    /// Rows written because they were new or changed.
    pub written: u64,
    /// Pages read.
    pub pages: u64,
    /// Rows expected in all: the last finished run's count, else the connector's estimate.
    pub expected: Option<u64>,
}
