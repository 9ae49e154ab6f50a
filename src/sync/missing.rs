//! Asks the CRM for missing rows by their ids, and settles what it says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::ready;
use std::pin::pin;

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use time::OffsetDateTime;

use crate::connector::Lookup;
use crate::error::{Error, Result};
use crate::model::{Connection, FeedEvent, RecordId, Rows, Table, WithheldReason};
use crate::storage::{MissingRow, Pull, Settled};
use crate::sync::Sync;

/// Ids in one list.
const LIST: u32 = 500;

/// Lists of one table in one run, unless a person approved its sweep: so many missing rows are
/// withheld anyway.
pub(super) const MAX_LISTS: usize = 200;

/// Rows read one by one to find out whether anything is hidden.
const SAMPLE: usize = 50;

/// Rows read one by one in one run.
const MAX_SINGLE: usize = 500;

/// Single reads under way at once; the connector's own gate may allow fewer.
const AT_ONCE: usize = 4;

/// The missing rows of one table.
pub(super) struct MissingRows<'a> {
    pub(super) sync: &'a Sync<'a>,
    pub(super) run: &'a Pull,
    pub(super) table: Table,
}

/// Missing rows that no list explained.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Left {
    pub(super) rows: u64,
    pub(super) coverage: Coverage,
}

/// Whether every missing row was in a list that the CRM answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coverage {
    All,
    Some,
}

/// What asking one by one brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Asked {
    /// Rows that are gone, and marked so.
    pub(super) gone: u64,
    /// Rows that are there after all.
    pub(super) found: u64,
    /// Why none was marked, when that is so.
    pub(super) withheld: Option<WithheldReason>,
}

impl Asked {
    pub(super) fn withheld(reason: WithheldReason) -> Self {
        Self { withheld: Some(reason), ..Self::default() }
    }
}

