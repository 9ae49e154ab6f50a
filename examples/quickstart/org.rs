//! The org on this machine.
