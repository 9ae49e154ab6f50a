//! The note protocol: brings one revision to the CRM and says where that got to.
//!
//! # Flow
//! Each branch answers the question "what if we crashed here last time?":
//!
//! * Nothing sent: record the create, then create. A crash in between leaves a record of a create
//!   that never happened, which costs one look.
//! * No receipt, a create was recorded: look first. What stands there is ours, and is taken over or
//!   brought up to date; what does not stand there is created under the same id, so that a late
//!   twin is refused. Where the CRM chooses ids, the old request gets time to land before that.
//! * A receipt: update, if the version is still ours. Another version means that somebody wrote in
//!   between, perhaps we ourselves by a request whose answer was lost: the stamp inside the
//!   attachment tells.
//! * An update that the CRM cannot tie to a version (a large file, or a table that does not check):
//!   look, record it, write it, and let nothing else be written until it must have landed.
//! * The note is gone though it was proved to exist: a CRM user deleted it. The next revision makes
//!   a fresh note under a new id, once no request for the old one can land any more.
//!
//! # Guarantees
//! One note per key; what stands in it never goes back to an older revision. A write that no version
//! holds back (a create, or one of those large updates) is recorded as *unsettled* until its answer
//! is known or it must have landed. An unsettled create keeps the epoch from moving, and a note that
//! was published meanwhile is looked at once more afterwards: if a CRM user deleted it, the create
//! may have brought an older revision back.
//!
//! # Assumptions
//! A request lands, if at all, within [`write_drain`](crate::connector::Capabilities::write_drain)
//! of its record; the connector begins it within [`SEND_WINDOW`] of the record or not at all.
//! Workers' clocks agree within what is left of the drain. A CRM user who replaces the file between
//! our look and a large update is overwritten without a line in the feed.

mod ahead;

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::connector::{CrmConnector, Fence, NoteIdentity, NoteParts};
use crate::documents::delivery::ahead::Ahead;
use crate::documents::feed::overwriting;
use crate::documents::publisher::{DeletedNote, PublishOptions};
use crate::documents::render::render;
use crate::documents::title::subject;
use crate::documents::words::Words;
use crate::error::Result;
use crate::model::{
    NoteContent, NoteDraft, NoteHandle, NoteLimits, NoteRefusal, NoteWrite, Publication, Receipt,
    RemoteNote, RevisionStamp, Unsettled, UnsettledWrite,
};
use crate::rules::publication_retry_at;
use crate::storage::{Claim, Stores};

/// The short text beside the attachment.
pub(crate) const NOTE_TEXT: &str = "Synced from Fluint. Open the attachment to view the document.";

/// How often a note that others keep writing to is tried in one attempt.
const MAX_ROUNDS: u32 = 3;

/// How long after its record a write may be begun. A worker that slept longer must not wake up and
/// send it: by then another may count on its never landing.
const SEND_WINDOW: time::Duration = time::Duration::minutes(1);

/// Where a delivery got to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reached {
    /// Unknown, or not yet possible: look again then.
    Later(OffsetDateTime),
    /// The CRM refused it for good.
    Refused(NoteRefusal),
    /// Nothing was to be done but to wait until everything had landed.
    Settled,
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

/// What an attempt came to.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) epoch: u32,
    pub(crate) reached: Reached,
    /// What may still land.
    pub(crate) unsettled: Option<Unsettled>,
}

/// Where a single write got to.
enum Step {
    Gone,
    Reached(Reached),
}

/// One attempt to bring a revision to the CRM.
pub(crate) struct Delivery<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) options: &'a PublishOptions,
    pub(crate) claim: &'a Claim,
    pub(crate) connector: &'a dyn CrmConnector,
    pub(crate) publication: &'a Publication,
    /// What the org lets in, as of the last sync.
    pub(crate) limits: NoteLimits,
}

/// An attempt under way.
struct Course<'a> {
    delivery: Delivery<'a>,
    draft: NoteDraft,
    epoch: u32,
    unsettled: Option<Unsettled>,
}

