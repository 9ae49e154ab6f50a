//! The CRM's timeline in bad weather, as one worker reaches it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use time::{Duration, OffsetDateTime};
use url::Url;
use uuid::Uuid;

use crate::clock::Clock;
use crate::connector::{
    Capabilities, ChainRequest, CrmConnector, Fence, Lookup, NoteIdentity, NoteParts, PageStream,
    PlanRequest,
};
use crate::documents::publisher::simulation::weather::{Fate, Nature, Spoil};
use crate::error::{Error, Result};
use crate::model::{
    Account, Contact, Currency, Identity, NoteContent, NoteDraft, NoteHandle, NoteKey, NoteRefusal,
    NoteWrite, Opportunity, OpportunityId, PublicationId, RecordId, RemoteNote, RevisionStamp,
    Stage, StageAssignment, Table, User,
};
use crate::walk::TablePlan;

/// A note as it stands.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) owner: PublicationId,
    pub(super) content: NoteContent,
    version: u64,
    opportunity: OpportunityId,
}

/// A write on its way.
#[derive(Clone, Debug)]
struct Write {
    id: Uuid,
    owner: PublicationId,
    condition: Condition,
    content: NoteContent,
    opportunity: OpportunityId,
}

#[derive(Clone, Copy, Debug)]
enum Condition {
    Absent,
    Exists,
    Version(u64),
}

/// The timeline and what the judge knows of it.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) notes: BTreeMap<Uuid, Note>,
    pub(super) wrong: Vec<String>,
    pub(super) trace: Vec<String>,
    /// The newest revision that ever stood.
    pub(super) stood: BTreeMap<PublicationId, u64>,
    /// When a note last changed.
    pub(super) changes: Vec<OffsetDateTime>,
    pub(super) requests: u64,
    under_way: BTreeMap<(OffsetDateTime, u64), Write>,
    answers: BTreeMap<u64, NoteWrite>,
    count: u64,
}

impl Book {
    fn land(&mut self, now: OffsetDateTime) {
        while let Some(next) = self.under_way.first_entry().filter(|next| next.key().0 <= now) {
            let ((at, number), write) = next.remove_entry();
            let answer = self.apply(at, &write);
            self.answers.insert(number, answer);
        }
    }

    fn apply(&mut self, at: OffsetDateTime, write: &Write) -> NoteWrite {
        let there = self.notes.get(&write.id);
        match (there, write.condition) {
            (None, Condition::Exists | Condition::Version(_)) => return NoteWrite::Gone,
            (Some(note), Condition::Absent) => return NoteWrite::Conflict(remote(write.id, note)),
            (Some(note), Condition::Version(version)) if note.version != version => {
                return NoteWrite::Conflict(remote(write.id, note));
            }
            _ => {}
        }
        let owner = write.owner;
        if let (Some(before), Some(stamp)) =
            (there.and_then(|note| note.content.stamp()), write.content.stamp())
            && before.revision > stamp.revision
        {
            let (old, new) = (before.revision, stamp.revision);
            self.wrong.push(format!("{at}: {owner} regressed from {old} to {new}"));
        }
        if there.is_none() && self.notes.values().any(|note| note.owner == owner) {
            self.wrong.push(format!("{at}: {owner} has a duplicate"));
        }
        self.trace.push(format!("{at} {owner} {:?}", write.content.stamp().map(|s| s.revision)));
        self.changes.push(at);
        self.count += 1;
        let note = Note {
            owner,
            content: write.content,
            version: self.count,
            opportunity: write.opportunity.clone(),
        };
        if let Some(stamp) = write.content.stamp() {
            let stood = self.stood.entry(owner).or_default();
            *stood = stamp.revision.max(*stood);
        }
        let handle = remote(write.id, &note).handle;
        self.notes.insert(write.id, note);
        NoteWrite::Written(handle)
    }

    /// What a plug-in does.
    pub(super) fn touch(&mut self, id: Uuid) {
        self.count += 1;
        let version = self.count;
        self.notes.entry(id).and_modify(|note| note.version = version);
    }

    /// What a CRM user does who puts another file there.
    pub(super) fn replace_file(&mut self, id: Uuid) {
        self.touch(id);
        self.notes.entry(id).and_modify(|note| note.content = NoteContent::Foreign);
    }
}

fn remote(id: Uuid, note: &Note) -> RemoteNote {
    RemoteNote {
        handle: NoteHandle {
            id: RecordId::new(id.to_string()).unwrap(),
            version: Some(note.version.to_string()),
            opportunity: Some(note.opportunity.clone()),
        },
        subject: None,
        content: note.content,
        attachment: None,
    }
}

/// The timeline, shared by all workers.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline(Arc<Mutex<Book>>);

impl Timeline {
    /// As it is now: what has arrived by then has landed.
    pub(super) fn at(&self, now: OffsetDateTime) -> MutexGuard<'_, Book> {
        let mut book = self.0.lock().unwrap();
        book.land(now);
        book
    }
}

/// One worker's line to the CRM.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) timeline: Timeline,
    pub(super) nature: Arc<Nature>,
    /// The worker's own clock, which need not be right.
    pub(super) own: Arc<dyn Clock>,
}

