//! The only rooms that know Microsoft: Dataverse and Entra.
//!
//! [`DynamicsProvider`] connects an org; the connector that it opens reads the org's tables and
//! writes notes. Facts about Microsoft's side that shape the code are named where they do.

mod provider;
mod org_url;
mod kind;
mod directory;
mod endpoints;
mod locate;
mod claims;
mod handshake;
mod discovery;
mod token_endpoint;
mod tokens;
mod credentials;
mod entra_error;
mod who_am_i;
mod resend;
mod bearer;
mod parts;
mod connector;
mod challenge;
mod call;
mod blocks;
mod code;
mod refusals;
mod error;
mod web_api;
mod wire;
mod decode;
mod paging;
mod plan;
mod ranges;
mod processes;
mod tables;
mod stages;
mod lookup;
mod notes;
mod note_body;
mod rights;
mod preflight;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod test_bench;

pub use credentials::{AppRegistration, ClientCredential, Credentials};
#[cfg(feature = "testkit")]
#[doc(hidden)]
pub use decode::measured::decode_page;
pub use kind::DYNAMICS;
pub use org_url::Cloud;
pub use provider::{DynamicsProvider, DynamicsProviderBuilder};
/// The HTTP client that [`DynamicsProviderBuilder::http_client`] takes, in the version that fits.
#[doc(no_inline)]
pub use reqwest;
#[cfg(feature = "testkit")]
pub(crate) use tokens::RefreshTokens;
