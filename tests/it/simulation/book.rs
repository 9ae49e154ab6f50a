//! Chance, and the book of what happened: one seed gives one book.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Mutex;

use fluint_crm::Randomness;
use fluint_crm::model::{RecordId, RunId, Table};
use time::OffsetDateTime;

/// Everything that is left to chance is drawn here.
#[derive(Debug)]
pub(crate) struct Dice(Randomness);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Randomness::seeded(seed))
    }

    /// A number below `end`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    pub(crate) fn below(&self, end: usize) -> usize {
        (self.0.fraction() * end as f64) as usize
    }

    /// A whole number of seconds, both ends included.
    pub(crate) fn seconds(&self, from: u32, to: u32) -> time::Duration {
        let span = usize::try_from(to - from).unwrap() + 1;
        time::Duration::seconds(i64::from(from) + i64::try_from(self.below(span)).unwrap())
    }

    /// Whether something with this likelihood happens.
    pub(crate) fn happens(&self, likelihood: f64) -> bool {
        self.0.fraction() < likelihood
    }

    pub(crate) fn pick<'a, T>(&self, among: &'a [T]) -> Option<&'a T> {
        (!among.is_empty()).then(|| &among[self.below(among.len())])
    }

    pub(crate) fn number(&self) -> u128 {
        self.0.uuid().as_u128()
    }
}

/// What happened, and what should not have.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    lines: Vec<String>,
    wrong: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
    /// Syncs that ended well: their run and when it was begun.
    done: Vec<(RunId, OffsetDateTime)>,
}

impl Book {
    /// Takes a line down.
    pub(crate) fn note(&self, at: OffsetDateTime, who: &str, what: impl Debug) {
        let mut line = String::new();
        let _ = write!(line, "{:>8} {who}: {what:?}", at.unix_timestamp() % 100_000_000);
        self.0.lock().unwrap().lines.push(line);
    }

    /// Takes down what should never be.
    pub(crate) fn wrong(&self, what: String) {
        let mut pages = self.0.lock().unwrap();
        pages.lines.push(format!("WRONG: {what}"));
        pages.wrong.push(what);
    }

    /// Counts something, to tell how much was tried.
    pub(crate) fn count(&self, what: &'static str) {
        *self.0.lock().unwrap().counts.entry(what).or_default() += 1;
    }

    pub(crate) fn done(&self, run: RunId, started_at: OffsetDateTime) {
        self.0.lock().unwrap().done.push((run, started_at));
    }

    /// How many different runs that were begun at or after a time have ended well.
    pub(crate) fn runs_since(&self, since: OffsetDateTime) -> usize {
        let pages = self.0.lock().unwrap();
        let runs = pages.done.iter().filter(|(_, at)| *at >= since).map(|(run, _)| *run);
        runs.collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap().counts.clone()
    }

    /// What was wrong, if anything was.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.0.lock().unwrap().wrong.clone()
    }

    /// The last lines.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let pages = self.0.lock().unwrap();
        pages.lines[pages.lines.len().saturating_sub(lines)..].join("\n")
    }

    /// A number that two books share only if they are the same.
    pub(crate) fn fingerprint(&self) -> (usize, u64) {
        let pages = self.0.lock().unwrap();
        let mut hasher = DefaultHasher::new();
        pages.lines.iter().for_each(|line| hasher.write(line.as_bytes()));
        (pages.lines.len(), hasher.finish())
    }
}

/// What a run has shown the store of one table, by the ids on its pages.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) attempt: u32,
    pub(crate) pages: BTreeMap<(usize, u64), usize>,
    pub(crate) ids: BTreeSet<RecordId>,
    /// Pages whose call was dropped before it was answered.
    pub(crate) perhaps: BTreeMap<(usize, u64), Vec<RecordId>>,
}

impl Shown {
    /// How many rows were seen, at least and at most.
    pub(crate) fn rows_seen(&self) -> (u64, u64) {
        let all: BTreeSet<&RecordId> =
            self.ids.iter().chain(self.perhaps.values().flatten()).collect();
        (self.ids.len() as u64, all.len() as u64)
    }

    /// How many rows came on pages, at least and at most.
    pub(crate) fn rows_read(&self) -> (u64, u64) {
        let least = self.pages.values().sum::<usize>();
        let perhaps = self.perhaps.values().map(Vec::len).sum::<usize>();
        (least as u64, (least + perhaps) as u64)
    }
}

/// By run and table.
pub(crate) type Shows = BTreeMap<(RunId, Table), Shown>;
