//! Reads every table of a connection into the mirror: all at once, chain by chain, page by page.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt};

use crate::connector::{ChainRequest, PageStream, PlanRequest};
use crate::error::{Error, Result};
use crate::host::{SyncProgress, TableStep};
use crate::model::{FeedEvent, Record, RecordId, Table};
use crate::storage::{MirrorPage, Pull, TableRead};
use crate::sync::Sync;
use crate::sync::sample::sample_creation;
use crate::walk::{CompletenessProof, Notice, Page, Reached, Walk};

/// How often a table may be begun anew in one sync, when the CRM does not take a place any more. A
/// later sync may do so again: it would be stuck at that place else.
const MAX_RESTARTS: u32 = 3;

/// Reads all tables. Those that were read to their end are proved; the others are not in the list.
///
/// The tables are read side by side; how many requests run at once is the connector's to decide.
pub(super) async fn read_tables(
    sync: &Sync<'_>,
    run: &Pull,
    expected: &BTreeMap<Table, u64>,
) -> Result<Vec<CompletenessProof>> {
    let connector = sync.connector;
    let reads = Table::ALL.into_iter().map(|table| {
        let expected = expected.get(&table).copied();
        let reader = TableReader { sync, run, table, expected };
        match table {
            Table::Users => reader.read(|chain| connector.users(chain)).boxed(),
            Table::Accounts => reader.read(|chain| connector.accounts(chain)).boxed(),
            Table::Contacts => reader.read(|chain| connector.contacts(chain)).boxed(),
            Table::Opportunities => reader.read(|chain| connector.opportunities(chain)).boxed(),
            Table::Stages => reader.read(|chain| connector.stages(chain)).boxed(),
            Table::StageAssignments => {
                reader.read(|chain| connector.stage_assignments(chain)).boxed()
            }
            Table::Currencies => reader.read(|chain| connector.currencies(chain)).boxed(),
        }
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// How many rows each table may have: what the last run saw, else what the CRM says.
pub(super) async fn expected_rows(sync: &Sync<'_>, run: &Pull) -> Result<BTreeMap<Table, u64>> {
    if !run.expected.is_empty() || !run.tables.is_empty() {
        return Ok(run.expected.clone());
    }
    sync.connector.counts().await
}

/// Reads one table into the mirror.
#[derive(Clone, Copy)]
struct TableReader<'a> {
    sync: &'a Sync<'a>,
    run: &'a Pull,
    table: Table,
    expected: Option<u64>,
}

impl<'a> TableReader<'a> {
    /// Reads the table; a place to go on from that the CRM no longer takes means reading anew.
    async fn read<R: Record>(
        self,
        fetch: impl Fn(&ChainRequest) -> PageStream<'a, R> + Send + std::marker::Sync + 'a,
    ) -> Result<Option<CompletenessProof>> {
        let known = self.run.tables.iter().find(|read| read.table == self.table);
        let mut read = match known {
            Some(known) => known.clone(),
            None => self.plan(0).await?,
        };
        let most = read.attempt + MAX_RESTARTS;
        loop {
            let resumed = read.chains.iter().any(|chain| chain.reached != Reached::Start);
            match self.read_chains(&read, &fetch).await {
                Err(error) if read.attempt < most && may_begin_anew(&error, resumed) => {
                    tracing::warn!(table = %self.table, %error, "the table is read anew");
                    read = self.plan(read.attempt + 1).await?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Asks the connector how to read the table, and keeps what it says.
    async fn plan(&self, attempt: u32) -> Result<TableRead> {
        let Sync { stores, claim, connector, .. } = self.sync;
        let (table, expected) = (self.table, self.expected);
        let created = sample_creation(self.sync, table, expected).await?;
        let plan = connector.plan(&PlanRequest { table, expected, created, attempt }).await?;
        stores.mirror.plan_table(claim, self.run.run, self.table, attempt, &plan).await
    }

    async fn read_chains<R: Record>(
        &self,
        read: &TableRead,
        fetch: &(impl Fn(&ChainRequest) -> PageStream<'a, R> + Send + std::marker::Sync),
    ) -> Result<Option<CompletenessProof>> {
        let under_way = UnderWay::new(self, read);
        let chains = read.plan.chains.iter().zip(&read.chains).enumerate();
        let chains = chains.filter(|(_, (_, cursor))| cursor.reached != Reached::End);
        let chains = chains.map(|(index, (plan, cursor))| {
            let from = match &cursor.reached {
                Reached::At(token) => Some(token.clone()),
                Reached::End | Reached::Start => None,
            };
            let pages = fetch(&ChainRequest { plan: plan.clone(), from });
            let place = Place { attempt: read.attempt, chain: index, seq: cursor.pages };
            self.read_chain(place, pages, &under_way)
        });
        try_join_all(chains).await?;
        match under_way.into_walk().finish() {
            Ok(proof) => Ok(Some(proof)),
            Err(doubt) => {
                tracing::warn!(table = %self.table, %doubt, "no row of the table is called missing");
                Ok(None)
            }
        }
    }

    /// Stores the pages of one chain, each before the next is taken.
    async fn read_chain<R: Record>(
        &self,
        mut place: Place,
        mut pages: PageStream<'a, R>,
        under_way: &UnderWay,
    ) -> Result<()> {
        while let Some(page) = pages.next().await {
            let page = page?;
            under_way.state().walk.take(place.chain, &page)?;
            self.tell(&page.notices).await?;
            let last = page.resume.is_none();
            self.store(place, page, under_way).await?;
            place.seq += 1;
            if last {
                break;
            }
        }
        Ok(())
    }

    /// Stores a page and tells how far the table is.
    async fn store<R: Record>(
        &self,
        Place { attempt, chain, seq }: Place,
        page: Page<R>,
        under_way: &UnderWay,
    ) -> Result<()> {
        let rows = page.rows.len() as u64;
        let stored = MirrorPage {
            run: self.run.run,
            attempt,
            chain,
            seq,
            also_seen: also_seen(&page),
            absent: page.absent,
            resume: page.resume,
            doubt: under_way.state().walk.doubt().cloned(),
            rows: R::batch(page.rows),
        };
        self.sync.stores.mirror.apply_page(self.sync.claim, stored).await?;
        // Only now is the page's memory free again.
        drop(page.bytes);
        let progress = under_way.advance(rows);
        self.sync.observer.progress(&progress);
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
                    format!("the column {column} is not there any more; its old values stay"),
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

/// Where a page belongs among those of its table.
#[derive(Clone, Copy)]
struct Place {
    attempt: u32,
    chain: usize,
    seq: u64,
}

/// What the chains of one table share while they are read.
struct UnderWay(Mutex<State>);

struct State {
    walk: Walk,
    progress: SyncProgress,
}

impl UnderWay {
    fn new(reader: &TableReader<'_>, read: &TableRead) -> Self {
        let (run, table) = (reader.run.run, reader.table);
        let walk = Walk::resume(run, table, &read.plan, &read.chains, read.doubt.clone());
        let mut progress = SyncProgress::new(reader.sync.connection.id, run, table);
        progress.rows = read.chains.iter().map(|chain| chain.rows).sum();
        progress.pages = read.chains.iter().map(|chain| chain.pages).sum();
        progress.expected = reader.expected.or(read.plan.estimate);
        Self(Mutex::new(State { walk, progress }))
    }

    /// Never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a stored page in.
    fn advance(&self, rows: u64) -> SyncProgress {
        let mut state = self.state();
        state.progress.rows += rows;
        state.progress.pages += 1;
        if state.walk.is_over() {
            state.progress.step = TableStep::Done;
        }
        state.progress.clone()
    }

    fn into_walk(self) -> Walk {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).walk
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

/// Whether an error may mean that a plan or a place is not taken any more.
const fn may_begin_anew(error: &Error, resumed: bool) -> bool {
    match error {
        Error::InvalidInput { .. } => true,
        Error::Rejected { .. } | Error::UnexpectedResponse { .. } => resumed,
        _ => false,
    }
}
