//! How far a user's rights reach, in CRM-neutral words.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Table;

/// Whose rows a right reaches; a larger one reaches more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the scale that CRMs share; an unknown reach is None")]
pub enum Reach {
    /// The user's own, and what is shared with the user.
    Own,
    /// Those of the user's business unit.
    Unit,
    /// Those of the user's business unit and the units below it.
    UnitAndBelow,
    /// Everybody's.
    Everything,
}

impl fmt::Display for Reach {
    /// Says whose rows, so that `only` or `all` may stand before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "the user's own",
            Self::Unit => "those of the user's business unit",
            Self::UnitAndBelow => "those of the user's business unit and the units below it",
            Self::Everything => "everybody's",
        })
    }
}

/// How far a user's rights to read reach, table by table, as the CRM tells it.
///
/// Two of them are compared and nothing else: where they differ, the rows that one of two syncs saw
/// say nothing about the other (R-19). A table that is not listed cannot be read, or nobody knows
/// how far.
///
/// # Example
/// ```
/// use fluint_crm::model::{Reach, Rights, Table};
///
/// let before = Rights::new([(Table::Accounts, Reach::Everything)]);
/// let now = Rights::new([(Table::Accounts, Reach::Unit)]);
/// assert_ne!(before, now);
/// assert_eq!(now.reach(Table::Accounts), Some(Reach::Unit));
/// assert_eq!(now.reach(Table::Contacts), None);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(BTreeMap<Table, Reach>);

impl Rights {
    /// Rights to read these tables. Of a table named twice, the larger reach counts.
    #[must_use]
    pub fn new(reads: impl IntoIterator<Item = (Table, Reach)>) -> Self {
        let mut rights = BTreeMap::new();
        for (table, reach) in reads {
            let known = rights.entry(table).or_insert(reach);
            *known = reach.max(*known);
        }
        Self(rights)
    }

    /// How far the right to read a table reaches.
    #[must_use]
    pub fn reach(&self, table: Table) -> Option<Reach> {
        self.0.get(&table).copied()
    }
}
