//! Where the Web API gets its access token from.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::Result;

/// Hands out access tokens for exactly one org.
#[async_trait]
pub(crate) trait BearerTokens: fmt::Debug + Send + Sync {
    /// A token that is valid for at least the next request. Asked at every attempt.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`](crate::Error::Unauthenticated) when the user must sign in again.
    async fn bearer(&self) -> Result<SecretString>;

    /// A token other than `rejected`, which the API answered with 401; `claims` is the challenge's,
    /// decoded, when it carried one.
    ///
    /// One refresh serves all who ask about the same token.
    ///
    /// # Errors
    /// As [`bearer`](BearerTokens::bearer).
    async fn renew(&self, rejected: &SecretString, claims: Option<&str>) -> Result<SecretString>;
}
