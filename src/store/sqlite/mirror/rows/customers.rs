//! Accounts and contacts.

use crate::model::{
    Account, AccountId, AccountStatus, Contact, ContactId, ContactStatus, CustomerRef,
};
use crate::rules::account_domain;
use crate::store::sqlite::codec::{
    Columns, NULL, Put, Values, json, maybe_integer, maybe_text, maybe_time, owned_text, text,
};
use crate::store::sqlite::mirror::rows::{Mirrored, name_key, owner, parse, read_owner, version};
use crate::store::sqlite::trouble::Trouble;

/// A customer as two values: its kind and its id.
pub(crate) fn customer(customer: Option<&CustomerRef>) -> [Put<'_>; 2] {
    match customer {
        Some(CustomerRef::Account(id)) => [text("account"), text(id.as_str())],
        Some(CustomerRef::Contact(id)) => [text("contact"), text(id.as_str())],
        None => [NULL, NULL],
    }
}

pub(crate) fn read_customer(columns: &mut Columns<'_>) -> Result<Option<CustomerRef>, Trouble> {
    match (columns.maybe_str()?, columns.maybe_text()?) {
        (None, _) => Ok(None),
        (Some("account"), Some(id)) => Ok(Some(CustomerRef::Account(parse(id)?))),
        (Some("contact"), Some(id)) => Ok(Some(CustomerRef::Contact(parse(id)?))),
        _ => Err(Trouble::stored("a customer is neither an account nor a contact")),
    }
}

impl Mirrored for Account {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "name_key",
        "domain",
        "website",
        "email",
        "phone",
        "industry",
        "employees",
        "city",
        "country",
        "parent",
        "primary_contact",
        "owner_kind",
        "owner",
        "status",
        "merged_into",
        "created_at",
        "modified_at",
    ];

    fn bind<'a>(&'a self, values: &mut Values<'a>) -> Result<(), Trouble> {
        let (status, merged_into) = match &self.status {
            AccountStatus::Active => ("active", None),
            AccountStatus::Inactive => ("inactive", None),
            AccountStatus::MergedInto(id) => ("merged", Some(id.as_str())),
        };
        let [owner_kind, owner] = owner(self.owner.as_ref());
        values.extend([
            maybe_text(self.name.as_deref()),
            name_key(self.name.as_deref()),
            account_domain(self).map_or(NULL, owned_text),
            maybe_text(self.website.as_deref()),
            maybe_text(self.email.as_deref()),
            maybe_text(self.phone.as_deref()),
            maybe_text(self.industry.as_deref()),
            maybe_integer(self.employees),
            maybe_text(self.city.as_deref()),
            maybe_text(self.country.as_deref()),
            maybe_text(self.parent.as_ref().map(AccountId::as_str)),
            maybe_text(self.primary_contact.as_ref().map(ContactId::as_str)),
            owner_kind,
            owner,
            text(status),
            maybe_text(merged_into),
            maybe_time(self.created_at),
            maybe_time(self.modified_at),
        ]);
        Ok(())
    }

    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble> {
        let mut account = Self::new(columns.id()?);
        account.version = version(columns)?;
        account.name = columns.maybe_text()?;
        columns.skip(2);
        account.website = columns.maybe_text()?;
        account.email = columns.maybe_text()?;
        account.phone = columns.maybe_text()?;
        account.industry = columns.maybe_text()?;
        account.employees = columns.maybe_integer()?;
        account.city = columns.maybe_text()?;
        account.country = columns.maybe_text()?;
        account.parent = columns.maybe_id()?;
        account.primary_contact = columns.maybe_id()?;
        account.owner = read_owner(columns)?;
        account.status = match (columns.str()?, columns.maybe_id()?) {
            ("active", _) => AccountStatus::Active,
            ("inactive", _) => AccountStatus::Inactive,
            ("merged", Some(into)) => AccountStatus::MergedInto(into),
            _ => return Err(Trouble::stored("an account's status is not known")),
        };
        account.created_at = columns.maybe_time()?;
        account.modified_at = columns.maybe_time()?;
        Ok(account)
    }
}

impl Mirrored for Contact {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "name_key",
        "emails",
        "phone",
        "job_title",
        "department",
        "parent_kind",
        "parent",
        "owner_kind",
        "owner",
        "status",
        "merged_into",
        "created_at",
        "modified_at",
    ];

    fn bind<'a>(&'a self, values: &mut Values<'a>) -> Result<(), Trouble> {
        let (status, merged_into) = match &self.status {
            ContactStatus::Active => ("active", None),
            ContactStatus::Inactive => ("inactive", None),
            ContactStatus::MergedInto(id) => ("merged", Some(id.as_str())),
        };
        let [parent_kind, parent] = customer(self.parent.as_ref());
        let [owner_kind, owner] = owner(self.owner.as_ref());
        values.extend([
            maybe_text(self.name.as_deref()),
            name_key(self.name.as_deref()),
            json(&self.emails)?,
            maybe_text(self.phone.as_deref()),
            maybe_text(self.job_title.as_deref()),
            maybe_text(self.department.as_deref()),
            parent_kind,
            parent,
            owner_kind,
            owner,
            text(status),
            maybe_text(merged_into),
            maybe_time(self.created_at),
            maybe_time(self.modified_at),
        ]);
        Ok(())
    }

    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble> {
        let mut contact = Self::new(columns.id()?);
        contact.version = version(columns)?;
        contact.name = columns.maybe_text()?;
        columns.skip(1);
        contact.emails = columns.json()?;
        contact.phone = columns.maybe_text()?;
        contact.job_title = columns.maybe_text()?;
        contact.department = columns.maybe_text()?;
        contact.parent = read_customer(columns)?;
        contact.owner = read_owner(columns)?;
        contact.status = match (columns.str()?, columns.maybe_id()?) {
            ("active", _) => ContactStatus::Active,
            ("inactive", _) => ContactStatus::Inactive,
            ("merged", Some(into)) => ContactStatus::MergedInto(into),
            _ => return Err(Trouble::stored("a contact's status is not known")),
        };
        contact.created_at = columns.maybe_time()?;
        contact.modified_at = columns.maybe_time()?;
        Ok(contact)
    }
}
