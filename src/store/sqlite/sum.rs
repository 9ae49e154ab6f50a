//! `exact_sum(amount)`: adds amounts up without rounding.

use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};

use crate::store::sqlite::codec::{from_sortable, sortable};

/// Registers the function on a connection.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_aggregate_function("exact_sum", 1, flags, ExactSum)
}

struct ExactSum;

impl Aggregate<i128, Option<Vec<u8>>> for ExactSum {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<i128> {
        Ok(0)
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut i128) -> rusqlite::Result<()> {
        let Some(bytes) = context.get_raw(0).as_blob_or_null()? else {
            return Ok(());
        };
        let units = from_sortable(bytes).ok_or_else(|| refuse("an amount is not 16 bytes"))?;
        *sum = sum.checked_add(units).ok_or_else(|| refuse("a sum is too large"))?;
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        sum: Option<i128>,
    ) -> rusqlite::Result<Option<Vec<u8>>> {
        Ok(sum.map(|sum| sortable(sum).to_vec()))
    }
}

fn refuse(why: &'static str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(why.into())
}
