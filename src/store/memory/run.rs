//! A pull under way, and what is left of it afterwards.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::{ChangeSeq, RecordId, RunId, Table};
use crate::storage::{
    MirrorPage, NewRun, PageWritten, Pull, PullPhase, PullProgress, Reader, TableProgress,
    TableRead, TableSummary,
};
use crate::walk::{ChainCursor, Incomplete, Reached, TablePlan};

/// The newest run of a connection.
pub(super) struct Run {
    pub(super) id: RunId,
    reader: Reader,
    followed: ChangeSeq,
    pub(super) phase: PullPhase,
    started_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
    tables: BTreeMap<Table, TableState>,
    /// What [`finish_pull`](crate::storage::Mirror::finish_pull) reported, to report it again.
    pub(super) summaries: Vec<TableSummary>,
}

/// How far one table was read.
pub(super) struct TableState {
    read: TableRead,
    /// Marks the rows that this attempt has seen.
    pub(super) stamp: u64,
    written: u64,
    /// What storing each page did, by chain and place: a repeated page is told from a new one.
    stored: BTreeMap<(usize, u64), PageWritten>,
    /// Rows seen that are held.
    pub(super) seen: u64,
    /// Rows seen of which the id alone could be read, and that are not held.
    strangers: BTreeSet<RecordId>,
}

impl TableState {
    fn begin(table: Table, attempt: u32, plan: &TablePlan, stamp: u64) -> Self {
        let chains = vec![ChainCursor::START; plan.chains.len()];
        let read = TableRead { table, attempt, plan: plan.clone(), chains, doubt: None };
        Self {
            read,
            stamp,
            written: 0,
            stored: BTreeMap::new(),
            seen: 0,
            strangers: BTreeSet::new(),
        }
    }

    fn rows(&self) -> u64 {
        self.read.chains.iter().map(|chain| chain.rows).sum()
    }

    fn pages(&self) -> u64 {
        self.read.chains.iter().map(|chain| chain.pages).sum()
    }
}

impl Run {
    pub(super) fn start(fresh: NewRun, started_at: OffsetDateTime) -> Self {
        Self {
            id: fresh.run,
            reader: fresh.reader,
            followed: fresh.followed,
            phase: PullPhase::Reading,
            started_at,
            finished_at: None,
            tables: BTreeMap::new(),
            summaries: Vec::new(),
        }
    }

    /// Keeps a plan, unless this attempt or a later one has one.
    pub(super) fn plan(
        &mut self,
        table: Table,
        attempt: u32,
        plan: &TablePlan,
        stamp: u64,
    ) -> TableRead {
        let stands = self.tables.get(&table).is_some_and(|state| state.read.attempt >= attempt);
        if !stands && self.phase == PullPhase::Reading {
            self.tables.insert(table, TableState::begin(table, attempt, plan, stamp));
        }
        let state = self.tables.get(&table);
        state.map_or_else(
            || TableState::begin(table, attempt, plan, stamp).read,
            |state| state.read.clone(),
        )
    }

    /// Looks whether a page is to be stored: its chain was planned in this attempt, it is the next of
    /// its chain, and the run is reading.
    pub(super) fn receive(&mut self, page: &MirrorPage) -> Result<Received<'_>> {
        let reading = self.phase == PullPhase::Reading;
        let refused = || Error::conflict(format!("run {}", page.run));
        let state = self.tables.get_mut(&page.rows.table()).ok_or_else(refused)?;
        if state.read.attempt != page.attempt {
            return Err(refused());
        }
        if let Some(written) = state.stored.get(&(page.chain, page.seq)) {
            return Ok(Received::Before(*written));
        }
        let is_next = state.read.chains.get(page.chain).is_some_and(|it| it.pages == page.seq);
        if !reading || !is_next {
            return Err(refused());
        }
        Ok(Received::New(state))
    }

    /// The tables begun.
    pub(super) fn tables(&self) -> impl Iterator<Item = (Table, &TableState)> {
        self.tables.iter().map(|(table, state)| (*table, state))
    }

    /// The number of rows seen of each table begun.
    pub(super) fn counts(&self) -> BTreeMap<Table, u64> {
        let read = self.tables().filter(|(_, state)| state.pages() > 0);
        read.map(|(table, state)| (table, state.seen_in_all())).collect()
    }

    /// Ends the run and drops what was kept to resume it.
    pub(super) fn finish(&mut self, at: OffsetDateTime) {
        self.phase = PullPhase::Finished;
        self.finished_at = Some(at);
        for state in self.tables.values_mut() {
            state.stored.clear();
            state.strangers.clear();
            for chain in &mut state.read.chains {
                chain.reached = Reached::End;
            }
        }
    }

    /// The run as a worker takes it up.
    pub(super) fn pull(&self, expected: &BTreeMap<Table, u64>) -> Pull {
        let tables = self.tables.values().map(|state| state.read.clone());
        Pull {
            run: self.id,
            reader: self.reader.clone(),
            followed: self.followed,
            started_at: self.started_at,
            phase: self.phase,
            tables: tables.collect(),
            expected: expected.clone(),
        }
    }

    /// The run as a settings page sees it; `expected` is what the last finished run counted.
    pub(super) fn progress(&self, expected: &BTreeMap<Table, u64>) -> PullProgress {
        let tables = self.tables().map(|(table, state)| TableProgress {
            table,
            rows: state.rows(),
            written: state.written,
            pages: state.pages(),
            expected: expected.get(&table).copied().or(state.read.plan.estimate),
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

impl TableState {
    /// Takes note of a page that was just stored, of whose rows so many were not seen before, and
    /// of the ids that it showed without a row and that are not held.
    pub(super) fn record(
        &mut self,
        page: PageFacts,
        written: PageWritten,
        strangers: impl IntoIterator<Item = RecordId>,
    ) {
        let chain = &mut self.read.chains[page.chain];
        chain.pages += 1;
        chain.rows += page.rows;
        chain.reached = page.reached;
        self.read.doubt = page.doubt.or_else(|| self.read.doubt.take());
        self.written += written.inserted + written.updated;
        self.seen += page.seen;
        self.stored.insert((page.chain, page.seq), written);
        self.strangers.extend(strangers);
    }

    pub(super) fn seen_in_all(&self) -> u64 {
        self.seen + self.strangers.len() as u64
    }
}

/// A page as it comes in.
pub(super) enum Received<'a> {
    /// It was stored before, and that did this.
    Before(PageWritten),
    /// It is to be stored.
    New(&'a mut TableState),
}

/// What is kept of a page beside its rows.
pub(super) struct PageFacts {
    pub(super) chain: usize,
    pub(super) seq: u64,
    pub(super) rows: u64,
    pub(super) seen: u64,
    pub(super) reached: Reached,
    pub(super) doubt: Option<Incomplete>,
}
