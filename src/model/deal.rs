//! Deals, the decisions that make them, and the reasons when none is made.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};
use url::Url;

use super::{
    AccountId, Amount, ConnectionId, ContactId, CurrentStage, DealId, EmailAddress, MemberId,
    Money, OpportunityId, OpportunityStatus, StageId, UserId, WorkspaceId,
};

/// A deal of Fluint, promoted from an opportunity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Deal {
    /// Our id, derived from workspace, connection and opportunity.
    pub id: DealId,
    /// The workspace it belongs to.
    pub workspace: WorkspaceId,
    /// The connection it came from.
    pub connection: ConnectionId,
    /// The opportunity it was promoted from.
    pub opportunity: OpportunityId,
    /// What the last update brought.
    pub details: DealDetails,
    /// Whether it still receives updates.
    pub state: DealState,
    /// Counts up with every change, from 1.
    pub revision: u64,
    /// When it was created (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Deal {
    /// A fresh deal at revision 1.
    #[must_use]
    pub fn new(
        workspace: WorkspaceId,
        connection: ConnectionId,
        opportunity: OpportunityId,
        details: DealDetails,
        at: OffsetDateTime,
    ) -> Self {
        Self {
            id: DealId::derive(&workspace, connection, &opportunity),
            workspace,
            connection,
            opportunity,
            details,
            state: DealState::Live,
            revision: 1,
            created_at: at,
            updated_at: at,
        }
    }
}

/// What a deal shows of its opportunity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DealDetails {
    /// The name; empty when the opportunity has none.
    pub name: String,
    /// The member who owns it, and why.
    pub owner: OwnerMatch,
    /// The stage, when one is known.
    pub stage: Option<CurrentStage>,
    /// The value in the opportunity's own currency, when amount and currency are known.
    pub value: Option<Money>,
    /// The value in the org's base currency, as reported; never converted by us.
    pub base_value: Option<Money>,
    /// The amount alone, when its currency is unknown.
    pub amount_without_currency: Option<Amount>,
    /// The expected close date: a plain date without time zone.
    #[serde(default, with = "crate::model::json::maybe_date")]
    pub close_date: Option<Date>,
    /// The account.
    pub account: Option<Named<AccountId>>,
    /// The primary contact.
    pub contact: Option<Named<ContactId>>,
    /// Probability in percent, 0 to 100.
    pub probability: Option<u8>,
    /// The record's page in the CRM.
    pub url: Option<Url>,
}

impl DealDetails {
    /// Details of which only name and owner are known.
    #[must_use]
    pub const fn new(name: String, owner: OwnerMatch) -> Self {
        Self {
            name,
            owner,
            stage: None,
            value: None,
            base_value: None,
            amount_without_currency: None,
            close_date: None,
            account: None,
            contact: None,
            probability: None,
            url: None,
        }
    }
}

/// An id with the name it had at the last sync.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "an id and its name, nothing else")]
pub struct Named<Id> {
    /// The id.
    pub id: Id,
    /// The name, when the mirror knows it.
    pub name: Option<String>,
}

/// The member that an owner was matched with, and by which address.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnerMatch {
    /// The member.
    pub member: MemberId,
    /// The CRM user.
    pub user: UserId,
    /// The address that both share.
    pub email: EmailAddress,
    /// Which of the member's addresses it is.
    pub matched_by: MatchedBy,
    /// Whether the CRM user has left: a disabled user may still own opportunities.
    pub owner_status: super::UserStatus,
}

impl OwnerMatch {
    /// A match of an enabled user by the member's primary address.
    #[must_use]
    pub const fn new(member: MemberId, user: UserId, email: EmailAddress) -> Self {
        Self {
            member,
            user,
            email,
            matched_by: MatchedBy::PrimaryEmail,
            owner_status: super::UserStatus::Enabled,
        }
    }
}

/// Which of a member's addresses matched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MatchedBy {
    /// One of the alternate addresses.
    AlternateEmail,
    /// The primary address.
    PrimaryEmail,
}

/// Whether a deal still receives updates.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "why")]
#[non_exhaustive]
pub enum DealState {
    /// Its opportunity closed or is gone.
    Ended(Outcome),
    /// Receives updates.
    Live,
    /// Stays as it is, until the reason goes away.
    Stopped(SkipReason),
}

/// How an opportunity ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Deleted in the CRM, proved by a read of its id.
    Deleted,
    /// Lost.
    Lost,
    /// Won.
    Won,
}

/// Why an opportunity is no deal, or why a deal stopped receiving updates.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
#[non_exhaustive]
pub enum SkipReason {
    /// A stage filter is set and the opportunity has no stage id.
    NoStage,
    /// It is not open, and never became a deal.
    NotOpen {
        /// What it is instead.
        status: OpportunityStatus,
    },
    /// Its stage is not in the filter.
    OutsideFilter {
        /// The stage it is at.
        stage: StageId,
        /// The stage's name, when known.
        name: Option<String>,
    },
    /// Its owner is no single member.
    Owner {
        /// Why not.
        problem: OwnerProblem,
    },
}

