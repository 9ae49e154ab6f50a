//! The lines that publishing writes into the activity feed, each under a key of its own event.

use time::OffsetDateTime;

use crate::documents::delivery::How;
use crate::documents::title::title;
use crate::documents::words::Words;
use crate::model::{ContentHash, FeedEvent, NewFeedEntry, NoteRefusal, Publication};
use crate::rules::stamp_text;

/// A CRM user's file is about to be overwritten. Told before it is done: afterwards only our own
/// file stands there, and after a crash nobody could tell any more.
pub(crate) fn overwriting(
    publication: &Publication,
    epoch: u32,
    at: OffsetDateTime,
) -> NewFeedEntry {
    let (document, title) = names(publication);
    let revision = publication.document.revision;
    let event = FeedEvent::NoteOverwritten { document, title, revision };
    let mut key = format!("{}/{epoch}/overwrote", prefix(publication));
    if publication.resend {
        // The same revision may overwrite again, as often as somebody asks for it.
        key = format!("{key}/{}", publication.last_pending_at.unix_timestamp_nanos());
    }
    NewFeedEntry { key, at, event }
}

/// The newest revision stands in the CRM.
///
/// Both ways to get there share a key, so that an attempt repeated after a crash, which finds the
/// note already there, adds no second line.
pub(crate) fn stands(
    publication: &Publication,
    epoch: u32,
    how: How,
    at: OffsetDateTime,
) -> NewFeedEntry {
    let (document, title) = names(publication);
    let revision = publication.document.revision;
    let event = match how {
        How::Created => FeedEvent::NotePublished { document, title, revision },
        How::Overwrote | How::Updated => FeedEvent::NoteUpdated { document, title, revision },
    };
    NewFeedEntry { key: format!("{}/{epoch}/sent", prefix(publication)), at, event }
}

/// The CRM refused the revision.
pub(crate) fn refused(
    publication: &Publication,
    refusal: &NoteRefusal,
    at: OffsetDateTime,
) -> NewFeedEntry {
    let event = FeedEvent::NoteRefused {
        document: publication.key.document.clone(),
        refusal: refusal.clone(),
    };
    let reason = short_hash(&refusal.to_string());
    NewFeedEntry { key: format!("{}/refused/{reason}", prefix(publication)), at, event }
}

/// The revision cannot be sent now. The same reason is told once per revision.
pub(crate) fn held(publication: &Publication, why: &str, at: OffsetDateTime) -> NewFeedEntry {
    let event =
        FeedEvent::NoteHeld { document: publication.key.document.clone(), why: why.to_owned() };
    NewFeedEntry { key: format!("{}/held/{}", prefix(publication), short_hash(why)), at, event }
}

fn prefix(publication: &Publication) -> String {
    format!("note/{}/{}", publication.key.publication(), stamp_text(&publication.stamp()))
}

fn names(publication: &Publication) -> (crate::model::DocumentId, String) {
    let document = &publication.document;
    (publication.key.document.clone(), title(document, Words::of([None, None])))
}

/// Enough of a fingerprint to tell one reason from another.
fn short_hash(text: &str) -> String {
    let mut hash = ContentHash::of(text.as_bytes()).to_string();
    hash.truncate(16);
    hash
}
