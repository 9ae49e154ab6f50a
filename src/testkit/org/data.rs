//! Orgs from data files.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::schema::Kind;
use crate::testkit::org::OrgBuilder;

/// One file: the rows of one table, each in the order of `columns`.
///
/// The first column is the key. A lookup is an id, or `table:id` where it can point to several
/// tables; money is a string, so that no program rounds it.
#[derive(Deserialize)]
struct File {
    table: String,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    tenant: Option<Uuid>,
    business_unit: Option<Uuid>,
}

impl OrgBuilder {
    /// An org from the texts of its data files, one for each table.
    ///
    /// A table that is not known is taken for the instance table of a process.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when a file is no JSON of this form, or a value does not fit.
    ///
    /// # Example
    /// ```
    /// use fluint_crm::testkit::OrgBuilder;
    ///
    /// let accounts = r#"{"table": "account", "columns": ["accountid", "name"],
    ///     "rows": [["0a1b2c3d-1111-4222-8333-444455556666", "Fabrikam"]]}"#;
    /// let org = OrgBuilder::from_tables(&[accounts])?.build();
    /// # Ok::<(), fluint_crm::Error>(())
    /// ```
    pub fn from_tables(files: &[&str]) -> Result<Self> {
        let mut builder = Self::bare(1);
        for text in files {
            let file: File = serde_json::from_str(text)
                .map_err(|cause| Error::invalid_input("data file", cause.to_string()))?;
            builder.load(&file)?;
        }
        Ok(builder)
    }

    /// An org from all `*.json` files of a folder.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] as [`from_tables`](OrgBuilder::from_tables), and when the folder
    /// cannot be read.
    pub fn from_dir(folder: impl AsRef<Path>) -> Result<Self> {
        let unreadable =
            |cause: std::io::Error| Error::invalid_input("data folder", cause.to_string());
        let mut texts = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                texts.push(fs::read_to_string(path).map_err(unreadable)?);
            }
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Self::from_tables(&texts)
    }

    fn load(&mut self, file: &File) -> Result<()> {
        self.add_instances(&file.table);
        self.org.tenant = file.tenant.unwrap_or(self.org.tenant);
        self.org.business_unit = file.business_unit.unwrap_or(self.org.business_unit);
        let kinds = self.kinds(file)?;
        for row in &file.rows {
            let mut cells = Vec::with_capacity(row.len());
            for ((value, kind), column) in row.iter().zip(&kinds).zip(&file.columns) {
                let unfit = || {
                    let reason = format!("{value} does not fit {column}");
                    Error::invalid_input(format!("data of {}", file.table), reason)
                };
                cells.push(cell(kind, value).ok_or_else(unfit)?);
            }
            let id = cells.first().and_then(Cell::id).ok_or_else(|| {
                Error::invalid_input(format!("data of {}", file.table), "a row has no id")
            })?;
            self.add_with_id(&file.table, id);
            if file.table == "organization" {
                self.org.organization = id;
            }
            for (column, cell) in file.columns.iter().zip(cells).skip(1) {
                self.org.set(&file.table, id, column, cell);
            }
        }
        Ok(())
    }

    fn kinds(&self, file: &File) -> Result<Vec<Kind>> {
        let unknown = |name: &str| {
            Error::invalid_input(format!("data of {}", file.table), format!("no column {name}"))
        };
        let table = self.org.table_named(&file.table).ok_or_else(|| unknown(&file.table))?;
        let definition = &table.definition;
        let kind = |name: &String| {
            let at = definition.column(name).ok_or_else(|| unknown(name))?;
            Ok(definition.columns[at].kind.clone())
        };
        file.columns.iter().map(kind).collect()
    }
}

fn cell(kind: &Kind, value: &Value) -> Option<Cell> {
    match value {
        Value::Null => Some(Cell::Null),
        Value::String(text) => Cell::parse(kind, text),
        Value::Bool(_) | Value::Number(_) => Cell::parse(kind, &value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}