impl<'a> Delivery<'a> {
    /// Runs the protocol.
    pub(crate) async fn run(self) -> Result<Delivered> {
        let mut course = Course {
            draft: draft(self.publication, self.options),
            epoch: self.publication.epoch,
            unsettled: self.publication.unsettled,
            delivery: self,
        };
        let reached = course.run().await?;
        let unsettled = course.under_way();
        Ok(Delivered { epoch: course.epoch, reached, unsettled })
    }
}

impl Course<'_> {
    async fn run(&mut self) -> Result<Reached> {
        if self.delivery.connector.capabilities().note_identity == NoteIdentity::None {
            return Ok(Reached::Refused(NoteRefusal::Other {
                code: "notes_unsupported".to_owned(),
                message: "this CRM takes no notes".to_owned(),
            }));
        }
        if let Some(Unsettled { write: UnsettledWrite::Overwrite, until }) = self.under_way() {
            return Ok(Reached::Later(until));
        }
        let publication = self.delivery.publication;
        if publication.is_pending()
            && let Some(refusal) = self.known_refusal().await?
        {
            return Ok(Reached::Refused(refusal));
        }
        let step = match &publication.receipt {
            Some(_) if !publication.is_pending() => return self.look_again().await,
            Some(receipt) => self.update(receipt.handle.clone(), How::Updated).await?,
            None if publication.unsettled.is_some() => self.resume_create().await?,
            None => self.create().await?,
        };
        match step {
            Step::Reached(reached) => Ok(reached),
            Step::Gone => self.start_anew().await,
        }
    }

    /// Why the org would refuse the page, so that megabytes are not sent in vain. What the last sync
    /// read is hours old, so it is asked once more before a document is turned down.
    async fn known_refusal(&self) -> Result<Option<NoteRefusal>> {
        let Delivery { connector, limits, .. } = &self.delivery;
        let file = &self.draft.attachment;
        if limits.refuse(file).is_none() {
            return Ok(None);
        }
        Ok(connector.note_limits().await?.refuse(file))
    }

    async fn create(&mut self) -> Result<Step> {
        let before = self.under_way();
        let send_by = self.record_create().await?;
        let Delivery { connector, publication, .. } = &self.delivery;
        let write = connector.create_note(&publication.key, self.epoch, &self.draft, send_by);
        let answer = write.await?;
        if let NoteWrite::Unknown | NoteWrite::Gone | NoteWrite::CannotFence = answer {
            // A create cannot find its note gone; a connector that says so has lost the answer.
            // Most lost answers belong to a write that has landed: one look at once.
            return match self.find().await? {
                Some(remote) => {
                    if before.is_none() {
                        // It is the one that was just sent, so nothing is under way any more.
                        self.unsettled = None;
                    }
                    self.take_over(remote).await
                }
                None => Ok(self.later()),
            };
        }
        self.unsettled = before;
        match answer {
            NoteWrite::Written(handle) => Ok(self.stands(handle, How::Created)),
            NoteWrite::Bare(handle) => self.update(handle, How::Created).await,
            NoteWrite::Conflict(remote) => self.take_over(remote).await,
            NoteWrite::Refused(refusal) => Ok(Step::Reached(Reached::Refused(refusal))),
            NoteWrite::Unknown | NoteWrite::Gone | NoteWrite::CannotFence => Ok(self.later()),
        }
    }

    /// Goes on after a create of which the end is not known.
    async fn resume_create(&mut self) -> Result<Step> {
        if let Some(remote) = self.find().await? {
            return self.take_over(remote).await;
        }
        match (self.delivery.connector.capabilities().note_identity, self.under_way()) {
            (NoteIdentity::Search, Some(Unsettled { until, .. })) => {
                Ok(Step::Reached(Reached::Later(until)))
            }
            _ => self.create().await,
        }
    }

    /// Our id is taken, though we have no receipt: by ourselves, before a crash or a lost answer.
    async fn take_over(&mut self, remote: RemoteNote) -> Result<Step> {
        match weigh(&remote, self.draft.stamp) {
            Verdict::Ours => Ok(self.stands(remote.handle, How::Created)),
            Verdict::Newer(stamp) => Ok(newer(remote.handle, stamp)),
            Verdict::Older(stamp) => {
                // Proof that it existed: without it, a deleted note would be made again.
                let (handle, unsettled) = (remote.handle.clone(), self.under_way());
                let receipt = Receipt { handle, stamp, at: self.delivery.clock.now() };
                let Delivery { stores, claim, .. } = &self.delivery;
                stores.publications.record_receipt(claim, &receipt, unsettled).await?;
                self.update(remote.handle, How::Updated).await
            }
            // An upload that was cut off leaves a note without a file; that is nobody's edit.
            Verdict::Bare => {
                self.confirm_claim().await?;
                self.update(remote.handle, How::Created).await
            }
            Verdict::Foreign => {
                self.confirm_claim().await?;
                self.update(remote.handle, How::Overwrote).await
            }
        }
    }

    /// Makes sure that nobody has taken over, after a look at a note that carries no stamp, or our
    /// revision with other content: it does not say what is newer, so a worker who slept must not
    /// write over it.
    /// Whoever takes over later changes the version that was looked at.
    async fn confirm_claim(&self) -> Result<()> {
        let Delivery { stores, claim, .. } = &self.delivery;
        let lease = std::time::Duration::try_from(claim.expires_at - claim.claimed_at);
        stores.due.extend(claim, lease.unwrap_or_default()).await
    }

    async fn update(&mut self, mut handle: NoteHandle, mut how: How) -> Result<Step> {
        for _ in 0..MAX_ROUNDS {
            if how == How::Overwrote {
                self.tell_overwriting().await?;
            }
            let connector = self.delivery.connector;
            let remote = match connector.update_note(&handle, &self.draft, Fence::Version).await? {
                NoteWrite::Written(handle) => return Ok(self.stands(handle, how)),
                NoteWrite::Conflict(remote) => remote,
                NoteWrite::Gone => return Ok(Step::Gone),
                NoteWrite::Refused(refusal) => {
                    return Ok(Step::Reached(Reached::Refused(refusal)));
                }
                NoteWrite::CannotFence => return self.overwrite(how).await,
                NoteWrite::Bare(_) | NoteWrite::Unknown => return Ok(self.later()),
            };
            match weigh(&remote, self.draft.stamp) {
                Verdict::Ours => return Ok(self.stands(remote.handle, how)),
                Verdict::Newer(stamp) => return Ok(newer(remote.handle, stamp)),
                // The number does not say which content is newer; whoever holds the claim knows.
                Verdict::Older(stamp) if stamp.revision == self.draft.stamp.revision => {
                    self.confirm_claim().await?;
                }
                // A plug-in touched the note, or an update of ours landed late.
                Verdict::Older(_) => {}
                Verdict::Bare => self.confirm_claim().await?,
                Verdict::Foreign => {
                    how = How::Overwrote;
                    self.confirm_claim().await?;
                }
            }
            handle = remote.handle;
        }
        Ok(self.later())
    }

    /// Updates without a version to compare. Nothing holds a late one back, so nothing else may be
    /// under way, and what stands there is looked at first.
    async fn overwrite(&mut self, mut how: How) -> Result<Step> {
        if let Some(Unsettled { until, .. }) = self.under_way() {
            return Ok(Step::Reached(Reached::Later(until)));
        }
        let Some(remote) = self.find().await? else { return Ok(Step::Gone) };
        match weigh(&remote, self.draft.stamp) {
            Verdict::Ours => return Ok(self.stands(remote.handle, how)),
            Verdict::Newer(stamp) => return Ok(newer(remote.handle, stamp)),
            Verdict::Older(_) | Verdict::Bare => {}
            Verdict::Foreign => {
                how = How::Overwrote;
                self.tell_overwriting().await?;
            }
        }
        let ahead = Ahead::new(&self.delivery, self.epoch, None);
        let connector = self.delivery.connector;
        let write = connector.update_note(&remote.handle, &self.draft, Fence::Recorded(&ahead));
        Ok(match write.await? {
            NoteWrite::Written(handle) => self.stands(handle, how),
            NoteWrite::Gone => Step::Gone,
            NoteWrite::Refused(refusal) => Step::Reached(Reached::Refused(refusal)),
            NoteWrite::Unknown => {
                self.unsettled = ahead.recorded();
                let until = self.under_way().map(|unsettled| unsettled.until);
                until.map_or_else(|| self.later(), |until| Step::Reached(Reached::Later(until)))
            }
            NoteWrite::Bare(_) | NoteWrite::CannotFence | NoteWrite::Conflict(_) => self.later(),
        })
    }

    async fn tell_overwriting(&self) -> Result<()> {
        let Delivery { stores, clock, publication, .. } = &self.delivery;
        let Publication { key, connection, .. } = publication;
        let line = overwriting(publication, self.epoch, clock.now());
        stores.feed.append(&key.workspace, *connection, &[line], None).await
    }

    /// The note was proved to exist and is gone: a fresh one, once the old one cannot come back.
    async fn start_anew(&mut self) -> Result<Reached> {
        let leave = self.delivery.options.deleted_note == DeletedNote::LeaveDeleted;
        if leave && !self.delivery.publication.resend {
            return Ok(Reached::Refused(NoteRefusal::Other {
                code: "note_deleted".to_owned(),
                message: "the note was deleted in the CRM".to_owned(),
            }));
        }
        if let Some(Unsettled { until, .. }) = self.under_way() {
            return Ok(Reached::Later(until));
        }
        self.epoch += 1;
        self.unsettled = None;
        Ok(match self.create().await? {
            Step::Reached(reached) => reached,
            Step::Gone => Reached::Later(publication_retry_at(self.delivery.clock.now(), 0)),
        })
    }

    /// The revision is published, but an earlier create was under way then: if a CRM user deleted
    /// the note, it may have come back with an older revision.
    async fn look_again(&mut self) -> Result<Reached> {
        if let Some(Unsettled { until, .. }) = self.under_way() {
            return Ok(Reached::Later(until));
        }
        let Some(remote) = self.find().await? else { return Ok(Reached::Settled) };
        match weigh(&remote, self.draft.stamp) {
            Verdict::Older(_) | Verdict::Bare => {
                match self.update(remote.handle, How::Updated).await? {
                    Step::Gone => Ok(Reached::Settled),
                    Step::Reached(reached) => Ok(reached),
                }
            }
            Verdict::Ours | Verdict::Newer(_) | Verdict::Foreign => Ok(Reached::Settled),
        }
    }

    async fn find(&self) -> Result<Option<RemoteNote>> {
        let Delivery { connector, publication, .. } = &self.delivery;
        connector.find_note(&publication.key, self.epoch, NoteParts::Head).await
    }

    /// Records a create; gives the time by which it must be begun.
    async fn record_create(&mut self) -> Result<OffsetDateTime> {
        let ahead = Ahead::new(&self.delivery, self.epoch, self.under_way());
        let send_by = ahead.record_as(UnsettledWrite::Create).await?;
        self.unsettled = ahead.recorded();
        Ok(send_by)
    }

    /// What may still land, as far as we know.
    fn under_way(&self) -> Option<Unsettled> {
        let now = self.delivery.clock.now();
        self.unsettled.filter(|unsettled| now < unsettled.until)
    }

    fn stands(&self, handle: NoteHandle, how: How) -> Step {
        Step::Reached(Reached::Stands { handle, stamp: self.draft.stamp, how })
    }

    fn later(&self) -> Step {
        let Delivery { clock, publication, .. } = &self.delivery;
        Step::Reached(Reached::Later(publication_retry_at(clock.now(), publication.attempts)))
    }
}

fn newer(handle: NoteHandle, stamp: RevisionStamp) -> Step {
    Step::Reached(Reached::Stands { handle, stamp, how: How::Updated })
}

/// What a note read back means for our revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// It has no file.
    Bare,
    /// A CRM user replaced the file.
    Foreign,
    /// A newer revision stands there; it must not be overwritten.
    Newer(RevisionStamp),
    /// An older revision, or other content of the same one.
    Older(RevisionStamp),
    /// Our revision stands there already.
    Ours,
}

fn weigh(remote: &RemoteNote, ours: RevisionStamp) -> Verdict {
    match remote.content {
        NoteContent::Foreign => Verdict::Foreign,
        NoteContent::Nothing => Verdict::Bare,
        NoteContent::Ours(stamp) if stamp == ours => Verdict::Ours,
        NoteContent::Ours(stamp) if stamp.revision > ours.revision => Verdict::Newer(stamp),
        NoteContent::Ours(stamp) => Verdict::Older(stamp),
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
