//! One file per table: what is asked for, the row as it is sent, and how it becomes the model's.

pub(crate) mod accounts;
pub(crate) mod contacts;
pub(crate) mod currencies;
pub(crate) mod opportunities;
pub(crate) mod stages;
pub(crate) mod users;
#[cfg(test)]
pub(crate) mod role_check;

use std::borrow::Cow;
use std::hash::Hash;

use crate::dynamics::wire::{Column, Guid};
use crate::model::{OwnerRef, RowVersion};

/// An owner as four columns tell it: the annotation says which table the owner is in; without it,
/// the columns that hold only users and only teams do.
struct OwnerColumns<'a> {
    owner: &'a Column<Guid<'a>>,
    table: &'a Column<Cow<'a, str>>,
    user: &'a Column<Guid<'a>>,
    team: &'a Column<Guid<'a>>,
}

impl OwnerColumns<'_> {
    fn owner(self) -> Option<OwnerRef> {
        let Self { owner, table, user, team } = self;
        match table.known().map(AsRef::as_ref) {
            Some("systemuser") => owner.id().or_else(|| user.id()).map(OwnerRef::User),
            Some("team") => owner.id().or_else(|| team.id()).map(OwnerRef::Team),
            Some(_) | None => {
                team.id().map(OwnerRef::Team).or_else(|| user.id().map(OwnerRef::User))
            }
        }
    }
}

/// The service's version of a row, or one made from the content where it sends none.
pub(crate) fn version(number: Column<i64>, content: &impl Hash) -> RowVersion {
    number.value().map_or_else(|| RowVersion::from_content(content), RowVersion::new)
}

/// The state of a row that can be switched off: 0 is in use.
fn is_active(state: &Column<i64>) -> bool {
    !matches!(state, Column::Value(state) if *state != 0)
}

#[cfg(test)]
mod tests;
