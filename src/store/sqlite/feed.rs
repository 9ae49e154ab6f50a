//! The activity feed.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params_from_iter};

use crate::error::Result;
use crate::model::{ChangeSeq, ConnectionId, FeedEntry, NewFeedEntry, WorkspaceId};
use crate::storage::Feed;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::codec::{Columns, Owner, collect, counter, integer, json, text, time};
use crate::store::sqlite::database::Survives;

#[async_trait]
impl Feed for SqliteStore {
    async fn append(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        entries: &[NewFeedEntry],
        followed: Option<ChangeSeq>,
    ) -> Result<()> {
        let (owner, entries) = (Owner::new(workspace, connection), entries.to_vec());
        self.database
            .write("add to the activity feed", Survives::PowerLoss, move |tx| {
                let mut add = tx.prepare_cached(
                    "INSERT INTO feed (workspace, connection, seq, key, at, event) \
                     VALUES (?1, ?2, 1 + coalesce((SELECT seq FROM feed \
                         WHERE workspace = ?1 AND connection = ?2 \
                         ORDER BY seq DESC LIMIT 1), 0), ?3, ?4, ?5) \
                     ON CONFLICT (workspace, connection, key) DO NOTHING",
                )?;
                for entry in &entries {
                    let line = [text(&entry.key), time(entry.at), json(&entry.event)?];
                    add.execute(params_from_iter(owner.with(line)))?;
                }
                if let Some(followed) = followed {
                    // A slow worker that repeats an old step must not send the others back.
                    tx.prepare_cached(
                        "INSERT INTO feed_followed (workspace, connection, followed) \
                         VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET followed = excluded.followed \
                         WHERE excluded.followed > followed",
                    )?
                    .execute(params_from_iter(owner.with([counter(followed.as_u64())])))?;
                }
                Ok(())
            })
            .await
    }

    async fn followed(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<ChangeSeq> {
        let owner = Owner::new(workspace, connection);
        self.database
            .read("see how far the changes were followed", move |tx| {
                let followed = tx
                    .prepare_cached(
                        "SELECT followed FROM feed_followed WHERE workspace = ? AND connection = ?",
                    )?
                    .query_row(params_from_iter(owner.values()), |row| row.get::<_, i64>(0))
                    .optional()?;
                Ok(ChangeSeq::new(followed.unwrap_or(0).cast_unsigned()))
            })
            .await
    }

    async fn entries(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FeedEntry>> {
        let owner = Owner::new(workspace, connection);
        // No place is beyond the largest signed number.
        let before = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
        self.database
            .read("read the activity feed", move |tx| {
                let mut statement = tx.prepare_cached(
                    "SELECT seq, at, event FROM feed \
                     WHERE workspace = ? AND connection = ? AND seq < ? \
                     ORDER BY seq DESC LIMIT ?",
                )?;
                let values = owner.with([integer(before), integer(limit.into())]);
                collect(statement.query(params_from_iter(values))?, |row| {
                    let mut columns = Columns::of(row);
                    Ok(FeedEntry {
                        seq: columns.counter()?,
                        at: columns.time()?,
                        event: columns.json()?,
                    })
                })
            })
            .await
    }
}
