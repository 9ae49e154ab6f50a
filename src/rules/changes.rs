//! What changed about a row between two syncs, as far as a person wants to know.

use crate::model::json::date_text;
use crate::model::{
    Account, AccountId, AccountStatus, ChangedField, Contact, ContactStatus, Currency, CustomerRef,
    EmailAddress, FieldChange, Opportunity, OpportunityId, OpportunityStatus, OwnerRef, Record,
    RowChange, RowChangeKind, Stage, StageAssignment, Table, User,
};

/// A row whose changes may be told.
pub trait Tracked: Record {
    /// What became of the row, from how it was to how it is.
    ///
    /// `None` where nothing changed that is told, and for tables whose changes are not told.
    ///
    /// The stage on an opportunity's own row counts like any field: a store that knows an assignment
    /// of the opportunity leaves it out ([`without_stage`]), because it may lag.
    fn change(before: Option<&Self>, after: Option<&Self>) -> Option<RowChange>;

    /// The opportunity whose stage the row has a say in. A store asks for that stage before and after
    /// it writes the row, and tells the difference ([`stage_change`]).
    fn places(&self) -> Option<&OpportunityId> {
        None
    }
}

/// What became of the stage of an opportunity, by the best source known.
///
/// `None` when it stayed.
#[must_use]
pub fn stage_change(
    opportunity: &OpportunityId,
    name: Option<&str>,
    account: Option<&AccountId>,
    (from, to): (Option<&str>, Option<&str>),
) -> Option<RowChange> {
    let stage = difference(ChangedField::Stage, text(from), text(to));
    Some(RowChange {
        table: Table::Opportunities,
        id: opportunity.clone().into(),
        name: name.map(|name| clipped(name.to_owned())),
        account: account.cloned(),
        kind: changed(vec![stage])?,
    })
}

/// One change out of two that the same sync found about a row; `None` when they undo each other.
#[must_use]
pub fn merge_changes(earlier: RowChange, later: RowChange) -> Option<RowChange> {
    use RowChangeKind::{Added, Changed, Gone};
    let kind = match (earlier.kind, later.kind) {
        (Added, Gone) => return None,
        // What is gone stays so until it comes anew.
        (Gone, Changed(_)) => Gone,
        (Added, Changed(_)) => Added,
        (Changed(mut fields), Changed(more)) => {
            for new in more {
                match fields.iter_mut().find(|known| known.field == new.field) {
                    Some(known) => known.to = new.to,
                    None => fields.push(new),
                }
            }
            changed(fields)?
        }
        (_, later) => later,
    };
    let name = later.name.or(earlier.name);
    let account = later.account.or(earlier.account);
    Some(RowChange { table: later.table, id: later.id, name, account, kind })
}

/// The change as it is but for the stage; `None` when that is all of it.
#[must_use]
pub fn without_stage(change: RowChange) -> Option<RowChange> {
    let kind = match change.kind {
        RowChangeKind::Changed(mut fields) => {
            fields.retain(|field| field.field != ChangedField::Stage);
            changed(fields)?
        }
        kind => kind,
    };
    Some(RowChange { kind, ..change })
}

fn changed(mut fields: Vec<FieldChange>) -> Option<RowChangeKind> {
    fields.retain(|field| field.from != field.to);
    fields.sort_by_key(|field| field.field);
    (!fields.is_empty()).then_some(RowChangeKind::Changed(fields))
}

/// What a person wants to know of a row.
trait Told: Record {
    fn name(&self) -> Option<&str>;
    fn account(&self) -> Option<&AccountId>;
    /// The fields that are compared, with their values.
    fn fields(&self) -> Vec<(ChangedField, Option<String>)>;
}

fn change<R: Told>(before: Option<&R>, after: Option<&R>) -> Option<RowChange> {
    let kind = match (before, after) {
        (Some(before), Some(after)) => {
            let fields = before.fields().into_iter().zip(after.fields());
            changed(fields.map(|((field, from), (_, to))| difference(field, from, to)).collect())?
        }
        (None, Some(_)) => RowChangeKind::Added,
        (Some(_), None) => RowChangeKind::Gone,
        (None, None) => return None,
    };
    let row = after.or(before)?;
    Some(RowChange {
        table: R::TABLE,
        id: row.record_id(),
        name: row.name().map(|name| clipped(name.to_owned())),
        account: row.account().or_else(|| before?.account()).cloned(),
        kind,
    })
}

/// What differs beyond the length that is kept looks the same, and is not told.
fn difference(field: ChangedField, from: Option<String>, to: Option<String>) -> FieldChange {
    FieldChange { field, from: from.map(clipped), to: to.map(clipped) }
}

fn clipped(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(FieldChange::MAX_BYTES));
    text
}

