//! What a host holds: one value that connects, syncs, publishes and answers.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::assistant::Tools;
use crate::clock::{Clock, Randomness, SystemClock};
use crate::connect::{self, Connect, ConnectRequest, ConnectStarted, MirrorFate};
use crate::connector::{Callback, ConnectorContext, CrmProvider, Split, Tokens};
use crate::connectors::Connectors;
use crate::documents::{PublishOptions, PublishTarget, Published, Publisher};
use crate::error::{Error, Result};
use crate::host::{KeyRing, Members, NoObserver, Observer};
use crate::intake::Intake;
use crate::model::{
    ChangeSeq, Connection, ConnectionChange, ConnectionId, CrmKind, Deal, DealChange, DealId,
    Document, FeedEntry, MemberId, OpportunityId, Preflight, Publication, PublicationId,
    RemoteNote, RunId, Skipped, StageFilter, Table, WorkspaceId,
};
use crate::scheduler::{Budget, RunReport, Scheduler};
use crate::seal::Sealer;
use crate::settings::Settings;
use crate::storage::{
    GateKey, Handshake, PullProgress, Query, StageChoice, Stores, Sweep, SweepDecision,
};

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
    publisher: Publisher,
    settings: Settings,
}

impl Crm {
    /// Starts with a store, members and keys; everything else has a default.
    pub fn builder(
        stores: Stores,
        members: Arc<dyn Members>,
        keys: Arc<dyn KeyRing>,
    ) -> CrmBuilder {
        CrmBuilder {
            stores,
            members,
            keys,
            clock: Arc::new(SystemClock::new()),
            randomness: Arc::new(Randomness::from_machine()),
            observer: Arc::new(NoObserver::default()),
            providers: Vec::new(),
            publishing: PublishOptions::default(),
            split: Split::default(),
            bytes_in_flight: Intake::USUAL_BYTES,
        }
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

    /// The sign-ins of a workspace that nobody has answered, the newest first. One past its end
    /// often means that the CRM's page asked for an administrator's approval, which never comes
    /// back to the host: show [`Handshake::admin_consent`].
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn unanswered_sign_ins(&self, workspace: &WorkspaceId) -> Result<Vec<Handshake>> {
        self.stores.connections.handshakes(workspace).await
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
        self.stores.deals.list(workspace, id, after, limit).await
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

    /// Takes a revision of a document in, durably, to be sent once edits pause. Publishing the same
    /// revision again changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`]. That a document cannot be published at all is
    /// [`Published::Declined`], not an error.
    pub async fn publish(
        &self,
        workspace: &WorkspaceId,
        target: PublishTarget,
        document: Document,
    ) -> Result<Published> {
        self.publisher.publish(workspace, target, document).await
    }

    /// Where a publication stands.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn publication(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<Publication>> {
        self.stores.publications.by_id(workspace, id).await
    }

    /// Reads the note of a publication back from the CRM, with its attachment.
    ///
    /// # Errors
    /// [`Error::NotFound`] when its connection is gone; what the CRM said, see [`Error::remedy`].
    pub async fn read_note(
        &self,
        workspace: &WorkspaceId,
        publication: &Publication,
    ) -> Result<Option<RemoteNote>> {
        let connection = connect::find(&self.stores, workspace, publication.connection).await?;
        let connector = self.connectors.open_working(&connection)?;
        connector.find_note(&publication.key, publication.epoch).await
    }

    /// Questions over the synced data, typed.
    #[must_use]
    pub fn query(&self) -> &dyn Query {
        &*self.stores.query
    }

    /// Questions over the synced data, as tools for an assistant.
    #[must_use]
    pub fn tools(&self) -> Tools {
        Tools::new(Arc::clone(&self.stores.query), Arc::clone(&self.clock))
    }

    /// The current time by the clock that this value was built with (UTC).
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}

/// Builds a [`Crm`]. Setters never fail; [`build`](CrmBuilder::build) checks.
#[must_use]
pub struct CrmBuilder {
    stores: Stores,
    members: Arc<dyn Members>,
    keys: Arc<dyn KeyRing>,
    clock: Arc<dyn Clock>,
    randomness: Arc<Randomness>,
    observer: Arc<dyn Observer>,
    providers: Vec<Arc<dyn CrmProvider>>,
    publishing: PublishOptions,
    split: Split,
    bytes_in_flight: usize,
}

impl CrmBuilder {
    /// Registers a kind of CRM.
    pub fn provider(mut self, provider: impl CrmProvider + 'static) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// Tells the time; the machine's clock by default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Draws random numbers; the machine's by default.
    pub fn randomness(mut self, randomness: Randomness) -> Self {
        self.randomness = Arc::new(randomness);
        self
    }

    /// Hears of progress and of what an operator should know; nobody by default.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// How documents are published: how long a revision waits for further ones (a minute, ten at
    /// most, by default), what becomes of deleted notes, what readers expect.
    pub fn publishing(mut self, publishing: PublishOptions) -> Self {
        self.publishing = publishing;
        self
    }

    /// In how many chains a big table is read at once; [`Split::Automatic`] by default.
    pub const fn split(mut self, split: Split) -> Self {
        self.split = split;
        self
    }

    /// How many bytes of pages may be between the CRM and the store at once, over all connections;
    /// 48 MiB by default. A page counts a quarter more than its body, which has up to about 10 MB,
    /// and half as much again in all once it is decoded; with less, pages wait for each other.
    pub const fn bytes_in_flight(mut self, bytes: usize) -> Self {
        self.bytes_in_flight = bytes;
        self
    }

    /// Puts it together.
    ///
    /// # Errors
    /// [`Error::Config`] when no provider is registered, or two for one kind of CRM.
    pub fn build(self) -> Result<Crm> {
        let mut providers: BTreeMap<CrmKind, Arc<dyn CrmProvider>> = BTreeMap::new();
        for provider in self.providers {
            let kind = provider.kind();
            if providers.insert(kind.clone(), provider).is_some() {
                let reason = format!("two providers are registered for {kind}");
                return Err(Error::config("providers", reason));
            }
        }
        if providers.is_empty() {
            return Err(Error::config("providers", "none is registered"));
        }
        let context = ConnectorContext {
            clock: Arc::clone(&self.clock),
            randomness: Arc::clone(&self.randomness),
            gates: Arc::clone(&self.stores.gates),
            observer: self.observer,
            intake: Arc::new(Intake::new(self.bytes_in_flight)),
            split: self.split,
        };
        let sealer = Sealer::new(self.keys, self.randomness);
        let connections = Arc::clone(&self.stores.connections);
        let connectors = Arc::new(Connectors::new(providers, context, connections, sealer));
        let debounce = self.publishing.debounce;
        let publisher =
            Publisher::new(self.stores.clone(), Arc::clone(&self.clock), self.publishing);
        Ok(Crm {
            connectors: Arc::clone(&connectors),
            connect: Connect::new(self.stores.clone(), Arc::clone(&connectors), debounce),
            settings: Settings::new(self.stores.clone(), Arc::clone(&self.clock)),
            scheduler: Scheduler {
                stores: self.stores.clone(),
                connectors,
                members: self.members,
                publisher: publisher.clone(),
            },
            publisher,
            clock: self.clock,
            stores: self.stores,
        })
    }
}

impl fmt::Debug for CrmBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrmBuilder").field("providers", &self.providers).finish_non_exhaustive()
    }
}
