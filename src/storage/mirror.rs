//! The synced copy of a CRM's tables.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::{
    Candidate, ChangeSeq, ConnectionId, Identity, OpportunityId, RecordId, Rows, RunId, Stage,
    Table, WithheldReason, WorkspaceId,
};
use crate::storage::due::Claim;
use crate::walk::{ChainCursor, CompletenessProof, Incomplete, ResumeToken, TablePlan};

/// The synced copy of the CRM's tables.
///
/// # Errors
/// Every method fails with [`Error::Store`](crate::Error::Store) when the step could not be done;
/// then nothing of it was. A method that can fail otherwise says so.
#[async_trait]
pub trait Mirror: fmt::Debug + Send + Sync {
    /// Starts a pull, or goes on with the connection's unfinished one, as `unfinished` says.
    ///
    /// A run that is replaced is forgotten in the same step, with all that was kept to resume it;
    /// the rows that it has stored stay, and what it found changed is the fresh one's. A repeated call
    /// gives the run that the first has started.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn start_pull(
        &self,
        claim: &Claim,
        fresh: &NewRun,
        unfinished: Unfinished,
    ) -> Result<Pull>;

    /// Keeps how a table is read in this run, before its first page, and gives the plan that
    /// counts: the first plan of an attempt wins.
    ///
    /// A higher `attempt` than the stored one replaces the plan and forgets what was read of the
    /// table in this run (cursors and what was seen, not the rows), so that it is read again from
    /// its start. Attempts count from 0.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn plan_table(
        &self,
        claim: &Claim,
        run: RunId,
        table: Table,
        attempt: u32,
        plan: &TablePlan,
    ) -> Result<TableRead>;

    /// Stores a page: its rows, which ids were seen, and the chain's cursor.
    ///
    /// A row whose version is the stored one is not written. A row that was missing or gone is so
    /// no more. Fields in [`MirrorPage::absent`] keep the values that are stored. A page that was
    /// stored before in the same run (same table, chain and place) is stored again without effect.
    /// What the page changes is recorded for [`row_changes`](crate::storage::Query::row_changes).
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim); [`Error::Conflict`](crate::Error::Conflict)
    /// when its chain was not planned in this run, the page is of another attempt than the one that
    /// counts or leaves a gap behind the pages that are stored, or the run is past its reading.
    async fn apply_page(&self, claim: &Claim, page: MirrorPage) -> Result<PageWritten>;

    /// Ends the reading part of a pull: rows of the proved tables that the run did not see are
    /// marked missing (they stay as they are), everything else is left alone. Won and lost
    /// opportunities are never missing: a read of the open ones does not show them.
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

    /// Rows of a table that are missing and may be asked for, in the order of their ids, from after
    /// `after`. Rows that an undone sweep put back are not among them, until they are seen again.
    ///
    /// A mirror that keeps the default never sweeps.
    async fn missing(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Vec<MissingRow>> {
        let _ = (workspace, connection, table, after, limit);
        Ok(Vec::new())
    }

    /// Settles missing rows by what the CRM says about their ids: rows found are stored and missing
    /// no more; rows gone get a mark, go out of every answer, and can be put back for 30 days.
    /// A row that is not missing any more is not marked. What it changes is recorded as that of a page.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn settle(&self, claim: &Claim, run: RunId, settled: &Settled) -> Result<()> {
        let _ = (claim, run, settled);
        Ok(())
    }

    /// Keeps how looking for a table's missing rows ended, now, in place of what was kept of an
    /// earlier run. The approval that the run took into account is used up; one that was given
    /// meanwhile stays ([`record_sweep`](crate::storage::steps::record_sweep) decides).
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn record_sweep(&self, claim: &Claim, sweep: &NewSweep) -> Result<()> {
        let _ = (claim, sweep);
        Ok(())
    }

    /// How looking for missing rows ended last, table by table.
    async fn sweeps(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<Sweep>> {
        let _ = (workspace, connection);
        Ok(Vec::new())
    }

    /// Carries out a person's decision about the sweep of a run; gives how many rows it concerns.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) when there is nothing of that run to decide
    /// about, for example because a newer run has looked again.
    async fn decide_sweep(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        run: RunId,
        decision: SweepDecision,
    ) -> Result<u64> {
        let _ = (workspace, connection, decision);
        Err(Error::not_found(format!("a sweep of run {run}")))
    }

    /// Ends a run whose opportunities were all decided about: from now on answers are as of now.
    ///
    /// What was kept to resume the run is dropped, and so are rows that have been gone for more
    /// than 30 days. Calling it again has no effect.
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

/// A run to start.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct NewRun {
    /// The run.
    pub run: RunId,
    /// Whose eyes it reads with.
    pub reader: Reader,
    /// How far the deals' change feed was followed before it: what comes after is this run's doing.
    pub followed: ChangeSeq,
}

