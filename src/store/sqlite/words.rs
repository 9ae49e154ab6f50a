//! The words that stand for enums in columns.

use crate::model::query::DealStanding;
use crate::model::{AssignmentState, CurrencyRole, OpportunityStatus, Table, UserKind, UserStatus};
use crate::storage::PullPhase;

/// An enum without content, stored as a short word.
pub(crate) trait Word: Copy {
    /// The word that stands for it. Never change one: databases hold them.
    fn as_word(self) -> &'static str;

    /// What a word stands for.
    fn from_word(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal,)+ }) => {
        impl Word for $type {
            fn as_word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(UserKind { Application = "application", Person = "person", Service = "service", });
words!(UserStatus { Disabled = "disabled", Enabled = "enabled", });
words!(OpportunityStatus { Lost = "lost", Open = "open", Unknown = "unknown", Won = "won", });
words!(AssignmentState { Aborted = "aborted", Active = "active", Finished = "finished", });
words!(DealStanding { Ended = "ended", Live = "live", Stopped = "stopped", });
words!(CurrencyRole { Base = "base", Other = "other", });
words!(PullPhase { Finished = "finished", Promoting = "promoting", Reading = "reading", });

impl Word for Table {
    fn as_word(self) -> &'static str {
        self.as_str()
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::from_name(word)
    }
}
