//! One company, however many CRMs hold an account of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AccountId, ConnectionId};

/// The accounts of all a workspace's connections that are one company (ACC-1).
///
/// [`unify_accounts`](crate::rules::unify_accounts) makes it.
///
/// # Example
/// ```
/// use fluint_crm::model::UnifiedKey;
///
/// let key = UnifiedKey::Domain("contoso.com".to_owned());
/// assert_eq!(key.to_string(), "domain:contoso.com");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnifiedAccount {
    /// What the members have in common.
    pub key: UnifiedKey,
    /// The name to show, as typed: the one that most active members carry, else inactive ones, else
    /// merged ones. `None` when no member has a name.
    pub name: Option<String>,
    /// Web domains: the one that the members were grouped by, then others that they mention, which
    /// another company may mention too.
    pub domains: Vec<String>,
    /// The accounts, by connection and id; there is always one.
    pub members: Vec<(ConnectionId, AccountId)>,
}

impl UnifiedAccount {
    /// A company without name, domains and members.
    #[must_use]
    pub const fn new(key: UnifiedKey) -> Self {
        Self { key, name: None, domains: Vec::new(), members: Vec::new() }
    }
}

/// What makes accounts one company. It stays the same while the members' data do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnifiedKey {
    /// The registrable web domain, such as `contoso.co.uk`; in punycode when it is not ASCII.
    Domain(String),
    /// The folded name without its legal form, of accounts that have no web domain.
    Name(String),
    /// Nothing: the account stands for itself.
    Account(ConnectionId, AccountId),
}

impl fmt::Display for UnifiedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => write!(f, "domain:{domain}"),
            Self::Name(name) => write!(f, "name:{name}"),
            Self::Account(connection, account) => write!(f, "account:{connection}/{account}"),
        }
    }
}
