//! How each mirrored type stands in its table.

use rusqlite::{OptionalExtension, Transaction, params_from_iter};

use crate::model::{
    Currency, CurrencyCode, EmailAddress, OwnerRef, ProcessId, ProcessRef, Record, RecordId,
    RowVersion, Stage, StageAssignment, User,
};
use crate::rules::{NameKey, Tracked};
use crate::store::sqlite::codec::{
    Columns, NULL, Owner, Put, Values, maybe_integer, maybe_text, maybe_time, owned_text, text,
};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;

mod customers;
mod opportunities;

/// A type with a mirror table of its own. The table is named like [`Record::TABLE`] and begins
/// with workspace, connection, id, version and the mark of a missing row.
pub(crate) trait Mirrored: Record + Tracked {
    /// The table's own columns: what is bound and read, in this order.
    const COLUMNS: &'static [&'static str];

    /// Columns behind those, which are written and never read into a row.
    const DERIVED: &'static [&'static str] = &[];

    /// Adds the values of the derived columns.
    fn bind_derived<'a>(
        &'a self,
        _tx: &Transaction<'_>,
        _owner: &Owner,
        _values: &mut Values<'a>,
    ) -> Result<(), Trouble> {
        Ok(())
    }

    /// Adds the values of the table's own columns.
    fn bind<'a>(&'a self, values: &mut Values<'a>) -> Result<(), Trouble>;

    /// Reads id, version and the table's own columns.
    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble>;

    /// Reads the row if a join found one, else passes over its columns.
    fn read_joined(columns: &mut Columns<'_>) -> Result<Option<Self>, Trouble> {
        if columns.next_is_null()? {
            columns.skip(Self::COLUMNS.len() + 2);
            return Ok(None);
        }
        Self::read(columns).map(Some)
    }
}

/// Id, version and the table's own columns, each with the table's alias in front.
pub(crate) fn select_list<R: Mirrored>(alias: &str) -> String {
    let columns = ["id", "version"].iter().chain(R::COLUMNS);
    columns.map(|column| format!("{alias}.{column}")).collect::<Vec<_>>().join(", ")
}

/// The stored row with an id, be it gone or not.
pub(crate) fn stored<R: Mirrored>(
    tx: &Transaction<'_>,
    owner: &Owner,
    id: &RecordId,
) -> Result<Option<R>, Trouble> {
    one(tx, owner, id, "")
}

/// The stored row with an id, unless it is gone.
pub(crate) fn present<R: Mirrored>(
    tx: &Transaction<'_>,
    owner: &Owner,
    id: &RecordId,
) -> Result<Option<R>, Trouble> {
    one(tx, owner, id, "AND gone_at IS NULL")
}

fn one<R: Mirrored>(
    tx: &Transaction<'_>,
    owner: &Owner,
    id: &RecordId,
    condition: &str,
) -> Result<Option<R>, Trouble> {
    tx.prepare_cached(&format!(
        "SELECT {} FROM {} r WHERE workspace = ? AND connection = ? AND id = ? {condition}",
        select_list::<R>("r"),
        R::TABLE
    ))?
    .query_row(params_from_iter(owner.with([text(id.as_str())])), |row| {
        Ok(R::read(&mut Columns::of(row)))
    })
    .optional()?
    .transpose()
}

fn version(columns: &mut Columns<'_>) -> Result<RowVersion, Trouble> {
    columns.integer().map(RowVersion::new)
}

/// A name in the form that it is searched and sorted by.
fn name_key(name: Option<&str>) -> Put<'static> {
    name.map_or(NULL, |name| owned_text(NameKey::new(name).folded().to_owned()))
}

/// An owner as two values: its kind and its id.
fn owner(owner: Option<&OwnerRef>) -> [Put<'_>; 2] {
    match owner {
        Some(OwnerRef::Team(id)) => [text("team"), text(id.as_str())],
        Some(OwnerRef::User(id)) => [text("user"), text(id.as_str())],
        None => [NULL, NULL],
    }
}

fn read_owner(columns: &mut Columns<'_>) -> Result<Option<OwnerRef>, Trouble> {
    match (columns.maybe_str()?, columns.maybe_text()?) {
        (None, _) => Ok(None),
        (Some("team"), Some(id)) => Ok(Some(OwnerRef::Team(parse(id)?))),
        (Some("user"), Some(id)) => Ok(Some(OwnerRef::User(parse(id)?))),
        _ => Err(Trouble::stored("an owner is neither a user nor a team")),
    }
}

