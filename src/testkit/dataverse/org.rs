//! The fake org: its tables and who may see what.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::refusal::{Answer, Refusal};
use crate::testkit::dataverse::table::{RowRef, Table};

/// Where an org is in process, before anybody renames it.
pub(crate) const ADDRESS: &str = "https://contoso.crm4.dynamics.com";

/// A Dynamics environment: tables of rows, made by [`OrgBuilder`](crate::testkit::OrgBuilder).
#[derive(Clone, Debug)]
pub struct Org {
    pub(crate) tables: Vec<Table>,
    pub(crate) organization: Uuid,
    pub(crate) business_unit: Uuid,
    pub(crate) tenant: Uuid,
    /// Where the directory of orgs says that it is.
    pub(crate) address: String,
    pub(crate) next_version: u64,
    /// Rows that the signed-in user may not see.
    pub(crate) hidden: HashSet<Uuid>,
    /// Privileges that the signed-in user lacks.
    pub(crate) missing_privileges: HashSet<String>,
    /// How far the others reach, where not over the whole organisation.
    pub(crate) depths: HashMap<String, PrivilegeDepth>,
    /// Whether the user may ask for privileges at all.
    pub(crate) privileges: Listing,
    /// Whether the notes' table compares versions.
    pub(crate) concurrency: Concurrency,
}

/// Whether a table compares versions (`IsOptimisticConcurrencyEnabled`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Concurrency {
    Compared,
    Ignored,
}

/// How far a privilege of the signed-in user reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the four depths of Dataverse")]
pub enum PrivilegeDepth {
    /// The user's own rows.
    Basic,
    /// Rows of the user's business unit.
    Local,
    /// Rows of the user's business unit and those below it; the fake knows none below.
    Deep,
    /// All rows.
    Global,
}

/// How the service answers the question for a user's privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "as it is now, as it was, or not at all")]
pub enum Listing {
    /// By name, with their depths.
    Named,
    /// Without names, as in old versions.
    Nameless,
    /// It refuses.
    Refused,
}

/// Whose rows of a table a user may read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    depth: PrivilegeDepth,
    user: Uuid,
}

impl Org {
    /// The id of the organisation.
    #[must_use]
    pub fn organization(&self) -> Uuid {
        self.organization
    }

    /// The id of the tenant that it belongs to.
    #[must_use]
    pub const fn tenant(&self) -> Uuid {
        self.tenant
    }

    pub(crate) fn table(&self, set: &str) -> Answer<&Table> {
        let found = self.tables.iter().find(|table| table.definition.set_name == set);
        found.ok_or_else(|| Refusal::unknown_set(set))
    }

    pub(crate) fn table_named(&self, logical_name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.definition.logical_name == logical_name)
    }

    /// A table under its logical name or its set name.
    pub(crate) fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| {
            table.definition.logical_name == name || table.definition.set_name == name
        })
    }

    pub(crate) fn is_hidden(&self, id: Uuid) -> bool {
        !self.hidden.is_empty() && self.hidden.contains(&id)
    }

    /// Whose rows of a table a user may read. A table whose rows nobody owns is read as a whole.
    pub(crate) fn sight(&self, user: Uuid, table: &Table) -> Sight {
        let depth = match table.definition.column("ownerid") {
            Some(_) => self.depth(&format!("prvRead{}", table.definition.schema_name)),
            None => PrivilegeDepth::Global,
        };
        Sight { depth, user }
    }

    pub(crate) fn depth(&self, privilege: &str) -> PrivilegeDepth {
        self.depths.get(privilege).copied().unwrap_or(PrivilegeDepth::Global)
    }

    /// Whether a user who sees so far may see a row.
    pub(crate) fn shows(&self, sight: Sight, row: RowRef<'_>) -> bool {
        if self.is_hidden(row.id()) {
            return false;
        }
        let owner = || row.named("ownerid").id();
        match sight.depth {
            PrivilegeDepth::Global => true,
            PrivilegeDepth::Basic => owner() == Some(sight.user),
            PrivilegeDepth::Local | PrivilegeDepth::Deep => {
                owner().is_some_and(|owner| self.unit_of(owner) == self.unit_of(sight.user))
            }
        }
    }

    /// The business unit of a user or team; the root unit unless the row says otherwise.
    pub(crate) fn unit_of(&self, principal: Uuid) -> Uuid {
        let tables = ["systemuser", "team"].into_iter().filter_map(|name| self.table_named(name));
        let mut units =
            tables.filter_map(|table| table.row(principal)?.named("businessunitid").id());
        units.next().unwrap_or(self.business_unit)
    }

    /// A version number that no row has yet.
    pub(crate) fn draw_version(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version
    }

    /// Changes a value; false when the row or column is not there.
    pub(crate) fn set(&mut self, table: &str, id: Uuid, column: &str, value: Cell) -> bool {
        let version = self.draw_version();
        self.table_mut(table).is_some_and(|table| table.set(id, column, value, version))
    }

    /// The user of an Entra object id.
    pub(crate) fn user_of(&self, object_id: Uuid) -> Option<Uuid> {
        let users = self.table_named("systemuser")?;
        let of = |column| users.definition.column(column);
        let column = of("azureactivedirectoryobjectid")?;
        let user = users.held().find(|row| row.cell(column).id() == Some(object_id))?;
        Some(user.id())
    }

    /// Refuses when the user lacks a privilege.
    pub(crate) fn demand(&self, user: Uuid, action: &str, table: &Table) -> Answer<()> {
        let privilege = format!("prv{action}{}", table.definition.schema_name);
        self.demand_named(user, &privilege, &table.definition.logical_name)
    }

    pub(crate) fn demand_named(&self, user: Uuid, privilege: &str, table: &str) -> Answer<()> {
        if self.missing_privileges.contains(privilege) {
            return Err(Refusal::privilege(user, privilege, table));
        }
        Ok(())
    }
}
