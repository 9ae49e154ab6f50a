//! Opportunities and currencies.

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::{
    AccountId, Amount, ContactId, CurrencyCode, CurrencyId, CustomerRef, OpportunityId, OwnerRef,
    ProcessId, RowVersion, StageId,
};

/// A sales opportunity as the CRM holds it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Opportunity {
    /// The CRM's id.
    pub id: OpportunityId,
    /// The name (topic).
    pub name: Option<String>,
    /// Who owns it. `None` when the CRM does not say.
    pub owner: Option<OwnerRef>,
    /// Open, won or lost.
    pub status: OpportunityStatus,
    /// The status reason, as the CRM labels it.
    pub status_reason: Option<String>,
    /// The potential customer: a company or a person.
    pub customer: Option<CustomerRef>,
    /// The account set beside the customer.
    pub account: Option<AccountId>,
    /// The primary contact set beside the customer.
    pub contact: Option<ContactId>,
    /// The stage written on the record itself. Where the CRM keeps stages apart
    /// ([`StageAssignment`](super::StageAssignment)) this is a fallback that may lag.
    pub record_stage: RecordStage,
    /// The value in the record's own currency: the actual one once won, else the estimate.
    pub value: Option<Amount>,
    /// The same value in the org's base currency, as the CRM reported it.
    pub base_value: Option<Amount>,
    /// The currency of `value`.
    pub currency: Option<CurrencyId>,
    /// When it is expected to close: a plain date without time zone.
    #[serde(default, with = "crate::model::json::maybe_date")]
    pub close_date: Option<Date>,
    /// When it did close: a plain date without time zone.
    #[serde(default, with = "crate::model::json::maybe_date")]
    pub closed_on: Option<Date>,
    /// Probability in percent, 0 to 100.
    pub probability: Option<u8>,
    /// When the CRM says it was created (UTC).
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When the CRM says it was last changed (UTC).
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub modified_at: Option<OffsetDateTime>,
    /// The CRM's version of the row.
    pub version: RowVersion,
}

impl Opportunity {
    /// An open opportunity without any detail.
    #[must_use]
    pub const fn new(id: OpportunityId) -> Self {
        Self {
            id,
            name: None,
            owner: None,
            status: OpportunityStatus::Open,
            status_reason: None,
            customer: None,
            account: None,
            contact: None,
            record_stage: RecordStage { stage: None, process: None, label: None },
            value: None,
            base_value: None,
            currency: None,
            close_date: None,
            closed_on: None,
            probability: None,
            created_at: None,
            modified_at: None,
            version: RowVersion::new(0),
        }
    }

    /// The account it belongs to: the one set beside the customer, else the customer itself.
    #[must_use]
    pub const fn account(&self) -> Option<&AccountId> {
        match (&self.account, &self.customer) {
            (Some(id), _) | (None, Some(CustomerRef::Account(id))) => Some(id),
            (None, Some(CustomerRef::Contact(_)) | None) => None,
        }
    }

    /// The primary contact: the one set beside the customer, else the customer itself.
    #[must_use]
    pub const fn contact(&self) -> Option<&ContactId> {
        match (&self.contact, &self.customer) {
            (Some(id), _) | (None, Some(CustomerRef::Contact(id))) => Some(id),
            (None, Some(CustomerRef::Account(_)) | None) => None,
        }
    }
}

/// Whether an opportunity is still in play.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpportunityStatus {
    /// Lost.
    Lost,
    /// In play.
    Open,
    /// A state this crate does not know; treated as not open.
    Unknown,
    /// Won.
    Won,
}

/// The stage as written on an opportunity's own row.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordStage {
    /// The stage's id.
    pub stage: Option<StageId>,
    /// The process that last ran on it.
    pub process: Option<ProcessId>,
    /// A stage in words only; it never satisfies a filter (DEA-3).
    pub label: Option<String>,
}

/// A currency of the org.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Currency {
    /// The CRM's id.
    pub id: CurrencyId,
    /// The code, such as `EUR`.
    pub code: CurrencyCode,
    /// The name, such as `Euro`.
    pub name: Option<String>,
    /// The symbol, such as `€`.
    pub symbol: Option<String>,
    /// Decimal places shown, 0 to 10.
    pub precision: Option<u8>,
    /// Whether this is the org's base currency.
    pub role: CurrencyRole,
    /// The CRM's version of the row.
    pub version: RowVersion,
}

impl Currency {
    /// A currency of which only id and code are known.
    #[must_use]
    pub const fn new(id: CurrencyId, code: CurrencyCode) -> Self {
        Self {
            id,
            code,
            name: None,
            symbol: None,
            precision: None,
            role: CurrencyRole::Other,
            version: RowVersion::new(0),
        }
    }
}

/// Whether a currency is the org's base currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CurrencyRole {
    /// The org's base currency: `base_value` amounts are in it.
    Base,
    /// Any other.
    Other,
}
