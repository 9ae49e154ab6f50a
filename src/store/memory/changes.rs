//! What the last runs found changed about rows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use time::OffsetDateTime;

use crate::model::{FoundChange, RecordId, RowChange, RowChangeKind, RunId, Table};
use crate::rules::merge_changes;
use crate::storage::steps::{KEEP_RUNS, MAX_CHANGES};

/// What the runs of a connection found, the oldest run first.
#[derive(Default)]
pub(super) struct KeptChanges(Vec<RunChanges>);

/// What one run found.
struct RunChanges {
    run: RunId,
    rows: BTreeMap<(Table, RecordId), FoundChange>,
    /// How many more it found.
    left_off: u64,
}

impl KeptChanges {
    /// Keeps what a run found, made one with what it found before about the same rows.
    pub(super) fn record(&mut self, run: RunId, at: OffsetDateTime, changes: Vec<RowChange>) {
        if changes.is_empty() {
            return;
        }
        let place = self.0.iter().position(|kept| kept.run == run).unwrap_or_else(|| {
            self.0.push(RunChanges { run, rows: BTreeMap::new(), left_off: 0 });
            self.0.len() - 1
        });
        let kept = &mut self.0[place];
        for change in changes {
            let is_full = kept.rows.len() as u64 >= MAX_CHANGES;
            match kept.rows.entry((change.table, change.id.clone())) {
                Entry::Vacant(_) if is_full => kept.left_off += 1,
                Entry::Vacant(free) => {
                    free.insert(FoundChange { run, at, change });
                }
                Entry::Occupied(mut known) => {
                    match merge_changes(known.get().change.clone(), change) {
                        Some(change) => known.insert(FoundChange { run, at, change }),
                        None => known.remove(),
                    };
                }
            }
        }
    }

    /// Forgets what runs found before the last ones that found any.
    pub(super) fn prune(&mut self) {
        let found_any = self.0.iter().enumerate().filter(|(_, kept)| !kept.rows.is_empty());
        let oldest_kept = found_any.map(|(at, _)| at).rev().take(KEEP_RUNS).last();
        self.0.drain(..oldest_kept.unwrap_or(self.0.len()));
        self.0.retain(|kept| !kept.rows.is_empty() || kept.left_off > 0);
    }

    /// Makes what a run found that is replaced the other's.
    pub(super) fn hand_on(&mut self, from: RunId, to: RunId) {
        for kept in self.0.iter_mut().filter(|kept| kept.run == from) {
            kept.run = to;
            kept.rows.values_mut().for_each(|found| found.run = to);
        }
    }

    /// Takes back what was said about rows that a run has swept and that are put back.
    pub(super) fn take_back_gone(&mut self, run: RunId) {
        for kept in self.0.iter_mut().filter(|kept| kept.run == run) {
            kept.rows.retain(|_, found| found.change.kind != RowChangeKind::Gone);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &FoundChange> {
        self.0.iter().flat_map(|kept| kept.rows.values())
    }

    pub(super) fn left_off(&self) -> u64 {
        self.0.iter().map(|kept| kept.left_off).sum()
    }
}
