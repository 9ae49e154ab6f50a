//! What every mirrored record has in common: its table, its version, and batches of it.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::{Account, Contact, Currency, Opportunity, RecordId, Stage, StageAssignment, User};

/// A mirrored table, in CRM-neutral words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Table {
    /// People (and machines) who can own records.
    Users,
    /// Companies.
    Accounts,
    /// People at companies.
    Contacts,
    /// Sales opportunities.
    Opportunities,
    /// Stages of sales processes.
    Stages,
    /// Which stage an opportunity is at, in which process.
    StageAssignments,
    /// Currencies.
    Currencies,
}

impl Table {
    /// Every table, in the order in which a settings page lists them.
    pub const ALL: [Self; 7] = [
        Self::Users,
        Self::Accounts,
        Self::Contacts,
        Self::Opportunities,
        Self::Stages,
        Self::StageAssignments,
        Self::Currencies,
    ];

    /// The table's name in lower case, as stores and logs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Accounts => "accounts",
            Self::Contacts => "contacts",
            Self::Opportunities => "opportunities",
            Self::Stages => "stages",
            Self::StageAssignments => "stage_assignments",
            Self::Currencies => "currencies",
        }
    }

    /// The table with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A record's version as its CRM counts it. Only equality has a meaning.
///
/// Dataverse: `versionnumber`. Salesforce and HubSpot: the modification time in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowVersion(i64);

impl RowVersion {
    /// Wraps the CRM's own number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Derives a version from the content, for tables whose rows carry none.
    ///
    /// A new release may derive another number; then rows are rewritten once, nothing else.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "only equality has a meaning")]
    pub fn from_content(content: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self(hasher.finish() as i64)
    }

    /// A version that stands for this one as long as the row comes without these fields: no CRM sends
    /// it, so the row is written again once one of them comes, and it is the same each time, so the
    /// row is not written again before.
    #[must_use]
    pub fn provisional(self, absent: &[&str]) -> Self {
        let fields: BTreeSet<&str> = absent.iter().copied().collect();
        // CRMs count upwards from 0 or give a time, so no version of theirs is negative.
        Self(Self::from_content(&("provisional", self, fields)).0 | i64::MIN)
    }

    /// The number inside.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

/// A batch of rows of one table.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Rows {
    /// Rows of [`Table::Users`].
    Users(Vec<User>),
    /// Rows of [`Table::Accounts`].
    Accounts(Vec<Account>),
    /// Rows of [`Table::Contacts`].
    Contacts(Vec<Contact>),
    /// Rows of [`Table::Opportunities`].
    Opportunities(Vec<Opportunity>),
    /// Rows of [`Table::Stages`].
    Stages(Vec<Stage>),
    /// Rows of [`Table::StageAssignments`].
    StageAssignments(Vec<StageAssignment>),
    /// Rows of [`Table::Currencies`].
    Currencies(Vec<Currency>),
}

impl Rows {
    /// The table that these rows belong to.
    #[must_use]
    pub const fn table(&self) -> Table {
        match self {
            Self::Users(_) => Table::Users,
            Self::Accounts(_) => Table::Accounts,
            Self::Contacts(_) => Table::Contacts,
            Self::Opportunities(_) => Table::Opportunities,
            Self::Stages(_) => Table::Stages,
            Self::StageAssignments(_) => Table::StageAssignments,
            Self::Currencies(_) => Table::Currencies,
        }
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Users(rows) => rows.len(),
            Self::Accounts(rows) => rows.len(),
            Self::Contacts(rows) => rows.len(),
            Self::Opportunities(rows) => rows.len(),
            Self::Stages(rows) => rows.len(),
            Self::StageAssignments(rows) => rows.len(),
            Self::Currencies(rows) => rows.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One batch of several of the same table; those of another table are left out.
    #[must_use]
    pub fn concat(table: Table, batches: Vec<Self>) -> Self {
        macro_rules! join {
            ($variant:ident) => {{
                let mut all = Vec::new();
                for batch in batches {
                    if let Self::$variant(rows) = batch {
                        all.extend(rows);
                    }
                }
                Self::$variant(all)
            }};
        }
        match table {
            Table::Users => join!(Users),
            Table::Accounts => join!(Accounts),
            Table::Contacts => join!(Contacts),
            Table::Opportunities => join!(Opportunities),
            Table::Stages => join!(Stages),
            Table::StageAssignments => join!(StageAssignments),
            Table::Currencies => join!(Currencies),
        }
    }

    /// Keeps the rows whose ids are wanted.
    pub fn retain(&mut self, is_wanted: impl Fn(&RecordId) -> bool) {
        fn of<R: Record>(rows: &mut Vec<R>, is_wanted: impl Fn(&RecordId) -> bool) {
            rows.retain(|row| is_wanted(&row.record_id()));
        }
        match self {
            Self::Users(rows) => of(rows, is_wanted),
            Self::Accounts(rows) => of(rows, is_wanted),
            Self::Contacts(rows) => of(rows, is_wanted),
            Self::Opportunities(rows) => of(rows, is_wanted),
            Self::Stages(rows) => of(rows, is_wanted),
            Self::StageAssignments(rows) => of(rows, is_wanted),
            Self::Currencies(rows) => of(rows, is_wanted),
        }
    }

    /// The ids of the rows, in their order.
    #[must_use]
    pub fn ids(&self) -> Vec<RecordId> {
        fn of<R: Record>(rows: &[R]) -> Vec<RecordId> {
            rows.iter().map(Record::record_id).collect()
        }
        match self {
            Self::Users(rows) => of(rows),
            Self::Accounts(rows) => of(rows),
            Self::Contacts(rows) => of(rows),
            Self::Opportunities(rows) => of(rows),
            Self::Stages(rows) => of(rows),
            Self::StageAssignments(rows) => of(rows),
            Self::Currencies(rows) => of(rows),
        }
    }
}

/// A typed row of one mirrored table.
pub trait Record: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The table that holds rows of this type.
    const TABLE: Table;

    /// The row's id within its table.
    fn record_id(&self) -> RecordId;

    /// The row's version.
    fn version(&self) -> RowVersion;

    /// Wraps a batch of such rows.
    fn batch(rows: Vec<Self>) -> Rows;

    /// Takes the rows out of a batch; `None` when they are of another table.
    fn from_batch(rows: Rows) -> Option<Vec<Self>>;
}

macro_rules! record {
    ($type:ident, $table:ident) => {
        impl Record for $type {
            const TABLE: Table = Table::$table;

            fn record_id(&self) -> RecordId {
                self.id.clone().into()
            }

            fn version(&self) -> RowVersion {
                self.version
            }

            fn batch(rows: Vec<Self>) -> Rows {
                Rows::$table(rows)
            }

            fn from_batch(rows: Rows) -> Option<Vec<Self>> {
                if let Rows::$table(rows) = rows { Some(rows) } else { None }
            }
        }
    };
}

record!(User, Users);
record!(Account, Accounts);
record!(Contact, Contacts);
record!(Opportunity, Opportunities);
record!(Stage, Stages);
record!(StageAssignment, StageAssignments);
record!(Currency, Currencies);
