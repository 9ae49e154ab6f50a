//! Contacts: the people at the customer's accounts.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AccountId, ContactId, EmailAddress, OwnerRef, RowVersion};

/// A contact (person).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Contact {
    /// The CRM's id.
    pub id: ContactId,
    /// The full name, as the CRM shows it.
    pub name: Option<String>,
    /// E-mail addresses, the main one first; what is no address is left out.
    pub emails: Vec<EmailAddress>,
    /// The main telephone number as typed.
    pub phone: Option<String>,
    /// The job title.
    pub job_title: Option<String>,
    /// The department.
    pub department: Option<String>,
    /// Where the contact belongs.
    pub parent: Option<CustomerRef>,
    /// Who owns it.
    pub owner: Option<OwnerRef>,
    /// Whether it is in use, or was merged into another.
    pub status: ContactStatus,
    /// When the CRM says it was created (UTC).
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When the CRM says it was last changed (UTC).
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub modified_at: Option<OffsetDateTime>,
    /// The CRM's version of the row.
    pub version: RowVersion,
}

impl Contact {
    /// An active contact without any detail.
    #[must_use]
    pub const fn new(id: ContactId) -> Self {
        Self {
            id,
            name: None,
            emails: Vec::new(),
            phone: None,
            job_title: None,
            department: None,
            parent: None,
            owner: None,
            status: ContactStatus::Active,
            created_at: None,
            modified_at: None,
            version: RowVersion::new(0),
        }
    }

    /// The account that the contact belongs to directly.
    #[must_use]
    pub const fn account(&self) -> Option<&AccountId> {
        match &self.parent {
            Some(CustomerRef::Account(id)) => Some(id),
            Some(CustomerRef::Contact(_)) | None => None,
        }
    }
}

/// Whether a contact is in use.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContactStatus {
    /// In use.
    Active,
    /// Switched off.
    Inactive,
    /// Merged into another contact, which survives.
    MergedInto(ContactId),
}

/// A customer that may be a company or a person.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CustomerRef {
    /// A company.
    Account(AccountId),
    /// A person.
    Contact(ContactId),
}
