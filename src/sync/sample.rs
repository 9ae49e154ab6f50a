//! When the rows of a table were created, as far as the synced copy tells.

use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{Connection, RecordId, Rows, Table};
use crate::sync::Sync;

/// Tables smaller than this are not sampled: nobody would read them in parts.
const WORTH_SAMPLING: u64 = 10_000;

/// Rows looked at behind each of the first characters that ids begin with.
const ROWS: u32 = 40;

/// Creation times of rows spread over the table, in no particular order.
///
/// Ids are as good as random to the times, so looking behind a few of them gives a fair sample; a
/// CRM whose ids grow with time gets one that is merely spread.
pub(super) async fn sample_creation(
    sync: &Sync<'_>,
    table: Table,
    expected: Option<u64>,
) -> Result<Vec<OffsetDateTime>> {
    let mut times = Vec::new();
    if expected.is_none_or(|rows| rows < WORTH_SAMPLING) {
        return Ok(times);
    }
    let Connection { workspace, id, .. } = sync.connection;
    for first in "0123456789abcdef".chars() {
        let after = RecordId::new(first.to_string())?;
        let rows = sync.stores.query.scan(workspace, *id, table, Some(&after), ROWS).await?;
        times.extend(created(&rows));
    }
    Ok(times)
}

fn created(rows: &Rows) -> Vec<OffsetDateTime> {
    match rows {
        Rows::Accounts(rows) => rows.iter().filter_map(|row| row.created_at).collect(),
        Rows::Contacts(rows) => rows.iter().filter_map(|row| row.created_at).collect(),
        Rows::Opportunities(rows) => rows.iter().filter_map(|row| row.created_at).collect(),
        Rows::Users(_) | Rows::Stages(_) | Rows::StageAssignments(_) | Rows::Currencies(_) => {
            Vec::new()
        }
    }
}
