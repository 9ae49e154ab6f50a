//! What the facts about an opportunity mean, as data and in words.

use serde::Serialize;
use time::OffsetDateTime;

use super::Candidate as Choice;
use super::facts::Facts;
use crate::assistant::words::{clipped, maybe_clipped, moment, quoted};
use crate::model::{
    ConnectionId, CurrentStage, DealId, DealState, EmailAddress, MemberId, OpportunityId,
    OpportunityStatus, Outcome, OwnerRef, Presence, SkipReason, TeamId, UserId,
};
use crate::rules::current_stage;

/// An opportunity and why it is a deal or none.
#[derive(Serialize)]
pub(super) struct Explanation {
    connection: ConnectionId,
    id: OpportunityId,
    name: Option<String>,
    account_name: Option<String>,
    status: Option<OpportunityStatus>,
    verdict: Verdict,
    /// Why it is no deal, or why its deal stopped receiving updates.
    reason: Option<SkipReason>,
    /// The same in words, and what would help, when that is known.
    why: Option<String>,
    hint: Option<String>,
    /// Since when it is no deal for this reason.
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    deal: Option<DealId>,
    owner: Option<Owner>,
    stage: Option<CurrentStage>,
    /// When a sync last saw it, as far as that is known.
    #[serde(with = "time::serde::rfc3339::option")]
    last_seen_at: Option<OffsetDateTime>,
    /// Since when a complete sync has not seen it any more.
    #[serde(with = "time::serde::rfc3339::option")]
    missing_since: Option<OffsetDateTime>,
}

/// What becomes of an opportunity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// A deal that receives updates.
    Deal,
    /// A deal that ended with its opportunity.
    EndedDeal,
    /// No deal.
    NoDeal,
    /// A deal that stopped receiving updates.
    StoppedDeal,
    /// No sync has decided about it.
    Undecided,
}

/// Who owns an opportunity in the CRM, and as which member we know them.
#[derive(Serialize)]
struct Owner {
    user: Option<UserId>,
    team: Option<TeamId>,
    name: Option<String>,
    email: Option<EmailAddress>,
    /// The member who owns the deal.
    member: Option<MemberId>,
}

impl Facts {
    /// Everything known, as data.
    pub(super) fn explain(
        &self,
        connection: ConnectionId,
        id: &OpportunityId,
        as_of: Option<OffsetDateTime>,
    ) -> Explanation {
        let candidate = self.candidate.as_ref();
        let reason = self.reason();
        let presence = candidate.map(|candidate| candidate.presence);
        let (last_seen_at, missing_since) = match presence {
            // What is over is in no pull any more.
            Some(Presence::Seen) => (as_of.filter(|_| self.is_open()), None),
            Some(Presence::Missing { since } | Presence::Gone { since }) => (None, Some(since)),
            None => (None, None),
        };
        Explanation {
            connection,
            id: id.clone(),
            name: maybe_clipped(self.name()),
            account_name: maybe_clipped(candidate.and_then(|one| one.account_name.as_deref())),
            status: candidate.map(|candidate| candidate.opportunity.status),
            verdict: self.verdict(),
            reason: reason.cloned(),
            why: reason.map(|reason| clipped(&reason.to_string())),
            hint: reason.and_then(SkipReason::hint).map(ToString::to_string),
            since: self.skipped.as_ref().filter(|_| self.deal.is_none()).map(|skip| skip.since),
            deal: self.deal.as_ref().map(|deal| deal.id),
            owner: self.owner(),
            stage: self.stage(),
            last_seen_at,
            missing_since,
        }
    }

    fn is_open(&self) -> bool {
        let candidate = self.candidate.as_ref();
        candidate.is_some_and(|one| one.opportunity.status == OpportunityStatus::Open)
    }

    /// The opportunity, for somebody to choose it.
    pub(super) fn candidate(&self, connection: ConnectionId, id: &OpportunityId) -> Choice {
        let row = self.candidate.as_ref().map(|candidate| &candidate.opportunity);
        Choice {
            connection,
            id: id.clone(),
            name: maybe_clipped(self.name()),
            status: row.map(|row| row.status),
            close_date: row.and_then(|row| row.close_date).map(|date| date.to_string()),
        }
    }