fn text(value: Option<&(impl ToString + ?Sized)>) -> Option<String> {
    value.map(ToString::to_string)
}

fn owner(owner: Option<&OwnerRef>) -> Option<String> {
    owner.map(|owner| match owner {
        OwnerRef::Team(id) => id.to_string(),
        OwnerRef::User(id) => id.to_string(),
    })
}

impl Told for Account {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn account(&self) -> Option<&AccountId> {
        Some(&self.id)
    }

    fn fields(&self) -> Vec<(ChangedField, Option<String>)> {
        let status = match &self.status {
            AccountStatus::Active => "active",
            AccountStatus::Inactive => "inactive",
            AccountStatus::MergedInto(_) => "merged",
        };
        vec![
            (ChangedField::Name, self.name.clone()),
            (ChangedField::Status, text(Some(status))),
            (ChangedField::Owner, owner(self.owner.as_ref())),
            (ChangedField::Website, self.website.clone()),
            (ChangedField::Email, self.email.clone()),
            (ChangedField::Phone, self.phone.clone()),
            (ChangedField::Industry, self.industry.clone()),
            (ChangedField::Employees, text(self.employees.as_ref())),
            (ChangedField::City, self.city.clone()),
            (ChangedField::Country, self.country.clone()),
            (ChangedField::Parent, text(self.parent.as_ref())),
            (ChangedField::Contact, text(self.primary_contact.as_ref())),
        ]
    }
}

impl Told for Contact {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn account(&self) -> Option<&AccountId> {
        self.account()
    }

    fn fields(&self) -> Vec<(ChangedField, Option<String>)> {
        let status = match &self.status {
            ContactStatus::Active => "active",
            ContactStatus::Inactive => "inactive",
            ContactStatus::MergedInto(_) => "merged",
        };
        let parent = match &self.parent {
            Some(CustomerRef::Account(id)) => (ChangedField::Account, Some(id.to_string())),
            Some(CustomerRef::Contact(_)) | None => (ChangedField::Account, None),
        };
        vec![
            (ChangedField::Name, self.name.clone()),
            (ChangedField::Status, text(Some(status))),
            parent,
            (ChangedField::JobTitle, self.job_title.clone()),
            (ChangedField::Department, self.department.clone()),
            (ChangedField::Email, text(self.emails.first().map(EmailAddress::as_str))),
            (ChangedField::Phone, self.phone.clone()),
            (ChangedField::Owner, owner(self.owner.as_ref())),
        ]
    }
}

impl Told for Opportunity {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn account(&self) -> Option<&AccountId> {
        self.account()
    }

    fn fields(&self) -> Vec<(ChangedField, Option<String>)> {
        let status = match self.status {
            OpportunityStatus::Lost => "lost",
            OpportunityStatus::Open => "open",
            OpportunityStatus::Unknown => "unknown",
            OpportunityStatus::Won => "won",
        };
        vec![
            (ChangedField::Name, self.name.clone()),
            (ChangedField::Status, text(Some(status))),
            (ChangedField::Stage, text(self.record_stage.stage.as_ref())),
            (ChangedField::Value, text(self.value.as_ref())),
            (ChangedField::Currency, text(self.currency.as_ref())),
            (ChangedField::CloseDate, self.close_date.map(date_text)),
            (ChangedField::Probability, text(self.probability.as_ref())),
            (ChangedField::Owner, owner(self.owner.as_ref())),
            (ChangedField::Account, text(self.account())),
            (ChangedField::Contact, text(self.contact())),
        ]
    }
}

impl Tracked for Account {
    fn change(before: Option<&Self>, after: Option<&Self>) -> Option<RowChange> {
        change(before, after)
    }
}

impl Tracked for Contact {
    fn change(before: Option<&Self>, after: Option<&Self>) -> Option<RowChange> {
        change(before, after)
    }
}

impl Tracked for Opportunity {
    fn change(before: Option<&Self>, after: Option<&Self>) -> Option<RowChange> {
        change(before, after)
    }
}

impl Tracked for StageAssignment {
    fn change(_: Option<&Self>, _: Option<&Self>) -> Option<RowChange> {
        None
    }

    fn places(&self) -> Option<&OpportunityId> {
        Some(&self.opportunity)
    }
}

impl Tracked for Currency {
    fn change(_: Option<&Self>, _: Option<&Self>) -> Option<RowChange> {
        None
    }
}

impl Tracked for Stage {
    fn change(_: Option<&Self>, _: Option<&Self>) -> Option<RowChange> {
        None
    }
}

impl Tracked for User {
    fn change(_: Option<&Self>, _: Option<&Self>) -> Option<RowChange> {
        None
    }
}

#[cfg(test)]
mod tests;
