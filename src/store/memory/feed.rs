//! The activity feed.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::error::Result;
use crate::model::{ChangeSeq, ConnectionId, FeedEntry, NewFeedEntry, WorkspaceId};
use crate::storage::Feed;
use crate::store::memory::{MemoryStore, Place, at_most, place};

#[derive(Default)]
pub(super) struct Held {
    feeds: BTreeMap<Place, Lines>,
}

/// The feed of one connection.
#[derive(Default)]
struct Lines {
    keys: BTreeSet<String>,
    /// In the order of their places, which count from 1 without gaps.
    entries: Vec<FeedEntry>,
    followed: ChangeSeq,
}

impl Lines {
    fn add(&mut self, entry: &NewFeedEntry) {
        if !self.keys.insert(entry.key.clone()) {
            return;
        }
        let seq = self.entries.len() as u64 + 1;
        self.entries.push(FeedEntry { seq, at: entry.at, event: entry.event.clone() });
    }
}

#[async_trait]
impl Feed for MemoryStore {
    async fn append(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        entries: &[NewFeedEntry],
        followed: Option<ChangeSeq>,
    ) -> Result<()> {
        let mut state = self.lock();
        let lines = state.feed.feeds.entry(place(workspace, connection)).or_default();
        for entry in entries {
            lines.add(entry);
        }
        // A slow worker that repeats an old step must not send the others back.
        lines.followed = lines.followed.max(followed.unwrap_or_default());
        Ok(())
    }

    async fn followed(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<ChangeSeq> {
        let state = self.lock();
        let lines = state.feed.feeds.get(&place(workspace, connection));
        Ok(lines.map(|lines| lines.followed).unwrap_or_default())
    }

    async fn entries(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FeedEntry>> {
        let state = self.lock();
        let Some(lines) = state.feed.feeds.get(&place(workspace, connection)) else {
            return Ok(Vec::new());
        };
        let older = lines.entries.iter().rev();
        let older = older.filter(|entry| before.is_none_or(|before| entry.seq < before));
        Ok(older.take(at_most(limit)).cloned().collect())
    }
}
