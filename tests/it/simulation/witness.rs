//! A witness right at the store: sees what was really written, whoever crashed meanwhile.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use fluint_crm::model::{
    Candidate, ConnectionId, OpportunityId, RecordId, Rows, RunId, Table, WorkspaceId,
};
use fluint_crm::storage::{
    Claim, Due, Mirror, MirrorPage, MissingRow, NewRun, NewSweep, PageWritten, Pull, PullProgress,
    Settled, StageChoice, Stores, Sweep, SweepDecision, TableRead, TableSummary, Unfinished, Work,
    WorkKind,
};
use fluint_crm::walk::{CompletenessProof, TablePlan};
use fluint_crm::{Clock as _, Result};
use time::OffsetDateTime;

use crate::simulation::world::{Spoil, World};

#[derive(Debug)]
pub(crate) struct Witness {
    world: Weak<World>,
    inner: Stores,
}

impl Witness {
    /// Puts a witness before a store's mirror and its claims.
    pub(crate) fn watch(world: &Arc<World>, inner: Stores) -> Stores {
        let witness = Arc::new(Self { world: Arc::downgrade(world), inner: inner.clone() });
        let mut stores = inner;
        stores.mirror = Arc::<Self>::clone(&witness);
        stores.due = witness;
        stores
    }

    fn world(&self) -> Arc<World> {
        self.world.upgrade().unwrap()
    }

    /// The claim that the store is shown: forged, when stale ones are to be taken.
    fn claim(&self, claim: &Claim) -> Claim {
        let world = self.world();
        let newest = world.tokens.lock().unwrap().get(&claim.work).copied();
        match world.spoil {
            Spoil::TakesStaleClaims => {
                Claim { token: newest.unwrap_or(claim.token), ..claim.clone() }
            }
            _ => claim.clone(),
        }
    }

    /// Takes down what a page shows: first that it may get in, then that it did.
    fn remember_page(&self, page: &MirrorPage, got_in: bool) {
        let world = self.world();
        let mut shows = world.shows.lock().unwrap();
        let shown = shows.entry((page.run, page.rows.table())).or_default();
        let rows = page.rows.len() + page.also_seen.len();
        let ids = page.rows.ids().into_iter().chain(page.also_seen.iter().cloned());
        let place = (page.chain, page.seq);
        if got_in {
            shown.perhaps.remove(&place);
            shown.pages.insert(place, rows);
            shown.ids.extend(ids);
        } else if !shown.pages.contains_key(&place) {
            shown.perhaps.insert(place, ids.collect());
        }
    }

    /// Each row that was seen is counted, and counted once.
    fn check_summary(&self, run: RunId, summary: &TableSummary) {
        let world = self.world();
        let shows = world.shows.lock().unwrap();
        let Some(shown) = shows.get(&(run, summary.table)) else { return };
        let (least, most) = shown.rows_seen();
        if !(least..=most).contains(&summary.seen) {
            let TableSummary { table, seen, .. } = summary;
            world.book.wrong(format!("{table}: {seen} rows counted, {least} to {most} were shown"));
        }
    }

