//! Questions for opportunities.

use time::Date;

use super::{PageRequest, Scope};
use crate::model::{
    AccountId, Amount, ConnectionId, CurrencyCode, OpportunityStatus, StageId, UserId,
};

/// Which opportunities a question is about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct OpportunityFilter {
    /// Words that the name must hold, each from the beginning of one of its own; case and accents do
    /// not matter. See [`NameWords`](crate::rules::NameWords).
    pub name: Option<String>,
    /// Only of this account.
    pub account: Option<AccountId>,
    /// Only owned by one of these CRM users, each of its connection: one person may be a user of
    /// several CRMs. None named means owned by anybody, by a team or by nobody.
    pub owners: Vec<(ConnectionId, UserId)>,
    /// Only at one of these stages, each of its connection, by the best source known. None named
    /// means at any stage or none.
    pub stages: Vec<(ConnectionId, StageId)>,
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
    /// Won or lost on this day or later.
    pub closed_from: Option<Date>,
    /// Won or lost before this day.
    pub closed_before: Option<Date>,
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