/// Whose eyes a run reads with: what one of them sees says nothing about what another does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "two facts, kept by stores as they are")]
pub struct Reader {
    /// Who the CRM said we are.
    pub identity: Identity,
    /// When the connection was signed in (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub signed_in_at: OffsetDateTime,
}

impl Reader {
    /// Whether the other one sees what this one sees: the same user in the same unit and
    /// organisation, with the same rights as far as they are told, by the same sign-in.
    pub(crate) fn sees_as(&self, other: &Self) -> bool {
        self.signed_in_at == other.signed_in_at && self.identity.sees_as(&other.identity)
    }
}

/// What becomes of an unfinished run when a pull starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it goes on or not")]
pub enum Unfinished {
    /// It is abandoned, and the fresh one takes its place.
    Replace,
    /// It goes on.
    Resume,
}

/// An unfinished or fresh pull.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Pull {
    /// The run.
    pub run: RunId,
    /// Whose eyes it has started to read with.
    pub reader: Reader,
    /// How far the deals' change feed was followed before it.
    pub followed: ChangeSeq,
    /// When it started (UTC).
    pub started_at: OffsetDateTime,
    /// How far it came.
    pub phase: PullPhase,
    /// How far each table was read; a table that is not listed was not begun.
    pub tables: Vec<TableRead>,
    /// How many rows of each table the last finished run saw.
    pub expected: BTreeMap<Table, u64>,
}

/// How far a run came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PullPhase {
    /// Ended.
    Finished,
    /// Reading is over; missing rows are asked for and opportunities decided about.
    Promoting,
    /// Reading tables.
    Reading,
}

/// How a table is read in a run, and how far.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct TableRead {
    /// The table.
    pub table: Table,
    /// How often it was begun in this run, from 0.
    pub attempt: u32,
    /// Its chains.
    pub plan: TablePlan,
    /// How far each chain of the plan was read, in the plan's order.
    pub chains: Vec<ChainCursor>,
    /// What a page raised against a proof; an interrupted run must not forget it.
    pub doubt: Option<Incomplete>,
}

/// A page on its way into the mirror.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct MirrorPage {
    /// The run.
    pub run: RunId,
    /// The attempt at its table that it was read in.
    pub attempt: u32,
    /// The chain, by its place in the plan.
    pub chain: usize,
    /// The page's place in its chain, from 0.
    pub seq: u64,
    /// The rows; they name the table.
    pub rows: Rows,
    /// Ids that were seen though their row is not to be written, because it could not be decoded.
    pub also_seen: Vec<RecordId>,
    /// Fields of the rows that the CRM did not send: what is stored of them stays.
    pub absent: Vec<Cow<'static, str>>,
    /// Where the chain goes on; `None` at its end.
    pub resume: Option<ResumeToken>,
    /// What this or an earlier page of the table raised against a proof.
    pub doubt: Option<Incomplete>,
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
    /// Whether the run's read of the table was proved complete.
    pub proved: bool,
}

/// A row that the last complete pull of its table did not see.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct MissingRow {
    /// Its id.
    pub id: RecordId,
    /// Since when (UTC).
    pub since: OffsetDateTime,
}

/// What the CRM said about missing rows of one table.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct Settled {
    /// Rows that are there, whatever their state; they name the table.
    pub found: Rows,
    /// Fields of the rows found that the CRM did not send: what is stored of them stays.
    pub absent: Vec<Cow<'static, str>>,
    /// Rows that are gone for good.
    pub gone: Vec<RecordId>,
}

/// How looking for a table's missing rows has just ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart")]
pub struct NewSweep {
    /// The run that looked.
    pub run: RunId,
    /// The table.
    pub table: Table,
    /// Rows that are still missing without an explanation.
    pub missing: u64,
    /// Why nothing was swept, when it was withheld.
    pub withheld: Option<WithheldReason>,
    /// The approval that was taken into account.
    pub used: Option<Approval>,
}

/// A person's word that missing rows may go, although they are many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Approval {
    /// When it was given (UTC).
    pub at: OffsetDateTime,
    /// It is about rows that have been missing since then at the latest (UTC): those that the person
    /// was told of.
    pub until: OffsetDateTime,
}

/// How looking for a table's missing rows ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Sweep {
    /// The run that looked.
    pub run: RunId,
    /// The table.
    pub table: Table,
    /// When, by the store's clock, as [`MissingRow::since`] is (UTC).
    pub at: OffsetDateTime,
    /// Rows that are still missing without an explanation.
    pub missing: u64,
    /// Why nothing was swept, when it was withheld.
    pub withheld: Option<WithheldReason>,
    /// A person's approval that no sync has taken into account yet.
    pub approval: Option<Approval>,
}

/// What a person decides about a sweep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SweepDecision {
    /// The next sync may sweep what this run found missing of the table, although it is much.
    Approve(Table),
    /// What the run swept is put back. It stays missing until it is seen again, and no later run
    /// sweeps it before.
    Undo,
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
