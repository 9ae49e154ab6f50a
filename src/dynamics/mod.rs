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
#[cfg(test)]
mod test_bench;

pub use provider::{DYNAMICS, DynamicsProvider, DynamicsProviderBuilder};
/// The HTTP client that [`DynamicsProviderBuilder::http_client`] takes, in the version that fits.
#[doc(no_inline)]
pub use reqwest;
