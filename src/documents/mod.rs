//! Documents on their way to a timeline: rendered to one safe page, then kept there as one note.
//!
//! [`render`] turns a document into the attachment (also useful for a preview); the publisher
//! takes revisions in and brings the newest one to the CRM.

mod delivery;
mod feed;
mod file_name;
mod page;
mod publisher;
mod render;
mod sanitise;
mod title;
mod words;

pub use publisher::{DeletedNote, PublishOptions, PublishTarget, Published};
pub(crate) use publisher::{Publisher, Sent};
pub use render::{RenderContext, RenderedDocument, render};
