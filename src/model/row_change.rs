//! What a sync found changed about accounts, contacts and opportunities.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AccountId, RecordId, RunId, Table};

/// What became of one row in one sync.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct RowChange {
    /// Its table: [`Table::Accounts`], [`Table::Contacts`] or [`Table::Opportunities`].
    pub table: Table,
    /// Its id.
    pub id: RecordId,
    /// What it is called now; of a row that is gone, what it was called.
    pub name: Option<String>,
    /// The account that it is or belongs to now; where there is none now, the one before.
    pub account: Option<AccountId>,
    /// What happened.
    pub kind: RowChangeKind,
}

/// What a sync found to have happened to a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowChangeKind {
    /// It was not there before.
    Added,
    /// These fields differ. Fields that nobody asks after, such as the time of the last change, are
    /// not compared.
    Changed(Vec<FieldChange>),
    /// The CRM says that it is there no more.
    Gone,
}

/// A field that differs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct FieldChange {
    /// Which one.
    pub field: ChangedField,
    /// What it was, [`FieldChange::MAX_BYTES`] at most; `None` when it was empty.
    pub from: Option<String>,
    /// What it is now, as long at most; `None` when it is empty.
    pub to: Option<String>,
}

impl FieldChange {
    /// The most bytes that are kept of a value.
    pub const MAX_BYTES: usize = 200;
}

/// A field that is compared, the most telling ones first. What refers to another row is told by its
/// id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangedField {
    /// Whether it is open, won or lost; in use, switched off or merged.
    Status,
    /// The stage, by the best source known.
    Stage,
    /// The amount in its own currency.
    Value,
    /// The currency of the value.
    Currency,
    /// The day on which it is expected to close, as `2026-02-01`.
    CloseDate,
    /// The user or the team that owns it.
    Owner,
    /// The name.
    Name,
    /// The account that a contact or an opportunity belongs to.
    Account,
    /// The main contact.
    Contact,
    /// Probability in percent.
    Probability,
    /// The job title.
    JobTitle,
    /// The department.
    Department,
    /// The main e-mail address.
    Email,
    /// The main telephone number.
    Phone,
    /// The web site.
    Website,
    /// The industry.
    Industry,
    /// Head count.
    Employees,
    /// The city of the main address.
    City,
    /// The country of the main address.
    Country,
    /// The parent company.
    Parent,
}

/// A change with the sync that found it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct FoundChange {
    /// The sync.
    pub run: RunId,
    /// When the change was stored (UTC). When it was made in the CRM is not known.
    pub at: OffsetDateTime,
    /// The change.
    pub change: RowChange,
}
