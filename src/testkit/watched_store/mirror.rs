//! The synced copy and the questions over it, passing by the watch.

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::query::{
    AccountQuery, Accounts, Changes, ChangesQuery, ContactQuery, Contacts, Groups, GroupsQuery,
    Opportunities, OpportunityQuery, Scope, StageQuery, Stages, Totals, TotalsQuery, UserQuery,
    Users,
};
use crate::model::{
    Candidate, ConnectionId, OpportunityId, RecordId, Rows, RunId, Table, WorkspaceId,
};
use crate::storage::{
    Claim, Mirror, MirrorPage, MissingRow, NewRun, NewSweep, PageWritten, Pull, PullProgress,
    Query, Settled, StageChoice, Sweep, SweepDecision, TableRead, TableSummary, Unfinished,
};
use crate::testkit::watched_store::WatchedStore;
use crate::walk::{CompletenessProof, TablePlan};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Mirror for WatchedStore {
    async fn start_pull(
        &self,
        claim: &Claim,
        fresh: &NewRun,
        unfinished: Unfinished,
    ) -> Result<Pull> {
        let step = self.inner.mirror.start_pull(claim, fresh, unfinished);
        self.claimed("start_pull", claim, step).await
    }

    async fn plan_table(
        &self,
        claim: &Claim,
        run: RunId,
        table: Table,
        attempt: u32,
        plan: &TablePlan,
    ) -> Result<TableRead> {
        let step = self.inner.mirror.plan_table(claim, run, table, attempt, plan);
        self.claimed("plan_table", claim, step).await
    }

    async fn apply_page(&self, claim: &Claim, page: MirrorPage) -> Result<PageWritten> {
        self.claimed("apply_page", claim, self.inner.mirror.apply_page(claim, page)).await
    }

    async fn finish_pull(
        &self,
        claim: &Claim,
        run: RunId,
        proofs: &[CompletenessProof],
    ) -> Result<Vec<TableSummary>> {
        self.claimed("finish_pull", claim, self.inner.mirror.finish_pull(claim, run, proofs)).await
    }

    async fn missing(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Vec<MissingRow>> {
        let step = self.inner.mirror.missing(workspace, connection, table, after, limit);
        self.read("missing", step).await
    }

    async fn settle(&self, claim: &Claim, run: RunId, settled: &Settled) -> Result<()> {
        self.claimed("settle", claim, self.inner.mirror.settle(claim, run, settled)).await
    }

    async fn record_sweep(&self, claim: &Claim, sweep: &NewSweep) -> Result<()> {
        self.claimed("record_sweep", claim, self.inner.mirror.record_sweep(claim, sweep)).await
    }

    async fn sweeps(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<Sweep>> {
        self.read("sweeps", self.inner.mirror.sweeps(workspace, connection)).await
    }

    async fn decide_sweep(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        run: RunId,
        decision: SweepDecision,
    ) -> Result<u64> {
        let step = self.inner.mirror.decide_sweep(workspace, connection, run, decision);
        self.write("decide_sweep", step).await
    }

    async fn finish_run(&self, claim: &Claim, run: RunId) -> Result<()> {
        self.claimed("finish_run", claim, self.inner.mirror.finish_run(claim, run)).await
    }

    async fn progress(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<PullProgress>> {
        self.read("progress", self.inner.mirror.progress(workspace, connection)).await
    }

    async fn candidates(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Candidate>> {
        self.read("candidates", self.inner.mirror.candidates(workspace, connection, after, limit))
            .await
    }

    async fn stages(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Vec<StageChoice>> {
        self.read("stages", self.inner.mirror.stages(workspace, connection)).await
    }

    async fn purge(&self, workspace: &WorkspaceId, connection: ConnectionId) -> Result<()> {
        self.write("purge", self.inner.mirror.purge(workspace, connection)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Query for WatchedStore {
    async fn scan(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Rows> {
        self.read("scan", self.inner.query.scan(workspace, connection, table, after, limit)).await
    }

    async fn as_of(&self, scope: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>> {
        self.read("as_of", self.inner.query.as_of(scope)).await
    }

    async fn accounts(&self, query: &AccountQuery) -> Result<Accounts> {
        self.read("accounts", self.inner.query.accounts(query)).await
    }

    async fn rows(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        ids: &[RecordId],
    ) -> Result<Rows> {
        self.read("rows", self.inner.query.rows(workspace, connection, table, ids)).await
    }

    async fn row_changes(&self, query: &ChangesQuery) -> Result<Changes> {
        self.read("row_changes", self.inner.query.row_changes(query)).await
    }

    async fn nearest_accounts(&self, scope: &Scope, name: &str, limit: u32) -> Result<Accounts> {
        let answer = self.inner.query.nearest_accounts(scope, name, limit);
        self.read("nearest_accounts", answer).await
    }

    async fn nearest_contacts(&self, scope: &Scope, name: &str, limit: u32) -> Result<Contacts> {
        let answer = self.inner.query.nearest_contacts(scope, name, limit);
        self.read("nearest_contacts", answer).await
    }

    async fn nearest_opportunities(
        &self,
        scope: &Scope,
        name: &str,
        limit: u32,
    ) -> Result<Opportunities> {
        let answer = self.inner.query.nearest_opportunities(scope, name, limit);
        self.read("nearest_opportunities", answer).await
    }

    async fn nearest_users(&self, scope: &Scope, name: &str, limit: u32) -> Result<Users> {
        let answer = self.inner.query.nearest_users(scope, name, limit);
        self.read("nearest_users", answer).await
    }

    async fn contacts(&self, query: &ContactQuery) -> Result<Contacts> {
        self.read("contacts", self.inner.query.contacts(query)).await
    }

    async fn stages(&self, query: &StageQuery) -> Result<Stages> {
        self.read("stages", self.inner.query.stages(query)).await
    }

    async fn users(&self, query: &UserQuery) -> Result<Users> {
        self.read("users", self.inner.query.users(query)).await
    }

    async fn opportunities(&self, query: &OpportunityQuery) -> Result<Opportunities> {
        self.read("opportunities", self.inner.query.opportunities(query)).await
    }

    async fn groups(&self, query: &GroupsQuery) -> Result<Groups> {
        self.read("groups", self.inner.query.groups(query)).await
    }

    async fn totals(&self, query: &TotalsQuery) -> Result<Totals> {
        self.read("totals", self.inner.query.totals(query)).await
    }
}
