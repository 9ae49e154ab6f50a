//! Connect a SaaS backend to its customers' CRMs.

pub mod connector;
pub mod host;
pub mod model;
pub mod storage;

mod clock;
mod error;
mod seal;
mod vault;

pub use clock::{Clock, Randomness, SystemClock};
pub use error::{BoxError, Error, Remedy, Result};
pub use seal::Sealed;
