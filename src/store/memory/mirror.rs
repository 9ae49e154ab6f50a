//! The synced copy, and the runs that bring it up to date.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::{Candidate, ConnectionId, OpportunityId, RecordId, RunId, Table, WorkspaceId};
use crate::storage::steps::{KEEP_GONE, approve_sweep, record_sweep};
use crate::storage::{
    Claim, Mirror, MirrorPage, MissingRow, NewRun, NewSweep, PageWritten, Pull, PullPhase,
    PullProgress, Settled, StageChoice, Sweep, SweepDecision, TableRead, TableSummary, Unfinished,
};
use crate::store::memory::changes::KeptChanges;
use crate::store::memory::rows::{MirroredRows, Put, Sight, Tell};
use crate::store::memory::run::{PageFacts, Received, Run};
use crate::store::memory::{MemoryStore, Place, State, place};
use crate::walk::{CompletenessProof, Reached, TablePlan};

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
    /// How looking for missing rows ended last.
    sweeps: BTreeMap<Table, Sweep>,
    /// What the last runs found changed.
    pub(super) changes: KeptChanges,
}

#[async_trait]
impl Mirror for MemoryStore {
    async fn start_pull(
        &self,
        claim: &Claim,
        fresh: &NewRun,
        unfinished: Unfinished,
    ) -> Result<Pull> {
        let now = self.now();
        let mut state = self.lock();
        let place = state.pulled(claim)?;
        let copy = state.mirror.copies.entry(place).or_default();
        // A repeated call finds the run that its first try started.
        let known = copy.run.take();
        let replaced = known.as_ref().filter(|run| run.phase != PullPhase::Finished);
        let replaced = replaced.map(|run| run.id);
        let known = known.filter(|run| {
            let goes_on = unfinished == Unfinished::Resume && run.phase != PullPhase::Finished;
            goes_on || run.id == fresh.run
        });
        if let (Some(replaced), None) = (replaced, &known) {
            copy.changes.hand_on(replaced, fresh.run);
        }
        let run = copy.run.insert(known.unwrap_or_else(|| Run::start(fresh.clone(), now)));
        Ok(run.pull(&copy.counts))
    }

    async fn plan_table(
        &self,
        claim: &Claim,
        run: RunId,
        table: Table,
        attempt: u32,
        plan: &TablePlan,
    ) -> Result<TableRead> {
        let mut state = self.lock();
        let copy = state.copy(claim, run)?;
        let stamp = copy.rows.stamp();
        Ok(copy.run_mut(run)?.plan(table, attempt, plan, stamp))
    }

    async fn apply_page(&self, claim: &Claim, page: MirrorPage) -> Result<PageWritten> {
        let now = self.now();
        let mut state = self.lock();
        let copy = state.copy(claim, page.run)?;
        let ConnectionCopy { rows, run, counts, changes: kept, .. } = copy;
        let run = run.as_mut().ok_or_else(|| no_run(page.run))?;
        let read = match run.receive(&page)? {
            Received::Before(written) => return Ok(written),
            Received::New(read) => read,
        };
        let (table, stamp) = (page.rows.table(), read.stamp);
        let mut strangers = page.also_seen;
        let counted = (page.rows.len() + strangers.len()) as u64;
        let absent: Vec<&str> = page.absent.iter().map(|field| &**field).collect();
        // Of a table that the last finished run did not read, all would be new.
        let tell = Tell::of(counts.contains_key(&table));
        let put = rows.put(page.rows, &absent, stamp, tell);
        let Put { written, first_seen: mut seen, changes } = put;
        if tell == Tell::Changes {
            kept.record(page.run, now, changes);
        }
        strangers.retain(|id| {
            let sight = rows.see(table, id, stamp);
            seen += u64::from(sight == Sight::First);
            sight == Sight::Stranger
        });
        let reached = page.resume.map_or(Reached::End, Reached::At);
        let (chain, seq, doubt) = (page.chain, page.seq, page.doubt);
        let facts = PageFacts { chain, seq, rows: counted, seen, reached, doubt };
        read.record(facts, written, strangers);
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
        let ConnectionCopy { rows, run: known, .. } = state.copy(claim, run)?;
        let run = known.as_mut().ok_or_else(|| no_run(run))?;
        if run.phase == PullPhase::Reading {
            let proved: BTreeSet<Table> = proofs.iter().map(CompletenessProof::table).collect();
            run.summaries = summarise(rows, run, &proved, now);
            run.phase = PullPhase::Promoting;
        }
        Ok(run.summaries.clone())
    }