impl MissingRows<'_> {
    /// Asks for every missing row in lists, `most` of them, and stores those that are found.
    pub(super) async fn settle_those_in_lists(&self, most: usize) -> Result<Left> {
        let mut left = Left { rows: 0, coverage: Coverage::All };
        let mut lists = pin!(self.lists().enumerate());
        while let Some((number, rows)) = lists.next().await {
            let ids: Vec<RecordId> = rows?.into_iter().map(|row| row.id).collect();
            let answers = if number < most { self.ask(&ids).await? } else { None };
            if answers.is_none() {
                left.coverage = Coverage::Some;
            }
            let found = present(answers.unwrap_or_default());
            left.rows +=
                ids.len() as u64 - found.values().map(|rows| rows.len() as u64).sum::<u64>();
            self.settle(found, Vec::new()).await?;
        }
        Ok(left)
    }

    /// Reads each missing row by itself, as far as one run goes, and marks those gone that the CRM
    /// calls gone, unless any of them is hidden.
    pub(super) async fn ask_one_by_one(&self) -> Result<Asked> {
        let rows = self.first(MAX_SINGLE, None).await?;
        self.ask_all(&rows).await
    }

    /// As [`ask_one_by_one`](Self::ask_one_by_one), for rows that have been missing since `until`
    /// at the latest and whose sweep a person has approved: of many, a sample is read, and all go
    /// or none.
    pub(super) async fn ask_one_by_one_until(
        &self,
        until: OffsetDateTime,
        otherwise: WithheldReason,
    ) -> Result<Asked> {
        let rows = self.first(MAX_SINGLE, Some(until)).await?;
        if rows.len() < MAX_SINGLE {
            return self.ask_all(&rows).await;
        }
        let answers = self.read_each(&rows[..SAMPLE]).await?;
        if let Some(asked) = self.hidden(&answers).await? {
            return Ok(asked);
        }
        let there = found(&answers);
        if there > 0 {
            // One that is there after all: the others may be, too.
            let lookups = answers.into_iter().map(|(_, lookup)| lookup).collect();
            self.settle(present(lookups), Vec::new()).await?;
            return Ok(Asked { found: there, withheld: Some(otherwise), gone: 0 });
        }
        let mut asked = Asked::default();
        self.tell_gone(self.count_until(until).await?).await?;
        let mut lists = pin!(self.lists());
        while let Some(rows) = lists.try_next().await? {
            let old = rows.into_iter().filter(|row| row.since <= until);
            let gone: Vec<RecordId> = old.map(|row| row.id).collect();
            asked.gone += gone.len() as u64;
            self.settle(Found::new(), gone).await?;
        }
        Ok(asked)
    }

    async fn count_until(&self, until: OffsetDateTime) -> Result<u64> {
        let old = |rows: &[MissingRow]| rows.iter().filter(|row| row.since <= until).count() as u64;
        self.lists().try_fold(0, |count, rows| ready(Ok(count + old(&rows)))).await
    }

    /// Reads rows, a sample first: one that is hidden spares asking for the others.
    async fn ask_all(&self, rows: &[RecordId]) -> Result<Asked> {
        let (sample, rest) = rows.split_at(rows.len().min(SAMPLE));
        let mut answers = self.read_each(sample).await?;
        if let Some(asked) = self.hidden(&answers).await? {
            return Ok(asked);
        }
        answers.extend(self.read_each(rest).await?);
        if let Some(asked) = self.hidden(&answers).await? {
            return Ok(asked);
        }
        let gone = gone(&answers);
        let asked = Asked { gone: gone.len() as u64, found: found(&answers), withheld: None };
        let lookups = answers.into_iter().map(|(_, lookup)| lookup).collect();
        self.tell_gone(asked.gone).await?;
        self.settle(present(lookups), gone).await?;
        Ok(asked)
    }

    /// Tells the feed how many rows are about to be marked: afterwards nobody would know, after a
    /// crash. Told again, it is the same line.
    async fn tell_gone(&self, rows: u64) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let (run, table) = (self.run.run, self.table);
        let event = FeedEvent::RowsGone { run, table, rows };
        self.sync.tell(self.run, &format!("gone/{table}"), self.sync.clock.now(), event).await
    }

    /// Withholds everything when a row is hidden; what was found is stored all the same.
    async fn hidden(&self, answers: &[(RecordId, Lookup)]) -> Result<Option<Asked>> {
        let hidden = answers.iter().filter(|(_, lookup)| *lookup == Lookup::Hidden).count() as u64;
        if hidden == 0 {
            return Ok(None);
        }
        let lookups = answers.iter().map(|(_, lookup)| lookup.clone()).collect();
        self.settle(present(lookups), Vec::new()).await?;
        let withheld = Some(WithheldReason::Hidden { hidden });
        Ok(Some(Asked { gone: 0, found: found(answers), withheld }))
    }

    /// All missing rows, list by list; each list is as of when it is taken.
    fn lists(&self) -> impl Stream<Item = Result<Vec<MissingRow>>> + Send + '_ {
        stream::try_unfold(None, move |after: Option<RecordId>| async move {
            let Connection { workspace, id, .. } = self.sync.connection;
            let mirror = &self.sync.stores.mirror;
            let rows = mirror.missing(workspace, *id, self.table, after.as_ref(), LIST).await?;
            let last = rows.last().map(|row| row.id.clone());
            Ok(last.map(|last| (rows, Some(last))))
        })
    }

    /// The first missing rows, of those that have been missing since `until` at the latest.
    async fn first(&self, most: usize, until: Option<OffsetDateTime>) -> Result<Vec<RecordId>> {
        let (mut lists, mut ids) = (pin!(self.lists()), Vec::new());
        while ids.len() < most
            && let Some(rows) = lists.try_next().await?
        {
            let old = rows.into_iter().filter(|row| until.is_none_or(|until| row.since <= until));
            ids.extend(old.map(|row| row.id));
        }
        ids.truncate(most);
        Ok(ids)
    }

    async fn read_each(&self, ids: &[RecordId]) -> Result<Vec<(RecordId, Lookup)>> {
        let read = |id: RecordId| async move {
            let answer = self.ask(std::slice::from_ref(&id)).await?;
            Ok((id, answer.unwrap_or_default().into_iter().next().unwrap_or(Lookup::Hidden)))
        };
        stream::iter(ids.to_vec()).map(read).buffered(AT_ONCE).try_collect().await
    }

    /// Asks for ids. `None` for a table that cannot be asked for, which is reported.
    async fn ask(&self, ids: &[RecordId]) -> Result<Option<Vec<Lookup>>> {
        match self.sync.connector.lookup(self.table, ids).await {
            Ok(answers) => Ok(Some(answers)),
            Err(error) if is_about_the_table(&error) => {
                tracing::warn!(table = %self.table, %error, "missing rows cannot be asked for");
                let message = format!("missing rows could not be asked for: {error}");
                let event = FeedEvent::ReadDegraded { table: self.table, message };
                self.sync
                    .tell_once_a_day(&format!("degraded/lookup/{}", self.table), event)
                    .await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Settles rows, those with the same absent fields in one step. A crash in between leaves the
    /// others missing, to be asked for again.
    async fn settle(&self, found: Found, gone: Vec<RecordId>) -> Result<()> {
        let mut steps: Vec<Settled> = Vec::with_capacity(found.len() + 1);
        for (absent, rows) in found {
            let found = Rows::concat(self.table, rows);
            steps.push(Settled { found, absent, gone: Vec::new() });
        }
        if !gone.is_empty() {
            let found = Rows::concat(self.table, Vec::new());
            steps.push(Settled { found, absent: Vec::new(), gone });
        }
        for settled in steps {
            self.sync.stores.mirror.settle(self.sync.claim, self.run.run, &settled).await?;
        }
        Ok(())
    }
}

/// Rows that were found, by the fields that did not come with them.
type Found = BTreeMap<Vec<Cow<'static, str>>, Vec<Rows>>;

/// The rows among answers.
fn present(answers: Vec<Lookup>) -> Found {
    let mut found = Found::new();
    for answer in answers {
        match answer {
            Lookup::Present { row, absent } => found.entry(absent).or_default().push(row),
            Lookup::Gone | Lookup::Hidden => {}
        }
    }
    found
}

fn found(answers: &[(RecordId, Lookup)]) -> u64 {
    answers.iter().filter(|(_, lookup)| matches!(lookup, Lookup::Present { .. })).count() as u64
}

fn gone(answers: &[(RecordId, Lookup)]) -> Vec<RecordId> {
    let gone = answers.iter().filter(|(_, lookup)| *lookup == Lookup::Gone);
    gone.map(|(id, _)| id.clone()).collect()
}

/// Whether an error concerns this table alone, so that the sync goes on without it.
const fn is_about_the_table(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidInput { .. }
            | Error::NotFound { .. }
            | Error::PermissionDenied { .. }
            | Error::Rejected { .. }
            | Error::UnexpectedResponse { .. }
    )
}
