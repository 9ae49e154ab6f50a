//! A pull under way, and what is left of it afterwards.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::model::{RecordId, RunId, Table};
use crate::storage::{
    MirrorPage, PageWritten, Pull, PullPhase, PullProgress, TableCursors, TableProgress,
    TableSummary,
};
use crate::walk::{ChainCursor, Incomplete};

/// The newest run of a connection.
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) phase: PullPhase,
    started_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
    tables: BTreeMap<Table, TableRead>,
    /// What [`finish_pull`](crate::storage::Mirror::finish_pull) reported, to report it again.
    pub(super) summaries: Vec<TableSummary>,
}

/// How far one table was read.
#[derive(Default)]
struct TableRead {
    rows: u64,
    written: u64,
    estimate: Option<u64>,
    /// The number of pages, kept apart because the pages themselves are dropped at the end.
    pages: u64,
    cursors: BTreeMap<u32, ChainCursor>,
    doubt: Option<Incomplete>,
    /// What storing each page did, by chain and place: a repeated page is told from a new one.
    stored: BTreeMap<(u32, u64), PageWritten>,
    seen: BTreeSet<RecordId>,
}

impl Run {
    pub(super) fn start(id: RunId, started_at: OffsetDateTime) -> Self {
        Self {
            id,
            phase: PullPhase::Reading,
            started_at,
            finished_at: None,
            tables: BTreeMap::new(),
            summaries: Vec::new(),
        }
    }

    /// What storing a page did, if it was stored before.
    pub(super) fn stored(&self, page: &MirrorPage) -> Option<PageWritten> {
        let read = self.tables.get(&page.rows.table())?;
        read.stored.get(&(page.chain.index, page.seq)).copied()
    }

    /// Takes note of a page that was just stored.
    pub(super) fn record(&mut self, page: &MirrorPage, written: PageWritten) {
        let read = self.tables.entry(page.rows.table()).or_default();
        read.rows += (page.rows.len() + page.also_seen.len()) as u64;
        read.written += written.inserted + written.updated;
        read.pages += 1;
        read.estimate = page.estimate.or(read.estimate);
        read.doubt = page.doubt.clone().or_else(|| read.doubt.take());
        read.cursors.insert(page.chain.index, page.cursor.clone());
        read.stored.insert((page.chain.index, page.seq), written);
        read.seen.extend(page.rows.ids());
        read.seen.extend(page.also_seen.iter().cloned());
    }

    pub(super) fn forget(&mut self, table: Table) {
        self.tables.remove(&table);
    }

    /// The tables begun, with the ids seen of each.
    pub(super) fn seen(&self) -> impl Iterator<Item = (Table, &BTreeSet<RecordId>)> {
        self.tables.iter().map(|(table, read)| (*table, &read.seen))
    }

    /// The number of rows seen of each table begun.
    pub(super) fn counts(&self) -> BTreeMap<Table, u64> {
        self.seen().map(|(table, seen)| (table, seen.len() as u64)).collect()
    }

    /// Ends the run and drops what was kept to resume it.
    pub(super) fn finish(&mut self, at: OffsetDateTime) {
        self.phase = PullPhase::Finished;
        self.finished_at = Some(at);
        for read in self.tables.values_mut() {
            read.cursors.clear();
            read.stored.clear();
            read.seen.clear();
        }
    }

    /// The run as a worker takes it up.
    pub(super) fn pull(&self) -> Pull {
        let tables = self.tables.iter().map(|(table, read)| TableCursors {
            table: *table,
            chains: read.cursors.values().cloned().collect(),
            pages: read.pages,
            doubt: read.doubt.clone(),
        });
        Pull {
            run: self.id,
            started_at: self.started_at,
            phase: self.phase,
            tables: tables.collect(),
        }
    }

    /// The run as a settings page sees it; `expected` is what the last finished run counted.
    pub(super) fn progress(&self, expected: &BTreeMap<Table, u64>) -> PullProgress {
        let tables = self.tables.iter().map(|(table, read)| TableProgress {
            table: *table,
            rows: read.rows,
            written: read.written,
            pages: read.pages,
            expected: expected.get(table).copied().or(read.estimate),
        });
        PullProgress {
            run: self.id,
            started_at: self.started_at,
            finished_at: self.finished_at,
            phase: self.phase,
            tables: tables.collect(),
        }
    }
}
