#![doc = include_str!("../README.md")]

pub mod model;
pub mod rules;
pub mod host;
mod intake;
pub mod walk;
pub mod storage;
pub mod connector;
pub mod store;
#[cfg(feature = "dynamics")]
pub mod dynamics;
pub mod documents;
pub mod assistant;
#[cfg(feature = "testkit")]
pub mod testkit;

mod clock;
mod error;
#[cfg(feature = "dynamics")]
mod http;
mod seal;
mod vault;
mod connectors;
mod connect;
mod settings;
mod sync;
mod scheduler;
mod crm;

pub use clock::{Clock, Randomness, SystemClock};
pub use connect::{
    ConnectRequest, ConnectStarted, DiscoverRequest, MirrorFate, SignInState, UnansweredSignIn,
};
pub use crm::{Crm, CrmBuilder};
pub use error::{BoxError, Error, Remedy, Result};
pub use intake::{BytesHeld, Intake};
pub use scheduler::{Budget, PublicationEnded, RunReport, SyncEnded};
pub use seal::Sealed;
pub use sync::SyncReport;
