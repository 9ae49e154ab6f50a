//! A way for the benchmarks to the decoding of pages.

use crate::dynamics::decode::{BodyFault, page};
use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::contacts::Contacts;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::dynamics::tables::users::Users;
use crate::error::{Error, Result};
use crate::model::Table;

/// Decodes a page as a pull does, and gives the number of its rows.
///
/// # Errors
/// [`Error::UnexpectedResponse`] when the body is no page, or the table one whose
/// rows need more than their page.
#[doc(hidden)]
pub fn decode_page(table: Table, body: &[u8]) -> Result<usize> {
    const OPERATION: &str = "decode a page";
    let rows = match table {
        Table::Users => page(&Users, body).map(|page| page.rows.len()),
        Table::Accounts => page(&Accounts, body).map(|page| page.rows.len()),
        Table::Contacts => page(&Contacts, body).map(|page| page.rows.len()),
        Table::Opportunities => page(&Opportunities, body).map(|page| page.rows.len()),
        Table::Stages | Table::StageAssignments | Table::Currencies => {
            return Err(Error::unexpected(OPERATION, "rows of this table need more than a page"));
        }
    };
    rows.map_err(|fault| match fault {
        BodyFault::Refused(_) => Error::unexpected(OPERATION, "it holds an error"),
        BodyFault::Unexpected { detail, .. } => Error::unexpected(OPERATION, detail),
    })
}