/// Why an owner matches no single member.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "problem")]
#[non_exhaustive]
pub enum OwnerProblem {
    /// Two or more members have the address, in the same tier.
    Ambiguous {
        /// The shared address.
        email: EmailAddress,
        /// The members, in the order of their ids.
        members: Vec<MemberId>,
    },
    /// The CRM user has no usable e-mail address.
    NoEmail {
        /// The CRM user.
        user: UserId,
    },
    /// The opportunity has no owner that we can read.
    NoOwner,
    /// A team owns it.
    Team,
    /// The owner is a user that the mirror does not hold.
    UnknownUser {
        /// The user's id.
        user: UserId,
    },
    /// No active member has the address.
    Unmatched {
        /// The CRM user's address.
        email: EmailAddress,
        /// A likely remedy.
        hint: Option<OwnerHint>,
    },
}

/// A likely remedy for an unmatched owner.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "hint")]
#[non_exhaustive]
pub enum OwnerHint {
    /// This member looks like the owner: adding the address as an alternate one would match.
    AddAlternateEmail {
        /// The member.
        member: MemberId,
        /// The address to add.
        email: EmailAddress,
    },
}

impl fmt::Display for SkipReason {
    /// Prints a sentence for the activity feed, without a final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStage => f.write_str("a stage filter is set, and it has no stage"),
            Self::NotOpen { status: OpportunityStatus::Won } => f.write_str("it is already won"),
            Self::NotOpen { status: OpportunityStatus::Lost } => f.write_str("it is already lost"),
            Self::NotOpen { .. } => f.write_str("it is not open"),
            Self::OutsideFilter { name: Some(name), .. } => {
                write!(f, "its stage \u{201c}{name}\u{201d} is not in the stage filter")
            }
            Self::OutsideFilter { stage, name: None } => {
                write!(f, "its stage {stage} is not in the stage filter")
            }
            Self::Owner { problem } => problem.fmt(f),
        }
    }
}

impl fmt::Display for OwnerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { email, members } => {
                write!(f, "{} members share the owner's address {email}", members.len())
            }
            Self::NoEmail { .. } => f.write_str("its owner has no e-mail address in the CRM"),
            Self::NoOwner => f.write_str("it has no owner that we can read"),
            Self::Team => f.write_str("a team owns it"),
            Self::UnknownUser { .. } => f.write_str("its owner is a user we cannot read"),
            Self::Unmatched { email, .. } => {
                write!(f, "no member has its owner's address {email}")
            }
        }
    }
}

impl fmt::Display for OwnerHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddAlternateEmail { member, email } => {
                write!(f, "add {email} as an alternate e-mail of {member}")
            }
        }
    }
}

impl SkipReason {
    /// A likely remedy, when there is one.
    #[must_use]
    pub const fn hint(&self) -> Option<&OwnerHint> {
        match self {
            Self::Owner { problem: OwnerProblem::Unmatched { hint: Some(hint), .. } } => Some(hint),
            _ => None,
        }
    }
}

/// What to do with one opportunity: the answer of [`decide`](crate::rules::decide).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Decision {
    /// Make a deal of it.
    Create(DealDetails),
    /// The opportunity closed or is gone: record the outcome and stop updating.
    End(Outcome),
    /// It is no deal, for this reason.
    Skip(SkipReason),
    /// The deal stays as it is and stops receiving updates.
    Stop(SkipReason),
    /// Nothing to write.
    Unchanged,
    /// Bring the deal up to date; also resumes a stopped one.
    Update(DealDetails),
}

/// A decision about one opportunity, ready to be applied.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "hosts' own deals roles take it apart")]
pub struct Decided {
    /// The opportunity.
    pub opportunity: OpportunityId,
    /// The opportunity's name, for lists of skipped ones.
    pub name: Option<String>,
    /// What to do.
    pub decision: Decision,
}

/// An opportunity that is no deal at the moment, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "hosts' own deals roles build it")]
pub struct Skipped {
    /// The opportunity.
    pub opportunity: OpportunityId,
    /// The opportunity's name.
    pub name: Option<String>,
    /// Why.
    pub reason: SkipReason,
    /// Since when for this reason (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// The place of a change in a connection's ordered change feed, from 1.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ChangeSeq(u64);

impl ChangeSeq {
    /// Wraps a number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number inside.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// One entry of the deals' change feed: written in the same step as the deals themselves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "hosts' own deals roles build it")]
pub struct DealChange {
    /// Its place in the feed. Strictly growing within a connection; numbers may be left out.
    pub seq: ChangeSeq,
    /// When it was written (UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The opportunity it is about.
    pub opportunity: OpportunityId,
    /// The opportunity's name.
    pub name: Option<String>,
    /// What happened.
    pub kind: DealChangeKind,
}

/// What happened to an opportunity's deal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum DealChangeKind {
    /// A deal was made.
    Created {
        /// The deal as it was written.
        deal: Box<Deal>,
    },
    /// The deal's opportunity closed or is gone.
    Ended {
        /// The deal as it was written.
        deal: Box<Deal>,
    },
    /// The opportunity is no deal, for a reason that is new.
    Skipped {
        /// The reason.
        reason: SkipReason,
    },
    /// The deal stopped receiving updates.
    Stopped {
        /// The deal as it was written.
        deal: Box<Deal>,
    },
    /// The deal was brought up to date.
    Updated {
        /// The deal as it was written.
        deal: Box<Deal>,
    },
}
