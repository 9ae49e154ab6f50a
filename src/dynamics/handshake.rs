//! Signing in: to Entra's page, back with a code, on to tokens and the org's own answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use crate::connector::{Authorization, Callback, ConnectorContext, SignIn, SignedIn, Tokens};
use crate::dynamics::claims;
use crate::dynamics::credentials::AppRegistration;
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::entra_error::{Class, EntraFailure};
use crate::dynamics::token_endpoint::{ExchangeError, Grant, Granted, TokenEndpoint};
use crate::dynamics::who_am_i;
use crate::error::{Error, Result};
use crate::http::transport::Transport;

/// What redeeming is called in errors.
const OPERATION: &str = "sign in";

/// Codes and id_tokens beyond this are not looked at; Entra's have one or two KiB.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// A code that was redeemed.
#[derive(Debug)]
pub(crate) struct Redeemed {
    pub(crate) granted: Granted,
    /// The tenant that the user signed in to.
    pub(crate) tenant: String,
}

/// One app's way into one org, or into a directory of orgs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake<'a> {
    pub(crate) app: &'a AppRegistration,
    pub(crate) endpoints: &'a Endpoints,
}

impl Handshake<'_> {
    /// The URL to send the browser to, at the org's tenant when it is known; sends nothing (CON-2).
    ///
    /// # Errors
    /// [`Error::Config`] when the authority cannot be a base.
    pub(crate) fn authorize(
        &self,
        sign_in: &SignIn,
        tenant: Option<String>,
    ) -> Result<Authorization> {
        let mut url = self.endpoints.authorize_url(tenant.as_deref())?;
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("client_id", &self.app.client_id)
                .append_pair("response_type", "code")
                .append_pair("redirect_uri", &self.app.redirect_uri)
                .append_pair("response_mode", "query")
                .append_pair("scope", &self.endpoints.scope())
                .append_pair("state", sign_in.state.expose_secret())
                .append_pair("code_challenge", &challenge(&sign_in.verifier))
                .append_pair("code_challenge_method", "S256")
                .append_pair("claims", &claims::with_capability(sign_in.claims.as_deref()));
            if let Some(hint) = &sign_in.login_hint {
                query.append_pair("login_hint", hint);
            }
        }
        let admin_consent = self.token_endpoint(tenant.as_deref()).consent_page();
        Ok(Authorization { url, admin_consent, tenant })
    }

    /// Redeems the callback's code, once, and asks the org who signed in (CON-3).
    ///
    /// # Errors
    /// The sign-in did not work; [`Error::remedy`] says who has to act.
    pub(crate) async fn finish(
        &self,
        transport: &dyn Transport,
        context: &ConnectorContext,
        sign_in: &SignIn,
        callback: &Callback,
    ) -> Result<SignedIn> {
        let redeemed = self.redeem(transport, context, sign_in, callback).await?;
        let Redeemed { granted, tenant } = redeemed;
        let expires_at = granted.expires_at(context.clock.now());
        let mut identity =
            who_am_i::ask(transport, context, self.endpoints, &granted.access).await?;
        identity.tenant = Some(tenant);
        let refresh = granted.refresh.ok_or_else(|| {
            Error::unexpected(OPERATION, "no refresh token, although one was asked for")
        })?;
        Ok(SignedIn {
            identity,
            tokens: Tokens {
                access: granted.access,
                expires_at: Some(expires_at),
                refresh: Some(refresh),
            },
            address: self.endpoints.address(),
        })
    }

    /// Redeems the callback's code, once, and checks who signed in.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub(crate) async fn redeem(
        &self,
        transport: &dyn Transport,
        context: &ConnectorContext,
        sign_in: &SignIn,
        callback: &Callback,
    ) -> Result<Redeemed> {
        let bound_to = sign_in.tenant.as_deref();
        let endpoint = self.token_endpoint(bound_to);
        let code = read_callback(callback, context, endpoint.consent_page())?;
        self.check_issuer(callback, bound_to)?;
        let grant = Grant::Code { code: &code, verifier: &sign_in.verifier };
        let exchanged = endpoint.exchange(transport, context, grant).await;
        let granted = exchanged.map_err(|ExchangeError { error, .. }| error)?;
        let tenant = self.verify(&granted)?;
        if bound_to.is_some_and(|bound_to| bound_to != tenant) {
            return Err(again(OTHER_TENANT));
        }
        Ok(Redeemed { granted, tenant })
    }

    /// The token endpoint of the org's tenant; of any work account while nobody knows it.
    const fn token_endpoint<'a>(&'a self, tenant: Option<&'a str>) -> TokenEndpoint<'a> {
        TokenEndpoint { app: self.app, endpoints: self.endpoints, tenant }
    }

    /// Refuses a redirect that another issuer sent (RFC 9207), where it names its issuer at all.
    fn check_issuer(&self, callback: &Callback, tenant: Option<&str>) -> Result<()> {
        let expected = tenant.and_then(|tenant| self.endpoints.issuer(tenant));
        match (callback.value("iss"), expected) {
            (Some(named), Some(expected)) if named != expected => {
                Err(Error::unexpected(OPERATION, "an answer of another issuer"))
            }
            _ => Ok(()),
        }
    }

    /// Checks the id_token and gives the tenant that the user signed in to.
    ///
    /// Its signature is not checked: it came straight from the token endpoint over TLS, which is
    /// proof enough of who made it (OpenID Connect Core, 3.1.3.7, point 6).
    fn verify(&self, granted: &Granted) -> Result<String> {
        let token = granted.id_token.as_ref();
        let claims = token
            .and_then(|token| claims(token.expose_secret()))
            .ok_or_else(|| Error::unexpected(OPERATION, "no id_token that can be read"))?;
        if claims.aud != self.app.client_id {
            return Err(Error::unexpected(OPERATION, "an id_token for another app"));
        }
        let tenant = claims.tid.hyphenated().to_string();
        match self.endpoints.issuer(&tenant) {
            Some(issuer) if issuer != claims.iss => {
                Err(Error::unexpected(OPERATION, "an id_token of another issuer"))
            }
            _ => Ok(tenant),
        }
    }
}

