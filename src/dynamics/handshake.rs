//! Signing in: to Entra's page, back with a code, on to tokens and the org's own answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use crate::connector::{Authorization, Callback, ConnectorContext, SignIn, SignedIn, Tokens};
use crate::dynamics::credentials::AppRegistration;
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::entra_error::EntraFailure;
use crate::dynamics::token_endpoint::{ExchangeError, Grant, Granted, TokenEndpoint};
use crate::dynamics::who_am_i;
use crate::error::{Error, Result};
use crate::http::transport::Transport;

/// What redeeming is called in errors.
const OPERATION: &str = "sign in";

/// Codes and id_tokens beyond this are not looked at; Entra's have one or two KiB.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// One app's way into one org.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake<'a> {
    pub(crate) app: &'a AppRegistration,
    pub(crate) endpoints: &'a Endpoints,
}

impl Handshake<'_> {
    /// The URL to send the browser to; sends nothing (CON-2).
    ///
    /// # Errors
    /// [`Error::Config`] when the authority cannot be a base.
    pub(crate) fn authorize(&self, sign_in: &SignIn) -> Result<Authorization> {
        let mut url = self.endpoints.authorize_url()?;
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
                .append_pair("code_challenge_method", "S256");
            if let Some(hint) = &sign_in.login_hint {
                query.append_pair("login_hint", hint);
            }
        }
        Ok(Authorization { url, admin_consent: self.at_any_tenant().consent_page() })
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
        let consent = self.at_any_tenant().consent_page();
        let code = read_callback(callback, context, consent)?;
        let grant = Grant::Code { code: &code, verifier: &sign_in.verifier };
        let exchanged = self.at_any_tenant().exchange(transport, context, grant).await;
        let granted = exchanged.map_err(|ExchangeError { error, .. }| error)?;
        let expires_at = granted.expires_at(context.clock.now());
        let tenant = self.verify(&granted)?;
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
            address: self.endpoints.org().canonical(),
        })
    }

    /// The endpoint for any work account: before the sign-in nobody knows the user's tenant.
    const fn at_any_tenant(&self) -> TokenEndpoint<'_> {
        TokenEndpoint { app: self.app, endpoints: self.endpoints, tenant: None }
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

fn again(reason: &'static str) -> Error {
    Error::Unauthenticated { reason: reason.into(), source: None }
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
