//! The only rooms that know Microsoft: Dataverse and Entra.

mod provider;
mod org_url;
mod endpoints;
mod handshake;
mod token_endpoint;
mod tokens;
mod credentials;
mod entra_error;
mod who_am_i;
mod resend;
mod bearer;
mod parts;
mod challenge;
mod call;
mod error;
mod web_api;
mod wire;
mod decode;
mod paging;
mod processes;
mod tables;
mod stages;
mod lookup;
mod notes;
mod connector;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod test_bench;

pub use provider::{DYNAMICS, DynamicsProvider, DynamicsProviderBuilder};
