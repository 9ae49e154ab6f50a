//! What a crash may have kept from being told or scheduled; every sync makes it good.

use time::OffsetDateTime;

use crate::error::Result;
use crate::model::{Connection, FeedEvent, NewFeedEntry, Publication, PublicationState};
use crate::rules::{Debounce, publication_due_at};
use crate::storage::{Listed, Stores, Work, WorkItem};

/// Publications looked through in one step: each carries its document.
const LEDGER_PAGE: u32 = 20;

/// Tells the feed about the connection. Safe to repeat: every sync does, so that a crash right
/// after connecting loses no line.
pub(crate) async fn tell_connected(stores: &Stores, connection: &Connection) -> Result<()> {
    let entry = NewFeedEntry {
        key: format!("connected/{}", connection.connected_at.unix_timestamp_nanos()),
        at: connection.connected_at,
        event: FeedEvent::Connected { address: connection.address.clone() },
    };
    stores.feed.append(&connection.workspace, connection.id, &[entry], None).await
}

/// Tells the feed which filter was set last. Safe to repeat, as [`tell_connected`].
pub(crate) async fn tell_filter(
    stores: &Stores,
    connection: &Connection,
    at: OffsetDateTime,
) -> Result<()> {
    if connection.filter_revision == 0 {
        return Ok(());
    }
    let entry = NewFeedEntry {
        key: format!("filter/{}", connection.filter_revision),
        at,
        event: FeedEvent::FilterChanged { stages: connection.filter.iter().count() },
    };
    stores.feed.append(&connection.workspace, connection.id, &[entry], None).await
}

/// Makes everything due that is held back though the connection works (CON-7). Every sync does
/// it, too, so that a crash between accepting a document and scheduling it loses nothing.
pub(crate) async fn resume_publications(
    stores: &Stores,
    connection: &Connection,
    debounce: &Debounce,
    now: OffsetDateTime,
) -> Result<()> {
    let Connection { workspace, id, .. } = connection;
    let mut after = None;
    loop {
        let ledger = &stores.publications;
        let page = ledger.list(workspace, *id, Listed::Unpublished, after, LEDGER_PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.publication());
        let waits = |publication: &&Publication| {
            // What waits after a failed try has its own time already.
            publication.is_pending()
                && match publication.state {
                    PublicationState::Held { .. } => true,
                    PublicationState::Waiting => publication.attempts == 0,
                    PublicationState::Parked { .. } | PublicationState::Published => false,
                }
        };
        for publication in page.iter().filter(waits) {
            let item = WorkItem::Publish(publication.key.publication());
            let work = Work { workspace: workspace.clone(), item };
            let (first, last) = (publication.first_pending_at, publication.last_pending_at);
            let due = publication_due_at(first, last, debounce);
            stores.due.schedule(&work, due.max(now)).await?;
        }
    }
}
