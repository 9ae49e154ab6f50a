//! `opportunities`: the open ones in a sync, any of them by id.

use std::borrow::Cow;

use time::{Date, OffsetDateTime};

use crate::dynamics::decode::{Converted, Source};
use crate::dynamics::tables::{OwnerColumns, version};
use crate::dynamics::wire::{Column, Guid, wire_row};
use crate::model::{Amount, CustomerRef, Opportunity, OpportunityStatus};

/// The open opportunities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opportunities;

wire_row! {
    /// A row of `opportunities`.
    OpportunityRow<'a> {
        id: Guid<'a> = "opportunityid" => Feeds["id"],
        name: Cow<'a, str> = "name" => Feeds["name"],
        owner: Guid<'a> = "_ownerid_value" => Feeds["owner"],
        owning_user: Guid<'a> = "_owninguser_value" => Feeds["owner"],
        owning_team: Guid<'a> = "_owningteam_value" => Feeds["owner"],
        state: i64 = "statecode" => Feeds["status"],
        reason: i64 = "statuscode" => Feeds["status_reason"],
        customer: Guid<'a> = "_customerid_value" => Feeds["customer"],
        account: Guid<'a> = "_parentaccountid_value" => Feeds["account"],
        contact: Guid<'a> = "_parentcontactid_value" => Feeds["contact"],
        stage: Guid<'a> = "stageid" => Feeds["record_stage.stage"],
        process: Guid<'a> = "processid" => Feeds["record_stage.process"],
        step_name: Cow<'a, str> = "stepname" => Feeds["record_stage.label"],
        estimate: Amount = "estimatedvalue" => Feeds["value"],
        estimate_base: Amount = "estimatedvalue_base" => Feeds["base_value"],
        actual: Amount = "actualvalue" => Helps["value"],
        actual_base: Amount = "actualvalue_base" => Helps["base_value"],
        currency: Guid<'a> = "_transactioncurrencyid_value" => Feeds["currency"],
        close_date: Date = "estimatedclosedate" => Feeds["close_date"],
        closed_on: Date = "actualclosedate" => Feeds["closed_on"],
        probability: i64 = "closeprobability" => Feeds["probability"],
        created_at: OffsetDateTime = "createdon" => Feeds["created_at"],
        modified_at: OffsetDateTime = "modifiedon" => Feeds["modified_at"],
        version: i64 = "versionnumber" => Helps["version"],
    } beside {
        customer_table: Cow<'a, str> =
            "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        owner_table: Cow<'a, str> = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
    }
}

impl Source for Opportunities {
    type Wire<'a> = OpportunityRow<'a>;
    type Row = Opportunity;

    fn set(&self) -> &'static str {
        "opportunities"
    }

    fn key(&self) -> &'static str {
        "opportunityid"
    }

    fn filter(&self) -> Option<String> {
        Some("statecode eq 0".to_owned())
    }

    fn convert(&self, wire: &OpportunityRow<'_>) -> Converted<Opportunity> {
        convert(wire).into()
    }
}

fn convert(wire: &OpportunityRow<'_>) -> Option<Opportunity> {
    let mut opportunity = Opportunity::new(wire.id.id()?);
    opportunity.customer = customer(wire);
    opportunity.name = wire.name.text();
    opportunity.status = status(wire.state);
    opportunity.status_reason = wire.reason.value().map(|reason| reason_label(reason).into_owned());
    opportunity.account = wire.account.id();
    opportunity.contact = wire.contact.id();
    opportunity.record_stage.stage = wire.stage.id();
    opportunity.record_stage.process = wire.process.id();
    opportunity.record_stage.label = wire.step_name.text();
    (opportunity.value, opportunity.base_value) = match (opportunity.status, wire.actual.value()) {
        (OpportunityStatus::Won, Some(actual)) => (Some(actual), wire.actual_base.value()),
        _ => (wire.estimate.value(), wire.estimate_base.value()),
    };
    opportunity.currency = wire.currency.id();
    opportunity.close_date = wire.close_date.value();
    opportunity.closed_on = wire.closed_on.value();
    opportunity.probability = percent(wire.probability);
    opportunity.created_at = wire.created_at.value();
    opportunity.modified_at = wire.modified_at.value();
    opportunity.owner = OwnerColumns {
        owner: &wire.owner,
        table: &wire.owner_table,
        user: &wire.owning_user,
        team: &wire.owning_team,
    }
    .owner();
    opportunity.version = version(wire.version, &opportunity);
    Some(opportunity)
}

/// A state that cannot be read is not known to be open; one that was not sent was filtered for.
fn status(state: Column<i64>) -> OpportunityStatus {
    match state {
        Column::Absent | Column::Null | Column::Value(0) => OpportunityStatus::Open,
        Column::Value(1) => OpportunityStatus::Won,
        Column::Value(2) => OpportunityStatus::Lost,
        Column::Value(_) | Column::Unreadable => OpportunityStatus::Unknown,
    }
}

/// The words of the reasons that every environment has; a customer's own stay numbers.
fn reason_label(reason: i64) -> Cow<'static, str> {
    match reason {
        1 => "In Progress".into(),
        2 => "On Hold".into(),
        3 => "Won".into(),
        4 => "Canceled".into(),
        5 => "Out-Sold".into(),
        other => other.to_string().into(),
    }
}

/// The customer is an account or a contact, as the annotation says; without it, as the column says
/// that holds the same id.
fn customer(wire: &OpportunityRow<'_>) -> Option<CustomerRef> {
    let is = |beside: &Column<Guid<'_>>| match (&wire.customer, beside) {
        (Column::Value(id), Column::Value(beside)) => id == beside,
        _ => false,
    };
    if wire.customer_table.is("account") || is(&wire.account) {
        wire.customer.id().map(CustomerRef::Account)
    } else if wire.customer_table.is("contact") || is(&wire.contact) {
        wire.customer.id().map(CustomerRef::Contact)
    } else {
        None
    }
}

fn percent(probability: Column<i64>) -> Option<u8> {
    probability.value().and_then(|percent| u8::try_from(percent).ok()).filter(|p| *p <= 100)
}

#[cfg(test)]
mod tests;
