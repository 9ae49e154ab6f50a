//! A workspace's link to one org: address, identity, health, settings.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;

use super::{
    ConnectionId, MemberId, NoteLimits, OrganisationId, RecordId, Rights, StageFilter, WorkspaceId,
};
use crate::error::{Error, Result};

/// A kind of CRM, such as `dynamics`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CrmKind(std::borrow::Cow<'static, str>);

impl CrmKind {
    /// Names a kind of CRM; connectors declare theirs as a constant.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(name))
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind with a name read back from a store.
    #[must_use]
    pub fn from_name(name: impl Into<String>) -> Self {
        Self(std::borrow::Cow::Owned(name.into()))
    }
}

impl fmt::Display for CrmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One workspace's link to one org.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Connection {
    /// Our id.
    pub id: ConnectionId,
    /// The workspace it belongs to.
    pub workspace: WorkspaceId,
    /// Which CRM.
    pub kind: CrmKind,
    /// The org's address in the connector's canonical form, such as
    /// `https://contoso.crm4.dynamics.com`.
    pub address: String,
    /// Where the org seems to have moved to, in the same form: found in the CRM's own directory when
    /// the org stopped answering, and followed only once a member confirms it.
    #[serde(default)]
    pub moved_to: Option<String>,
    /// Who the CRM says we are.
    pub identity: Identity,
    /// The member who connected it.
    pub connected_by: MemberId,
    /// When it was last connected (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub connected_at: OffsetDateTime,
    /// Whether it works.
    pub health: Health,
    /// Which stages' opportunities become deals; applies from the next sync on.
    pub filter: StageFilter,
    /// The revision by which the filter was last set; 0 when it never was.
    #[serde(default)]
    pub filter_revision: u64,
    /// What the org lets in as notes, as of the last sync.
    #[serde(default)]
    pub note_limits: NoteLimits,
    /// How often to sync; `None` means the connector's own default.
    pub interval: Option<Duration>,
    /// Syncs that failed in a row since the last success.
    pub failures: u32,
    /// Counts up with every change of this record, from 1.
    pub revision: u64,
}

impl Connection {
    /// A healthy connection with default settings, at revision 1.
    #[must_use]
    pub const fn new(
        id: ConnectionId,
        workspace: WorkspaceId,
        kind: CrmKind,
        address: String,
        identity: Identity,
        connected_by: MemberId,
        connected_at: OffsetDateTime,
    ) -> Self {
        Self {
            id,
            workspace,
            kind,
            address,
            moved_to: None,
            identity,
            connected_by,
            connected_at,
            health: Health::Connected,
            filter: StageFilter::EMPTY,
            filter_revision: 0,
            note_limits: NoteLimits { writable: None, html: None, largest_file: None },
            interval: None,
            failures: 0,
            revision: 1,
        }
    }
}

impl Connection {
    /// The record to store when this connection takes the place of `before`, the same one connected
    /// earlier: settings stay, and the revision counts on. The user of the last sync stays, too: the
    /// next sync then notices that another one reads, and calls nothing missing (R-19).
    ///
    /// Stores call it, so that every store keeps the same fields.
    #[must_use]
    pub fn reconnected(&self, before: &Self) -> Self {
        Self {
            identity: Identity { tenant: self.identity.tenant.clone(), ..before.identity.clone() },
            filter: before.filter.clone(),
            filter_revision: before.filter_revision,
            note_limits: before.note_limits,
            interval: before.interval,
            revision: before.revision + 1,
            ..self.clone()
        }
    }
}

/// Who the CRM says we are: the facts that must not change unnoticed between two syncs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The org's own id, which survives a renamed address.
    pub organisation: OrganisationId,
    /// The user whose rights the sync has.
    pub user: RecordId,
    /// The user's business unit or similar scope of rights, when the CRM has one.
    pub unit: Option<RecordId>,
    /// The identity provider's tenant, when there is one.
    pub tenant: Option<String>,
    /// How far the user's rights to read reach, when the CRM tells.
    #[serde(default)]
    pub rights: Option<Rights>,
}

impl Identity {
    /// An identity without unit, tenant and rights.
    #[must_use]
    pub const fn new(organisation: OrganisationId, user: RecordId) -> Self {
        Self { organisation, user, unit: None, tenant: None, rights: None }
    }

    /// Whether the other one has the same rights, as far as the CRM tells: the same user in the same
    /// unit and organisation, and rights that reach as far where both are known.
    pub(crate) fn sees_as(&self, other: &Self) -> bool {
        let rights_differ = matches!((&self.rights, &other.rights), (Some(a), Some(b)) if a != b);
        (&self.organisation, &self.user, &self.unit)
            == (&other.organisation, &other.user, &other.unit)
            && !rights_differ
    }

