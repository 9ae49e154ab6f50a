//! Baseline P: one loop over all tables that fills the same SQLite schema.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use fluint_crm::SystemClock;
use fluint_crm::store::SqliteStore;
use reqwest::Client;
use rusqlite::{Connection, Statement, ToSql};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::client::plain::fetch;
use crate::client::rows::{Account, Contact, Instance, Opportunity, Page};
use crate::client::schema::Fill;
use crate::client::{Told, cpu_seconds};
use crate::server::{Addresses, Start};

pub(crate) async fn run(addresses: &Addresses, starts: &[Start], file: &Path) -> Result<Told> {
    let mut database = open(file)?;
    let client = Client::builder().build()?;
    let (cpu, begin) = (cpu_seconds()?, Instant::now());
    let (mut rows, mut pages) = (0, 0);
    for start in starts {
        let mut next = Some(format!("{}{}", addresses.org, start.target));
        while let Some(url) = next {
            let body = fetch(&client, &url, &start.prefer).await?;
            let (count, link) = match start.set.as_str() {
                "accounts" => keep::<Account>(&mut database, &body)?,
                "contacts" => keep::<Contact>(&mut database, &body)?,
                "opportunities" => keep::<Opportunity>(&mut database, &body)?,
                "opportunitysalesprocesses" => keep::<Instance>(&mut database, &body)?,
                _ => break,
            };
            (rows, pages, next) = (rows + count, pages + 1, link);
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Told {
        seconds,
        reading_seconds: seconds,
        rows,
        written: rows,
        pages,
        calls: 1,
        cpu_seconds: cpu_seconds()? - cpu,
        peak_mib: 0.0,
    })
}

/// A fresh file with the tables and indexes that the store makes.
fn open(file: &Path) -> Result<Connection> {
    let model = file.with_extension("model");
    drop(SqliteStore::open(&model, Arc::new(SystemClock::new()))?);
    let model = Connection::open(model)?;
    let mut ddl = model.prepare(
        "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL
         AND name NOT LIKE 'sqlite_%' ORDER BY type = 'index'",
    )?;
    let ddl = ddl.query_map([], |row| row.get::<_, String>(0))?;
    let ddl = ddl.collect::<Result<Vec<_>, _>>()?.join(";\n");
    let database = Connection::open(file)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "NORMAL")?;
    database.execute_batch(&ddl)?;
    Ok(database)
}

fn keep<T: DeserializeOwned + Fill>(
    database: &mut Connection,
    body: &[u8],
) -> Result<(u64, Option<String>)> {
    let page: Page<T> = serde_json::from_slice(body)?;
    let transaction = database.transaction()?;
    {
        let (sql, kinds) = insert::<T>(&transaction)?;
        let mut statement = transaction.prepare_cached(&sql)?;
        for row in &page.value {
            row.bind(&mut Binder {
                statement: &mut statement,
                kinds: &kinds,
                column: 0,
                place: 0,
            })?;
            statement.raw_execute()?;
        }
    }
    transaction.commit()?;
    Ok((page.value.len() as u64, page.next))
}

/// How a column of ours is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The schema does not have it any more.
    Absent,
    Blob,
    Other,
}

/// The statement for the columns that we fill, as far as the schema has them, and something in
/// those that must not be empty.
fn insert<T: Fill>(database: &Connection) -> Result<(String, Vec<Kind>)> {
    let mut info = database.prepare_cached(
        "SELECT name, type, \"notnull\" AND dflt_value IS NULL FROM pragma_table_info(?1)",
    )?;
    let there = info.query_map([T::TABLE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let there = there.collect::<Result<Vec<(String, String, bool)>, _>>()?;
    let kind = |name: &str| match there.iter().find(|(known, ..)| known == name) {
        None => Kind::Absent,
        Some((_, kind, _)) if kind == "BLOB" => Kind::Blob,
        Some(_) => Kind::Other,
    };
    let ours: Vec<&str> = T::COLUMNS.split(", ").collect();
    let kinds: Vec<Kind> = ours.iter().copied().map(kind).collect();
    let kept = ours.iter().zip(&kinds).filter(|(_, kind)| **kind != Kind::Absent);
    let mut columns: Vec<&str> = kept.map(|(name, _)| *name).collect();
    let mut values: Vec<&str> = vec!["?"; columns.len()];
    for (name, kind, _) in
        there.iter().filter(|(name, _, needed)| *needed && !ours.contains(&name.as_str()))
    {
        columns.push(name);
        values.push(match kind.as_str() {
            "INTEGER" => "0",
            "BLOB" => "x''",
            _ => "''",
        });
    }
    let (columns, values) = (columns.join(", "), values.join(", "));
    Ok((format!("INSERT INTO {} ({columns}) VALUES ({values})", T::TABLE), kinds))
}

/// Fills one statement's parameters in their order.
pub(crate) struct Binder<'a, 'c> {
    statement: &'a mut Statement<'c>,
    kinds: &'a [Kind],
    column: usize,
    place: usize,
}

impl Binder<'_, '_> {
    pub(crate) fn put(&mut self, value: impl ToSql) -> Result<&mut Self> {
        let kind = self.kinds[self.column];
        self.column += 1;
        if kind != Kind::Absent {
            self.place += 1;
            self.statement.raw_bind_parameter(self.place, value)?;
        }
        Ok(self)
    }

    /// An id of the CRM, as text or as bytes.
    pub(crate) fn put_id(&mut self, id: &Option<String>) -> Result<&mut Self> {
        match (self.kinds[self.column], id) {
            (Kind::Blob, Some(id)) => self.put(Uuid::parse_str(id)?.as_bytes()),
            _ => self.put(id),
        }
    }

    /// What every table begins with.
    pub(crate) fn begin(&mut self, id: &Option<String>, version: Option<i64>) -> Result<&mut Self> {
        self.put("bench")?.put([7_u8; 16])?.put_id(id)?.put(version)
    }
}
