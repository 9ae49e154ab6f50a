//! What the mirror knows of one opportunity, joined: the input of a promotion.

use time::OffsetDateTime;

use super::{Amount, Currency, Opportunity, Stage, StageAssignment, User};

/// An opportunity with everything that deciding about it needs.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The opportunity.
    pub opportunity: Opportunity,
    /// Whether the last complete pull saw it.
    pub presence: Presence,
    /// The owner, when it is a user that the mirror holds.
    pub owner: Option<User>,
    /// Its places in processes, in no particular order.
    pub assignments: Vec<AssignedStage>,
    /// The stage that the record's own column names, when the mirror holds it.
    pub record_stage: Option<Stage>,
    /// The name of its account.
    pub account_name: Option<String>,
    /// The name of its primary contact.
    pub contact_name: Option<String>,
    /// Its currency.
    pub currency: Option<Currency>,
    /// The org's base currency.
    pub base_currency: Option<Currency>,
}

impl Candidate {
    /// A candidate that was seen, of which only the opportunity is known.
    #[must_use]
    pub const fn new(opportunity: Opportunity) -> Self {
        Self {
            opportunity,
            presence: Presence::Seen,
            owner: None,
            assignments: Vec::new(),
            record_stage: None,
            account_name: None,
            contact_name: None,
            currency: None,
            base_currency: None,
        }
    }

    /// The opportunity's amount, whatever its currency.
    #[must_use]
    pub const fn amount(&self) -> Option<Amount> {
        self.opportunity.value
    }
}

/// A stage assignment with the stage it names.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct AssignedStage {
    /// The assignment.
    pub assignment: StageAssignment,
    /// The stage, when the mirror holds it.
    pub stage: Option<Stage>,
    /// Whether the last complete pull saw the assignment.
    pub presence: Presence,
}

/// Whether the last complete pull of a table saw a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Presence {
    /// A read of its id proved that it is gone.
    Gone {
        /// Since when (UTC).
        since: OffsetDateTime,
    },
    /// A complete pull did not see it. It may have closed, be hidden or be gone.
    Missing {
        /// Since when (UTC).
        since: OffsetDateTime,
    },
    /// Seen.
    Seen,
}