const OTHER_TENANT: &str = "\
    You signed in to another company than the org's. Connect again with an account that the org's \
    company knows.";

/// The PKCE challenge of a verifier (S256).
fn challenge(verifier: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()))
}

/// Takes the code out of the callback, or says why there is none (CON-4).
fn read_callback(
    callback: &Callback,
    context: &ConnectorContext,
    consent: Option<Url>,
) -> Result<SecretString> {
    if let Some(failure) = EntraFailure::from_callback(callback) {
        return Err(failure.into_error(OPERATION, None, context.clock.now(), consent));
    }
    if callback.value("admin_consent").is_some() {
        // The tenant that such a redirect names proves nothing; a user has to sign in.
        return Err(again("The app is approved. Connect again to finish."));
    }
    match callback.value("code") {
        Some(code) if !code.is_empty() && code.len() <= MAX_TOKEN_BYTES => {
            Ok(SecretString::from(code))
        }
        _ => Err(again("The sign-in came back without a code. Connect again.")),
    }
}

/// What an administrator did at the page where the app is approved. What it says about the tenant
/// proves nothing; a user has to sign in.
pub(crate) fn read_admin_consent(callback: &Callback) -> Result<()> {
    match EntraFailure::from_callback(callback) {
        None if callback.value("admin_consent").is_some() => Ok(()),
        None => Err(Error::invalid_input("approval", "It is no answer of the approval page.")),
        Some(failure) if failure.class() == Class::TryAgain => Err(Error::Unavailable {
            operation: "approve the app".into(),
            retry_at: None,
            source: Some(Box::new(failure)),
        }),
        Some(failure) => Err(Error::NeedsAdmin {
            reason: NOT_APPROVED.into(),
            link: None,
            source: Some(Box::new(failure)),
        }),
    }
}

const NOT_APPROVED: &str = "The administrator did not approve the app. Open the approval link \
     again and choose Accept, or ask another administrator.";

fn again(reason: &'static str) -> Error {
    Error::unauthenticated(reason)
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    tid: Uuid,
}

/// The claims of a JSON Web Token: its middle part.
fn claims(token: &str) -> Option<Claims> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (_header, middle, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).ok()?).ok()
}

#[cfg(test)]
mod tests;
