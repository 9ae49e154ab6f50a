//! Decodes pages without building a tree: UTF-8 is checked once, then a visitor walks the rows and
//! turns each into the model's while the next is still text.
//!
//! There are two ways over a page. The quick one reads each column right where it stands. Where
//! anything surprises it gives up, and the careful one reads the page again: it cuts out each row
//! and each column before it looks at them, so that what is wrong with one costs only itself. What
//! the careful way says counts; the quick one never says anything else.

pub(crate) mod peek;
mod row;
mod rows;
mod visit;
#[cfg(feature = "testkit")]
pub(crate) mod measured;

use std::fmt;

use crate::dynamics::decode::rows::Rows;
use crate::dynamics::decode::visit::{Careful, Ends, Quick, walk};
use crate::dynamics::error::Refusal;
use crate::dynamics::wire::{RowOf, WireRow};
use crate::error::BoxError;
use crate::model::Record;
use crate::walk::Notice;

/// Where rows come from: a table of the service, and what becomes of its rows.
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    /// The row as it is sent.
    type Wire<'a>: WireRow<'a>;
    /// The row of the model.
    type Row: Record;

    /// The name of the table in URLs.
    fn set(&self) -> &str;

    /// The column of the primary key.
    fn key(&self) -> &'static str;

    /// Which rows are read, when not all.
    fn filter(&self) -> Option<String> {
        None
    }

    /// Which columns are asked for.
    fn select(&self) -> Vec<&'static str> {
        Self::Wire::COLUMNS.to_vec()
    }

    /// Turns a row into the model's.
    fn convert(&self, wire: &Self::Wire<'_>) -> Converted<Self::Row>;

    /// Finishes the rows of a page where a row depends on its neighbours.
    fn finish(&self, rows: &mut [Self::Row]) {
        let _ = rows;
    }

    /// What to say when the table refuses to be read but others of its kind go on; `None` when the
    /// refusal ends the whole read.
    fn degrade(&self, refusal: &Refusal) -> Option<Vec<Notice>> {
        let _ = refusal;
        None
    }
}

/// What became of a row.
pub(crate) enum Converted<R> {
    /// It is none of ours, for example a process that runs on something else.
    Foreign,
    /// A row.
    Row(R),
    /// Its id, or what the model cannot do without, cannot be read.
    Unreadable,
}

impl<R> From<Option<R>> for Converted<R> {
    fn from(row: Option<R>) -> Self {
        row.map_or(Self::Unreadable, Self::Row)
    }
}

/// The content of a page.
#[derive(Debug)]
pub(crate) struct Decoded<R> {
    pub(crate) rows: Vec<R>,
    pub(crate) unreadable: u32,
    pub(crate) notices: Vec<Notice>,
    /// The model's fields, by their names in its JSON, of which the page knows nothing, because no
    /// column that feeds them stood in any row: what is known of them from before must stay. A dot
    /// leads into a part: `record_stage.label`.
    pub(crate) absent: Vec<&'static str>,
    pub(crate) next_link: Option<String>,
}

/// Why a body is no page.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// It holds an error, although its status was success.
    Refused(Refusal),
    /// It is something else.
    Unexpected {
        /// What is wrong with it.
        detail: String,
        /// The cause, when there is one.
        source: Option<BoxError>,
    },
}

/// Decodes a page.
pub(crate) fn page<S: Source>(source: &S, body: &[u8]) -> Result<Decoded<S::Row>, BodyFault> {
    let text = std::str::from_utf8(body).map_err(|cause| BodyFault::Unexpected {
        detail: "a body that is not UTF-8".to_owned(),
        source: Some(Box::new(cause)),
    })?;
    quick(source, text).or_else(|_| careful(source, text)).map_err(not_json)?
}

type Page<S> = Result<Decoded<<S as Source>::Row>, BodyFault>;

fn quick<S: Source>(source: &S, text: &str) -> serde_json::Result<Page<S>> {
    let mut rows = Rows::new(source, text.len());
    let ends = walk(text, &mut Quick(&mut rows))?;
    Ok(finish(rows, ends))
}

fn careful<S: Source>(source: &S, text: &str) -> serde_json::Result<Page<S>> {
    let mut rows = Rows::new(source, text.len());
    let ends = walk(text, &mut Careful(&mut rows))?;
    Ok(finish(rows, ends))
}

fn finish<S: Source>(rows: Rows<'_, S>, ends: Ends<'_>) -> Page<S> {
    if let Some(error) = ends.error {
        return Err(BodyFault::Refused(Refusal::within_success(error)));
    }
    if !ends.has_value {
        return Err(BodyFault::Unexpected { detail: "no list of rows".to_owned(), source: None });
    }
    if rows.has_too_many() {
        let detail = "more rows than were asked for".to_owned();
        return Err(BodyFault::Unexpected { detail, source: None });
    }
    Ok(rows.into_decoded(ends.next_link))
}

/// Decodes one row by itself.
pub(crate) fn row<S: Source>(source: &S, body: &[u8]) -> Result<Converted<S::Row>, BodyFault> {
    let row = serde_json::from_slice::<RowOf<S::Wire<'_>>>(body).map_err(not_json)?;
    Ok(source.convert(&row.0))
}

/// Says where a body stops being the expected JSON. The cause itself is left out: it quotes values,
/// and those are the customer's.
#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err by name")]
pub(crate) fn not_json(cause: serde_json::Error) -> BodyFault {
    BodyFault::Unexpected {
        detail: format!("no such JSON (line {}, column {})", cause.line(), cause.column()),
        source: None,
    }
}

#[cfg(test)]
mod tests;
