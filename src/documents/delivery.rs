//! The note protocol: brings one revision to the CRM and says where that got to.
//!
//! Each branch below answers the question "what if we crashed here last time?":
//!
//! * No receipt, nothing sent: record the create, then create. A crash in between leaves a record
//!   of a create that never happened, which costs one look.
//! * No receipt, a create was recorded: look first. What stands there is ours, and is taken over or
//!   brought up to date; what does not stand there is created under the same id, so that a late
//!   twin is refused. Where the CRM chooses ids, the old request gets time to land before that.
//! * A receipt: update, if the version is still ours. Another version means that somebody wrote in
//!   between, perhaps we ourselves by a request whose answer was lost: the stamp inside the
//!   attachment tells.
//! * The note is gone though it was proved to exist: a CRM user deleted it. The next revision makes
//!   a fresh note under a new id, once no request for the old one can land any more.

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::connector::{CrmConnector, NoteIdentity};
use crate::documents::feed::overwriting;
use crate::documents::publisher::{DeletedNote, PublishOptions};
use crate::documents::render::render;
use crate::documents::title::subject;
use crate::documents::words::Words;
use crate::error::Result;
use crate::model::{
    NoteDraft, NoteHandle, NoteRefusal, NoteWrite, Publication, Receipt, RemoteNote, RevisionStamp,
};
use crate::rules::publication_retry_at;
use crate::storage::{Claim, Stores};

/// The short text beside the attachment.
pub(crate) const NOTE_TEXT: &str = "Synced from Fluint. Open the attachment to view the document.";

/// How often a note that others keep writing to is tried in one attempt.
const MAX_ROUNDS: u32 = 3;

/// Where a delivery got to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reached {
    /// Unknown, or not yet possible: look again then.
    Later(OffsetDateTime),
    /// The CRM refused it for good.
    Refused(NoteRefusal),
    /// This stands in the CRM, proved: our revision, or a newer one.
    Stands { handle: NoteHandle, stamp: RevisionStamp, how: How },
}

/// How a note came to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// As a new note.
    Created,
    /// Over a file that a CRM user had put in its place.
    Overwrote,
    /// In place of an older revision.
    Updated,
}

/// Where a single write got to.
enum Step {
    Gone,
    Reached(Reached),
}

/// One attempt to bring a revision to the CRM.
pub(crate) struct Delivery<'a> {
    stores: &'a Stores,
    clock: &'a dyn Clock,
    options: &'a PublishOptions,
    claim: &'a Claim,
    connector: &'a dyn CrmConnector,
    publication: &'a Publication,
    draft: NoteDraft,
    epoch: u32,
    create_sent_at: Option<OffsetDateTime>,
}

impl<'a> Delivery<'a> {
    pub(crate) fn new(
        stores: &'a Stores,
        clock: &'a dyn Clock,
        options: &'a PublishOptions,
        claim: &'a Claim,
        connector: &'a dyn CrmConnector,
        publication: &'a Publication,
    ) -> Self {
        Self {
            stores,
            clock,
            options,
            claim,
            connector,
            publication,
            draft: draft(publication, options),
            epoch: publication.epoch,
            create_sent_at: publication.create_sent_at,
        }
    }

    /// Runs the protocol; hands back the epoch that it ended in and where it got to.
    pub(crate) async fn run(mut self) -> Result<(u32, Reached)> {
        if self.connector.capabilities().note_identity == NoteIdentity::None {
            let refusal = NoteRefusal::Other {
                code: "notes_unsupported".to_owned(),
                message: "this CRM takes no notes".to_owned(),
            };
            return Ok((self.epoch, Reached::Refused(refusal)));
        }
        let step = match (&self.publication.receipt, self.create_sent_at) {
            (Some(receipt), _) => self.update(receipt.handle.clone(), How::Updated).await?,
            (None, Some(sent_at)) => self.resume_create(sent_at).await?,
            (None, None) => self.create().await?,
        };
        let reached = match step {
            Step::Reached(reached) => reached,
            Step::Gone => self.start_anew().await?,
        };
        Ok((self.epoch, reached))
    }

    async fn create(&mut self) -> Result<Step> {
        let now = self.clock.now();
        self.stores.publications.record_create(self.claim, self.epoch, now).await?;
        self.create_sent_at = Some(now);
        let key = &self.publication.key;
        Ok(match self.connector.create_note(key, self.epoch, &self.draft).await? {
            NoteWrite::Written(handle) => self.stands(handle, How::Created),
            NoteWrite::Conflict(remote) => self.take_over(remote).await?,
            NoteWrite::Refused(refusal) => Step::Reached(Reached::Refused(refusal)),
            // A create cannot find its note gone; a connector that says so has lost the answer.
            NoteWrite::Gone | NoteWrite::Unknown => self.later(),
        })
    }

    /// Goes on after a create of which the end is not known.
    async fn resume_create(&mut self, sent_at: OffsetDateTime) -> Result<Step> {
        if let Some(remote) = self.connector.find_note(&self.publication.key, self.epoch).await? {
            return self.take_over(remote).await;
        }
        let drained = sent_at + self.connector.capabilities().write_drain;
        match self.connector.capabilities().note_identity {
            NoteIdentity::Search if self.clock.now() < drained => {
                Ok(Step::Reached(Reached::Later(drained)))
            }
            _ => self.create().await,
        }
    }