    /// The verdict as a sentence or two.
    pub(super) fn sentence(&self, id: &OpportunityId) -> String {
        let name = quoted(self.name().unwrap_or(id.as_str()));
        let why = self.reason().map(|reason| {
            let hint = reason.hint().map_or_else(String::new, |hint| format!("; {hint}"));
            format!("{}{hint}", clipped(&reason.to_string()))
        });
        let text = match (self.deal.as_ref().map(|deal| (&deal.state, deal)), why) {
            (Some((DealState::Live, deal)), _) => {
                let owner = &deal.details.owner;
                format!(
                    "{name} is a deal of {}, whose address {} is its owner's in the CRM.",
                    owner.member, owner.email
                )
            }
            (Some((DealState::Stopped(_), _)), why) => format!(
                "{name} is a deal that receives no updates, because {}.",
                why.unwrap_or_default()
            ),
            (Some((DealState::Ended(outcome), _)), _) => {
                let how = match outcome {
                    Outcome::Won => "was won",
                    Outcome::Lost => "was lost",
                    Outcome::Deleted => "was deleted in the CRM",
                };
                format!("{name} is a deal that ended: its opportunity {how}.")
            }
            (None, Some(why)) => format!(
                "{name} is no deal, because {why}. The next sync after that has changed decides \
                 again."
            ),
            (None, None) => format!("{name} is no deal{}", self.undecided()),
        };
        format!("{text}{}", self.absence())
    }

    /// Why nothing was decided about an opportunity without a deal.
    fn undecided(&self) -> &'static str {
        match self.candidate.as_ref().map(|candidate| candidate.presence) {
            Some(Presence::Missing { .. }) => ": the last sync did not see it.",
            Some(Presence::Gone { .. }) => ": it was deleted in the CRM.",
            Some(Presence::Seen) | None => " yet: no sync has decided about it so far.",
        }
    }

    /// What is to say of one that the last complete sync did not see.
    fn absence(&self) -> String {
        match self.candidate.as_ref().map(|candidate| candidate.presence) {
            Some(Presence::Missing { since }) => format!(
                " It has not been seen since {}: it may be closed, deleted, or hidden from the \
                 connected user.",
                moment(since)
            ),
            Some(Presence::Gone { .. } | Presence::Seen) | None => String::new(),
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.deal.as_ref().map(|deal| &deal.state), &self.skipped) {
            (Some(DealState::Ended(_)), _) => Verdict::EndedDeal,
            (Some(DealState::Live), _) => Verdict::Deal,
            (Some(DealState::Stopped(_)), _) => Verdict::StoppedDeal,
            (None, Some(_)) => Verdict::NoDeal,
            (None, None) => Verdict::Undecided,
        }
    }

    fn reason(&self) -> Option<&SkipReason> {
        match (self.deal.as_ref().map(|deal| &deal.state), &self.skipped) {
            (Some(DealState::Stopped(reason)), _) => Some(reason),
            (Some(DealState::Live | DealState::Ended(_)), _) | (None, None) => None,
            (None, Some(skipped)) => Some(&skipped.reason),
        }
    }

    fn name(&self) -> Option<&str> {
        let copied = self.candidate.as_ref().and_then(|one| one.opportunity.name.as_deref());
        let of_deal = || self.deal.as_ref().map(|deal| deal.details.name.as_str());
        let listed = || self.skipped.as_ref().and_then(|skipped| skipped.name.as_deref());
        copied.or_else(of_deal).or_else(listed).filter(|name| !name.is_empty())
    }

    fn owner(&self) -> Option<Owner> {
        let matched = self.deal.as_ref().map(|deal| &deal.details.owner);
        let candidate = self.candidate.as_ref();
        let user = candidate.and_then(|candidate| candidate.owner.as_ref());
        let owner = candidate.and_then(|candidate| candidate.opportunity.owner.as_ref());
        let (owning_user, team) = match owner {
            Some(OwnerRef::User(user)) => (Some(user.clone()), None),
            Some(OwnerRef::Team(team)) => (None, Some(team.clone())),
            None => (matched.map(|matched| matched.user.clone()), None),
        };
        // A deal that receives no updates may still be of whoever owned it before.
        let matched = matched.filter(|matched| Some(&matched.user) == owning_user.as_ref());
        (owning_user.is_some() || team.is_some()).then(|| Owner {
            user: owning_user,
            team,
            name: maybe_clipped(user.and_then(|user| user.name.as_deref())),
            email: user.and_then(|user| user.email.clone()),
            member: matched.map(|matched| matched.member.clone()),
        })
    }

    fn stage(&self) -> Option<CurrentStage> {
        let of_deal = || self.deal.as_ref().and_then(|deal| deal.details.stage.clone());
        let mut stage = match &self.candidate {
            Some(candidate) => current_stage(candidate),
            None => of_deal(),
        }?;
        stage.name = maybe_clipped(stage.name.as_deref());
        stage.process_name = maybe_clipped(stage.process_name.as_deref());
        Some(stage)
    }
}
