//! A CRM's timeline of notes that behaves as one does over a bad network.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use crate::clock::Clock;
use crate::connector::{
    Capabilities, ChainRequest, CrmConnector, Fence, Lookup, NoteIdentity, NoteParts, PageStream,
    PlanRequest,
};
use crate::error::{Error, Result};
use crate::model::{
    Account, Contact, Currency, Identity, NoteContent, NoteDraft, NoteHandle, NoteKey, NoteRefusal,
    NoteWrite, Opportunity, OpportunityId, RecordId, RemoteNote, RevisionStamp, Stage,
    StageAssignment, Table, User,
};
use crate::testkit::ManualClock;
use crate::walk::TablePlan;

/// What befalls the next write.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It is done, and the worker dies before the answer.
    CrashAfter,
    /// The worker dies before it is sent.
    CrashBefore,
    /// It is done, and the answer is lost.
    LostAfter,
    /// It is never done.
    LostBefore,
    /// It is done this much later, if it still may be.
    Late(Duration),
    Refused(NoteRefusal),
    SignedOut,
    Unavailable,
}

#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) version: u64,
    /// `None` once a user has put another file there.
    pub(super) stamp: Option<RevisionStamp>,
    pub(super) draft: NoteDraft,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) notes: BTreeMap<Uuid, Note>,
    pub(super) faults: VecDeque<Fault>,
    /// Calls that reached the CRM, in words.
    pub(super) calls: Vec<&'static str>,
    late: Vec<(OffsetDateTime, Write)>,
    versions: u64,
}

#[derive(Clone, Debug)]
struct Write {
    id: Uuid,
    /// The version it expects; `None` expects no note at all.
    expects: Option<u64>,
    draft: NoteDraft,
}

#[derive(Debug)]
pub(super) struct Timeline {
    state: Mutex<State>,
    clock: Arc<ManualClock>,
    identity: NoteIdentity,
}

impl Timeline {
    pub(super) fn new(clock: Arc<ManualClock>, identity: NoteIdentity) -> Self {
        Self { state: Mutex::default(), clock, identity }
    }

    /// The CRM as it is now: what was under way for long enough has landed.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        let now = self.clock.now();
        let (landing, late) = state.late.drain(..).partition(|(at, _)| *at <= now);
        state.late = late;
        let landing: Vec<(OffsetDateTime, Write)> = landing;
        for (_, write) in landing {
            let _ = state.apply(&write);
        }
        state
    }

    pub(super) fn fail_with(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults = faults.into_iter().collect();
    }

    async fn write(&self, word: &'static str, write: Write) -> Result<NoteWrite> {
        let fault = self.state().faults.pop_front();
        if matches!(fault, Some(Fault::CrashBefore)) {
            std::future::pending::<()>().await;
        }
        self.state().calls.push(word);
        match fault {
            None => Ok(self.state().apply(&write)),
            Some(Fault::CrashAfter) => {
                let _ = self.state().apply(&write);
                std::future::pending().await
            }
            Some(Fault::LostAfter) => {
                let _ = self.state().apply(&write);
                Ok(NoteWrite::Unknown)
            }
            Some(Fault::LostBefore | Fault::CrashBefore) => Ok(NoteWrite::Unknown),
            Some(Fault::Late(after)) => {
                let at = self.clock.now() + after;
                self.state().late.push((at, write));
                Ok(NoteWrite::Unknown)
            }
            Some(Fault::Refused(refusal)) => Ok(NoteWrite::Refused(refusal)),
            Some(Fault::SignedOut) => Err(Error::unauthenticated("Please sign in again.")),
            Some(Fault::Unavailable) => {
                Err(Error::Unavailable { operation: "write".into(), retry_at: None, source: None })
            }
        }
    }
}

