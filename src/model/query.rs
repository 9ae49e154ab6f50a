//! Typed questions over the mirror, and their answers.
//!
//! A question cannot be built without a workspace, so no answer can cross one (OLL-4).

mod changes;
mod deals;
mod opportunities;
mod totals;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    Account, AccountId, ConnectionId, Contact, EmailAddress, Opportunity, ProcessId, Stage,
    StageId, User, UserId, WorkspaceId,
};

pub use changes::{Changes, ChangesQuery};
pub use deals::{DealFilter, DealPage, DealQuery, DealStanding};
pub use opportunities::{OpportunityFilter, OpportunityQuery, OpportunitySort};
pub use totals::{CurrencyTotal, GroupBy, GroupKey, Groups, GroupsQuery, Totals, TotalsQuery};

/// The most rows that one answer carries.
pub const MAX_LIMIT: u32 = 200;

/// Whose rows a question may see.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Scope {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// One connection of it; `None` asks all of them.
    pub connection: Option<ConnectionId>,
}

impl Scope {
    /// All connections of a workspace.
    #[must_use]
    pub const fn workspace(workspace: WorkspaceId) -> Self {
        Self { workspace, connection: None }
    }

    /// One connection of a workspace.
    #[must_use]
    pub const fn connection(workspace: WorkspaceId, connection: ConnectionId) -> Self {
        Self { workspace, connection: Some(connection) }
    }
}

/// How many rows an answer has and where it starts.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PageRequest {
    /// The most rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// Where the previous answer ended.
    pub cursor: Option<QueryCursor>,
}

impl Default for PageRequest {
    /// The first 50 rows.
    fn default() -> Self {
        Self { limit: 50, cursor: None }
    }
}

/// Where an answer ended. Opaque; valid for the same question only.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueryCursor(String);

impl QueryCursor {
    /// Wraps what a store put together or a caller handed back.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text inside.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A question for accounts.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AccountQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Words that the name must hold, each from the beginning of one of its own; case and accents do
    /// not matter. See [`NameWords`](crate::rules::NameWords).
    pub name: Option<String>,
    /// Only the account with this id; one in every connection that has it.
    pub id: Option<AccountId>,
    /// Only accounts with this registrable web domain, such as `contoso.co.uk`; see
    /// [`account_domain`](crate::rules::account_domain).
    pub domain: Option<String>,
    /// Which page.
    pub page: PageRequest,
}

impl AccountQuery {
    /// Every account in scope.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { scope, name: None, id: None, domain: None, page: PageRequest::default() }
    }
}

/// A question for contacts.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ContactQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Words that the name must hold, each from the beginning of one of its own; case and accents do
    /// not matter. See [`NameWords`](crate::rules::NameWords).
    pub name: Option<String>,
    /// Only contacts of this account.
    pub account: Option<AccountId>,
    /// Which page.
    pub page: PageRequest,
}

impl ContactQuery {
    /// Every contact in scope.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { scope, name: None, account: None, page: PageRequest::default() }
    }
}

/// A question for users of the CRM, who own its rows.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UserQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Words that the name must hold, each from the beginning of one of its own; case and accents do
    /// not matter. See [`NameWords`](crate::rules::NameWords).
    pub name: Option<String>,
    /// Only the user with this id; one in every connection that has it.
    pub id: Option<UserId>,
    /// Only users with this e-mail address, compared as owners are matched.
    pub email: Option<EmailAddress>,
    /// Which page.
    pub page: PageRequest,
}

impl UserQuery {
    /// Every user in scope.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { scope, name: None, id: None, email: None, page: PageRequest::default() }
    }
}

/// A question for stages of sales processes.
///
/// The choices of a stage filter, in the order of their processes, are
/// [`Crm::stages`](crate::Crm::stages).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StageQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Words that the name must hold, each from the beginning of one of its own; case and accents do
    /// not matter. See [`NameWords`](crate::rules::NameWords).
    pub name: Option<String>,
    /// Only the stage with this id; one in every connection that has it.
    pub id: Option<StageId>,
    /// Only stages of this process.
    pub process: Option<ProcessId>,
    /// Which page.
    pub page: PageRequest,
}

impl StageQuery {
    /// Every stage in scope.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { scope, name: None, id: None, process: None, page: PageRequest::default() }
    }
}

/// Rows with the connection that they came from, and how fresh they are.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Answer<R> {
    /// The rows, in the order asked for.
    pub rows: Vec<Found<R>>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<QueryCursor>,
    /// The end of the oldest last sync among the connections in scope (UTC); `None` before the
    /// first one has finished.
    pub as_of: Option<OffsetDateTime>,
}

/// A row with the connection that it came from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Found<R> {
    /// The connection.
    pub connection: ConnectionId,
    /// The row.
    pub row: R,
}

/// An answer with accounts.
pub type Accounts = Answer<Account>;
/// An answer with contacts.
pub type Contacts = Answer<Contact>;
/// An answer with opportunities.
pub type Opportunities = Answer<Opportunity>;
/// An answer with users.
pub type Users = Answer<User>;
/// An answer with stages.
pub type Stages = Answer<Stage>;
