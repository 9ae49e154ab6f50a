//! Typed questions over the mirror, and their answers.
//!
//! A question cannot be built without a workspace, so no answer can cross one (OLL-4).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::{
    Account, AccountId, Amount, ConnectionId, Contact, CurrencyCode, FoundChange, Money,
    Opportunity, OpportunityStatus, StageId, UserId, WorkspaceId,
};

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

/// Which opportunities a question is about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct OpportunityFilter {
    /// Words that the name must hold, each from the beginning of one of its own; case and accents do
    /// not matter. See [`NameWords`](crate::rules::NameWords).
    pub name: Option<String>,
    /// Only of this account.
    pub account: Option<AccountId>,
    /// Only owned by this CRM user.
    pub owner: Option<UserId>,
    /// Only at this stage, by the best source known.
    pub stage: Option<StageId>,
    /// Only in this state.
    pub status: Option<OpportunityStatus>,
    /// Only in this currency.
    pub currency: Option<CurrencyCode>,
    /// At least this amount, in the opportunity's own currency.
    pub min_value: Option<Amount>,
    /// At most this amount, in the opportunity's own currency.
    pub max_value: Option<Amount>,
    /// Expected to close on this day or later.
    pub close_from: Option<Date>,
    /// Expected to close before this day.
    pub close_before: Option<Date>,
}

/// A question for opportunities.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::SystemClock;
/// use fluint_crm::model::query::{OpportunityQuery, OpportunitySort, Scope};
/// use fluint_crm::model::{OpportunityStatus, WorkspaceId};
/// use fluint_crm::storage::Query;
/// use fluint_crm::store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fluint_crm::Result<()> {
/// let mut question = OpportunityQuery::new(Scope::workspace(WorkspaceId::new("acme")?));
/// question.filter.name = Some("loom".to_owned());
/// question.filter.status = Some(OpportunityStatus::Open);
/// question.sort = OpportunitySort::CloseDate;
///
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// let answer = store.opportunities(&question).await?;
/// // Nothing was synced yet, and the answer says so.
/// assert!(answer.rows.is_empty() && answer.as_of.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OpportunityQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Which ones.
    pub filter: OpportunityFilter,
    /// In which order.
    pub sort: OpportunitySort,
    /// Which page.
    pub page: PageRequest,
}

impl OpportunityQuery {
    /// Every opportunity in scope, by name.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            filter: OpportunityFilter::default(),
            sort: OpportunitySort::Name,
            page: PageRequest::default(),
        }
    }
}

/// The order of opportunities; rows that lack the value come last, ties go by connection and id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum OpportunitySort {
    /// The soonest expected close date first.
    CloseDate,
    /// By name; case, accents and punctuation do not matter.
    #[default]
    Name,
    /// The largest amount first, whatever the currency.
    ValueDescending,
}

/// A question for totals.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TotalsQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Which ones.
    pub filter: OpportunityFilter,
}

impl TotalsQuery {
    /// The totals of every opportunity in scope.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self { scope, filter: OpportunityFilter::default() }
    }
}

/// A question for totals of groups.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct GroupsQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Which ones.
    pub filter: OpportunityFilter,
    /// In which groups.
    pub by: GroupBy,
}

impl GroupsQuery {
    /// Every opportunity in scope, in groups.
    #[must_use]
    pub fn new(scope: Scope, by: GroupBy) -> Self {
        Self { scope, filter: OpportunityFilter::default(), by }
    }
}

/// What opportunities are put together by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum GroupBy {
    /// The month in which they are expected to close.
    Month,
    /// The CRM user who owns them.
    Owner,
    /// The stage that they are at, by the best source known.
    Stage,
}

/// What the opportunities of a group have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupKey {
    /// The month that begins on this day.
    Month(Date),
    /// This CRM user of this connection.
    Owner(ConnectionId, UserId),
    /// This stage of this connection.
    Stage(ConnectionId, StageId),
    /// They have none.
    Nothing,
}

/// The totals of groups: months in their order, others with the most opportunities first; those that
/// have nothing in common come last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Groups {
    /// The groups, [`MAX_LIMIT`] at most.
    pub groups: Vec<(GroupKey, Totals)>,
    /// How many groups were left off.
    pub left_off: u64,
    /// The end of the oldest last sync among the connections in scope (UTC).
    #[serde(with = "time::serde::rfc3339::option")]
    pub as_of: Option<OffsetDateTime>,
}

impl Groups {
    /// Puts groups in their order, and leaves off what is too much.
    ///
    /// Stores call it, so that every store answers alike.
    #[must_use]
    pub fn of(mut groups: Vec<(GroupKey, Totals)>, as_of: Option<OffsetDateTime>) -> Self {
        groups.sort_by(|(a, of_a), (b, of_b)| {
            let by_count = match (a, b) {
                (GroupKey::Month(_) | GroupKey::Nothing, _)
                | (_, GroupKey::Month(_) | GroupKey::Nothing) => Ordering::Equal,
                _ => of_b.count.cmp(&of_a.count),
            };
            by_count.then_with(|| a.cmp(b))
        });
        let most = usize::try_from(MAX_LIMIT).unwrap_or(usize::MAX);
        let left_off = groups.len().saturating_sub(most) as u64;
        groups.truncate(most);
        Self { groups, left_off, as_of }
    }
}

/// A question for what the last syncs found changed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChangesQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Only of this account: itself, its contacts and its opportunities.
    pub account: Option<AccountId>,
    /// The most changes wanted, 1 to [`MAX_LIMIT`].
    pub limit: u32,
}

impl ChangesQuery {
    /// The newest 50 changes of every row in scope.
    #[must_use]
    pub const fn new(scope: Scope) -> Self {
        Self { scope, account: None, limit: 50 }
    }
}

/// What the last syncs found changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Changes {
    /// The changes, the newest first; those of one moment by connection, table and id.
    pub rows: Vec<Found<FoundChange>>,
    /// How many further changes of the scope, whatever the account, were found and not kept, because
    /// one sync found more than are kept.
    pub left_off: u64,
    /// The end of the oldest last sync among the connections in scope (UTC).
    pub as_of: Option<OffsetDateTime>,
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

/// Exact totals.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// How many opportunities were counted.
    pub count: u64,
    /// How many of them carry no amount, or no known currency.
    pub without_value: u64,
    /// The sums per currency, in the order of the codes.
    pub by_currency: Vec<CurrencyTotal>,
    /// The sums in each org's base currency as the CRM reported them, in the order of the codes.
    pub by_base_currency: Vec<CurrencyTotal>,
    /// The end of the oldest last sync among the connections in scope (UTC).
    #[serde(with = "time::serde::rfc3339::option")]
    pub as_of: Option<OffsetDateTime>,
}

/// The exact sum of one currency.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct CurrencyTotal {
    /// The sum.
    pub total: Money,
    /// How many opportunities it is made of.
    pub count: u64,
}
