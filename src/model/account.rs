//! Accounts: the companies of the CRM.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AccountId, ContactId, OwnerRef, RowVersion};

/// An account (company).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// The CRM's id.
    pub id: AccountId,
    /// The name, as the CRM shows it.
    pub name: Option<String>,
    /// The web site as typed; it may be a bare domain.
    pub website: Option<String>,
    /// The main e-mail address as typed.
    pub email: Option<String>,
    /// The main telephone number as typed.
    pub phone: Option<String>,
    /// The industry, as the CRM labels it, when the connector can tell it.
    pub industry: Option<String>,
    /// Head count.
    pub employees: Option<i64>,
    /// The city of the main address.
    pub city: Option<String>,
    /// The country of the main address.
    pub country: Option<String>,
    /// The parent company.
    pub parent: Option<AccountId>,
    /// The main contact.
    pub primary_contact: Option<ContactId>,
    /// Who owns it.
    pub owner: Option<OwnerRef>,
    /// Whether it is in use, or was merged into another.
    pub status: AccountStatus,
    /// When the CRM says it was created (UTC).
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When the CRM says it was last changed (UTC).
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub modified_at: Option<OffsetDateTime>,
    /// The CRM's version of the row.
    pub version: RowVersion,
}

impl Account {
    /// An active account without any detail.
    #[must_use]
    pub const fn new(id: AccountId) -> Self {
        Self {
            id,
            name: None,
            website: None,
            email: None,
            phone: None,
            industry: None,
            employees: None,
            city: None,
            country: None,
            parent: None,
            primary_contact: None,
            owner: None,
            status: AccountStatus::Active,
            created_at: None,
            modified_at: None,
            version: RowVersion::new(0),
        }
    }
}

/// Whether an account or a contact is in use.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountStatus {
    /// In use.
    Active,
    /// Switched off.
    Inactive,
    /// Merged into another account, which survives.
    MergedInto(AccountId),
}
