//! `accounts`: the customer's companies, inactive and merged ones marked.

use std::borrow::Cow;

use time::OffsetDateTime;

use crate::dynamics::decode::{Converted, Source};
use crate::dynamics::tables::{OwnerColumns, is_active, version};
use crate::dynamics::wire::{Guid, wire_row};
use crate::model::{Account, AccountStatus};

/// Every account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accounts;

wire_row! {
    /// A row of `accounts`.
    ///
    /// The industry is not asked for: it is a number whose label costs an annotation on every
    /// column of every row.
    AccountRow<'a> {
        id: Guid<'a> = "accountid" => Feeds["id"],
        name: Cow<'a, str> = "name" => Feeds["name"],
        website: Cow<'a, str> = "websiteurl" => Feeds["website"],
        email: Cow<'a, str> = "emailaddress1" => Feeds["email"],
        phone: Cow<'a, str> = "telephone1" => Feeds["phone"],
        employees: i64 = "numberofemployees" => Feeds["employees"],
        city: Cow<'a, str> = "address1_city" => Feeds["city"],
        country: Cow<'a, str> = "address1_country" => Feeds["country"],
        parent: Guid<'a> = "_parentaccountid_value" => Feeds["parent"],
        primary_contact: Guid<'a> = "_primarycontactid_value" => Feeds["primary_contact"],
        owner: Guid<'a> = "_ownerid_value" => Feeds["owner"],
        owning_user: Guid<'a> = "_owninguser_value" => Feeds["owner"],
        owning_team: Guid<'a> = "_owningteam_value" => Feeds["owner"],
        state: i64 = "statecode" => Feeds["status"],
        merged: bool = "merged" => Helps["status"],
        master: Guid<'a> = "_masterid_value" => Helps["status"],
        created_at: OffsetDateTime = "createdon" => Feeds["created_at"],
        modified_at: OffsetDateTime = "modifiedon" => Feeds["modified_at"],
        version: i64 = "versionnumber" => Helps["version"],
    } beside {
        owner_table: Cow<'a, str> = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
    }
}

impl Source for Accounts {
    type Wire<'a> = AccountRow<'a>;
    type Row = Account;

    fn set(&self) -> &'static str {
        "accounts"
    }

    fn key(&self) -> &'static str {
        "accountid"
    }

    fn convert(&self, wire: &AccountRow<'_>) -> Converted<Account> {
        convert(wire).into()
    }
}

fn convert(wire: &AccountRow<'_>) -> Option<Account> {
    let owner = OwnerColumns {
        owner: &wire.owner,
        table: &wire.owner_table,
        user: &wire.owning_user,
        team: &wire.owning_team,
    };
    let mut account = Account::new(wire.id.id()?);
    account.name = wire.name.text();
    account.website = wire.website.text();
    account.email = wire.email.text();
    account.phone = wire.phone.text();
    account.employees = wire.employees.value();
    account.city = wire.city.text();
    account.country = wire.country.text();
    account.parent = wire.parent.id();
    account.primary_contact = wire.primary_contact.id();
    account.owner = owner.owner();
    account.status = match (wire.merged.value(), wire.master.id()) {
        (Some(true), Some(survivor)) => AccountStatus::MergedInto(survivor),
        _ if is_active(&wire.state) => AccountStatus::Active,
        _ => AccountStatus::Inactive,
    };
    account.created_at = wire.created_at.value();
    account.modified_at = wire.modified_at.value();
    account.version = version(wire.version, &account);
    Some(account)
}