    /// Only what was deleted may ever be called gone.
    fn check_gone(&self, table: Table, gone: &[RecordId]) {
        let world = self.world();
        let org = world.org.lock().unwrap();
        for id in gone.iter().filter(|id| org.has(table, id)) {
            world.book.wrong(format!("{table}: {id} exists and is called gone"));
        }
        gone.iter().for_each(|_| world.book.count("rows called gone"));
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Mirror for Witness {
    async fn start_pull(&self, claim: &Claim, fresh: &NewRun, old: Unfinished) -> Result<Pull> {
        self.inner.mirror.start_pull(&self.claim(claim), fresh, old).await
    }

    async fn plan_table(
        &self,
        claim: &Claim,
        run: RunId,
        table: Table,
        attempt: u32,
        plan: &TablePlan,
    ) -> Result<TableRead> {
        let claim = self.claim(claim);
        let read = self.inner.mirror.plan_table(&claim, run, table, attempt, plan).await?;
        let world = self.world();
        let mut shows = world.shows.lock().unwrap();
        let shown = shows.entry((run, table)).or_default();
        if read.attempt > shown.attempt {
            *shown = crate::simulation::book::Shown { attempt: read.attempt, ..Default::default() };
        }
        Ok(read)
    }

    async fn apply_page(&self, claim: &Claim, page: MirrorPage) -> Result<PageWritten> {
        let world = self.world();
        let mut stored = page.clone();
        if world.spoil == Spoil::DropsRows && world.dice.happens(0.05) {
            stored.rows = Rows::concat(stored.rows.table(), Vec::new());
        }
        self.remember_page(&page, false);
        let written = self.inner.mirror.apply_page(&self.claim(claim), stored).await?;
        self.remember_page(&page, true);
        Ok(written)
    }

    async fn finish_pull(
        &self,
        claim: &Claim,
        run: RunId,
        proofs: &[CompletenessProof],
    ) -> Result<Vec<TableSummary>> {
        let claim = self.claim(claim);
        let summaries = self.inner.mirror.finish_pull(&claim, run, proofs).await?;
        summaries.iter().for_each(|summary| self.check_summary(run, summary));
        if self.world().spoil == Spoil::SweepsOnAbsence {
            let (workspace, table) = (&claim.work.workspace, Table::Opportunities);
            let connection = claim.connection()?;
            let missing = self.missing(workspace, connection, table, None, 500).await?;
            let gone = missing.into_iter().map(|row| row.id).collect();
            let found = Rows::concat(table, Vec::new());
            let settled = Settled { found, absent: Vec::new(), gone };
            self.inner.mirror.settle(&claim, run, &settled).await?;
        }
        Ok(summaries)
    }

    async fn missing(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Vec<MissingRow>> {
        self.inner.mirror.missing(workspace, connection, table, after, limit).await
    }

    async fn settle(&self, claim: &Claim, run: RunId, settled: &Settled) -> Result<()> {
        self.inner.mirror.settle(&self.claim(claim), run, settled).await?;
        self.check_gone(settled.found.table(), &settled.gone);
        Ok(())
    }

    async fn record_sweep(&self, claim: &Claim, sweep: &NewSweep) -> Result<()> {
        self.inner.mirror.record_sweep(&self.claim(claim), sweep).await
    }

    async fn sweeps(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<Sweep>> {
        self.inner.mirror.sweeps(workspace, connection).await
    }

    async fn decide_sweep(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        run: RunId,
        decision: SweepDecision,
    ) -> Result<u64> {
        self.inner.mirror.decide_sweep(workspace, connection, run, decision).await
    }

    async fn finish_run(&self, claim: &Claim, run: RunId) -> Result<()> {
        self.inner.mirror.finish_run(&self.claim(claim), run).await
    }

    async fn progress(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<PullProgress>> {
        self.inner.mirror.progress(workspace, connection).await
    }

    async fn candidates(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        self.inner.mirror.candidates(workspace, connection, after, limit).await
    }

    async fn stages(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<StageChoice>> {
        self.inner.mirror.stages(workspace, connection).await
    }

    async fn purge(&self, workspace: &WorkspaceId, connection: ConnectionId) -> Result<()> {
        self.inner.mirror.purge(workspace, connection).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Due for Witness {
    async fn schedule(&self, work: &Work, at: OffsetDateTime) -> Result<()> {
        self.inner.due.schedule(work, at).await
    }

    async fn claim(&self, kind: WorkKind, limit: u32, lease: Duration) -> Result<Vec<Claim>> {
        let claims = self.inner.due.claim(kind, limit, lease).await?;
        let world = self.world();
        for claim in &claims {
            world.book.note(world.clock.now(), "claim", (&claim.work.item, claim.token));
            let before = world.tokens.lock().unwrap().insert(claim.work.clone(), claim.token);
            if before.is_some_and(|before| before >= claim.token) {
                world.book.wrong(format!("token {} of {} came again", claim.token, claim.work));
            }
        }
        Ok(claims)
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<()> {
        self.inner.due.extend(claim, lease).await
    }

    async fn complete(&self, claim: &Claim, next: Option<OffsetDateTime>) -> Result<()> {
        self.inner.due.complete(claim, next).await
    }

    async fn next_due(&self) -> Result<Option<OffsetDateTime>> {
        self.inner.due.next_due().await
    }
}
