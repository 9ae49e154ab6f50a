//! CRM users, who own records, and Fluint members, who own deals.

use serde::{Deserialize, Serialize};

use super::{EmailAddress, MemberId, RowVersion, TeamId, UserId};

/// A user of the CRM.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// The CRM's id.
    pub id: UserId,
    /// The display name.
    pub name: Option<String>,
    /// The e-mail address that owner matching compares (Dataverse: `internalemailaddress`).
    /// `None` when the CRM holds none, or something that is no address.
    pub email: Option<EmailAddress>,
    /// The sign-in name, for display only (it is not matched).
    pub sign_in_name: Option<String>,
    /// Whether a person stands behind it.
    pub kind: UserKind,
    /// Whether the user may still sign in. Leavers still own records.
    pub status: UserStatus,
    /// The CRM's version of the row.
    pub version: RowVersion,
}

impl User {
    /// An enabled person without e-mail address.
    #[must_use]
    pub const fn new(id: UserId) -> Self {
        Self {
            id,
            name: None,
            email: None,
            sign_in_name: None,
            kind: UserKind::Person,
            status: UserStatus::Enabled,
            version: RowVersion::new(0),
        }
    }
}

/// What stands behind a CRM user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UserKind {
    /// A registered application.
    Application,
    /// A person.
    Person,
    /// Any other machine account.
    Service,
}

/// Whether a CRM user may still sign in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UserStatus {
    /// Disabled, but records may still belong to the user.
    Disabled,
    /// May sign in.
    Enabled,
}

/// Who owns a record of the CRM.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OwnerRef {
    /// A team; no single member can be matched.
    Team(TeamId),
    /// A user.
    User(UserId),
}

/// A Fluint user, as the host reports it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The host's id.
    pub id: MemberId,
    /// The primary e-mail address.
    pub email: EmailAddress,
    /// Further addresses that mean the same person.
    pub alternate_emails: Vec<EmailAddress>,
    /// Inactive members never match.
    pub status: MemberStatus,
}

impl Member {
    /// An active member without alternate addresses.
    #[must_use]
    pub const fn new(id: MemberId, email: EmailAddress) -> Self {
        Self { id, email, alternate_emails: Vec::new(), status: MemberStatus::Active }
    }
}

/// Whether a member can own deals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MemberStatus {
    /// May own deals.
    Active,
    /// Never matched.
    Inactive,
}
