//! Identifiers: the host's, ours, and the CRM's. Each is its own type, so none can be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};

/// The longest identifier that a host or a CRM may hand us, in bytes.
///
/// Salesforce ids have 18 characters, Dataverse's 36, HubSpot's fewer than 20; hosts use UUIDs or
/// slugs. The bound keeps a hostile value out of every key.
const MAX_ID_BYTES: usize = 200;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Accepts an identifier of 1 to 200 bytes without control characters.
            ///
            /// # Errors
            /// [`Error::InvalidInput`] when it is empty, too long, or holds a control character.
            pub fn new(text: impl Into<String>) -> Result<Self> {
                let text: String = text.into();
                if text.is_empty() || text.len() > MAX_ID_BYTES {
                    return Err(Error::invalid_input($what, "it must have 1 to 200 bytes"));
                }
                if holds_control(&text) {
                    return Err(Error::invalid_input($what, "it holds a control character"));
                }
                Ok(Self(text.into_boxed_str()))
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }
    };
}

macro_rules! record_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        text_id!($(#[$doc])* $name, $what);

        impl From<$name> for RecordId {
            fn from(id: $name) -> Self {
                Self(id.0)
            }
        }

        impl From<RecordId> for $name {
            fn from(id: RecordId) -> Self {
                Self(id.0)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

text_id!(
    /// A Fluint workspace: the tenant of the host. The host chooses it.
    WorkspaceId,
    "workspace id"
);
text_id!(
    /// A Fluint user of a workspace. The host chooses it.
    MemberId,
    "member id"
);
text_id!(
    /// A document of the host.
    DocumentId,
    "document id"
);
text_id!(
    /// Any record of a CRM, in the CRM's own canonical spelling (Dataverse: lower-case GUID).
    RecordId,
    "record id"
);
text_id!(
    /// The CRM's own identity of an org, which survives a renamed address.
    OrganisationId,
    "organisation id"
);
record_id!(
    /// A user of the CRM.
    UserId,
    "user id"
);
record_id!(
    /// A team of the CRM.
    TeamId,
    "team id"
);
record_id!(
    /// An account (company) of the CRM.
    AccountId,
    "account id"
);
record_id!(
    /// A contact (person) of the CRM.
    ContactId,
    "contact id"
);
record_id!(
    /// An opportunity of the CRM.
    OpportunityId,
    "opportunity id"
);
record_id!(
    /// A stage of a sales process.
    StageId,
    "stage id"
);
record_id!(
    /// A sales process (Salesforce and HubSpot: pipeline).
    ProcessId,
    "process id"
);
record_id!(
    /// A currency record of the CRM.
    CurrencyId,
    "currency id"
);

uuid_id!(
    /// One workspace's link to one org.
    ConnectionId
);
uuid_id!(
    /// One pull: a full read of every table of a connection.
    RunId
);
uuid_id!(
    /// A deal, derived from workspace, connection and opportunity, so that promoting twice
    /// gives the same deal.
    DealId
);

impl ConnectionId {
    /// Derives the connection's id (UUID version 5): connecting the same org again, even twice at
    /// once, gives the same connection.
    #[must_use]
    pub fn derive(workspace: &WorkspaceId, crm: &str, organisation: &OrganisationId) -> Self {
        Self(derive_uuid("connection", &[workspace.as_str(), crm, organisation.as_str()]))
    }
}

/// Whether a control character stands in the text. Pages hold tens of thousands of ids, nearly all
/// plain ASCII, so those are looked at without a branch for each byte.
fn holds_control(text: &str) -> bool {
    let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    !plain && text.chars().any(char::is_control)
}

/// The name space of every id that this crate derives. Drawn once; changing it would orphan
/// every deal and every published note.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f2d_7c1a_93b4_4e58_a1c7_0d5e_8b42_f69d);

impl DealId {
    /// Derives the deal's id (UUID version 5).
    ///
    /// # Example
    /// ```
    /// use fluint_crm::model::{ConnectionId, DealId, OpportunityId, WorkspaceId};
    /// # fn main() -> fluint_crm::Result<()> {
    /// let workspace = WorkspaceId::new("acme")?;
    /// let connection = ConnectionId::new(uuid::Uuid::from_u128(7));
    /// let opportunity = OpportunityId::new("0a1b2c3d-1111-2222-3333-444455556666")?;
    /// let first = DealId::derive(&workspace, connection, &opportunity);
    /// assert_eq!(first, DealId::derive(&workspace, connection, &opportunity));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn derive(
        workspace: &WorkspaceId,
        connection: ConnectionId,
        opportunity: &OpportunityId,
    ) -> Self {
        let connection = connection.to_string();
        Self(derive_uuid("deal", &[workspace.as_str(), &connection, opportunity.as_str()]))
    }
}

/// Bytes as hexadecimal digits, two for each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Derives a UUID (version 5) from a kind and parts, each with its length in front, so that no two
/// lists of parts can run into the same text.
pub(crate) fn derive_uuid(kind: &str, parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(128);
    for part in std::iter::once(&kind).chain(parts) {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_refuses_what_would_spoil_a_key() {
        assert!(WorkspaceId::new("").is_err());
        assert!(WorkspaceId::new("a\nb").is_err());
        assert!(WorkspaceId::new("x".repeat(201)).is_err());
        assert!(WorkspaceId::new("a\u{7f}").is_err());
        assert!(WorkspaceId::new("é\u{85}").is_err());
        assert_eq!(WorkspaceId::new("Zoë ~").unwrap().as_str(), "Zoë ~");
        assert_eq!(WorkspaceId::new("acme").unwrap().as_str(), "acme");
    }

    #[test]
    fn derived_ids_do_not_run_together() {
        assert_ne!(derive_uuid("k", &["ab", "c"]), derive_uuid("k", &["a", "bc"]));
    }
}
