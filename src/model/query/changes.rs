//! Questions for what the last syncs found changed.

use time::OffsetDateTime;

use super::{Found, Scope};
use crate::model::{AccountId, FoundChange};

/// A question for what the last syncs found changed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChangesQuery {
    /// Whose rows.
    pub scope: Scope,
    /// Only of this account: itself, its contacts and its opportunities.
    pub account: Option<AccountId>,
    /// The most changes wanted, 1 to [`MAX_LIMIT`](super::MAX_LIMIT).
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
