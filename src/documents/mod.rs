//! Documents on their way to a timeline: rendered to one safe page, then kept there as one note.
//!
//! [`render`] turns a document into the attachment (also useful for a preview); the publisher
//! takes revisions in and brings the newest one to the CRM.

mod delivery;
mod desk;
mod feed;
mod file_name;
mod page;
mod publisher;
mod render;
mod sanitise;
mod title;
mod words;

pub(crate) use desk::Desk;
pub use desk::{PublicationStatus, PublishTarget, Published};
pub use publisher::{DeletedNote, PublishOptions};
pub(crate) use publisher::{Publisher, Sent};
pub use render::{RenderContext, RenderedDocument, render};
