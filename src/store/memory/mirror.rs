//! The synced copy, and the runs that bring it up to date.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::{Candidate, ConnectionId, OpportunityId, RunId, Table, WorkspaceId};
use crate::storage::{
    Claim, Mirror, MirrorPage, PageWritten, Pull, PullPhase, PullProgress, StageChoice,
    TableSummary,
};
use crate::store::memory::rows::MirroredRows;
use crate::store::memory::run::Run;
use crate::store::memory::{MemoryStore, Place, State, place};
use crate::walk::CompletenessProof;

#[derive(Default)]
pub(super) struct Held {
    pub(super) copies: BTreeMap<Place, ConnectionCopy>,
}

/// The copy of one connection.
#[derive(Default)]
pub(super) struct ConnectionCopy {
    pub(super) rows: MirroredRows,
    /// The newest run, finished or not.
    run: Option<Run>,
    /// The end of the last finished run.
    pub(super) synced_at: Option<OffsetDateTime>,
    /// How many rows of each table the last finished run saw.
    counts: BTreeMap<Table, u64>,
}

#[async_trait]
impl Mirror for MemoryStore {
    async fn start_pull(&self, claim: &Claim, fresh: RunId) -> Result<Pull> {
        let now = self.now();
        let mut state = self.lock();
        let place = state.pulled(claim)?;
        let copy = state.mirror.copies.entry(place).or_default();
        // A repeated call finds the run that its first try started.
        let known =
            copy.run.take().filter(|run| run.phase != PullPhase::Finished || run.id == fresh);
        Ok(copy.run.insert(known.unwrap_or_else(|| Run::start(fresh, now))).pull())
    }

    async fn restart_table(&self, claim: &Claim, run: RunId, table: Table) -> Result<()> {
        let mut state = self.lock();
        let (_, run) = state.run(claim, run)?;
        if run.phase == PullPhase::Reading {
            run.forget(table);
        }
        Ok(())
    }

    async fn apply_page(&self, claim: &Claim, page: &MirrorPage) -> Result<PageWritten> {
        let mut state = self.lock();
        let (rows, run) = state.run(claim, page.run)?;
        if let Some(written) = run.stored(page) {
            return Ok(written);
        }
        if run.phase != PullPhase::Reading {
            return Err(Error::conflict(format!("run {}", page.run)));
        }
        let written = rows.put(&page.rows);
        for id in &page.also_seen {
            rows.see(page.rows.table(), id);
        }
        run.record(page, written);
        Ok(written)
    }

    async fn finish_pull(
        &self,
        claim: &Claim,
        run: RunId,
        proofs: &[CompletenessProof],
    ) -> Result<Vec<TableSummary>> {
        if proofs.iter().any(|proof| proof.run() != run) {
            return Err(Error::invalid_input("proof", "it is about another run"));
        }
        let now = self.now();
        let mut state = self.lock();
        let (rows, run) = state.run(claim, run)?;
        if run.phase == PullPhase::Reading {
            let proved: BTreeSet<Table> = proofs.iter().map(CompletenessProof::table).collect();
            run.summaries = summarise(rows, run, &proved, now);
            run.phase = PullPhase::Promoting;
        }
        Ok(run.summaries.clone())
    }

    async fn finish_run(&self, claim: &Claim, run: RunId) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let place = state.pulled(claim)?;
        let copy = state.mirror.copies.get_mut(&place);
        let copy = copy.filter(|copy| copy.run.as_ref().is_some_and(|known| known.id == run));
        let copy = copy.ok_or_else(|| no_run(run))?;
        if let Some(run) = copy.run.as_mut().filter(|run| run.phase != PullPhase::Finished) {
            copy.counts = run.counts();
            copy.synced_at = Some(now);
            run.finish(now);
        }
        Ok(())
    }

    async fn progress(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<PullProgress>> {
        let state = self.lock();
        let copy = state.mirror.copies.get(&place(workspace, connection));
        Ok(copy.and_then(|copy| Some(copy.run.as_ref()?.progress(&copy.counts))))
    }

    async fn candidates(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        let state = self.lock();
        let copy = state.mirror.copies.get(&place(workspace, connection));
        Ok(copy.map(|copy| copy.rows.candidates(after, limit)).unwrap_or_default())
    }

    async fn stages(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<StageChoice>> {
        let state = self.lock();
        let copy = state.mirror.copies.get(&place(workspace, connection));
        Ok(copy.map(|copy| copy.rows.stages()).unwrap_or_default())
    }

    async fn purge(&self, workspace: &WorkspaceId, connection: ConnectionId) -> Result<()> {
        self.lock().mirror.copies.remove(&place(workspace, connection));
        Ok(())
    }
}

impl State {
    /// The rows of the connection that a claim is to pull, and its run if that is the newest.
    fn run(&mut self, claim: &Claim, run: RunId) -> Result<(&mut MirroredRows, &mut Run)> {
        let place = self.pulled(claim)?;
        let copy = self.mirror.copies.get_mut(&place).ok_or_else(|| no_run(run))?;
        let known = copy.run.as_mut().filter(|known| known.id == run);
        Ok((&mut copy.rows, known.ok_or_else(|| no_run(run))?))
    }
}

/// Marks what the run did not see of the proved tables, and counts what it saw of all it began.
fn summarise(
    rows: &mut MirroredRows,
    run: &Run,
    proved: &BTreeSet<Table>,
    now: OffsetDateTime,
) -> Vec<TableSummary> {
    let nothing = BTreeSet::new();
    let mut seen: BTreeMap<_, _> = proved.iter().map(|table| (*table, &nothing)).collect();
    seen.extend(run.seen());
    let summary = |(table, seen): (Table, &BTreeSet<_>)| {
        let newly_missing = if proved.contains(&table) { rows.miss(table, seen, now) } else { 0 };
        rows.summary(table, seen.len() as u64, newly_missing)
    };
    seen.into_iter().map(summary).collect()
}

fn no_run(run: RunId) -> Error {
    Error::not_found(format!("run {run}"))
}
