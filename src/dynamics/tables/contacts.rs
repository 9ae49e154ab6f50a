//! `contacts`: the people at the customer's accounts.

use std::borrow::Cow;

use time::OffsetDateTime;

use crate::dynamics::decode::{Converted, Source};
use crate::dynamics::tables::{OwnerColumns, is_active, version};
use crate::dynamics::wire::{Guid, wire_row};
use crate::model::{Contact, ContactStatus, CustomerRef, EmailAddress};

/// Every contact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contacts;

wire_row! {
    /// A row of `contacts`.
    ContactRow<'a> {
        id: Guid<'a> = "contactid" => Feeds["id"],
        name: Cow<'a, str> = "fullname" => Feeds["name"],
        email1: Cow<'a, str> = "emailaddress1" => Feeds["emails"],
        email2: Cow<'a, str> = "emailaddress2" => Feeds["emails"],
        email3: Cow<'a, str> = "emailaddress3" => Feeds["emails"],
        phone: Cow<'a, str> = "telephone1" => Feeds["phone"],
        job_title: Cow<'a, str> = "jobtitle" => Feeds["job_title"],
        department: Cow<'a, str> = "department" => Feeds["department"],
        parent: Guid<'a> = "_parentcustomerid_value" => Feeds["parent"],
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
        parent_table: Cow<'a, str> =
            "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        owner_table: Cow<'a, str> = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
    }
}

impl Source for Contacts {
    type Wire<'a> = ContactRow<'a>;
    type Row = Contact;

    fn set(&self) -> &'static str {
        "contacts"
    }

    fn key(&self) -> &'static str {
        "contactid"
    }

    fn convert(&self, wire: &ContactRow<'_>) -> Converted<Contact> {
        convert(wire).into()
    }
}

fn convert(wire: &ContactRow<'_>) -> Option<Contact> {
    let owner = OwnerColumns {
        owner: &wire.owner,
        table: &wire.owner_table,
        user: &wire.owning_user,
        team: &wire.owning_team,
    };
    let mut contact = Contact::new(wire.id.id()?);
    contact.name = wire.name.text();
    for email in [&wire.email1, &wire.email2, &wire.email3] {
        let email = email.known().and_then(|email| EmailAddress::new(email).ok());
        contact.emails.extend(email.filter(|email| !contact.emails.contains(email)));
    }
    contact.phone = wire.phone.text();
    contact.job_title = wire.job_title.text();
    contact.department = wire.department.text();
    contact.parent = match wire.parent_table.known().map(AsRef::as_ref) {
        Some("account") => wire.parent.id().map(CustomerRef::Account),
        Some("contact") => wire.parent.id().map(CustomerRef::Contact),
        Some(_) | None => None,
    };
    contact.owner = owner.owner();
    contact.status = match (wire.merged.value(), wire.master.id()) {
        (Some(true), Some(survivor)) => ContactStatus::MergedInto(survivor),
        _ if is_active(&wire.state) => ContactStatus::Active,
        _ => ContactStatus::Inactive,
    };
    contact.created_at = wire.created_at.value();
    contact.modified_at = wire.modified_at.value();
    contact.version = version(wire.version, &contact);
    Some(contact)
}
