//! The mirror, watched: between its calls the org lives on, and what it calls gone must be gone.

use std::sync::Arc;

use async_trait::async_trait;
use fluint_crm::Result;
use fluint_crm::model::{
    Candidate, ConnectionId, OpportunityId, RecordId, RunId, Table, WorkspaceId,
};
use fluint_crm::storage::{
    Claim, Mirror, MirrorPage, MissingRow, NewRun, NewSweep, PageWritten, Pull, PullProgress,
    Settled, StageChoice, Stores, Sweep, SweepDecision, TableRead, TableSummary, Unfinished,
};
use fluint_crm::testkit::{CallEnd, StoreCall, StoreWatch, WatchedStore};
use fluint_crm::walk::{CompletenessProof, TablePlan};
use futures_util::future::BoxFuture;
use tokio::task::unconstrained;

use crate::simulation::book::Dice;
use crate::simulation::odata::Spoil;
use crate::simulation::odata::life::{Life, TABLES};
use crate::simulation::stage::wait_for;

/// A mirror in whose pauses the org changes.
#[derive(Debug)]
pub(super) struct LivelyMirror {
    inner: Arc<dyn Mirror>,
    life: Arc<Life>,
    dice: Arc<Dice>,
    spoil: Spoil,
}

/// What a small org is taken for, so that it is worth several chains.
const BIG: u64 = 6_000;

impl LivelyMirror {
    pub(super) fn put_before(
        mut stores: Stores,
        life: &Arc<Life>,
        dice: &Arc<Dice>,
        spoil: Spoil,
    ) -> Stores {
        let (life, dice) = (Arc::clone(life), Arc::clone(dice));
        stores.mirror = Arc::new(Self { inner: stores.mirror, life, dice, spoil });
        stores
    }

    fn check_gone(&self, table: Table, gone: &[RecordId]) {
        let Some((_, name)) = TABLES.iter().find(|(known, _)| *known == table) else { return };
        let there = self.life.all(name);
        for id in gone {
            self.life.book.count("rows called gone");
            if there.contains(id) {
                self.life.book.wrong(format!("{table}: {id} is there and called gone"));
            }
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Mirror for LivelyMirror {
    async fn start_pull(
        &self,
        claim: &Claim,
        fresh: &NewRun,
        unfinished: Unfinished,
    ) -> Result<Pull> {
        let mut pull = self.inner.start_pull(claim, fresh, unfinished).await?;
        pull.expected.values_mut().for_each(|rows| *rows = (*rows).max(BIG));
        Ok(pull)
    }

    async fn plan_table(
        &self,
        claim: &Claim,
        run: RunId,
        table: Table,
        attempt: u32,
        plan: &TablePlan,
    ) -> Result<TableRead> {
        self.life.live_a_little(&self.dice);
        let chains = if plan.chains.len() > 1 { "tables in ranges" } else { "tables in a chain" };
        self.life.book.count(chains);
        self.inner.plan_table(claim, run, table, attempt, plan).await
    }

    async fn apply_page(&self, claim: &Claim, mut page: MirrorPage) -> Result<PageWritten> {
        self.life.live_a_little(&self.dice);
        self.life.book.count("pages");
        if self.spoil == Spoil::LosesRows && self.dice.happens(0.05) {
            page.rows = fluint_crm::model::Rows::concat(page.rows.table(), Vec::new());
        }
        self.inner.apply_page(claim, page).await
    }

    async fn finish_pull(
        &self,
        claim: &Claim,
        run: RunId,
        proofs: &[CompletenessProof],
    ) -> Result<Vec<TableSummary>> {
        self.life.live_a_little(&self.dice);
        self.inner.finish_pull(claim, run, proofs).await
    }

    async fn missing(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Vec<MissingRow>> {
        self.inner.missing(workspace, connection, table, after, limit).await
    }

    async fn settle(&self, claim: &Claim, run: RunId, settled: &Settled) -> Result<()> {
        let mut settled = settled.clone();
        if self.spoil == Spoil::SweepsTheLiving {
            settled.gone.extend(settled.found.ids());
        }
        self.inner.settle(claim, run, &settled).await?;
        self.check_gone(settled.found.table(), &settled.gone);
        self.life.live_a_little(&self.dice);
        Ok(())
    }

    async fn record_sweep(&self, claim: &Claim, sweep: &NewSweep) -> Result<()> {
        self.inner.record_sweep(claim, sweep).await
    }

    async fn sweeps(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<Sweep>> {
        self.inner.sweeps(workspace, connection).await
    }

    async fn decide_sweep(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        run: RunId,
        decision: SweepDecision,
    ) -> Result<u64> {
        self.inner.decide_sweep(workspace, connection, run, decision).await
    }

    async fn finish_run(&self, claim: &Claim, run: RunId) -> Result<()> {
        self.inner.finish_run(claim, run).await
    }

    async fn progress(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<PullProgress>> {
        self.inner.progress(workspace, connection).await
    }

    async fn candidates(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        self.inner.candidates(workspace, connection, after, limit).await
    }

    async fn stages(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<StageChoice>> {
        self.inner.stages(workspace, connection).await
    }

    async fn purge(&self, workspace: &WorkspaceId, connection: ConnectionId) -> Result<()> {
        self.inner.purge(workspace, connection).await
    }
}

/// Blocks while a store works: its thread must not be the one to say what happens when.
#[derive(Debug)]
struct Blocking;

#[async_trait]
impl StoreWatch for Blocking {
    async fn before(&self, _: &StoreCall<'_>) {}

    async fn during(&self, call: BoxFuture<'_, ()>) {
        // The runtime would stop a future now and then for others to go on, and here nobody does.
        wait_for(unconstrained(call));
    }

    async fn after(&self, _: &StoreCall<'_>, _: CallEnd) {}
}

/// A store that has answered before its caller goes on.
pub(super) fn blocking(stores: Stores) -> Stores {
    WatchedStore::wrap(stores, Arc::new(Blocking))
}
