//! How a table is read: in which chains, and how far each of them has come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// How a table is read in one run: decided once, kept with the run, and handed back when an
/// interrupted run goes on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates build it")]
pub struct TablePlan {
    /// The chains of pages; none when there is nothing to read.
    pub chains: Vec<ChainPlan>,
    /// How many rows the table may have in all: an estimate for progress, never a proof.
    pub estimate: Option<u64>,
}

impl TablePlan {
    /// The whole of one source, in one chain.
    #[must_use]
    pub fn whole(source: impl Into<String>) -> Self {
        Self::sources([source.into()])
    }

    /// Several sources, each in one chain of its own.
    #[must_use]
    pub fn sources(sources: impl IntoIterator<Item = String>) -> Self {
        let whole = |source| ChainPlan { source, range: TimeRange::ALL };
        Self { chains: sources.into_iter().map(whole).collect(), estimate: None }
    }

    /// One source in ranges that meet at `bounds`, which must ascend.
    #[must_use]
    pub fn ranges(source: &str, bounds: &[OffsetDateTime]) -> Self {
        let starts = std::iter::once(None).chain(bounds.iter().copied().map(Some));
        let ends = bounds.iter().copied().map(Some).chain(std::iter::once(None));
        let range = |(from, until)| ChainPlan {
            source: source.to_owned(),
            range: TimeRange { from, until },
        };
        Self { chains: starts.zip(ends).map(range).collect(), estimate: None }
    }

    /// Whether every source is covered from end to end, without a gap and without an overlap.
    #[must_use]
    pub fn covers(&self) -> bool {
        let mut sources: BTreeMap<&str, Vec<TimeRange>> = BTreeMap::new();
        for chain in &self.chains {
            sources.entry(&chain.source).or_default().push(chain.range);
        }
        sources.into_values().all(|mut ranges| {
            ranges.sort_by_key(|range| range.from);
            let meets = ranges.windows(2).all(|pair| {
                pair[0].until.is_some()
                    && pair[0].until == pair[1].from
                    && pair[0].from < pair[0].until
            });
            let first = ranges.first().is_some_and(|range| range.from.is_none());
            meets && first && ranges.last().is_some_and(|range| range.until.is_none())
        })
    }
}

/// One chain of a table: which rows, in the connector's own words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates build it")]
pub struct ChainPlan {
    /// Where the rows come from, in the connector's own words. Not a secret, not to be read.
    pub source: String,
    /// Which of them, by the time of their creation.
    pub range: TimeRange,
}

/// A stretch of creation times, the start included, the end not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates build it")]
pub struct TimeRange {
    /// The start (UTC). `None` means from the beginning, rows without a time included.
    #[serde(with = "time::serde::rfc3339::option")]
    pub from: Option<OffsetDateTime>,
    /// The end (UTC). `None` means without an end.
    #[serde(with = "time::serde::rfc3339::option")]
    pub until: Option<OffsetDateTime>,
}

impl TimeRange {
    /// Every row.
    pub const ALL: Self = Self { from: None, until: None };
}

/// How far a chain was read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct ChainCursor {
    /// Where it goes on.
    pub reached: Reached,
    /// Pages stored so far; the next page's place counts on from here.
    pub pages: u64,
    /// Rows on those pages.
    pub rows: u64,
}

impl ChainCursor {
    /// Nothing read yet.
    pub const START: Self = Self { reached: Reached::Start, pages: 0, rows: 0 };
}

/// Where a chain goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a chain is at its start, inside, or at its end")]
pub enum Reached {
    /// Inside: here.
    At(ResumeToken),
    /// Nowhere: it was read to its end.
    End,
    /// At its start.
    Start,
}

/// Where a chain goes on, in the connector's own words. Not a secret, not to be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResumeToken(String);

impl ResumeToken {
    /// Wraps the connector's own words.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The connector's own words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