    async fn missing(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Vec<MissingRow>> {
        let state = self.lock();
        let copy = state.mirror.copies.get(&place(workspace, connection));
        Ok(copy.map(|copy| copy.rows.missing(table, after, limit)).unwrap_or_default())
    }

    async fn settle(&self, claim: &Claim, run: RunId, settled: &Settled) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let copy = state.copy(claim, run)?;
        let stamp = copy.rows.stamp();
        let absent: Vec<&str> = settled.absent.iter().map(|field| &**field).collect();
        let table = settled.found.table();
        let tell = Tell::of(copy.counts.contains_key(&table));
        let mut changes = copy.rows.put(settled.found.clone(), &absent, stamp, tell).changes;
        changes.extend(copy.rows.remove(table, &settled.gone, now, run));
        if tell == Tell::Changes {
            copy.changes.record(run, now, changes);
        }
        Ok(())
    }

    async fn record_sweep(&self, claim: &Claim, sweep: &NewSweep) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let copy = state.copy(claim, sweep.run)?;
        let kept = record_sweep(copy.sweeps.get(&sweep.table), sweep, now);
        copy.sweeps.insert(sweep.table, kept);
        Ok(())
    }

    async fn sweeps(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<Sweep>> {
        let state = self.lock();
        let copy = state.mirror.copies.get(&place(workspace, connection));
        Ok(copy.map(|copy| copy.sweeps.values().cloned().collect()).unwrap_or_default())
    }

    async fn decide_sweep(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        run: RunId,
        decision: SweepDecision,
    ) -> Result<u64> {
        let now = self.now();
        let mut state = self.lock();
        let copy = state.mirror.copies.get_mut(&place(workspace, connection));
        let copy = copy.ok_or_else(|| no_sweep(run))?;
        match decision {
            SweepDecision::Approve(table) => {
                let sweep = copy.sweeps.get_mut(&table).filter(|sweep| sweep.run == run);
                let sweep = sweep.ok_or_else(|| no_sweep(run))?;
                approve_sweep(sweep, now)?;
                Ok(sweep.missing)
            }
            SweepDecision::Undo => match copy.rows.put_back(run, now) {
                0 => Err(no_sweep(run)),
                rows => {
                    copy.changes.take_back_gone(run);
                    Ok(rows)
                }
            },
        }
    }

    async fn finish_run(&self, claim: &Claim, run: RunId) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let copy = state.copy(claim, run)?;
        copy.rows.forget_gone(now - KEEP_GONE);
        if let Some(run) = copy.run.as_mut().filter(|run| run.phase != PullPhase::Finished) {
            copy.counts = run.counts();
            copy.synced_at = Some(now);
            copy.changes.prune();
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
    /// The copy of the connection that a claim is to pull, if this is its newest run.
    fn copy(&mut self, claim: &Claim, run: RunId) -> Result<&mut ConnectionCopy> {
        let place = self.pulled(claim)?;
        let copy = self.mirror.copies.get_mut(&place);
        let copy = copy.filter(|copy| copy.run.as_ref().is_some_and(|known| known.id == run));
        copy.ok_or_else(|| no_run(run))
    }
}

impl ConnectionCopy {
    fn run_mut(&mut self, run: RunId) -> Result<&mut Run> {
        self.run.as_mut().ok_or_else(|| no_run(run))
    }
}

/// Marks what the run did not see of the proved tables, and counts what it saw of all it began.
fn summarise(
    rows: &mut MirroredRows,
    run: &Run,
    proved: &BTreeSet<Table>,
    now: OffsetDateTime,
) -> Vec<TableSummary> {
    let nothing = (rows.stamp(), 0);
    let mut seen: BTreeMap<_, _> = proved.iter().map(|table| (*table, nothing)).collect();
    seen.extend(run.tables().map(|(table, read)| (table, (read.stamp, read.seen_in_all()))));
    let summary = |(table, (stamp, seen))| {
        let proved = proved.contains(&table);
        let newly_missing = if proved { rows.miss(table, stamp, now) } else { 0 };
        let (present, missing) = rows.census(table);
        TableSummary { table, seen, present, missing, newly_missing, proved }
    };
    seen.into_iter().map(summary).collect()
}

fn no_run(run: RunId) -> Error {
    Error::not_found(format!("run {run}"))
}

fn no_sweep(run: RunId) -> Error {
    Error::not_found(format!("a sweep of run {run}"))
}