fn parse<T: TryFrom<String, Error = crate::error::Error>>(text: String) -> Result<T, Trouble> {
    T::try_from(text).map_err(|cause| Trouble::Stored(Box::new(cause)))
}

impl Mirrored for User {
    const COLUMNS: &'static [&'static str] =
        &["name", "name_key", "email", "sign_in_name", "kind", "status"];

    fn bind<'a>(&'a self, values: &mut Values<'a>) -> Result<(), Trouble> {
        values.extend([
            maybe_text(self.name.as_deref()),
            name_key(self.name.as_deref()),
            maybe_text(self.email.as_ref().map(EmailAddress::as_str)),
            maybe_text(self.sign_in_name.as_deref()),
            text(self.kind.as_word()),
            text(self.status.as_word()),
        ]);
        Ok(())
    }

    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble> {
        let mut user = Self::new(columns.id()?);
        user.version = version(columns)?;
        user.name = columns.maybe_text()?;
        columns.skip(1);
        user.email = columns.maybe_id()?;
        user.sign_in_name = columns.maybe_text()?;
        user.kind = columns.word()?;
        user.status = columns.word()?;
        Ok(user)
    }
}

impl Mirrored for Stage {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "name_key",
        "process",
        "process_name",
        "process_position",
        "position",
        "category",
    ];

    fn bind<'a>(&'a self, values: &mut Values<'a>) -> Result<(), Trouble> {
        let process = self.process.as_ref();
        values.extend([
            maybe_text(self.name.as_deref()),
            name_key(self.name.as_deref()),
            maybe_text(process.map(|process| process.id.as_str())),
            maybe_text(process.and_then(|process| process.name.as_deref())),
            maybe_integer(process.and_then(|process| process.position)),
            maybe_integer(self.position),
            maybe_text(self.category.as_deref()),
        ]);
        Ok(())
    }

    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble> {
        let mut stage = Self::new(columns.id()?);
        stage.version = version(columns)?;
        stage.name = columns.maybe_text()?;
        columns.skip(1);
        let process: Option<ProcessId> = columns.maybe_id()?;
        let (name, position) = (columns.maybe_text()?, columns.maybe_small()?);
        stage.process = process.map(|id| ProcessRef { id, name, position });
        stage.position = columns.maybe_small()?;
        stage.category = columns.maybe_text()?;
        Ok(stage)
    }
}

impl Mirrored for StageAssignment {
    const COLUMNS: &'static [&'static str] =
        &["opportunity", "process", "stage", "state", "since", "modified_at", "origin"];

    fn bind<'a>(&'a self, values: &mut Values<'a>) -> Result<(), Trouble> {
        values.extend([
            text(self.opportunity.as_str()),
            maybe_text(self.process.as_ref().map(ProcessId::as_str)),
            text(self.stage.as_str()),
            text(self.state.as_word()),
            maybe_time(self.since),
            maybe_time(self.modified_at),
            text(&self.origin),
        ]);
        Ok(())
    }

    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble> {
        let (id, version) = (columns.id()?, version(columns)?);
        let (opportunity, process) = (columns.id()?, columns.maybe_id()?);
        let mut assignment = Self::new(id, opportunity, columns.id()?);
        assignment.version = version;
        assignment.process = process;
        assignment.state = columns.word()?;
        assignment.since = columns.maybe_time()?;
        assignment.modified_at = columns.maybe_time()?;
        assignment.origin = columns.text()?;
        Ok(assignment)
    }
}

impl Mirrored for Currency {
    const COLUMNS: &'static [&'static str] = &["code", "name", "symbol", "precision", "role"];

    fn bind<'a>(&'a self, values: &mut Values<'a>) -> Result<(), Trouble> {
        values.extend([
            text(self.code.as_str()),
            maybe_text(self.name.as_deref()),
            maybe_text(self.symbol.as_deref()),
            maybe_integer(self.precision),
            text(self.role.as_word()),
        ]);
        Ok(())
    }

    fn read(columns: &mut Columns<'_>) -> Result<Self, Trouble> {
        let (id, version) = (columns.id()?, version(columns)?);
        let code: CurrencyCode = columns.id()?;
        let mut currency = Self::new(id, code);
        currency.version = version;
        currency.name = columns.maybe_text()?;
        currency.symbol = columns.maybe_text()?;
        currency.precision = columns.maybe_small()?;
        currency.role = columns.word()?;
        Ok(currency)
    }
}
