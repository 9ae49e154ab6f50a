//! One decision on its way into the deals.

use time::OffsetDateTime;

use crate::model::{
    ConnectionId, Deal, DealChangeKind, DealDetails, DealState, Decided, Decision, SkipReason,
    Skipped, WorkspaceId,
};
use crate::storage::Applied;

/// What stands about one opportunity before a decision.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Standing {
    /// Its deal, if there is one. Not looked at for `Skip` and `Unchanged`.
    pub deal: Option<Deal>,
    /// Its line on the list of skipped opportunities, if there is one. Looked at for `Skip` alone.
    pub skipped: Option<Skipped>,
}

/// What a decision makes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DealStep {
    /// The deal to write; a new one has revision 1.
    pub deal: Option<Deal>,
    /// What becomes of the opportunity's line on the list of skipped ones.
    pub listing: Listing,
    /// The entry to add to the change feed.
    pub change: Option<DealChangeKind>,
    /// What to add to the answer.
    pub applied: Applied,
}

/// What becomes of an opportunity's line on the list of skipped ones.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Listing {
    /// It stays as it is.
    Keep,
    /// It is taken off, if it is there.
    Remove,
    /// It is written, over the one that is there.
    Write(Skipped),
}

/// Says what a decision changes, by the rules of [`Deals::apply`](crate::storage::Deals::apply).
///
/// # Example
/// ```
/// use fluint_crm::model::{ConnectionId, Decided, Decision, OpportunityId, SkipReason, WorkspaceId};
/// use fluint_crm::storage::steps::{Listing, Standing, apply_decision};
/// use time::macros::datetime;
/// # use uuid::Uuid;
/// # fn main() -> fluint_crm::Result<()> {
/// let owner = (&WorkspaceId::new("acme")?, ConnectionId::new(Uuid::from_u128(1)));
/// let decision = Decision::Skip(SkipReason::NoStage);
/// let decided = Decided { opportunity: OpportunityId::new("o1")?, name: None, decision };
///
/// let monday = datetime!(2026-02-02 09:00 UTC);
/// let step = apply_decision(owner, Standing::default(), &decided, monday);
/// let Listing::Write(line) = step.listing else { panic!("it is listed") };
/// assert!(step.change.is_some());
///
/// let listed = Standing { deal: None, skipped: Some(line) };
/// let again = apply_decision(owner, listed, &decided, datetime!(2026-02-03 09:00 UTC));
/// assert_eq!((again.listing, again.change), (Listing::Keep, None));
/// # Ok(()) }
/// ```
#[must_use]
pub fn apply_decision(
    owner: (&WorkspaceId, ConnectionId),
    standing: Standing,
    decided: &Decided,
    at: OffsetDateTime,
) -> DealStep {
    match (&decided.decision, standing.deal) {
        (Decision::Create(details), None) => create(owner, decided, details, at),
        (Decision::Create(details) | Decision::Update(details), Some(deal)) => {
            update(deal, details, at)
        }
        (Decision::Stop(reason), Some(deal)) => {
            retire(deal, DealState::Stopped(reason.clone()), at)
        }
        (Decision::End(outcome), Some(deal)) => retire(deal, DealState::Ended(*outcome), at),
        (Decision::Skip(reason), _) => skip(standing.skipped, decided, reason, at),
        (Decision::Update(_) | Decision::Stop(_) | Decision::End(_), None)
        | (Decision::Unchanged, _) => DealStep::NOTHING,
    }
}

impl DealStep {
    /// Nothing to write, but no line on the list either.
    const NOTHING: Self = Self {
        deal: None,
        listing: Listing::Remove,
        change: None,
        applied: Applied { created: 0, updated: 0, stopped: 0, skipped: 0 },
    };

    fn write(deal: Deal, change: impl FnOnce(Box<Deal>) -> DealChangeKind) -> Self {
        Self { change: Some(change(Box::new(deal.clone()))), deal: Some(deal), ..Self::NOTHING }
    }
}

fn create(
    (workspace, connection): (&WorkspaceId, ConnectionId),
    decided: &Decided,
    details: &DealDetails,
    at: OffsetDateTime,
) -> DealStep {
    let opportunity = decided.opportunity.clone();
    let deal = Deal::new(workspace.clone(), connection, opportunity, details.clone(), at);
    let applied = Applied { created: 1, ..Applied::default() };
    DealStep { applied, ..DealStep::write(deal, |deal| DealChangeKind::Created { deal }) }
}

fn update(mut deal: Deal, details: &DealDetails, at: OffsetDateTime) -> DealStep {
    if deal.details == *details && deal.state == DealState::Live {
        return DealStep::NOTHING;
    }
    deal.details = details.clone();
    deal.state = DealState::Live;
    let applied = Applied { updated: 1, ..Applied::default() };
    let deal = changed(deal, at);
    DealStep { applied, ..DealStep::write(deal, |deal| DealChangeKind::Updated { deal }) }
}

/// Stops or ends a deal, if it is not so already.
fn retire(mut deal: Deal, state: DealState, at: OffsetDateTime) -> DealStep {
    if deal.state == state {
        return DealStep::NOTHING;
    }
    let ends = matches!(state, DealState::Ended(_));
    deal.state = state;
    let applied = Applied { stopped: 1, ..Applied::default() };
    let change = |deal| {
        if ends { DealChangeKind::Ended { deal } } else { DealChangeKind::Stopped { deal } }
    };
    DealStep { applied, ..DealStep::write(changed(deal, at), change) }
}

/// Lists the opportunity; `since` stays while the reason is the same.
fn skip(
    listed: Option<Skipped>,
    decided: &Decided,
    reason: &SkipReason,
    at: OffsetDateTime,
) -> DealStep {
    let known = listed.filter(|listed| listed.reason == *reason);
    let is_new = known.is_none();
    let listing = if known.as_ref().is_some_and(|known| known.name == decided.name) {
        Listing::Keep
    } else {
        Listing::Write(Skipped {
            opportunity: decided.opportunity.clone(),
            name: decided.name.clone(),
            reason: reason.clone(),
            since: known.map_or(at, |known| known.since),
        })
    };
    let change = is_new.then(|| DealChangeKind::Skipped { reason: reason.clone() });
    let applied = Applied { skipped: 1, ..Applied::default() };
    DealStep { deal: None, listing, change, applied }
}

fn changed(mut deal: Deal, at: OffsetDateTime) -> Deal {
    deal.revision += 1;
    deal.updated_at = at;
    deal
}