impl Line {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.timeline.at(self.nature.now())
    }

    async fn write(&self, write: Write, send_by: Option<OffsetDateTime>) -> Result<NoteWrite> {
        self.nature.pause().await;
        let late = send_by.is_some_and(|by| by < self.own.now());
        if late && self.nature.spoil != Spoil::SendsLate {
            return Err(unavailable());
        }
        self.book().requests += 1;
        let now = self.nature.now();
        let (arrives, answered) = match self.nature.fate() {
            Fate::Refused => {
                return Err(Error::RateLimited { retry_at: now + Duration::seconds(30) });
            }
            Fate::LostBefore => (None, false),
            Fate::LostAfter(delay) => (Some(now + delay), false),
            Fate::Arrives(delay) => (Some(now + delay), true),
        };
        let number = arrives.map(|at| {
            let mut book = self.book();
            book.count += 1;
            let number = book.count;
            book.under_way.insert((at, number), write);
            number
        });
        match (arrives, number) {
            (Some(at), Some(number)) if answered => {
                self.nature.clock.sleep_until(at).await;
                let answer = self.book().answers.remove(&number);
                self.nature.pause().await;
                answer.ok_or_else(unavailable)
            }
            _ => {
                self.nature.clock.sleep_until(now + Duration::seconds(20)).await;
                Ok(NoteWrite::Unknown)
            }
        }
    }

    fn draft(id: Uuid, owner: PublicationId, condition: Condition, draft: &NoteDraft) -> Write {
        let (content, opportunity) = (NoteContent::Ours(draft.stamp), draft.opportunity.clone());
        Write { id, owner, condition, content, opportunity }
    }
}

fn unavailable() -> Error {
    Error::Unavailable { operation: "write".into(), retry_at: None, source: None }
}

/// Whether a revision is so large that it goes up in blocks.
pub(super) const fn is_large(stamp: RevisionStamp) -> bool {
    stamp.revision % 4 == 3
}

/// Is told which documents are refused.
pub(super) const POISON: &str = "poison";

fn nothing<'a, R: Send + 'a>() -> PageStream<'a, R> {
    stream::empty().boxed()
}

#[async_trait]
impl CrmConnector for Line {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new();
        capabilities.note_identity = NoteIdentity::ClientChosen;
        if self.nature.spoil == Spoil::NoDrain {
            capabilities.write_drain = std::time::Duration::from_secs(5);
        }
        capabilities
    }

    async fn create_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        draft: &NoteDraft,
        send_by: OffsetDateTime,
    ) -> Result<NoteWrite> {
        if key.document.as_str() == POISON && draft.stamp.revision == 1 {
            self.book().requests += 1;
            return Ok(NoteWrite::Refused(NoteRefusal::TooLarge { limit: None }));
        }
        let id = match self.nature.spoil {
            Spoil::ServerChosenId => self.nature.dice.uuid(),
            _ => key.note_id(epoch),
        };
        let mut write = Self::draft(id, key.publication(), Condition::Absent, draft);
        if is_large(draft.stamp) {
            write.content = NoteContent::Nothing;
        }
        Ok(match self.write(write, Some(send_by)).await? {
            NoteWrite::Written(handle) if is_large(draft.stamp) => NoteWrite::Bare(handle),
            other => other,
        })
    }

    async fn update_note(
        &self,
        handle: &NoteHandle,
        draft: &NoteDraft,
        fence: Fence<'_>,
    ) -> Result<NoteWrite> {
        let id: Uuid = handle.id.as_str().parse().unwrap();
        let Some(owner) = self.book().notes.get(&id).map(|note| note.owner) else {
            return Ok(NoteWrite::Gone);
        };
        let version = handle.version.as_deref().map(|version| version.parse().unwrap());
        match fence {
            Fence::Version if is_large(draft.stamp) || !self.nature.compares => {
                Ok(NoteWrite::CannotFence)
            }
            Fence::Version => {
                let condition = match self.nature.spoil {
                    Spoil::MatchesAny => Condition::Exists,
                    _ => Condition::Version(version.unwrap()),
                };
                self.write(Self::draft(id, owner, condition, draft), None).await
            }
            Fence::Recorded(ahead) => {
                // The blocks, which change nothing yet.
                self.nature.pause().await;
                let send_by = ahead.record().await?;
                self.write(Self::draft(id, owner, Condition::Exists, draft), Some(send_by)).await
            }
        }
    }

    async fn find_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        _parts: NoteParts,
    ) -> Result<Option<RemoteNote>> {
        self.nature.pause().await;
        let (id, mut book) = (key.note_id(epoch), self.book());
        book.requests += 1;
        Ok(book.notes.get(&id).map(|note| remote(id, note)))
    }

    async fn check(&self) -> Result<Identity> {
        Err(Error::unsupported("check"))
    }

    async fn plan(&self, _: &PlanRequest) -> Result<TablePlan> {
        Err(Error::unsupported("plan"))
    }

    async fn lookup(&self, _: Table, _: &[RecordId]) -> Result<Vec<Lookup>> {
        Err(Error::unsupported("lookup"))
    }

    fn users(&self, _: &ChainRequest) -> PageStream<'_, User> {
        nothing()
    }

    fn accounts(&self, _: &ChainRequest) -> PageStream<'_, Account> {
        nothing()
    }

    fn contacts(&self, _: &ChainRequest) -> PageStream<'_, Contact> {
        nothing()
    }

    fn opportunities(&self, _: &ChainRequest) -> PageStream<'_, Opportunity> {
        nothing()
    }

    fn stages(&self, _: &ChainRequest) -> PageStream<'_, Stage> {
        nothing()
    }

    fn stage_assignments(&self, _: &ChainRequest) -> PageStream<'_, StageAssignment> {
        nothing()
    }

    fn currencies(&self, _: &ChainRequest) -> PageStream<'_, Currency> {
        nothing()
    }

    fn opportunity_url(&self, _: &OpportunityId) -> Option<Url> {
        None
    }
}
