//! Questions over the synced data, as tools for an assistant.
//!
//! [`Tools`] lists each tool with a JSON Schema of its arguments and answers calls by name. Every
//! answer carries a sentence, the data behind it, and how fresh that is; none is unbounded. With
//! the feature `mcp`, the module `mcp` serves them to any client of the Model Context Protocol.

mod account;
mod accounts;
mod arguments;
mod brief;
mod changes;
mod choice;
mod company;
mod contacts;
mod engagement;
mod explain;
mod groups;
#[cfg(feature = "mcp")]
pub mod mcp;
mod meaning;
mod names;
mod opportunities;
mod pipeline;
mod status;
mod sums;
mod tools;
mod when;
mod who;
mod words;

pub use tools::{ToolDefinition, Tools};
