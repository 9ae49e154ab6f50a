//! Why rows that vanished are kept.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a sweep was withheld.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "withheld")]
#[non_exhaustive]
pub enum WithheldReason {
    /// The CRM hides rows from this user that it showed before: a right was taken away, and what
    /// else is missing may be hidden, too.
    Hidden {
        /// How many of those that were asked for one by one.
        hidden: u64,
    },
    /// The pull saw no row at all, though some were known. A right that was taken away looks just
    /// like that.
    NothingSeen {
        /// How many were known.
        known: u64,
    },
    /// More rows vanished than a normal day explains.
    TooManyMissing {
        /// How many are missing without explanation.
        missing: u64,
        /// How many would have been allowed.
        allowed: u64,
    },
}

impl WithheldReason {
    /// Whether a person may approve the sweep of this run after all.
    ///
    /// A table that came back empty, or that hides rows, is never swept.
    #[must_use]
    pub const fn is_approvable(&self) -> bool {
        matches!(self, Self::TooManyMissing { .. })
    }
}

impl fmt::Display for WithheldReason {
    /// Prints a sentence for the activity feed, without a final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden { hidden } => {
                write!(f, "the CRM hides {hidden} of them from the connected user")
            }
            Self::NothingSeen { known } => {
                write!(f, "the CRM showed no row, though {known} were known")
            }
            Self::TooManyMissing { missing, allowed } => {
                write!(f, "{missing} rows are missing, more than the {allowed} that may be")
            }
        }
    }
}