impl State {
    fn apply(&mut self, write: &Write) -> NoteWrite {
        let known = self.notes.get(&write.id);
        match (known, write.expects) {
            (None, Some(_)) => return NoteWrite::Gone,
            (Some(note), expects) if expects != Some(note.version) => {
                return NoteWrite::Conflict(remote(write.id, note));
            }
            _ => {}
        }
        if let Some(before) = known.and_then(|note| note.stamp) {
            assert!(before.revision <= write.draft.stamp.revision, "an older revision won");
        }
        self.versions += 1;
        let (version, stamp) = (self.versions, Some(write.draft.stamp));
        let note = Note { version, stamp, draft: write.draft.clone() };
        let handle = remote(write.id, &note).handle;
        self.notes.insert(write.id, note);
        NoteWrite::Written(handle)
    }

    /// What a plug-in does: another version, the same note.
    pub(super) fn touch(&mut self) {
        self.versions += 1;
        let version = self.versions;
        self.notes.values_mut().for_each(|note| note.version = version);
    }

    /// What a user does who puts another file there.
    pub(super) fn replace_attachment(&mut self) {
        self.touch();
        for note in self.notes.values_mut() {
            note.stamp = None;
            note.draft.attachment.bytes = b"another file".to_vec();
        }
    }
}

fn remote(id: Uuid, note: &Note) -> RemoteNote {
    let handle = NoteHandle {
        id: RecordId::new(id.to_string()).unwrap(),
        version: Some(note.version.to_string()),
        opportunity: Some(note.draft.opportunity.clone()),
    };
    RemoteNote {
        handle,
        subject: Some(note.draft.subject.clone()),
        content: note.stamp.map_or(NoteContent::Foreign, NoteContent::Ours),
        attachment: Some(note.draft.attachment.clone()),
    }
}

fn nothing<'a, R: Send + 'a>() -> PageStream<'a, R> {
    stream::empty().boxed()
}

#[async_trait]
impl CrmConnector for Timeline {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new();
        capabilities.note_identity = self.identity;
        capabilities
    }

    async fn check(&self) -> Result<Identity> {
        Err(Error::unsupported("check"))
    }

    async fn plan(&self, _request: &PlanRequest) -> Result<TablePlan> {
        unreachable!("nothing is read here")
    }

    fn users(&self, _chain: &ChainRequest) -> PageStream<'_, User> {
        nothing()
    }

    fn accounts(&self, _chain: &ChainRequest) -> PageStream<'_, Account> {
        nothing()
    }

    fn contacts(&self, _chain: &ChainRequest) -> PageStream<'_, Contact> {
        nothing()
    }

    fn opportunities(&self, _chain: &ChainRequest) -> PageStream<'_, Opportunity> {
        nothing()
    }

    fn stages(&self, _chain: &ChainRequest) -> PageStream<'_, Stage> {
        nothing()
    }

    fn stage_assignments(&self, _chain: &ChainRequest) -> PageStream<'_, StageAssignment> {
        nothing()
    }

    fn currencies(&self, _chain: &ChainRequest) -> PageStream<'_, Currency> {
        nothing()
    }

    async fn lookup(&self, _table: Table, _ids: &[RecordId]) -> Result<Vec<Lookup>> {
        Err(Error::unsupported("lookup"))
    }

    async fn create_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        draft: &NoteDraft,
        _send_by: OffsetDateTime,
    ) -> Result<NoteWrite> {
        let write = Write { id: key.note_id(epoch), expects: None, draft: draft.clone() };
        self.write("create", write).await
    }

    async fn update_note(
        &self,
        handle: &NoteHandle,
        draft: &NoteDraft,
        _fence: Fence<'_>,
    ) -> Result<NoteWrite> {
        let write = Write {
            id: handle.id.as_str().parse().unwrap(),
            expects: handle.version.as_deref().map(|version| version.parse().unwrap()),
            draft: draft.clone(),
        };
        self.write("update", write).await
    }

    async fn find_note(
        &self,
        key: &NoteKey,
        epoch: u32,
        _parts: NoteParts,
    ) -> Result<Option<RemoteNote>> {
        let mut state = self.state();
        state.calls.push("find");
        let id = key.note_id(epoch);
        Ok(state.notes.get(&id).map(|note| remote(id, note)))
    }

    fn opportunity_url(&self, _opportunity: &OpportunityId) -> Option<Url> {
        None
    }
}
