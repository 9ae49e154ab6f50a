//! The notes of the plain CRM: an id is taken once, and a write names the version it replaces.

use std::collections::BTreeMap;

use fluint_crm::Result;
use fluint_crm::model::{
    Attachment, NoteContent, NoteDraft, NoteHandle, NoteWrite, OpportunityId, RecordId, RemoteNote,
    RevisionStamp,
};

/// A note as it stands in the CRM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    pub(crate) opportunity: OpportunityId,
    pub(crate) subject: String,
    /// `None` once a CRM user has put another file in its place.
    pub(crate) stamp: Option<RevisionStamp>,
    pub(crate) attachment: Attachment,
    version: u64,
}

/// Every note, by id. An id whose note was deleted can be taken again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) notes: BTreeMap<String, Note>,
    versions: u64,
}

impl Timeline {
    pub(crate) fn create(&mut self, id: &str, draft: &NoteDraft) -> Result<NoteWrite> {
        if let Some(taken) = self.find(id)? {
            return Ok(NoteWrite::Conflict(taken));
        }
        self.put(id, draft)
    }

    pub(crate) fn update(&mut self, handle: &NoteHandle, draft: &NoteDraft) -> Result<NoteWrite> {
        match self.find(handle.id.as_str())? {
            None => Ok(NoteWrite::Gone),
            Some(there) if there.handle != *handle => Ok(NoteWrite::Conflict(there)),
            Some(_) => self.put(handle.id.as_str(), draft),
        }
    }

    pub(crate) fn find(&self, id: &str) -> Result<Option<RemoteNote>> {
        let Some(note) = self.notes.get(id) else { return Ok(None) };
        Ok(Some(RemoteNote {
            handle: handle(id, note)?,
            subject: Some(note.subject.clone()),
            content: note.stamp.map_or(NoteContent::Foreign, NoteContent::Ours),
            attachment: Some(note.attachment.clone()),
        }))
    }

    /// A CRM user deletes every note.
    pub(crate) fn clear(&mut self) {
        self.notes.clear();
    }

    /// A CRM user puts another file into every note.
    pub(crate) fn replace_files(&mut self) {
        for note in self.notes.values_mut() {
            self.versions += 1;
            note.version = self.versions;
            note.stamp = None;
        }
    }

    fn put(&mut self, id: &str, draft: &NoteDraft) -> Result<NoteWrite> {
        self.versions += 1;
        let note = Note {
            opportunity: draft.opportunity.clone(),
            subject: draft.subject.clone(),
            stamp: Some(draft.stamp),
            attachment: draft.attachment.clone(),
            version: self.versions,
        };
        let handle = handle(id, &note)?;
        self.notes.insert(id.to_owned(), note);
        Ok(NoteWrite::Written(handle))
    }
}

fn handle(id: &str, note: &Note) -> Result<NoteHandle> {
    Ok(NoteHandle {
        id: RecordId::new(id)?,
        version: Some(note.version.to_string()),
        opportunity: Some(note.opportunity.clone()),
    })
}
