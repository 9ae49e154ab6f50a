//! The rows of one table, and what every row has in common beside it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::model::{Presence, RecordId, RowChange, Rows, RunId};
use crate::rules::Tracked;
use crate::storage::steps::{is_unchanged, keep_fields, merge_drifted};
use crate::storage::{MissingRow, PageWritten};
use crate::store::memory::at_most;

/// The rows of one table.
pub(super) struct Held<R>(pub(super) BTreeMap<RecordId, HeldRow<R>>);

impl<R> Default for Held<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// A row, and what every row has in common beside it.
pub(super) struct HeldRow<R> {
    pub(super) row: R,
    pub(super) mark: Mark,
}

impl<R> HeldRow<R> {
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.mark.standing, Standing::Gone { .. })
    }
}

pub(super) struct Mark {
    pub(super) standing: Standing,
    /// The last reading that has seen it.
    stamp: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Gone { since: OffsetDateTime, by: RunId },
    Missing { since: OffsetDateTime, put_back: bool },
    Seen,
}

impl Standing {
    pub(super) const fn presence(self) -> Presence {
        match self {
            Self::Gone { since, .. } => Presence::Gone { since },
            Self::Missing { since, .. } => Presence::Missing { since },
            Self::Seen => Presence::Seen,
        }
    }
}

/// Whether what changed will be told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store::memory) enum Tell {
    Changes,
    /// All of it would be new.
    Nothing,
}

impl Tell {
    pub(in crate::store::memory) const fn of(was_read_before: bool) -> Self {
        if was_read_before { Self::Changes } else { Self::Nothing }
    }
}

/// What storing rows did.
#[derive(Default)]
pub(in crate::store::memory) struct Put {
    pub(in crate::store::memory) written: PageWritten,
    /// Rows that this reading has not seen before.
    pub(in crate::store::memory) first_seen: u64,
    /// What it changed that may be told.
    pub(in crate::store::memory) changes: Vec<RowChange>,
}

impl Put {
    pub(super) fn add(&mut self, more: Self) {
        self.written.inserted += more.written.inserted;
        self.written.updated += more.written.updated;
        self.written.unchanged += more.written.unchanged;
        self.first_seen += more.first_seen;
        self.changes.extend(more.changes);
    }
}

/// What noting an id did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store::memory) enum Sight {
    /// This reading has seen it before.
    Again,
    /// This reading sees it for the first time.
    First,
    /// It is not held.
    Stranger,
}

impl<R: Tracked + Serialize + DeserializeOwned> Held<R> {
    pub(super) fn put(&mut self, rows: Vec<R>, absent: &[&str], stamp: u64) -> Put {
        let mut put = Put::default();
        for row in rows {
            let mark = Mark { standing: Standing::Seen, stamp };
            match self.0.entry(row.record_id()) {
                Entry::Vacant(place) => {
                    put.written.inserted += 1;
                    put.first_seen += 1;
                    let row = match absent {
                        [] => row,
                        absent => merge_drifted(row, None, absent),
                    };
                    put.changes.extend(R::change(None, Some(&row)));
                    place.insert(HeldRow { row, mark });
                }
                Entry::Occupied(mut place) => {
                    let held = place.get_mut();
                    put.first_seen += u64::from(held.mark.stamp != stamp);
                    // To whom it was gone, it is new.
                    let was_gone = held.is_gone();
                    held.mark = mark;
                    if is_unchanged(held.row.version(), row.version(), absent) {
                        put.written.unchanged += 1;
                        if was_gone {
                            put.changes.extend(R::change(None, Some(&held.row)));
                        }
                    } else {
                        put.written.updated += 1;
                        let row = keep_fields(row, &held.row, absent);
                        let before = std::mem::replace(&mut held.row, row);
                        let before = (!was_gone).then_some(&before);
                        put.changes.extend(R::change(before, Some(&held.row)));
                    }
                }
            }
        }
        put
    }

