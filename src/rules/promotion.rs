//! What becomes of an opportunity: the one decision that sync and diagnosis share (DEA-6).

use url::Url;

use crate::model::{
    Candidate, CurrentStage, Deal, DealDetails, DealState, Decision, Money, Named,
    OpportunityStatus, Outcome, OwnerMatch, Presence, SkipReason, StageFilter,
};
use crate::rules::owner::{MemberIndex, Owner, match_owner};
use crate::rules::stage::current_stage;
use crate::rules::stage_filter::passes_filter;

/// Decides what to do with one opportunity, given the deal that it may already have.
///
/// | the opportunity | without a deal | with a deal |
/// |---|---|---|
/// | won or lost | `Skip` | `End`, once |
/// | not in the last pull | `Unchanged` | `Unchanged` |
/// | gone, by a read of its id | `Unchanged` | `End`, once |
/// | called gone, and put back | `Unchanged` | as if it were there |
/// | in a state we do not know | `Skip` | `Stop`, once; an ended deal stays ended |
/// | open, but no single member owns it | `Skip` | `Stop`, once for each reason |
/// | open, but outside the stage filter | `Skip` | `Stop`, once for each reason |
/// | open and let through | `Create` | `Update` when anything differs or it was not live |
///
/// Won and lost are things that the CRM said, so they count whether or not the last pull saw the
/// row. Absence alone says nothing (SYN-7): a missing row ends no deal, makes none, and is not
/// listed as skipped either, since the reason it had may no longer hold.
///
/// Deciding again after a decision was applied gives `Unchanged`, or the same `Skip`. Nothing here
/// ever removes a deal.
///
/// # Example
/// ```
/// use fluint_crm::model::{Candidate, Decision, Opportunity, OpportunityId, StageFilter};
/// use fluint_crm::rules::{MemberIndex, decide};
/// # fn main() -> fluint_crm::Result<()> {
/// let orphan = Candidate::new(Opportunity::new(OpportunityId::new("0a1b")?));
/// let decision = decide(&orphan, &MemberIndex::new(&[]), &StageFilter::EMPTY, None, None);
/// let Decision::Skip(reason) = decision else { panic!("{decision:?}") };
/// assert_eq!(reason.to_string(), "it has no owner that we can read");
/// # Ok(()) }
/// ```
#[must_use]
pub fn decide(
    candidate: &Candidate,
    members: &MemberIndex,
    filter: &StageFilter,
    existing: Option<&Deal>,
    url: Option<Url>,
) -> Decision {
    let status = candidate.opportunity.status;
    match (status, candidate.presence) {
        (OpportunityStatus::Won, _) => end(Outcome::Won, status, existing),
        (OpportunityStatus::Lost, _) => end(Outcome::Lost, status, existing),
        (OpportunityStatus::Open | OpportunityStatus::Unknown, Presence::Gone { .. }) => {
            match existing {
                Some(_) => end(Outcome::Deleted, status, existing),
                None => Decision::Unchanged,
            }
        }
        (OpportunityStatus::Open, Presence::Missing { .. }) if was_called_gone(existing) => {
            promote(candidate, members, filter, existing, url)
        }
        (OpportunityStatus::Open | OpportunityStatus::Unknown, Presence::Missing { .. }) => {
            Decision::Unchanged
        }
        (OpportunityStatus::Unknown, Presence::Seen) => doubt(status, existing),
        (OpportunityStatus::Open, Presence::Seen) => {
            promote(candidate, members, filter, existing, url)
        }
    }
}

/// What a deal shows of an opportunity whose owner was matched (DEA-5).
///
/// An amount becomes money only together with its currency; nothing is ever converted.
#[must_use]
pub fn deal_details(candidate: &Candidate, owner: OwnerMatch, url: Option<Url>) -> DealDetails {
    details_at(candidate, owner, current_stage(candidate), url)
}

fn details_at(
    candidate: &Candidate,
    owner: OwnerMatch,
    stage: Option<CurrentStage>,
    url: Option<Url>,
) -> DealDetails {
    let opportunity = &candidate.opportunity;
    let currency = candidate.currency.as_ref().map(|currency| currency.code.clone());
    let base_currency = candidate.base_currency.as_ref().map(|currency| currency.code.clone());
    DealDetails {
        name: opportunity.name.clone().unwrap_or_default(),
        owner,
        stage,
        amount_without_currency: candidate.amount().filter(|_| currency.is_none()),
        value: candidate.amount().zip(currency).map(|(amount, code)| Money::new(amount, code)),
        base_value: opportunity
            .base_value
            .zip(base_currency)
            .map(|(amount, code)| Money::new(amount, code)),
        close_date: opportunity.close_date,
        account: opportunity
            .account()
            .map(|id| Named { id: id.clone(), name: candidate.account_name.clone() }),
        contact: opportunity
            .contact()
            .map(|id| Named { id: id.clone(), name: candidate.contact_name.clone() }),
        probability: opportunity.probability,
        url,
    }
}

fn promote(
    candidate: &Candidate,
    members: &MemberIndex,
    filter: &StageFilter,
    existing: Option<&Deal>,
    url: Option<Url>,
) -> Decision {
    let owner = match match_owner(members, Owner::of(candidate)) {
        Ok(owner) => owner,
        Err(problem) => return hold_back(SkipReason::Owner { problem }, existing),
    };
    let stage = current_stage(candidate);
    if let Err(reason) = passes_filter(filter, stage.as_ref()) {
        return hold_back(reason, existing);
    }
    let details = details_at(candidate, owner, stage, url);
    match existing {
        None => Decision::Create(details),
        Some(deal) if deal.state == DealState::Live && deal.details == details => {
            Decision::Unchanged
        }
        Some(_) => Decision::Update(details),
    }
}

/// A deal that had stopped is ended all the same: its outcome must not be lost (DEA-5).
fn end(outcome: Outcome, status: OpportunityStatus, existing: Option<&Deal>) -> Decision {
    match existing.map(|deal| &deal.state) {
        None => Decision::Skip(SkipReason::NotOpen { status }),
        Some(DealState::Ended(before)) if *before == outcome => Decision::Unchanged,
        Some(DealState::Ended(_) | DealState::Live | DealState::Stopped(_)) => {
            Decision::End(outcome)
        }
    }
}

/// Whether a deal ended because its opportunity was called gone.
fn was_called_gone(existing: Option<&Deal>) -> bool {
    existing.is_some_and(|deal| deal.state == DealState::Ended(Outcome::Deleted))
}

/// A state that nobody knows is no proof that an ended opportunity was opened again.
fn doubt(status: OpportunityStatus, existing: Option<&Deal>) -> Decision {
    match existing.map(|deal| &deal.state) {
        Some(DealState::Ended(_)) => Decision::Unchanged,
        None | Some(DealState::Live | DealState::Stopped(_)) => {
            hold_back(SkipReason::NotOpen { status }, existing)
        }
    }
}

/// No deal is made, and an existing one stops, once for each reason (DEA-4).
fn hold_back(reason: SkipReason, existing: Option<&Deal>) -> Decision {
    match existing.map(|deal| &deal.state) {
        None => Decision::Skip(reason),
        Some(DealState::Stopped(before)) if *before == reason => Decision::Unchanged,
        Some(DealState::Ended(_) | DealState::Live | DealState::Stopped(_)) => {
            Decision::Stop(reason)
        }
    }
}

#[cfg(test)]
mod tests;
