//! placeholder
use crate::model::{AccountId, DealId};
/// Where a document is published to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PublishTarget {
    /// An account: declined, because notes go to opportunities.
    Account(AccountId),
    /// A deal.
    Deal(DealId),
}
