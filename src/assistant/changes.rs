//! What the last syncs found changed about a company, with the names that people know things by.

use std::cmp::Reverse;

use serde::Serialize;
use time::OffsetDateTime;

use crate::assistant::names::{Names, Reference};
use crate::assistant::words::{clipped, count, quoted};
use crate::error::Result;
use crate::model::query::{ChangesQuery, Found, Scope};
use crate::model::{
    Account, ChangedField, ConnectionId, FieldChange, FoundChange, RecordId, RowChangeKind, Table,
};
use crate::storage::Query;

/// The most changes that one answer carries.
const MAX_CHANGES: u32 = 10;

/// The most changes, and the most fields of one, that a sentence tells.
const MAX_TOLD: usize = 3;

/// A change as an answer carries it.
#[derive(Serialize)]
pub(crate) struct Row {
    connection: ConnectionId,
    /// `accounts`, `contacts` or `opportunities`.
    table: Table,
    id: RecordId,
    name: Option<String>,
    what: What,
    /// What differs, of a changed row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    /// When the sync that found it stored it (UTC).
    #[serde(with = "time::serde::rfc3339")]
    found_at: OffsetDateTime,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Added,
    Changed,
    Gone,
}

/// A field that differs; users, stages and the like go by their names.
#[derive(Serialize)]
struct Field {
    field: ChangedField,
    from: Option<String>,
    to: Option<String>,
}

/// What was found, account by account.
#[derive(Default)]
pub(crate) struct FoundChanges {
    rows: Vec<Found<FoundChange>>,
    /// Whether a sync found more than is kept, of whatever account.
    not_kept: bool,
}

/// The changes of an answer, the newest first.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) rows: Vec<Row>,
    /// Whether there are more.
    pub(crate) is_cut: bool,
    /// Whether there may be others, which were not kept.
    pub(crate) not_kept: bool,
}

impl FoundChanges {
    /// Adds the changes of an account, its contacts and its opportunities.
    pub(crate) async fn add(
        &mut self,
        query: &dyn Query,
        scope: &Scope,
        account: &Found<Account>,
    ) -> Result<()> {
        let within = Scope::connection(scope.workspace.clone(), account.connection);
        let mut question = ChangesQuery::new(within);
        question.account = Some(account.row.id.clone());
        // One more than is told, to know whether there are more.
        question.limit = MAX_CHANGES + 1;
        let found = query.row_changes(&question).await?;
        self.not_kept |= found.left_off > 0;
        self.rows.extend(found.rows);
        Ok(())
    }

    /// The newest of them, with names.
    pub(crate) async fn told(mut self, query: &dyn Query, scope: &Scope) -> Result<Told> {
        self.rows.sort_by_key(|found| Reverse(found.row.at));
        let most = MAX_CHANGES as usize;
        let (is_cut, not_kept) = (self.rows.len() > most, self.not_kept);
        self.rows.truncate(most);
        let names = Names::read(query, scope, self.rows.iter().flat_map(references)).await?;
        let rows = self.rows.into_iter().map(|found| row(&names, found)).collect();
        Ok(Told { rows, is_cut, not_kept })
    }
}

/// The rows that the values of a change refer to.
fn references(found: &Found<FoundChange>) -> Vec<Reference> {
    let RowChangeKind::Changed(fields) = &found.row.change.kind else { return Vec::new() };
    let of_field = |change: &FieldChange| {
        let table = table_of(change.field)?;
        let ids = [&change.from, &change.to].into_iter().flatten();
        let ids = ids.filter_map(|id| RecordId::new(id.as_str()).ok());
        Some(ids.map(|id| (found.connection, table, id)).collect::<Vec<_>>())
    };
    fields.iter().filter_map(of_field).flatten().collect()
}

/// The table that a field refers to by an id.
const fn table_of(field: ChangedField) -> Option<Table> {
    match field {
        ChangedField::Account | ChangedField::Parent => Some(Table::Accounts),
        ChangedField::Contact => Some(Table::Contacts),
        ChangedField::Currency => Some(Table::Currencies),
        ChangedField::Owner => Some(Table::Users),
        ChangedField::Stage => Some(Table::Stages),
        _ => None,
    }
}

fn row(names: &Names, found: Found<FoundChange>) -> Row {
    let Found { connection, row: FoundChange { at, change, .. } } = found;
    let called = |field, value: Option<String>| {
        let value = value?;
        let id = RecordId::new(value.as_str()).ok();
        let name = table_of(field).zip(id).and_then(|(table, id)| names.of(connection, table, id));
        Some(name.unwrap_or_else(|| clipped(&value)))
    };
    let field = |FieldChange { field, from, to }| {
        let (from, to) = (called(field, from), called(field, to));
        Field { field, from, to }
    };
    let (what, fields) = match change.kind {
        RowChangeKind::Added => (What::Added, Vec::new()),
        RowChangeKind::Changed(fields) => (What::Changed, fields.into_iter().map(field).collect()),
        RowChangeKind::Gone => (What::Gone, Vec::new()),
    };
    Row {
        connection,
        table: change.table,
        id: change.id,
        name: change.name.as_deref().map(clipped),
        what,
        fields,
        found_at: at,
    }
}

impl Told {
    /// A sentence with a blank in front.
    pub(crate) fn sentence(&self) -> String {
        let not_kept = if self.not_kept {
            " A sync found more changes than are kept, so some may be missing."
        } else {
            ""
        };
        if self.rows.is_empty() {
            let known = if self.not_kept {
                " No changes are known."
            } else {
                " No changes in the last syncs."
            };
            return format!("{known}{not_kept}");
        }
        let mut told: Vec<String> = self.rows.iter().take(MAX_TOLD).map(Row::words).collect();
        let more = self.rows.len().saturating_sub(MAX_TOLD) as u64;
        if self.is_cut {
            told.push("and more".to_owned());
        } else if more > 0 {
            told.push(format!("and {}", count(more, "further change", "further changes")));
        }
        format!(" Changed lately: {}.{not_kept}", told.join("; "))
    }
}

impl Row {
    fn words(&self) -> String {
        let noun = match self.table {
            Table::Accounts => "account",
            Table::Contacts => "contact",
            _ => "opportunity",
        };
        let name = self.name.as_deref().map_or_else(|| "without a name".to_owned(), quoted);
        let what = match self.what {
            What::Added => "is new".to_owned(),
            What::Gone => "is gone".to_owned(),
            What::Changed => {
                let fields: Vec<_> = self.fields.iter().take(MAX_TOLD).map(Field::words).collect();
                fields.join(", ")
            }
        };
        format!("{noun} {name} {what}")
    }
}

impl Field {
    fn words(&self) -> String {
        let word = serde_json::to_value(self.field).ok();
        let word = word.as_ref().and_then(serde_json::Value::as_str).unwrap_or("value");
        let text =
            |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), quoted);
        format!("{} {} → {}", word.replace('_', " "), text(&self.from), text(&self.to))
    }
}
