//! The stores shipped with this crate.

mod memory;

pub use memory::MemoryStore;
