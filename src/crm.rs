//! What a host holds: one value that connects, syncs, publishes and answers.

mod builder;
mod documents;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::assistant::Tools;
use crate::clock::Clock;
use crate::connect::{
    self, Connect, ConnectRequest, ConnectStarted, DiscoverRequest, MirrorFate, UnansweredSignIn,
};
use crate::connector::{Callback, OrgDirectory, OrgListing, Tokens};
use crate::connectors::Connectors;
use crate::documents::Desk;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
#[cfg(doc)]
use crate::host::Availability;
use crate::host::{Engagement, KeyRing, Members};
use crate::model::query::{Answer, DealQuery, Scope};
use crate::model::{
    ChangeSeq, Connection, ConnectionChange, ConnectionId, CrmKind, Deal, DealChange, DealId,
    FeedEntry, MemberId, OpportunityId, Preflight, RunId, Skipped, StageFilter, Table, WorkspaceId,
};
use crate::scheduler::{Budget, RunReport, Scheduler};
use crate::settings::Settings;
use crate::storage::{GateKey, PullProgress, Query, StageChoice, Stores, Sweep, SweepDecision};

pub use builder::CrmBuilder;

/// Connects workspaces to their CRMs, keeps them in sync, publishes documents, answers questions.
///
/// It is cheap to clone and meant to be shared. It needs a tokio runtime and keeps no global state: work
/// happens in [`run_due`](Crm::run_due) or [`run`](Crm::run), which the host calls. Several
/// processes may run one each on the same store.
///
/// Dropping any future of it is as safe as a crash: nothing is lost, nothing is done twice.
#[derive(Clone, Debug)]
pub struct Crm {
    stores: Stores,
    clock: Arc<dyn Clock>,
    connectors: Arc<Connectors>,
    connect: Connect,
    scheduler: Scheduler,
    desk: Desk,
    settings: Settings,
    engagement: Option<Arc<dyn Engagement>>,
}

impl Crm {
    /// Starts with a store, members and keys; everything else has a default.
    pub fn builder(
        stores: Stores,
        members: Arc<dyn Members>,
        keys: Arc<dyn KeyRing>,
    ) -> CrmBuilder {
        CrmBuilder::new(stores, members, keys)
    }

    /// Starts connecting an org: gives the URL to send the browser to. It ends unanswered after ten
    /// minutes; see [`unanswered_sign_ins`](Self::unanswered_sign_ins).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the address is not usable, with a sentence for the person who
    /// typed it; [`Error::Config`] when no provider for that CRM is registered.
    pub async fn begin_connect(&self, request: ConnectRequest) -> Result<ConnectStarted> {
        self.connect.begin(request).await
    }

    /// Finishes connecting, with the parameters of the redirect back to the host, for the member
    /// who is signed in there. The first sync is due at once.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the answer is forged, replayed, late or somebody else's (then
    /// nothing was sent to the CRM); otherwise what the CRM said, see [`Error::remedy`].
    pub async fn finish_connect(
        &self,
        workspace: &WorkspaceId,
        member: &MemberId,
        callback: &Callback,
    ) -> Result<Connection> {
        self.connect.finish(workspace, member, callback).await
    }

    /// Connects with tokens from a sign-in of the host's own, or of the system it migrates from.
    /// The first sync is due at once.
    ///
    /// # Errors
    /// As [`begin_connect`](Self::begin_connect), and what the CRM says about the tokens.
    pub async fn connect_with_tokens(
        &self,
        request: ConnectRequest,
        tokens: Tokens,
    ) -> Result<Connection> {
        self.connect.adopt(request, tokens).await
    }

