//! How the connections of a workspace are doing, and whether their data can be relied on.

mod warning;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::assistant::arguments::{ToolArguments, connection_id};
use crate::assistant::tools::Intervals;
use crate::assistant::words::{clipped, count, moment, written};
use crate::error::Result;
use crate::model::query::Scope;
use crate::model::{Connection, ConnectionId, CrmKind, Health, Table, WithheldReason};
use crate::rules::effective_interval;
use crate::storage::fallback::oldest;
use crate::storage::{PullPhase, PullProgress, Stores, Sweep};

/// The most connections that one answer carries.
const MAX_CONNECTIONS: usize = 20;

/// The most connections that are looked at for warnings: more than any workspace has.
const MAX_LOOKED_AT: usize = 200;

/// The most warnings that the sentence of an answer repeats; the rows carry each.
const MAX_WARNINGS: usize = 3;

/// The arguments of `sync_status`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusArguments {
    /// The id of one connection. Left out or empty for all of them.
    connection: Option<String>,
    /// The `next` of an earlier answer, for the connections after it. Left out or empty for the
    /// first ones.
    cursor: Option<String>,
}

impl ToolArguments for StatusArguments {
    const NAME: &'static str = "sync_status";

    const DESCRIPTION: &'static str = "How the connections to the CRM are doing: whether each one \
        works, when its last sync ended, how far a sync has come, and a warning where answers of \
        the other tools may be old or incomplete. Use it when somebody asks why something is \
        missing or not up to date.";

    fn example() -> Value {
        json!({ "connection": "7d2f0e64-0f5e-5c0e-9a55-0d5a3f1c9b10", "cursor": "" })
    }

    /// It tells itself when there is no such connection.
    fn connection(&self) -> Option<&str> {
        None
    }
}

/// The answer of `sync_status`.
#[derive(Serialize)]
struct StatusAnswer {
    answer: String,
    connections: Vec<Standing>,
    /// Where the next connections start; `null` at the end.
    next: Option<ConnectionId>,
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

/// How one connection is doing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Standing {
    connection: ConnectionId,
    kind: CrmKind,
    address: String,
    /// `connected`, `disconnected`, `needs_admin_approval` or `needs_reconnect`.
    health: &'static str,
    /// How often it syncs, when that is known.
    interval_minutes: Option<u64>,
    /// When the last finished sync ended.
    #[serde(with = "time::serde::rfc3339::option")]
    last_sync_at: Option<OffsetDateTime>,
    /// How far a sync has come that has not ended.
    running: Option<Running>,
    /// Whether no sync has ever finished.
    first_sync: bool,
    /// Whether the last finished sync is older than twice the interval.
    overdue: bool,
    /// Syncs that failed in a row since the last success.
    failures: u32,
    /// Vanished rows that were kept, table by table.
    withheld: Vec<Withheld>,
    /// What to tell the person who relies on its data; `None` when all is well.
    warning: Option<String>,
}

/// A sync that has not ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Running {
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    phase: PullPhase,
    /// Rows read so far, of all tables.
    rows: u64,
    /// Rows expected in the tables begun so far, when there is an estimate for each.
    expected: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Withheld {
    table: Table,
    missing: u64,
    #[serde(skip)]
    reason: WithheldReason,
    why: String,
}

/// Answers `sync_status`.
pub(crate) async fn answer(
    stores: &Stores,
    intervals: &Intervals,
    scope: &Scope,
    arguments: &StatusArguments,
    now: OffsetDateTime,
) -> Result<Value> {
    let only = connection_id("connection", arguments.connection.as_deref())?;
    let after = connection_id("cursor", arguments.cursor.as_deref())?;
    let is_wanted = |id| only.is_none_or(|only| id == only) && after.is_none_or(|after| id > after);
    let fresh = stores.query.as_of(scope).await?;
    let (connections, left_off) =
        standings(stores, intervals, scope, &fresh, is_wanted, MAX_CONNECTIONS, now).await?;
    let next = connections.last().map(|last| last.connection).filter(|_| left_off > 0);
    let of_it = fresh.into_iter().filter(|(id, _)| only.is_none_or(|only| *id == only));
    let as_of = oldest(&of_it.collect::<Vec<_>>());
    let none = match (after, only.or(scope.connection)) {
        (Some(_), _) => "No further connections.",
        (None, Some(_)) => "There is no such connection to a CRM.",
        (None, None) => "No CRM is connected.",
    };
    let answer = sentence(&connections, left_off, as_of, none);
    written(&StatusAnswer { answer, connections, next, as_of })
}

/// A sentence for each connection in scope whose data is not to be relied on as it is, three at
/// most, the last one saying how many more there are.
pub(crate) async fn warnings(
    stores: &Stores,
    intervals: &Intervals,
    scope: &Scope,
    fresh: &[(ConnectionId, Option<OffsetDateTime>)],
    now: OffsetDateTime,
) -> Result<Vec<String>> {
    // Of the others nothing is held, and nothing will come.
    let is_asked = |id| fresh.iter().any(|(asked, _)| *asked == id);
    let (connections, left_off) =
        standings(stores, intervals, scope, fresh, is_asked, MAX_LOOKED_AT, now).await?;
    let mut warnings: Vec<String> =
        connections.into_iter().filter_map(|standing| standing.warning).collect();
    let beyond = warnings.len().saturating_sub(MAX_WARNINGS - 1);
    if beyond > 1 {
        warnings.truncate(MAX_WARNINGS - 1);
        let at_least = if left_off > 0 { "At least " } else { "" };
        warnings.push(format!("{at_least}{beyond} more connections have a warning."));
    }
    Ok(warnings)
}