    pub(super) fn see(&mut self, id: &RecordId, stamp: u64) -> Sight {
        let Some(held) = self.0.get_mut(id) else { return Sight::Stranger };
        held.mark.standing = Standing::Seen;
        let before = std::mem::replace(&mut held.mark.stamp, stamp);
        if before == stamp { Sight::Again } else { Sight::First }
    }

    pub(super) fn miss(
        &mut self,
        stamp: u64,
        since: OffsetDateTime,
        may_be: impl Fn(&R) -> bool,
    ) -> u64 {
        let mut newly_missing = 0;
        for HeldRow { row, mark } in self.0.values_mut() {
            if mark.standing == Standing::Seen && mark.stamp != stamp && may_be(row) {
                mark.standing = Standing::Missing { since, put_back: false };
                newly_missing += 1;
            }
        }
        newly_missing
    }

    pub(super) fn census(&self, may_be: impl Fn(&R) -> bool) -> (u64, u64) {
        let (mut present, mut missing) = (0, 0);
        for held in self.0.values().filter(|held| may_be(&held.row)) {
            match held.mark.standing {
                Standing::Gone { .. } => {}
                Standing::Missing { .. } => missing += 1,
                Standing::Seen => present += 1,
            }
        }
        (present, missing)
    }

    pub(super) fn after<'a>(
        &'a self,
        after: Option<&RecordId>,
    ) -> impl Iterator<Item = (&'a RecordId, &'a HeldRow<R>)> + use<'a, R> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.0.range::<RecordId, _>((start, Bound::Unbounded))
    }

    pub(super) fn missing(&self, after: Option<&RecordId>, limit: u32) -> Vec<MissingRow> {
        let missing = self.after(after).filter_map(|(id, held)| match held.mark.standing {
            Standing::Missing { since, put_back: false } => {
                Some(MissingRow { id: id.clone(), since })
            }
            Standing::Gone { .. } | Standing::Missing { .. } | Standing::Seen => None,
        });
        missing.take(at_most(limit)).collect()
    }

    pub(super) fn remove(
        &mut self,
        ids: &[RecordId],
        since: OffsetDateTime,
        by: RunId,
    ) -> Vec<RowChange> {
        let mut changes = Vec::new();
        for id in ids {
            let Some(HeldRow { row, mark }) = self.0.get_mut(id) else { continue };
            if let standing @ Standing::Missing { .. } = &mut mark.standing {
                *standing = Standing::Gone { since, by };
                changes.extend(R::change(Some(row), None));
            }
        }
        changes
    }

    pub(super) fn put_back(&mut self, run: RunId, now: OffsetDateTime) -> u64 {
        let mut rows = 0;
        for held in self.0.values_mut() {
            if matches!(held.mark.standing, Standing::Gone { by, .. } if by == run) {
                held.mark.standing = Standing::Missing { since: now, put_back: true };
                rows += 1;
            }
        }
        rows
    }

    pub(super) fn forget_gone(&mut self, until: OffsetDateTime) {
        self.0.retain(
            |_, held| !matches!(held.mark.standing, Standing::Gone { since, .. } if since < until),
        );
    }

    /// The rows that are not gone.
    pub(super) fn live(&self) -> impl Iterator<Item = &R> {
        self.0.values().filter(|held| !held.is_gone()).map(|held| &held.row)
    }

    pub(super) fn by_ids(&self, ids: &BTreeSet<&RecordId>) -> Rows {
        let held = ids.iter().filter_map(|id| self.0.get(*id));
        let live = held.filter(|held| !held.is_gone());
        R::batch(live.map(|held| held.row.clone()).collect())
    }

    pub(super) fn scan(&self, after: Option<&RecordId>, limit: u32) -> Rows {
        let live = self.after(after).filter(|(_, held)| !held.is_gone());
        R::batch(live.take(at_most(limit)).map(|(_, held)| held.row.clone()).collect())
    }
}
