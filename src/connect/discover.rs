//! The directory of orgs, so that a page can offer them, and the way back from the page where an
//! administrator approves the app.

use crate::connect::sign_ins::Opening;
use crate::connect::{Connect, ConnectStarted, change_health};
use crate::connector::sign_in::DISCOVERY_STATE;
use crate::connector::{Callback, OrgDirectory, OrgDiscovery, OrgListing};
use crate::error::{Error, Result};
use crate::model::{Connection, CrmKind, Health, MemberId, WorkspaceId};
use crate::rules::HealthEvent;
use crate::storage::{SignInPurpose, Work, WorkItem};

/// Who wants to see their orgs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiscoverRequest {
    /// The workspace that wants to connect.
    pub workspace: WorkspaceId,
    /// The member who asks; only this member may read the answer.
    pub member: MemberId,
    /// Which CRM.
    pub kind: CrmKind,
    /// Which directory, by its address; `None` asks the usual one. See
    /// [`Crm::org_directories`](crate::Crm::org_directories).
    pub directory: Option<String>,
    /// An e-mail address to prefill on the CRM's sign-in page.
    pub login_hint: Option<String>,
}

impl DiscoverRequest {
    /// A request to the usual directory, without a login hint.
    #[must_use]
    pub const fn new(workspace: WorkspaceId, member: MemberId, kind: CrmKind) -> Self {
        Self { workspace, member, kind, directory: None, login_hint: None }
    }
}

impl Connect {
    /// Which kinds of CRM the workspace may connect.
    pub(crate) async fn integrations(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Vec<(CrmKind, bool)>> {
        let mut integrations = Vec::new();
        for kind in self.connectors.kinds() {
            integrations
                .push((kind.clone(), self.availability.is_available(workspace, kind).await?));
        }
        Ok(integrations)
    }

    /// The directories of a kind of CRM; none where it has no such thing.
    pub(crate) fn directories(&self, kind: &CrmKind) -> Result<Vec<OrgDirectory>> {
        let discovery = self.connectors.provider(kind)?.discovery();
        Ok(discovery.map(OrgDiscovery::directories).unwrap_or_default())
    }

    /// Starts a sign-in that lists the person's orgs.
    pub(crate) async fn begin_discovery(&self, request: DiscoverRequest) -> Result<ConnectStarted> {
        let DiscoverRequest { workspace, member, kind, directory, login_hint } = request;
        let discovery = self.discovery(&kind)?;
        self.demand_available(&workspace, &kind).await?;
        let usual = || discovery.directories().into_iter().next().map(|first| first.address);
        let address = directory.or_else(usual).ok_or_else(|| no_directory(&kind))?;
        let mut sign_in = self.fresh_sign_in(address, DISCOVERY_STATE)?;
        sign_in.login_hint = login_hint;
        let authorization = discovery.sign_in(&sign_in)?;
        let opening = Opening { workspace, member, kind, purpose: SignInPurpose::Discover };
        self.open(opening, sign_in, authorization).await
    }

    /// Lists the orgs of whoever signed in.
    pub(crate) async fn finish_discovery(
        &self,
        workspace: &WorkspaceId,
        member: &MemberId,
        callback: &Callback,
    ) -> Result<Vec<OrgListing>> {
        let purpose = SignInPurpose::Discover;
        let (kind, sign_in) = self.answered(workspace, member, purpose, callback).await?;
        let context = self.connectors.context();
        self.discovery(&kind)?.list(context, &sign_in, callback).await
    }

    fn discovery(&self, kind: &CrmKind) -> Result<&dyn OrgDiscovery> {
        self.connectors.provider(kind)?.discovery().ok_or_else(|| no_directory(kind))
    }

    /// Takes an administrator's word that the app is approved: whatever waits for it is tried again.
    ///
    /// The word is not proof, and need not be: the next sync finds out.
    pub(crate) async fn finish_admin_consent(
        &self,
        workspace: &WorkspaceId,
        kind: &CrmKind,
        callback: &Callback,
    ) -> Result<Vec<Connection>> {
        self.connectors.provider(kind)?.read_admin_consent(callback)?;
        let connections = self.stores.connections.connections(workspace).await?;
        let mut woken = Vec::new();
        let waits = |connection: &&Connection| {
            connection.kind == *kind
                && matches!(connection.health, Health::NeedsAdminApproval { .. })
        };
        for connection in connections.iter().filter(waits) {
            let approved = HealthEvent::AdminApproved;
            woken.push(change_health(&self.stores, workspace, connection.id, &approved).await?);
            let item = WorkItem::Pull(connection.id);
            let pull = Work { workspace: workspace.clone(), item };
            self.stores.due.schedule(&pull, self.now()).await?;
        }
        Ok(woken)
    }
}

fn no_directory(kind: &CrmKind) -> Error {
    Error::unsupported(format!("a directory of orgs ({kind})"))
}
