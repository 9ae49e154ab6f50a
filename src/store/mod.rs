//! The stores shipped with this crate.