    /// This identity, with what the CRM has told before and not this time: the tenant, the rights.
    pub(crate) fn or(self, before: &Self) -> Self {
        Self {
            tenant: self.tenant.or_else(|| before.tenant.clone()),
            rights: self.rights.or_else(|| before.rights.clone()),
            ..self
        }
    }
}

/// Whether a connection works, and if not, who has to act (CON-7).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "health")]
#[non_exhaustive]
pub enum Health {
    /// Works: syncs and publishes.
    Connected,
    /// Disconnected by a member; tokens are erased.
    Disconnected,
    /// An administrator of the customer must approve the app. Syncs and publications wait.
    NeedsAdminApproval {
        /// Where the administrator can approve.
        link: Option<Url>,
    },
    /// The customer must sign in again. Syncs and publications wait.
    NeedsReconnect {
        /// Why, as a sentence for the settings page.
        why: String,
        /// What the identity provider wants to see proved at the next sign-in, when it said so
        /// (JSON). [`Crm::begin_connect`](crate::Crm::begin_connect) passes it on.
        #[serde(default)]
        claims: Option<String>,
    },
}

impl Health {
    /// Whether syncs and publications may run.
    #[must_use]
    pub const fn is_working(&self) -> bool {
        matches!(self, Self::Connected)
    }
}

/// The shortest interval between two syncs that a connection may ask for (SYN-3).
pub const MIN_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// One change of a connection, applied only if nobody changed it in between.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConnectionChange {
    /// The address that a member confirmed.
    Address(String),
    /// A new stage filter; it applies from the next sync on.
    Filter(StageFilter),
    /// Another state of health. [`Health::Disconnected`] erases the tokens in the same step.
    Health(Health),
    /// Who the CRM says we are now.
    Identity(Identity),
    /// Another interval; `None` goes back to the connector's default.
    Interval(Option<Duration>),
    /// How many syncs failed in a row.
    Failures(u32),
    /// Where the org seems to have moved to.
    MovedTo(Option<String>),
    /// What the org lets in as notes.
    NoteLimits(NoteLimits),
}

impl ConnectionChange {
    /// Applies the change to a copy of the record and counts its revision up.
    ///
    /// Stores call it, so that every store changes the same fields.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when an interval is shorter than 15 minutes.
    pub fn apply(&self, to: &Connection) -> Result<Connection> {
        let mut changed = to.clone();
        match self {
            Self::Address(address) => {
                changed.address.clone_from(address);
                changed.moved_to = None;
            }
            Self::Filter(filter) => {
                changed.filter = filter.clone();
                changed.filter_revision = to.revision + 1;
            }
            Self::Health(health) => changed.health = health.clone(),
            Self::Identity(identity) => changed.identity = identity.clone(),
            Self::Interval(Some(interval)) if *interval < MIN_INTERVAL => {
                return Err(Error::invalid_input(
                    "sync interval",
                    "it must be at least 15 minutes",
                ));
            }
            Self::Interval(interval) => changed.interval = *interval,
            Self::Failures(failures) => changed.failures = *failures,
            Self::MovedTo(address) => changed.moved_to.clone_from(address),
            Self::NoteLimits(limits) => changed.note_limits = *limits,
        }
        changed.revision += 1;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Reach, Table};

    fn identity(reach: Option<Reach>) -> Identity {
        let organisation = OrganisationId::new("org").unwrap();
        let mut identity = Identity::new(organisation, RecordId::new("me").unwrap());
        identity.rights = reach.map(|reach| Rights::new([(Table::Accounts, reach)]));
        identity
    }

    #[test]
    fn r_19_rights_count_where_both_sides_know_them() {
        let (wide, narrow) = (identity(Some(Reach::Everything)), identity(Some(Reach::Unit)));
        let unknown = identity(None);
        assert!(wide.sees_as(&wide.clone()) && !wide.sees_as(&narrow) && !narrow.sees_as(&wide));
        assert!(unknown.sees_as(&wide) && narrow.sees_as(&unknown) && unknown.sees_as(&unknown));
        assert_eq!(unknown.clone().or(&wide).rights, wide.rights, "what was told before stays");
        assert_eq!(narrow.clone().or(&wide).rights, narrow.rights);
        // What was stored before there were rights.
        let stored = r#"{"organisation":"org","user":"me","unit":null,"tenant":null}"#;
        assert_eq!(serde_json::from_str::<Identity>(stored).unwrap(), unknown);
    }
}