/// The answer with how fresh its data is and with warnings, in its sentence and by themselves. An
/// answer from one connection of several says itself how fresh that one is.
pub(crate) fn with_freshness(
    mut answer: Value,
    fresh: &[(ConnectionId, Option<OffsetDateTime>)],
    warnings: Vec<String>,
) -> Value {
    let Value::Object(fields) = &mut answer else { return answer };
    let own = fields.get("as_of").and_then(Value::as_str);
    let own = own.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let as_of = own.or_else(|| oldest(fresh));
    if let Some(Value::String(sentence)) = fields.get_mut("answer") {
        sentence.push_str(&freshness(as_of, fresh));
        for warning in &warnings {
            sentence.push(' ');
            sentence.push_str(warning);
        }
    }
    fields.insert("warnings".to_owned(), Value::from(warnings));
    let text = as_of.and_then(|at| at.format(&Rfc3339).ok());
    fields.insert("as_of".to_owned(), Value::from(text));
    answer
}

/// How fresh an answer is, as a sentence with a space in front.
fn freshness(
    as_of: Option<OffsetDateTime>,
    fresh: &[(ConnectionId, Option<OffsetDateTime>)],
) -> String {
    let unfinished = fresh.iter().filter(|(_, at)| at.is_none()).count();
    match as_of {
        Some(at) => format!(" As of {}.", moment(at)),
        None if fresh.is_empty() => {
            " No CRM is connected, so there is nothing to answer from.".to_owned()
        }
        None if unfinished == fresh.len() => {
            " No sync has finished yet, so this may be incomplete.".to_owned()
        }
        None => format!(
            " {unfinished} of {} connections have not finished their first sync, so this may be \
             incomplete.",
            fresh.len()
        ),
    }
}

/// How the connections in scope are doing that are wanted, in the order of their ids, and how many
/// were left off.
async fn standings(
    stores: &Stores,
    intervals: &Intervals,
    scope: &Scope,
    fresh: &[(ConnectionId, Option<OffsetDateTime>)],
    is_wanted: impl Fn(ConnectionId) -> bool + Send,
    most: usize,
    now: OffsetDateTime,
) -> Result<(Vec<Standing>, usize)> {
    let all = stores.connections.connections(&scope.workspace).await?;
    let mut wanted: Vec<Connection> = all
        .into_iter()
        .filter(|one| scope.connection.is_none_or(|id| one.id == id) && is_wanted(one.id))
        .collect();
    let left_off = wanted.len().saturating_sub(most);
    wanted.truncate(most);
    let mut standings = Vec::with_capacity(wanted.len());
    for connection in &wanted {
        let last = fresh.iter().find(|(id, _)| *id == connection.id).and_then(|(_, at)| *at);
        standings.push(standing(stores, intervals, connection, last, now).await?);
    }
    Ok((standings, left_off))
}

/// How one connection is doing, given when its last finished sync ended.
async fn standing(
    stores: &Stores,
    intervals: &Intervals,
    connection: &Connection,
    last_sync_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<Standing> {
    let Connection { workspace, id, .. } = connection;
    let progress = stores.mirror.progress(workspace, *id).await?;
    let sweeps = stores.mirror.sweeps(workspace, *id).await?;
    let default = intervals.get(&connection.kind).copied();
    let interval = connection.interval.or(default);
    let interval = interval.map(|interval| effective_interval(Some(interval), interval));
    let is_late = |(interval, last): (Duration, OffsetDateTime)| now - last > interval * 2;
    let mut standing = Standing {
        connection: *id,
        kind: connection.kind.clone(),
        address: clipped(&connection.address),
        health: word(&connection.health),
        interval_minutes: interval.map(|interval| interval.as_secs() / 60),
        last_sync_at,
        running: progress.as_ref().and_then(running),
        first_sync: last_sync_at.is_none(),
        overdue: interval.zip(last_sync_at).is_some_and(is_late),
        failures: connection.failures,
        withheld: sweeps.iter().filter_map(withheld).collect(),
        warning: None,
    };
    standing.warning = warning::of(&standing, &connection.health);
    Ok(standing)
}

const fn word(health: &Health) -> &'static str {
    match health {
        Health::Connected => "connected",
        Health::Disconnected => "disconnected",
        Health::NeedsAdminApproval { .. } => "needs_admin_approval",
        Health::NeedsReconnect { .. } => "needs_reconnect",
    }
}

fn running(progress: &PullProgress) -> Option<Running> {
    let is_over = progress.phase == PullPhase::Finished;
    let expected = progress.tables.iter().map(|table| table.expected);
    (!is_over).then(|| Running {
        started_at: progress.started_at,
        phase: progress.phase,
        rows: progress.tables.iter().map(|table| table.rows).sum(),
        expected: expected.sum(),
    })
}

fn withheld(sweep: &Sweep) -> Option<Withheld> {
    let reason = sweep.withheld?;
    Some(Withheld { table: sweep.table, missing: sweep.missing, reason, why: reason.to_string() })
}

fn sentence(
    rows: &[Standing],
    left_off: usize,
    as_of: Option<OffsetDateTime>,
    none: &str,
) -> String {
    if rows.is_empty() {
        return none.to_owned();
    }
    let warnings: Vec<&str> = rows.iter().filter_map(|row| row.warning.as_deref()).collect();
    let all = count(rows.len() as u64, "connection", "connections");
    let mut text = match warnings.len() {
        0 => format!("{all}, in order."),
        some => format!("{all}, {some} with a warning."),
    };
    for warning in warnings.iter().take(MAX_WARNINGS) {
        text.push(' ');
        text.push_str(warning);
    }
    if left_off > 0 {
        text.push_str(&format!(" {left_off} more are left off."));
    }
    if as_of.is_some() {
        text.push_str(&freshness(as_of, &[]));
    }
    text
}
