//! Work that is due, and who holds it.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Transaction, params, params_from_iter};
use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{ConnectionId, PublicationId, WorkspaceId};
use crate::storage::{Claim, Due, Work, WorkItem, WorkKind};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::claims::{self, PUBLISH, PULL};
use crate::store::sqlite::codec::{Columns, maybe_time, micros, stored_time, time};
use crate::store::sqlite::database::Survives;
use crate::store::sqlite::trouble::Trouble;

#[async_trait]
impl Due for SqliteStore {
    async fn schedule(&self, work: &Work, at: OffsetDateTime) -> Result<()> {
        let work = work.clone();
        self.database
            .write("schedule work", Survives::PowerLoss, move |tx| schedule(tx, &work, at))
            .await
    }

    async fn claim(&self, kind: WorkKind, limit: u32, lease: Duration) -> Result<Vec<Claim>> {
        let (now, until) = (self.now(), stored_time(self.clock.now() + lease));
        self.database
            .write("claim work", Survives::Crash, move |tx| {
                claimable(tx, kind, now, limit)?
                    .into_iter()
                    .map(|(work, due_at)| claim(tx, work, due_at, now, until))
                    .collect()
            })
            .await
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<()> {
        let (claim, until) = (claim.clone(), self.clock.now() + lease);
        self.database
            .write("extend a claim", Survives::Crash, move |tx| {
                claims::check(tx, &claim)?;
                let mut values = vec![time(until)];
                values.extend(claims::key(&claim.work));
                let held = tx
                    .prepare_cached(
                        "UPDATE work SET leased_until = ? \
                         WHERE workspace = ? AND kind = ? AND id = ? AND leased_until IS NOT NULL",
                    )?
                    .execute(params_from_iter(values))?;
                if held == 0 { Err(claims::stale(&claim).into()) } else { Ok(()) }
            })
            .await
    }

    async fn complete(&self, claim: &Claim, next: Option<OffsetDateTime>) -> Result<()> {
        let claim = claim.clone();
        self.database
            .write("give work back", Survives::PowerLoss, move |tx| {
                claims::check(tx, &claim)?;
                let mut values = vec![maybe_time(next)];
                values.extend(claims::key(&claim.work));
                // Given back before (no lease): what was scheduled since then must not be lost.
                tx.prepare_cached(
                    "UPDATE work SET leased_until = NULL, again_at = NULL, \
                         due_at = min(coalesce(?1, again_at), coalesce(again_at, ?1)) \
                     WHERE workspace = ?2 AND kind = ?3 AND id = ?4 AND leased_until IS NOT NULL",
                )?
                .execute(params_from_iter(values))?;
                Ok(())
            })
            .await
    }

    async fn next_due(&self) -> Result<Option<OffsetDateTime>> {
        self.database
            .read("see what is due next", |tx| {
                // Two halves, each the first entry of an index.
                tx.prepare_cached(
                    "SELECT min(at) FROM ( \
                         SELECT * FROM (SELECT due_at AS at FROM work \
                             WHERE due_at IS NOT NULL AND leased_until IS NULL \
                             ORDER BY due_at LIMIT 1) \
                         UNION ALL \
                         SELECT min(leased_until) FROM work WHERE leased_until IS NOT NULL)",
                )?
                .query_row([], |row| Ok(Columns::of(row).maybe_time()))?
            })
            .await
    }
}

/// Makes an item due at a time, or earlier if it already is.
pub(crate) fn schedule(
    tx: &Transaction<'_>,
    work: &Work,
    at: OffsetDateTime,
) -> Result<(), Trouble> {
    let mut values = claims::key(work);
    values.push(time(at));
    tx.prepare_cached(
        "INSERT INTO work (workspace, kind, id, due_at, token) VALUES (?, ?, ?, ?, 0) \
         ON CONFLICT DO UPDATE SET \
             due_at = iif(leased_until IS NULL, \
                 min(excluded.due_at, coalesce(due_at, excluded.due_at)), due_at), \
             again_at = iif(leased_until IS NULL, again_at, \
                 min(excluded.due_at, coalesce(again_at, excluded.due_at)))",
    )?
    .execute(params_from_iter(values))?;
    Ok(())
}

/// The items that can be claimed, the longest overdue first, with the time they became due.
fn claimable(
    tx: &Transaction<'_>,
    kind: WorkKind,
    now: OffsetDateTime,
    limit: u32,
) -> Result<Vec<(Work, OffsetDateTime)>, Trouble> {
    let mut statement = tx.prepare_cached(
        "SELECT workspace, kind, id, due_at FROM work \
         WHERE kind = ?1 AND due_at <= ?2 AND (leased_until IS NULL OR leased_until <= ?2) \
         ORDER BY due_at, workspace, id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![claims::word(kind), micros(now), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let workspace: WorkspaceId = columns.id()?;
        let kind = columns.text()?;
        let id = columns.uuid()?;
        let item = match kind.as_str() {
            PUBLISH => WorkItem::Publish(PublicationId::new(id)),
            PULL => WorkItem::Pull(ConnectionId::new(id)),
            _ => return Err(Trouble::stored("a kind of work is not known")),
        };
        found.push((Work { workspace, item }, columns.time()?));
    }
    Ok(found)
}

fn claim(
    tx: &Transaction<'_>,
    work: Work,
    due_at: OffsetDateTime,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Claim, Trouble> {
    let mut values = vec![time(until), time(now)];
    values.extend(claims::key(&work));
    // What was scheduled for a time that has come is what this claim now does.
    let token = tx
        .prepare_cached(
            "UPDATE work SET token = token + 1, leased_until = ?, \
                 again_at = iif(again_at > ?, again_at, NULL) \
             WHERE workspace = ? AND kind = ? AND id = ? RETURNING token",
        )?
        .query_row(params_from_iter(values), |row| row.get::<_, i64>(0))?;
    Ok(Claim { work, token: token.cast_unsigned(), due_at, claimed_at: now, expires_at: until })
}
