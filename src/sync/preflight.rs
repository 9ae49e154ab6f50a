//! The first look at a fresh connection: a half-permitted one says so with its first sync.

use crate::error::Result;
use crate::model::{Connection, FeedEvent, NewFeedEntry};
use crate::storage::{Pull, PullPhase, PullProgress};
use crate::sync::Sync;

impl Sync<'_> {
    /// The newest run of the connection.
    pub(super) async fn newest_run(&self) -> Result<Option<PullProgress>> {
        let Connection { workspace, id, .. } = self.connection;
        self.stores.mirror.progress(workspace, *id).await
    }

    /// Tells the feed, once for each time that the org was connected, what the user may not do.
    ///
    /// It costs a preflight in the first sync after connecting, and nothing later: whether it was
    /// told is read off the runs, not looked up in the feed. A crash in between looks once more, and
    /// the key makes the line one. Whatever the CRM answers, the sync goes on: it reads what can be
    /// read, and fails by itself when nothing can.
    pub(super) async fn tell_limits(
        &self,
        run: &Pull,
        before: Option<&PullProgress>,
    ) -> Result<()> {
        let Connection { workspace, id, connected_at, .. } = self.connection;
        if !self.is_first_look(run, before) {
            return Ok(());
        }
        let found = match self.connector.preflight().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "what the connected user may do is not known");
                return Ok(());
            }
        };
        let checks: Vec<_> = found.limits().cloned().collect();
        if checks.is_empty() {
            return Ok(());
        }
        let entry = NewFeedEntry {
            key: format!("limits/{}", connected_at.unix_timestamp_nanos()),
            at: self.clock.now(),
            event: FeedEvent::AccessLimited { checks },
        };
        self.stores.feed.append(workspace, *id, &[entry], None).await
    }

    /// Whether the run is the first one since the org was connected, and has read nothing yet.
    ///
    /// A run that was interrupted before it planned a table, by an outage or a crash, is taken for
    /// the first one: at worst, one more look.
    fn is_first_look(&self, run: &Pull, before: Option<&PullProgress>) -> bool {
        let is_first = before.is_none_or(|before| {
            before.run == run.run || before.started_at < self.connection.connected_at
        });
        is_first && run.phase == PullPhase::Reading && run.tables.is_empty()
    }
}
