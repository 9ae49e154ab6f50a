//! Deals and their change feed.

use std::fmt;
use std::ops::AddAssign;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::query::{DealPage, DealQuery, Scope};
use crate::model::{
    ChangeSeq, ConnectionId, Deal, DealChange, DealId, Decided, OpportunityId, Skipped, WorkspaceId,
};
use crate::storage::due::Claim;
use crate::storage::fallback;

/// Deals, the reasons why opportunities are none, and the change feed of both.
///
/// A host with its own deal table either plays this role on it, or follows
/// [`changes`](Deals::changes).
#[async_trait]
pub trait Deals: fmt::Debug + Send + Sync {
    /// Deals of a workspace by id; ids that are not there are left out.
    async fn by_id(&self, workspace: &WorkspaceId, ids: &[DealId]) -> Result<Vec<Deal>>;

    /// Deals in the order of their ids, from after `after`.
    async fn list(&self, scope: &Scope, after: Option<DealId>, limit: u32) -> Result<Vec<Deal>>;

    /// Deals that pass a filter, sorted. The fallback reads them all.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a limit or a cursor that does not fit.
    async fn find(&self, query: &DealQuery) -> Result<DealPage> {
        fallback::deals(self, query).await
    }

    /// Applies decisions: deals, the list of skipped opportunities, and one change entry for each
    /// thing that really changed, in one step.
    ///
    /// * `Create` makes the deal or, where it is already there, updates it and makes it live.
    /// * `Update` replaces the details and makes the deal live; `Stop` and `End` change its state
    ///   alone. For a deal that is not there they do nothing.
    /// * `Skip` lists the opportunity, keeping `since` while the reason stays the same. Every other
    ///   decision takes it off the list; `Unchanged` does so too.
    /// * What is already so is not written and makes no entry.
    ///
    /// # Errors
    /// [`Error::StaleClaim`](crate::Error::StaleClaim).
    async fn apply(&self, claim: &Claim, decisions: &[Decided]) -> Result<Applied>;

    /// The change feed of a connection, from after `after`, in order. At least once: whoever
    /// follows it remembers the last `seq` it has dealt with. Once an entry could be read, none
    /// with a smaller `seq` appears.
    async fn changes(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: ChangeSeq,
        limit: u32,
    ) -> Result<Vec<DealChange>>;

    /// The opportunities that are no deal at the moment, in the order of their ids, from after
    /// `after`.
    async fn skipped(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Skipped>>;
}

/// What applying decisions really changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Applied {
    /// Deals made.
    pub created: u64,
    /// Deals updated or resumed.
    pub updated: u64,
    /// Deals that stopped receiving updates or ended.
    pub stopped: u64,
    /// Opportunities skipped, for a new reason or an old one.
    pub skipped: u64,
}

impl AddAssign for Applied {
    fn add_assign(&mut self, more: Self) {
        self.created += more.created;
        self.updated += more.updated;
        self.stopped += more.stopped;
        self.skipped += more.skipped;
    }
}