    /// Our id is taken, though we have no receipt: by ourselves, before a crash or a lost answer.
    async fn take_over(&self, remote: RemoteNote) -> Result<Step> {
        match weigh(&remote, self.draft.stamp) {
            Verdict::Ours => Ok(self.stands(remote.handle, How::Created)),
            Verdict::Newer(stamp) => Ok(newer(remote.handle, stamp)),
            Verdict::Older(stamp) => {
                // Proof that it existed: without it, a deleted note would be made again.
                let at = self.clock.now();
                let receipt = Receipt { handle: remote.handle.clone(), stamp, at };
                self.stores.publications.record_receipt(self.claim, &receipt).await?;
                self.update(remote.handle, How::Updated).await
            }
            // An upload that was cut off leaves a note without a file; that is nobody's edit.
            Verdict::Foreign if remote.attachment.is_none() => {
                self.update(remote.handle, How::Created).await
            }
            Verdict::Foreign => self.update(remote.handle, How::Overwrote).await,
        }
    }

    async fn update(&self, mut handle: NoteHandle, mut how: How) -> Result<Step> {
        for _ in 0..MAX_ROUNDS {
            if how == How::Overwrote {
                self.tell_overwriting().await?;
            }
            let remote = match self.connector.update_note(&handle, &self.draft).await? {
                NoteWrite::Written(handle) => return Ok(self.stands(handle, how)),
                NoteWrite::Conflict(remote) => remote,
                NoteWrite::Gone => return Ok(Step::Gone),
                NoteWrite::Refused(refusal) => {
                    return Ok(Step::Reached(Reached::Refused(refusal)));
                }
                NoteWrite::Unknown => return Ok(self.later()),
            };
            match weigh(&remote, self.draft.stamp) {
                Verdict::Ours => return Ok(self.stands(remote.handle, how)),
                Verdict::Newer(stamp) => return Ok(newer(remote.handle, stamp)),
                // A plug-in touched the note, or an update of ours landed late.
                Verdict::Older(_) => {}
                Verdict::Foreign => how = How::Overwrote,
            }
            handle = remote.handle;
        }
        Ok(self.later())
    }

    async fn tell_overwriting(&self) -> Result<()> {
        let Publication { key, connection, .. } = self.publication;
        let line = overwriting(self.publication, self.epoch, self.clock.now());
        self.stores.feed.append(&key.workspace, *connection, &[line], None).await
    }

    /// The note was proved to exist and is gone: a fresh one, once the old one cannot come back.
    async fn start_anew(&mut self) -> Result<Reached> {
        if self.options.deleted_note == DeletedNote::LeaveDeleted {
            return Ok(Reached::Refused(NoteRefusal::Other {
                code: "note_deleted".to_owned(),
                message: "the note was deleted in the CRM".to_owned(),
            }));
        }
        let drain = self.connector.capabilities().write_drain;
        if let Some(drained) = self.create_sent_at.map(|sent_at| sent_at + drain)
            && self.clock.now() < drained
        {
            return Ok(Reached::Later(drained));
        }
        self.epoch += 1;
        Ok(match self.create().await? {
            Step::Reached(reached) => reached,
            Step::Gone => Reached::Later(self.clock.now() + drain),
        })
    }

    fn stands(&self, handle: NoteHandle, how: How) -> Step {
        Step::Reached(Reached::Stands { handle, stamp: self.draft.stamp, how })
    }

    fn later(&self) -> Step {
        let at = publication_retry_at(self.clock.now(), self.publication.attempts);
        Step::Reached(Reached::Later(at))
    }
}

fn newer(handle: NoteHandle, stamp: RevisionStamp) -> Step {
    Step::Reached(Reached::Stands { handle, stamp, how: How::Updated })
}

/// What a note read back means for our revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// It carries no stamp: a CRM user replaced the attachment.
    Foreign,
    /// A newer revision stands there; it must not be overwritten.
    Newer(RevisionStamp),
    /// An older revision, or other content of the same one.
    Older(RevisionStamp),
    /// Our revision stands there already.
    Ours,
}

fn weigh(remote: &RemoteNote, ours: RevisionStamp) -> Verdict {
    match remote.stamp {
        None => Verdict::Foreign,
        Some(stamp) if stamp == ours => Verdict::Ours,
        Some(stamp) if stamp.revision > ours.revision => Verdict::Newer(stamp),
        Some(stamp) => Verdict::Older(stamp),
    }
}

fn draft(publication: &Publication, options: &PublishOptions) -> NoteDraft {
    let document = &publication.document;
    let words = Words::of([document.language.as_deref(), options.render.language.as_deref()]);
    let rendered = render(document, &options.render);
    NoteDraft::new(
        publication.opportunity.clone(),
        subject(document, words),
        NOTE_TEXT.to_owned(),
        rendered.attachment,
        rendered.stamp,
    )
}
