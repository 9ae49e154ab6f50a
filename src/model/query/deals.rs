//! Questions for deals.

use time::Date;

use super::{OpportunitySort, PageRequest, QueryCursor, Scope};
use crate::model::{AccountId, Amount, CurrencyCode, Deal, DealState, MemberId, StageId};

/// Which deals a question is about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DealFilter {
    /// Words that the name must hold, each from the beginning of one of its own; case and accents do
    /// not matter. See [`NameWords`](crate::rules::NameWords).
    pub name: Option<String>,
    /// Only owned by this member.
    pub owner: Option<MemberId>,
    /// Only of this account.
    pub account: Option<AccountId>,
    /// Only at this stage when last updated.
    pub stage: Option<StageId>,
    /// Only those that receive updates, stopped receiving them, or ended.
    pub standing: Option<DealStanding>,
    /// Only in this currency.
    pub currency: Option<CurrencyCode>,
    /// At least this amount, in the deal's own currency.
    pub min_value: Option<Amount>,
    /// At most this amount, in the deal's own currency.
    pub max_value: Option<Amount>,
    /// Expected to close on this day or later.
    pub close_from: Option<Date>,
    /// Expected to close before this day.
    pub close_before: Option<Date>,
}

/// A [`DealState`] without its reasons.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DealStanding {
    /// The opportunity was won, lost or deleted.
    Ended,
    /// Receives updates.
    Live,
    /// Receives no updates at the moment.
    Stopped,
}

impl DealStanding {
    /// What a state is, without its reasons.
    #[must_use]
    pub const fn of(state: &DealState) -> Self {
        match state {
            DealState::Ended(_) => Self::Ended,
            DealState::Live => Self::Live,
            DealState::Stopped(_) => Self::Stopped,
        }
    }
}

/// A question for deals.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use fluint_crm::SystemClock;
/// use fluint_crm::model::query::{DealQuery, DealStanding, OpportunitySort, Scope};
/// use fluint_crm::model::{MemberId, WorkspaceId};
/// use fluint_crm::storage::Deals;
/// use fluint_crm::store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fluint_crm::Result<()> {
/// let mut question = DealQuery::new(Scope::workspace(WorkspaceId::new("acme")?));
/// question.filter.owner = Some(MemberId::new("ada")?);
/// question.filter.standing = Some(DealStanding::Live);
/// question.sort = OpportunitySort::CloseDate;
///
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// assert!(store.find(&question).await?.deals.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DealQuery {
    /// Whose deals.
    pub scope: Scope,
    /// Which ones.
    pub filter: DealFilter,
    /// In which order; as of opportunities.
    pub sort: OpportunitySort,
    /// Which page.
    pub page: PageRequest,
}

impl DealQuery {
    /// Every deal in scope, by name.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            filter: DealFilter::default(),
            sort: OpportunitySort::Name,
            page: PageRequest::default(),
        }
    }
}

/// A page of deals.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct DealPage {
    /// The deals, in the order asked for.
    pub deals: Vec<Deal>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<QueryCursor>,
}
