//! Microsoft's directory of orgs (Global Discovery): one for each cloud, and one more for GCC.

use async_trait::async_trait;
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use crate::connector::{
    Authorization, Callback, ConnectorContext, OrgDirectory, OrgDiscovery, OrgListing, SignIn,
    TokenVault, Tokens,
};
use crate::dynamics::directory::{DIRECTORIES, Directory};
use crate::dynamics::endpoints::Endpoints;
use crate::dynamics::error::Refusal;
use crate::dynamics::handshake::Handshake;
use crate::dynamics::org_url::OrgUrl;
use crate::dynamics::provider::DynamicsProvider;
use crate::dynamics::resend::{self, Resend};
use crate::dynamics::token_endpoint::{Grant, TokenEndpoint};
use crate::dynamics::who_am_i;
use crate::error::{Error, Result};
use crate::http::transport::{Response, Transport};
use crate::model::{Connection, OrganisationId};

/// What asking is called in errors.
const OPERATION: &str = "list your orgs";

#[async_trait]
impl OrgDiscovery for DynamicsProvider {
    fn directories(&self) -> Vec<OrgDirectory> {
        let ours = DIRECTORIES.iter().filter(|directory| self.serves(directory.cloud));
        ours.map(|directory| OrgDirectory {
            address: directory.address.to_owned(),
            name: directory.name.to_owned(),
        })
        .collect()
    }

    fn sign_in(&self, request: &SignIn) -> Result<Authorization> {
        let endpoints = self.directory_endpoints(&request.address)?;
        Handshake { app: self.app(&endpoints)?, endpoints: &endpoints }.authorize(request, None)
    }

    async fn list(
        &self,
        context: &ConnectorContext,
        request: &SignIn,
        callback: &Callback,
    ) -> Result<Vec<OrgListing>> {
        let endpoints = self.directory_endpoints(&request.address)?;
        let handshake = Handshake { app: self.app(&endpoints)?, endpoints: &endpoints };
        let transport = self.transport();
        let redeemed = handshake.redeem(transport, context, request, callback).await?;
        let access = &redeemed.granted.access;
        let answer = ask(transport, context, &endpoints, "Instances", access).await?;
        let all: Instances = decode(&answer, context)?;
        Ok(all.value.into_iter().filter_map(Instance::listing).collect())
    }

    async fn find(
        &self,
        context: &ConnectorContext,
        connection: &Connection,
        tokens: &dyn TokenVault,
    ) -> Result<Option<OrgListing>> {
        let organisation = Uuid::try_parse(connection.identity.organisation.as_str())
            .map_err(|_| Error::config("connection", "its organisation is no GUID"))?;
        let directory = Directory::of(&OrgUrl::parse(&connection.address)?);
        let endpoints = self.directory_endpoints(directory.address)?;
        let tenant = connection.identity.tenant.as_deref();
        let endpoint = TokenEndpoint { app: self.app(&endpoints)?, endpoints: &endpoints, tenant };
        let access = token_for(self.transport(), context, endpoint, tokens).await?;
        let path = format!("Instances({})", organisation.hyphenated());
        let answer = ask(self.transport(), context, &endpoints, &path, &access).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(decode::<Instance>(&answer, context)?.listing())
    }
}

/// A token for the directory, by the connection's own refresh token, which serves every resource
/// that the user consented to.
async fn token_for(
    transport: &dyn Transport,
    context: &ConnectorContext,
    endpoint: TokenEndpoint<'_>,
    tokens: &dyn TokenVault,
) -> Result<SecretString> {
    let stored = tokens.load().await?;
    let Some(token) = &stored.tokens.refresh else {
        return Err(Error::unauthenticated("Your sign-in has ended. Connect again."));
    };
    // Whatever the provider does with a redeemed token, this one is Entra's.
    let grant = Grant::Refresh { token, claims: None, resend: Resend::IfTransient };
    let granted =
        endpoint.exchange(transport, context, grant).await.map_err(|failed| failed.error)?;
    // The org's own access token stays. When somebody else stored newer tokens meanwhile, theirs
    // count, and ours is as good as theirs.
    let renewed = Tokens {
        access: stored.tokens.access.clone(),
        expires_at: stored.tokens.expires_at,
        refresh: granted.refresh.or_else(|| stored.tokens.refresh.clone()),
    };
    tokens.replace(stored.version, &renewed).await?;
    Ok(granted.access)
}

async fn ask(
    transport: &dyn Transport,
    context: &ConnectorContext,
    endpoints: &Endpoints,
    path: &str,
    access: &SecretString,
) -> Result<Response> {
    let request = who_am_i::question(endpoints, path, access)?;
    let sent = resend::send(transport, context, &request, Resend::IfTransient).await;
    sent.map_err(|cause| Error::Unavailable {
        operation: OPERATION.into(),
        retry_at: None,
        source: Some(Box::new(cause)),
    })
}

fn decode<T: for<'de> Deserialize<'de>>(
    answer: &Response,
    context: &ConnectorContext,
) -> Result<T> {
    if let Some(refusal) = Refusal::of(answer) {
        return Err(refusal.into_error(OPERATION, context.clock.now()));
    }
    serde_json::from_slice(&answer.body).map_err(|cause| Error::UnexpectedResponse {
        operation: OPERATION.into(),
        detail: "no list of orgs".to_owned(),
        source: Some(Box::new(cause)),
    })
}

#[derive(Deserialize)]
struct Instances {
    value: Vec<Instance>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    id: Uuid,
    friendly_name: Option<String>,
    url: Option<String>,
    api_url: Option<String>,
}

/// The longest name that is shown.
const MAX_NAME_CHARS: usize = 200;

impl Instance {
    /// What a person chooses by. An org without an address that we would connect is left out: the
    /// directory is not believed about where tokens may go.
    fn listing(self) -> Option<OrgListing> {
        let addresses = [self.url, self.api_url];
        let org = addresses.into_iter().flatten().find_map(|url| OrgUrl::parse(&url).ok())?;
        let name = self.friendly_name.filter(|name| !name.trim().is_empty());
        let name = name.unwrap_or_else(|| org.web_host());
        Some(OrgListing {
            organisation: OrganisationId::new(self.id.hyphenated().to_string()).ok()?,
            name: name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect(),
            address: org.canonical(),
        })
    }
}

#[cfg(test)]
mod tests;
