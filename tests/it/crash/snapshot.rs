//! Everything that must end the same, crash or not, as lines.

use std::collections::BTreeMap;
use std::fmt::Debug;

use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    ChangeSeq, Connection, DealChange, DealChangeKind, FeedEvent, Presence, SyncCounts, Table,
};
use fluint_crm::storage::{Listed, Stores};

use crate::crash::world::World;
use crate::support::workspace;

/// The state of a workspace and its org. Times are left out, since a crash costs time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Snapshot {
    lines: Vec<String>,
    runs: usize,
}

impl Snapshot {
    pub(crate) async fn take(world: &World) -> Self {
        let stores = world.stores();
        let (mut lines, mut runs) = (Vec::new(), 0);
        for connection in stores.connections.connections(&workspace()).await.unwrap() {
            connection_lines(&mut lines, &stores, &connection).await;
            deal_lines(&mut lines, &stores, &connection).await;
            mirror_lines(&mut lines, &stores, &connection).await;
            runs += feed_lines(&mut lines, &stores, &connection).await;
        }
        for (id, note) in &world.plain.state().timeline.notes {
            let revision = note.stamp.map(|stamp| stamp.revision);
            let of = (&note.subject, &note.opportunity, revision);
            lines.push(format!("note {id} {of:?}"));
        }
        lines.sort();
        Self { lines, runs }
    }

    /// How many syncs were begun.
    pub(crate) const fn runs(&self) -> usize {
        self.runs
    }

    /// How many opportunities are missing.
    pub(crate) fn missing(&self) -> usize {
        let is_missing = |line: &&String| line.starts_with("missing") && line.ends_with("true)");
        self.lines.iter().filter(is_missing).count()
    }

    /// The lines of this one that the other has not, or not as often, and the other way round.
    pub(crate) fn compare(&self, expected: &Self) -> Vec<String> {
        let mut balance: BTreeMap<&str, i32> = BTreeMap::new();
        for line in &self.lines {
            *balance.entry(line).or_default() += 1;
        }
        for line in &expected.lines {
            *balance.entry(line).or_default() -= 1;
        }
        balance.retain(|_, count| *count != 0);
        balance.into_iter().map(|(line, count)| format!("{count:+} {line}")).collect()
    }
}

fn push(lines: &mut Vec<String>, what: &str, value: impl Debug) {
    lines.push(format!("{what} {value:?}"));
}

/// The revision of a connection is left out: a change that was repeated counts it up again.
async fn connection_lines(lines: &mut Vec<String>, stores: &Stores, connection: &Connection) {
    let Connection { id, address, identity, health, filter, failures, .. } = connection;
    push(lines, "connection", (id, address, identity, health, filter, failures));
    let tokens = stores.connections.tokens(&workspace(), *id).await.unwrap();
    push(lines, "tokens", tokens.is_some());
    let list = stores.publications.list(&workspace(), *id, Listed::All, None, 100).await.unwrap();
    for publication in list {
        let receipt = publication.receipt.as_ref().map(|receipt| receipt.stamp.revision);
        let revision = publication.document.revision;
        let at = (publication.key.document.as_str(), revision, receipt, publication.epoch);
        push(lines, "publication", (at, publication.state));
    }
    push(lines, "due again", stores.due.next_due().await.unwrap().is_some());
}

async fn deal_lines(lines: &mut Vec<String>, stores: &Stores, connection: &Connection) {
    let id = connection.id;
    for deal in stores.deals.list(&Scope::connection(workspace(), id), None, 100).await.unwrap() {
        push(lines, "deal", (deal.id, deal.revision, deal.state, deal.details));
    }
    for skipped in stores.deals.skipped(&workspace(), id, None, 100).await.unwrap() {
        push(lines, "skipped", (skipped.opportunity, skipped.name, skipped.reason));
    }
    let changes = stores.deals.changes(&workspace(), id, ChangeSeq::default(), 500).await.unwrap();
    for DealChange { seq, opportunity, kind, .. } in changes {
        let (what, deal) = match kind {
            DealChangeKind::Created { deal } => ("created", deal),
            DealChangeKind::Ended { deal } => ("ended", deal),
            DealChangeKind::Stopped { deal } => ("stopped", deal),
            DealChangeKind::Updated { deal } => ("updated", deal),
            DealChangeKind::Skipped { reason } => {
                push(lines, "change", (seq, opportunity, reason));
                continue;
            }
            other => panic!("unknown change {other:?}"),
        };
        push(lines, "change", (seq, opportunity, what, deal.revision, deal.state));
    }
}

async fn mirror_lines(lines: &mut Vec<String>, stores: &Stores, connection: &Connection) {
    for table in Table::ALL {
        let rows = stores.query.scan(&workspace(), connection.id, table, None, 100).await.unwrap();
        push(lines, "rows", rows);
    }
    let all = stores.mirror.candidates(&workspace(), connection.id, None, 100).await.unwrap();
    for candidate in all {
        let missing = matches!(candidate.presence, Presence::Missing { .. });
        push(lines, "missing", (candidate.opportunity.id, missing));
    }
    let progress = stores.mirror.progress(&workspace(), connection.id).await.unwrap();
    push(lines, "synced", progress.map(|progress| progress.phase));
}

/// How many runs there were is left out: after a crash between the end of a run and giving its claim
/// back, the pull is simply due again. Each run must have one start and one end all the same.
async fn feed_lines(lines: &mut Vec<String>, stores: &Stores, connection: &Connection) -> usize {
    let mut runs: BTreeMap<_, (u32, u32)> = BTreeMap::new();
    let mut deals = [0; 3];
    let entries = stores.feed.entries(&workspace(), connection.id, None, 500).await.unwrap();
    for entry in entries {
        match entry.event {
            FeedEvent::SyncStarted { run } => runs.entry(run).or_default().0 += 1,
            FeedEvent::SyncFinished { run, counts, .. } => {
                runs.entry(run).or_default().1 += 1;
                let SyncCounts { deals_created, deals_updated, deals_stopped, .. } = counts;
                deals =
                    [deals[0] + deals_created, deals[1] + deals_updated, deals[2] + deals_stopped];
            }
            // A run's id is random.
            FeedEvent::SyncFailed { message, remedy, .. } => {
                push(lines, "feed: failed", (message, remedy));
            }
            FeedEvent::SweepWithheld { table, missing, reason, .. } => {
                push(lines, "feed: withheld", (table, missing, reason));
            }
            FeedEvent::RowsGone { table, rows, .. } => push(lines, "feed: gone", (table, rows)),
            event => push(lines, "feed:", event),
        }
    }
    push(lines, "feed: deals counted", deals);
    for count in runs.values().filter(|count| **count != (1, 1)) {
        push(lines, "run with starts and ends", count);
    }
    runs.len()
}
