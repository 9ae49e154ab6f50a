//! Reads every table of a connection into the mirror, all at once and page by page.

use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt};

use crate::connector::PageStream;
use crate::error::{Error, Result};
use crate::host::{SyncProgress, TableStep};
use crate::model::{FeedEvent, Record, RecordId, Table};
use crate::storage::{MirrorPage, Pull};
use crate::sync::Sync;
use crate::walk::{ChainCursor, CompletenessProof, Incomplete, Notice, Page, Position, Walk};

/// Reads all tables. Those that were read to their end are proved; the others are not in the list.
///
/// The tables are read side by side; how many requests run at once is the connector's to decide.
pub(super) async fn read_tables(sync: &Sync<'_>, run: &Pull) -> Result<Vec<CompletenessProof>> {
    let connector = sync.connector;
    let reads = Table::ALL.into_iter().map(|table| {
        let reader = TableReader::new(sync, run, table);
        match table {
            Table::Users => reader.read(|from| connector.users(from)).boxed(),
            Table::Accounts => reader.read(|from| connector.accounts(from)).boxed(),
            Table::Contacts => reader.read(|from| connector.contacts(from)).boxed(),
            Table::Opportunities => reader.read(|from| connector.opportunities(from)).boxed(),
            Table::Stages => reader.read(|from| connector.stages(from)).boxed(),
            Table::StageAssignments => {
                reader.read(|from| connector.stage_assignments(from)).boxed()
            }
            Table::Currencies => reader.read(|from| connector.currencies(from)).boxed(),
        }
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// Reads one table into the mirror.
struct TableReader<'a> {
    sync: &'a Sync<'a>,
    run: &'a Pull,
    table: Table,
    from: Vec<ChainCursor>,
    doubt: Option<Incomplete>,
    /// Pages stored so far, those of an interrupted read included.
    seq: u64,
    progress: SyncProgress,
}

impl<'a> TableReader<'a> {
    fn new(sync: &'a Sync<'a>, run: &'a Pull, table: Table) -> Self {
        let known = run.tables.iter().find(|cursors| cursors.table == table);
        let mut progress = SyncProgress::new(sync.connection.id, run.run, table);
        progress.pages = known.map_or(0, |known| known.pages);
        Self {
            sync,
            run,
            table,
            from: known.map_or_else(Vec::new, |known| known.chains.clone()),
            doubt: known.and_then(|known| known.doubt.clone()),
            seq: known.map_or(0, |known| known.pages),
            progress,
        }
    }

    /// Reads the table; a place to go on from that the CRM no longer takes means reading anew.
    async fn read<R: Record>(
        mut self,
        fetch: impl Fn(&[ChainCursor]) -> PageStream<'a, R> + Send + 'a,
    ) -> Result<Option<CompletenessProof>> {
        let resumed = !self.from.is_empty();
        match self.read_once(&fetch).await {
            Err(error) if resumed && is_about_the_place(&error) => {
                tracing::warn!(table = %self.table, %error, "the table is read again from its start");
                let Sync { stores, claim, .. } = self.sync;
                stores.mirror.restart_table(claim, self.run.run, self.table).await?;
                self.from.clear();
                self.doubt = None;
                self.seq = 0;
                self.progress.rows = 0;
                self.progress.pages = 0;
                self.read_once(&fetch).await
            }
            outcome => outcome,
        }
    }

    async fn read_once<R: Record>(
        &mut self,
        fetch: &(impl Fn(&[ChainCursor]) -> PageStream<'a, R> + Send + 'a),
    ) -> Result<Option<CompletenessProof>> {
        let (run, doubt) = (self.run.run, self.doubt.clone());
        let mut walk = Walk::resume(run, self.table, &self.from, doubt);
        if !walk.is_over() {
            let mut pages = fetch(&self.from);
            while let Some(page) = pages.next().await {
                let page = page?;
                walk.take(&page)?;
                self.doubt = walk.doubt().cloned();
                let last = page.position == Position::TableEnd;
                self.store(page, last).await?;
                if last {
                    break;
                }
            }
        }
        match walk.finish() {
            Ok(proof) => Ok(Some(proof)),
            Err(doubt) => {
                tracing::warn!(table = %self.table, %doubt, "no row of the table is called missing");
                Ok(None)
            }
        }
    }

    /// Stores a page and tells how far the table is.
    async fn store<R: Record>(&mut self, page: Page<R>, last: bool) -> Result<()> {
        let rows = page.rows.len() as u64;
        self.tell(&page.notices).await?;
        let stored = MirrorPage {
            run: self.run.run,
            chain: page.chain,
            seq: self.seq,
            also_seen: also_seen(&page),
            cursor: ChainCursor { chain: page.chain, resume: page.resume },
            doubt: self.doubt.clone(),
            estimate: page.estimate,
            rows: R::batch(page.rows),
        };
        self.sync.stores.mirror.apply_page(self.sync.claim, &stored).await?;
        self.seq += 1;
        self.progress.rows += rows;
        self.progress.pages += 1;
        self.progress.expected = page.estimate.or(self.progress.expected);
        self.progress.step = if last { TableStep::Done } else { TableStep::Reading };
        self.sync.observer.progress(&self.progress);
        Ok(())
    }

    /// Tells the feed, once a day, about each source that could not be read, and about the first
    /// row of a table that could be read in part only.
    async fn tell(&self, notices: &[Notice]) -> Result<()> {
        let mut told_row = false;
        for notice in notices {
            let (key, message) = match notice {
                Notice::SourceUnreadable { origin, detail } => {
                    (format!("unreadable/{origin}"), format!("{origin}: {detail}"))
                }
                Notice::ColumnMissing { column } => (
                    format!("column/{}/{column}", self.table),
                    format!("the column {column} is not there any more"),
                ),
                Notice::RowIncomplete { id, detail } if !told_row => {
                    told_row = true;
                    (format!("incomplete/{}", self.table), format!("row {id}: {detail}"))
                }
                Notice::RowIncomplete { .. } => continue,
            };
            let event = FeedEvent::ReadDegraded { table: self.table, message };
            self.sync.tell_once_a_day(&format!("degraded/{key}"), event).await?;
        }
        Ok(())
    }
}

/// Ids that a page shows without a row to write: rows of which nothing but the id could be read.
fn also_seen<R: Record>(page: &Page<R>) -> Vec<RecordId> {
    let incomplete = page.notices.iter().filter_map(|notice| match notice {
        Notice::RowIncomplete { id, .. } => Some(id),
        Notice::ColumnMissing { .. } | Notice::SourceUnreadable { .. } => None,
    });
    incomplete.filter(|id| !page.rows.iter().any(|row| row.record_id() == **id)).cloned().collect()
}

/// Whether an error may mean that the place to go on from is not taken any more.
const fn is_about_the_place(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidInput { .. } | Error::Rejected { .. } | Error::UnexpectedResponse { .. }
    )
}
