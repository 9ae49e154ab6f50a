//! The synced copy, and the runs that bring it up to date.

use async_trait::async_trait;
use rusqlite::params_from_iter;

use crate::error::{Error, Result};
use crate::model::{Candidate, ConnectionId, OpportunityId, RecordId, RunId, Table, WorkspaceId};
use crate::storage::{
    Claim, Mirror, MirrorPage, MissingRow, NewRun, NewSweep, PageWritten, Pull, PullProgress,
    Settled, StageChoice, Sweep, SweepDecision, TableRead, TableSummary, Unfinished,
};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::claims;
use crate::store::sqlite::codec::Owner;
use crate::store::sqlite::database::Survives;
use crate::walk::{ChainCursor, CompletenessProof, TablePlan};

mod apply;
mod candidates;
pub(crate) mod changes;
mod choices;
mod drift;
mod finish;
pub(crate) mod rows;
mod runs;
mod seen;
mod standing;
mod sweeps;

/// What is kept of runs and of packed rows, beside the mirrored rows themselves.
const OTHER_TABLES: [&str; 9] = [
    "changes_left_off",
    "chains",
    "packed",
    "row_changes",
    "run_tables",
    "runs",
    "seen_pages",
    "sweeps",
    "unpacked",
];

#[async_trait]
impl Mirror for SqliteStore {
    async fn start_pull(
        &self,
        claim: &Claim,
        fresh: &NewRun,
        unfinished: Unfinished,
    ) -> Result<Pull> {
        let (claim, fresh, now) = (claim.clone(), fresh.clone(), self.now());
        self.database
            .write("start a pull", Survives::PowerLoss, move |tx| {
                runs::start(tx, &claims::pulled(tx, &claim)?, &fresh, unfinished, now)
            })
            .await
    }

    async fn plan_table(
        &self,
        claim: &Claim,
        run: RunId,
        table: Table,
        attempt: u32,
        plan: &TablePlan,
    ) -> Result<TableRead> {
        let claim = claim.clone();
        let chains = vec![ChainCursor::START; plan.chains.len()];
        let fresh = TableRead { table, attempt, plan: plan.clone(), chains, doubt: None };
        self.database
            .write("plan a table", Survives::PowerLoss, move |tx| {
                runs::plan(tx, &claims::pulled(tx, &claim)?, run, &fresh)
            })
            .await
    }

    async fn apply_page(&self, claim: &Claim, page: MirrorPage) -> Result<PageWritten> {
        let (claim, now) = (claim.clone(), self.now());
        self.database
            .write("apply a page", Survives::Crash, move |tx| {
                apply::apply(tx, &claims::pulled(tx, &claim)?, &page, now)
            })
            .await
    }

    async fn finish_pull(
        &self,
        claim: &Claim,
        run: RunId,
        proofs: &[CompletenessProof],
    ) -> Result<Vec<TableSummary>> {
        let (claim, now) = (claim.clone(), self.now());
        if proofs.iter().any(|proof| proof.run() != run) {
            return Err(Error::invalid_input("proof", "it is about another run"));
        }
        let proved: Vec<Table> = proofs.iter().map(CompletenessProof::table).collect();
        self.database
            .write("finish a pull", Survives::PowerLoss, move |tx| {
                finish::finish_pull(tx, &claims::pulled(tx, &claim)?, run, &proved, now)
            })
            .await
    }

    async fn missing(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Vec<MissingRow>> {
        let (owner, after) = (Owner::new(workspace, connection), after.cloned());
        self.database
            .read("list missing rows", move |tx| {
                sweeps::missing(tx, &owner, table, after.as_ref(), limit)
            })
            .await
    }

    async fn settle(&self, claim: &Claim, run: RunId, settled: &Settled) -> Result<()> {
        let (claim, settled, now) = (claim.clone(), settled.clone(), self.now());
        self.database
            .write("settle missing rows", Survives::PowerLoss, move |tx| {
                sweeps::settle(tx, &claims::pulled(tx, &claim)?, run, &settled, now)
            })
            .await
    }

    async fn record_sweep(&self, claim: &Claim, sweep: &NewSweep) -> Result<()> {
        let (claim, sweep, now) = (claim.clone(), sweep.clone(), self.now());
        self.database
            .write("record a sweep", Survives::PowerLoss, move |tx| {
                sweeps::record(tx, &claims::pulled(tx, &claim)?, &sweep, now)
            })
            .await
    }

    async fn sweeps(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<Sweep>> {
        let owner = Owner::new(workspace, connection);
        self.database.read("list sweeps", move |tx| sweeps::list(tx, &owner)).await
    }

    async fn decide_sweep(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        run: RunId,
        decision: SweepDecision,
    ) -> Result<u64> {
        let (owner, now) = (Owner::new(workspace, connection), self.now());
        self.database
            .write("decide about a sweep", Survives::PowerLoss, move |tx| {
                sweeps::decide(tx, &owner, run, decision, now)
            })
            .await
    }

    async fn finish_run(&self, claim: &Claim, run: RunId) -> Result<()> {
        let (claim, now) = (claim.clone(), self.now());
        self.database
            .write("finish a run", Survives::PowerLoss, move |tx| {
                runs::finish(tx, &claims::pulled(tx, &claim)?, run, now)
            })
            .await
    }

    async fn progress(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<PullProgress>> {
        let owner = Owner::new(workspace, connection);
        self.database
            .read("read the progress of a pull", move |tx| runs::progress(tx, &owner))
            .await
    }

    async fn candidates(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        let (owner, after) = (Owner::new(workspace, connection), after.cloned());
        self.database
            .read("read opportunities to decide about", move |tx| {
                candidates::read(tx, &owner, after.as_ref(), limit)
            })
            .await
    }

    async fn stages(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<StageChoice>> {
        let owner = Owner::new(workspace, connection);
        self.database.read("list the stages", move |tx| choices::read(tx, &owner)).await
    }

    async fn purge(&self, workspace: &WorkspaceId, connection: ConnectionId) -> Result<()> {
        let owner = Owner::new(workspace, connection);
        self.database
            .write("purge the synced copy", Survives::PowerLoss, move |tx| {
                let mirrored = Table::ALL.iter().map(|table| table.as_str());
                for table in mirrored.chain(OTHER_TABLES) {
                    tx.prepare_cached(&format!(
                        "DELETE FROM {table} WHERE workspace = ? AND connection = ?"
                    ))?
                    .execute(params_from_iter(owner.values()))?;
                }
                Ok(())
            })
            .await
    }
}
