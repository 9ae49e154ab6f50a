//! Where the org is: on this machine, at a stand-in of somebody's own, or at Microsoft's.

use anyhow::{Context, Result};
use fluint_crm::connector::Tokens;
use fluint_crm::dynamics::{DYNAMICS, DynamicsProvider};
use fluint_crm::model::{Connection, DocumentId, MemberId, WorkspaceId};
use fluint_crm::testkit::{FakeEntra, FakeServer};
use fluint_crm::{ConnectRequest, Crm};
use url::Url;

use crate::browser;
use crate::options::Options;
use crate::org;

/// Where the org is, and how to get in.
pub(crate) enum Place {
    /// Fakes in this process, reached over loopback.
    Here { _server: FakeServer, redirect: Url, run: u64 },
    /// Microsoft's own, with an access token that somebody got elsewhere.
    Real { address: String, token: String, publish: bool },
    /// A stand-in of somebody's own.
    StandIn { address: String, redirect: Url },
}

/// The address that the shipped org would have.
const ADDRESS: &str = "contoso.crm4.dynamics.com";

impl Place {
    /// Finds the place that the options name, and the provider to reach it.
    pub(crate) async fn open(options: &Options) -> Result<(Self, DynamicsProvider)> {
        let address = options.org.clone().unwrap_or_else(|| ADDRESS.to_owned());
        if let Some(name) = &options.access_token_env {
            let token = std::env::var(name).with_context(|| format!("read {name}"))?;
            let provider = DynamicsProvider::builder()
                .client_id("unused")
                .client_secret("unused".to_owned())
                .redirect_uri("https://localhost/unused")
                .build()?;
            return Ok((Self::Real { address, token, publish: options.publish }, provider));
        }
        if let (Some(authority), Some(org_api)) = (&options.authority, &options.org_api) {
            let secret = match &options.client_secret_env {
                Some(name) => std::env::var(name).with_context(|| format!("read {name}"))?,
                None => "secret".to_owned(),
            };
            let redirect = options.redirect.clone();
            let redirect = redirect.map_or_else(|| FakeEntra::REDIRECT_URI.parse(), Ok)?;
            let client_id = options.client_id.as_deref().unwrap_or(FakeEntra::CLIENT_ID);
            let provider = provider(client_id, secret, &redirect, authority, org_api)?;
            return Ok((Self::StandIn { address, redirect }, provider));
        }
        let redirect: Url = FakeEntra::REDIRECT_URI.parse()?;
        let server = org::start(options.rows).await?;
        let (authority, org_api) = (server.authority_base(), server.org_base());
        let secret = FakeEntra::CLIENT_SECRET.to_owned();
        let provider = provider(FakeEntra::CLIENT_ID, secret, &redirect, &authority, &org_api)?;
        let run = org_api.port().map_or(0, u64::from);
        Ok((Self::Here { _server: server, redirect, run }, provider))
    }

    /// Gets in: by the real handshake, or with the access token.
    pub(crate) async fn connect(
        &self,
        crm: &Crm,
        workspace: &WorkspaceId,
        member: &MemberId,
    ) -> Result<Connection> {
        let address = match self {
            Self::Here { .. } => ADDRESS,
            Self::Real { address, .. } | Self::StandIn { address, .. } => address,
        };
        let request = ConnectRequest::new(workspace.clone(), member.clone(), DYNAMICS, address);
        match self {
            Self::Real { token, .. } => {
                let tokens =
                    Tokens { access: token.clone().into(), expires_at: None, refresh: None };
                Ok(crm.connect_with_tokens(request, tokens).await?)
            }
            Self::Here { redirect, .. } | Self::StandIn { redirect, .. } => {
                let started = crm.begin_connect(request).await?;
                let callback = browser::sign_in(&started.url, redirect).await?;
                Ok(crm.finish_connect(workspace, member, &callback).await?)
            }
        }
    }

    /// The document to publish. An org in this process starts without Notes in every run, so every
    /// run has a document of its own; anywhere else later runs update the Note of the first.
    pub(crate) fn document(&self) -> Result<DocumentId> {
        Ok(DocumentId::new(match self {
            Self::Here { run, .. } => format!("account-plan-{run}"),
            Self::Real { .. } | Self::StandIn { .. } => "account-plan".to_owned(),
        })?)
    }

    /// Whether the program may write to the org.
    pub(crate) const fn may_publish(&self) -> bool {
        match self {
            Self::Here { .. } | Self::StandIn { .. } => true,
            Self::Real { publish, .. } => *publish,
        }
    }
}

fn provider(
    client_id: &str,
    secret: String,
    redirect: &Url,
    authority: &Url,
    org_api: &Url,
) -> Result<DynamicsProvider> {
    Ok(DynamicsProvider::builder()
        .client_id(client_id)
        .client_secret(secret)
        .redirect_uri(redirect.as_str())
        .authority_base(authority.clone())
        .org_base(org_api.clone())
        .build()?)
}