    /// The sign-ins of a workspace that nobody has answered in the last day, the newest first. One
    /// that has expired often means that the CRM's page asked for an administrator's approval, which
    /// never comes back to the host: show [`UnansweredSignIn::message`] and its link.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn unanswered_sign_ins(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Vec<UnansweredSignIn>> {
        self.connect.unanswered(workspace).await
    }

    /// Reads the answer of the page where an administrator approves the app; see
    /// [`Callback::kind`]. Connections of the workspace that wait for the approval are tried again at
    /// once, and handed back. Whoever came back need not be a member: the answer proves nothing and
    /// connects nothing.
    ///
    /// # Errors
    /// What the administrator did instead of approving, see [`Error::customer_message`].
    pub async fn finish_admin_consent(
        &self,
        workspace: &WorkspaceId,
        kind: &CrmKind,
        callback: &Callback,
    ) -> Result<Vec<Connection>> {
        self.connect.finish_admin_consent(workspace, kind, callback).await
    }

    /// The directories that list a person's orgs, the usual one first; none where the CRM has no
    /// such thing. Microsoft keeps one for each of its clouds.
    ///
    /// # Errors
    /// [`Error::Config`] when no provider for that CRM is registered.
    pub fn org_directories(&self, kind: &CrmKind) -> Result<Vec<OrgDirectory>> {
        self.connect.directories(kind)
    }

    /// Starts a sign-in that lists the person's orgs, for a page that asks "which of your orgs?":
    /// gives the URL to send the browser to. Connecting the chosen one is
    /// [`begin_connect`](Self::begin_connect) with its address; the person is signed in by then.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the CRM has no directory; [`Error::InvalidInput`] when it has no
    /// such directory.
    pub async fn begin_discovery(&self, request: DiscoverRequest) -> Result<ConnectStarted> {
        self.connect.begin_discovery(request).await
    }

    /// Lists the orgs of whoever signed in, with the parameters of the redirect back to the host. No
    /// token of that sign-in is kept.
    ///
    /// # Errors
    /// As [`finish_connect`](Self::finish_connect).
    pub async fn finish_discovery(
        &self,
        workspace: &WorkspaceId,
        member: &MemberId,
        callback: &Callback,
    ) -> Result<Vec<OrgListing>> {
        self.connect.finish_discovery(workspace, member, callback).await
    }

    /// Which of the registered kinds of CRM a workspace may connect; for the others a page says
    /// "contact support".
    ///
    /// # Errors
    /// What [`Availability`] says.
    pub async fn integrations(&self, workspace: &WorkspaceId) -> Result<Vec<(CrmKind, bool)>> {
        self.connect.integrations(workspace).await
    }

    /// Follows an org to its new address, [`Connection::moved_to`], once a member has confirmed it.
    /// The org there is asked first whether it is the same organisation. A sync is due at once.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when it is not the address that was found, or another organisation
    /// answers there; what the CRM says, see [`Error::remedy`].
    pub async fn confirm_address(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        address: &str,
    ) -> Result<Connection> {
        self.connect.confirm_address(workspace, id, address).await
    }

    /// The connections of a workspace.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn connections(&self, workspace: &WorkspaceId) -> Result<Vec<Connection>> {
        self.stores.connections.connections(workspace).await
    }

    /// One connection of a workspace.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the workspace has no such connection; [`Error::Store`].
    pub async fn connection(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
    ) -> Result<Connection> {
        connect::find(&self.stores, workspace, id).await
    }

    /// Looks at what the connected user may do in the CRM, now, as a checklist for a settings page.
    /// The first sync after connecting does it, too, and tells the feed what is limited.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the workspace has no such connection; that the connection as a whole
    /// does not work, see [`Error::remedy`]. That one table is refused is a failed check.
    pub async fn preflight(&self, workspace: &WorkspaceId, id: ConnectionId) -> Result<Preflight> {
        let connection = self.connection(workspace, id).await?;
        self.connectors.open_working(&connection)?.preflight().await
    }

    /// Disconnects: stops work and erases the tokens. Deals and the ledger of published notes stay.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the workspace has no such connection; [`Error::Store`].
    pub async fn disconnect(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        mirror: MirrorFate,
    ) -> Result<()> {
        self.connect.disconnect(workspace, id, mirror).await
    }

    /// The stages that a filter may name, in process order, with how many open opportunities are
    /// at each.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn stages(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
    ) -> Result<Vec<StageChoice>> {
        self.stores.mirror.stages(workspace, id).await
    }

    /// Sets which stages' opportunities become deals, from the next sync on. Empty means all.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when a stage is not known; [`Error::NotFound`]; [`Error::Store`].
    pub async fn set_stage_filter(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        filter: StageFilter,
    ) -> Result<Connection> {
        self.settings.set_stage_filter(workspace, id, filter).await
    }

    /// Sets how often to sync, at least 15 minutes apart; `None` means the CRM's default.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] below 15 minutes; [`Error::NotFound`]; [`Error::Store`].
    pub async fn set_interval(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        interval: Option<Duration>,
    ) -> Result<Connection> {
        let change = ConnectionChange::Interval(interval);
        connect::change(&self.stores, workspace, id, &change).await
    }

    /// Makes a sync due at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the workspace has no such connection; [`Error::Store`].
    pub async fn sync_now(&self, workspace: &WorkspaceId, id: ConnectionId) -> Result<()> {
        self.settings.sync_now(workspace, id).await
    }

    /// How far the newest sync of a connection has come, for a page to poll.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn progress(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
    ) -> Result<Option<PullProgress>> {
        self.stores.mirror.progress(workspace, id).await
    }

    /// Until when the CRM has asked to be left alone by this connection's user (UTC), on whichever
    /// worker; `None` when it has not. A sync goes on by itself then.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the workspace has no such connection; [`Error::Store`].
    pub async fn throttled_until(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
    ) -> Result<Option<OffsetDateTime>> {
        let connection = self.connection(workspace, id).await?;
        let until = self.stores.gates.held_until(&GateKey::of(&connection)).await?;
        Ok(until.filter(|until| *until > self.clock.now()))
    }

    /// How looking for vanished rows ended last, table by table: what was kept, and why.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sweeps(&self, workspace: &WorkspaceId, id: ConnectionId) -> Result<Vec<Sweep>> {
        self.stores.mirror.sweeps(workspace, id).await
    }

    /// Approves, once, the sweep that a run withheld because too many rows of a table vanished.
    /// The next sync, due at once, reads a sample of them by id and calls them gone. Gives how many
    /// rows it may be.
    ///
    /// # Errors
    /// [`Error::NotFound`] when that run withheld nothing there, or a newer one has looked again;
    /// [`Error::InvalidInput`] when nobody may approve it; [`Error::Store`].
    pub async fn approve_sweep(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        run: RunId,
        table: Table,
    ) -> Result<u64> {
        self.settings.decide_sweep(workspace, id, run, SweepDecision::Approve(table)).await
    }

    /// Puts back what a run called gone, up to 30 days later. The rows answer questions again at
    /// once, and their deals go on with the next sync, which is due at once; no later run sweeps
    /// them before they were seen again. Gives how many there were.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is nothing of that run to put back; [`Error::Store`].
    pub async fn undo_sweep(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        run: RunId,
    ) -> Result<u64> {
        self.settings.decide_sweep(workspace, id, run, SweepDecision::Undo).await
    }

    /// Does what is due, several things at once, within a budget, and says when to come back.
    ///
    /// A failed sync or publication is part of the report, not an error of this call.
    ///
    /// # Errors
    /// [`Error::Store`] when due work cannot be read.
    pub async fn run_due(&self, budget: &Budget) -> Result<RunReport> {
        self.scheduler.run_due(budget).await
    }

    /// Does what is due, now and later, until `shutdown` resolves.
    ///
    /// # Errors
    /// Only what trying again cannot mend.
    pub async fn run(
        &self,
        budget: &Budget,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        self.scheduler.run(budget, shutdown).await
    }

    /// The deals of a connection in the order of their ids, from after `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn deals(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        after: Option<DealId>,
        limit: u32,
    ) -> Result<Vec<Deal>> {
        let scope = Scope::connection(workspace.clone(), id);
        self.stores.deals.list(&scope, after, limit).await
    }

    /// The deals that pass a filter, of one connection or of all, sorted and page by page.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a limit or a cursor that does not fit; [`Error::Store`].
    pub async fn find_deals(&self, query: &DealQuery) -> Result<Answer<Deal>> {
        self.stores.find_deals(query).await
    }

    /// What changed on the deals of a connection, in order, from after `after`: for a host that
    /// keeps its own deal table in step. At least once; remember the last `seq` you have applied.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn deal_changes(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        after: ChangeSeq,
        limit: u32,
    ) -> Result<Vec<DealChange>> {
        self.stores.deals.changes(workspace, id, after, limit).await
    }

    /// The open opportunities that are no deal at the moment, each with its reason.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn skipped(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Skipped>> {
        self.stores.deals.skipped(workspace, id, after, limit).await
    }

    /// The activity feed of a connection, the newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn feed(
        &self,
        workspace: &WorkspaceId,
        id: ConnectionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FeedEntry>> {
        self.stores.feed.entries(workspace, id, before, limit).await
    }

    /// Questions over the synced data, typed.
    #[must_use]
    pub fn query(&self) -> &dyn Query {
        &*self.stores.query
    }

    /// Questions over the synced data, as tools for an assistant: all that there are.
    #[must_use]
    pub fn tools(&self) -> Tools {
        let mut tools = Tools::new(self.stores.clone(), Arc::clone(&self.clock));
        for kind in self.connectors.kinds() {
            if let Ok(provider) = self.connectors.provider(kind) {
                tools = tools.with_interval(kind.clone(), provider.default_interval());
            }
        }
        match &self.engagement {
            Some(engagement) => tools.with_engagement(Arc::clone(engagement)),
            None => tools,
        }
    }

    /// The current time by the clock that this value was built with (UTC).
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}
