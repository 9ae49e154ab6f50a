//! Where to talk to: sign-in, token and service URLs of one org, or of one directory of orgs.

use url::Url;

use crate::connector::sign_in::ADMIN_CONSENT_STATE;
use crate::dynamics::directory::Directory;
use crate::dynamics::kind::DYNAMICS;
use crate::dynamics::org_url::{Cloud, OrgUrl};
use crate::error::{Error, Result};
use crate::http::client::is_loopback;

/// The path of the Web API on either host of an org; versions 9.x only ever add.
const SERVICE_PATH: [&str; 3] = ["api", "data", "v9.2"];

/// Any work account, of whichever tenant: who signs in decides.
const ANY_TENANT: &str = "organizations";

/// A nextLink beyond this length is not followed: servers refuse longer request lines.
const MAX_LINK_BYTES: usize = 32 * 1024;

/// The path of the directory of orgs.
const DIRECTORY_PATH: [&str; 3] = ["api", "discovery", "v2.0"];

/// The URLs of one site, in production or on a fake at the loopback address.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    site: Site,
    authority: Url,
    service_root: Url,
    reach: Reach,
}

/// What is talked to.
#[derive(Clone, Debug)]
enum Site {
    Directory(&'static Directory),
    Org(OrgUrl),
}

/// What to make of an authority that an org names in its challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// It is one of Microsoft's, of another cloud than the org's address says.
    OtherCloud,
    /// It is the one that the org's address stands for.
    Ours,
    /// It is nobody we know.
    Unknown,
}

/// Which service answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// The site itself; an org by either of its hosts.
    Site,
    /// A stand-in at exactly the origin of the service root.
    Loopback,
}

/// Stand-ins for Microsoft's hosts, for tests on the same machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    authority: Option<Url>,
    org: Option<Url>,
}

impl Overrides {
    /// Accepts plain http at the loopback address and nothing else, so that no configuration can
    /// send a customer's tokens to another host.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(crate) fn new(authority_base: Option<Url>, org_base: Option<Url>) -> Result<Self> {
        Ok(Self {
            authority: authority_base.map(|url| loopback("authority_base", url)).transpose()?,
            org: org_base.map(|url| loopback("org_base", url)).transpose()?,
        })
    }

    /// Whether any host is replaced.
    pub(crate) const fn any(&self) -> bool {
        self.authority.is_some() || self.org.is_some()
    }
}

fn loopback(key: &'static str, url: Url) -> Result<Url> {
    let plain = url.scheme() == "http"
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain && is_loopback(&url) {
        return Ok(url);
    }
    Err(Error::config(key, "it must be a plain http address of this very machine"))
}

impl Endpoints {
    /// The endpoints of an org.
    ///
    /// # Errors
    /// [`Error::Config`] when an override cannot be a base.
    pub(crate) fn new(org: OrgUrl, overrides: &Overrides) -> Result<Self> {
        let base = org.api_base().clone();
        Self::of(Site::Org(org), base, &SERVICE_PATH, overrides)
    }

    /// The endpoints of a directory of orgs.
    ///
    /// # Errors
    /// [`Error::Config`] when an override cannot be a base.
    pub(crate) fn directory(directory: &'static Directory, overrides: &Overrides) -> Result<Self> {
        let base = Url::parse(directory.address).map_err(|_| not_a_base("directory"))?;
        Self::of(Site::Directory(directory), base, &DIRECTORY_PATH, overrides)
    }

    fn of(site: Site, base: Url, path: &[&str], overrides: &Overrides) -> Result<Self> {
        let authority = match &overrides.authority {
            Some(base) => base.clone(),
            None => {
                let host = site.cloud().authority_host();
                Url::parse(&format!("https://{host}/")).map_err(|_| not_a_base("authority_base"))?
            }
        };
        let (base, reach) = match &overrides.org {
            Some(stand_in) => (stand_in.clone(), Reach::Loopback),
            None => (base, Reach::Site),
        };
        let mut service_root = below(&base, "org_base", path)?;
        // The last, empty segment ends the path with a slash.
        service_root.path_segments_mut().map_err(|()| not_a_base("org_base"))?.push("");
        Ok(Self { site, authority, service_root, reach })
    }

    /// The cloud that the site lives in.
    pub(crate) const fn cloud(&self) -> Cloud {
        self.site.cloud()
    }

    /// The canonical address of the site.
    pub(crate) fn address(&self) -> String {
        match &self.site {
            Site::Directory(directory) => directory.address.to_owned(),
            Site::Org(org) => org.canonical(),
        }
    }

    /// The host that people open, which also names the site in logs.
    pub(crate) fn org_host(&self) -> &str {
        match &self.site {
            Site::Directory(directory) => directory.host(),
            Site::Org(org) => org.web_base().host_str().unwrap_or_default(),
        }
    }

    /// Whether an authority that the org names is the one that signs its people in.
    pub(crate) fn trust(&self, authority: &Url) -> Trust {
        if authority.origin() == self.authority.origin() {
            return Trust::Ours;
        }
        let known = authority.scheme() == "https" && authority.port().is_none();
        let named = authority.host_str().filter(|_| known).and_then(Cloud::of_authority);
        match named {
            Some(cloud) if cloud == self.site.cloud() => Trust::Ours,
            Some(_) => Trust::OtherCloud,
            None => Trust::Unknown,
        }
    }

    /// The root of the service, as it is asked without a credential.
    pub(crate) const fn service_root(&self) -> &Url {
        &self.service_root
    }

    /// The page that signs a user in: at the org's tenant once it is known, so that a guest is not
    /// sent to the tenant of home.
    ///
    /// # Errors
    /// [`Error::Config`] as in [`new`](Endpoints::new).
    pub(crate) fn authorize_url(&self, tenant: Option<&str>) -> Result<Url> {
        let tenant = tenant.unwrap_or(ANY_TENANT);
        below(&self.authority, "authority_base", &[tenant, "oauth2", "v2.0", "authorize"])
    }

    /// Where codes and refresh tokens are redeemed: at the user's tenant once it is known.
    ///
    /// # Errors
    /// [`Error::Config`] as in [`new`](Endpoints::new).
    pub(crate) fn token_url(&self, tenant: Option<&str>) -> Result<Url> {
        let tenant = tenant.unwrap_or(ANY_TENANT);
        below(&self.authority, "authority_base", &[tenant, "oauth2", "v2.0", "token"])
    }

    /// The page where an administrator approves the app for the whole tenant.
    ///
    /// # Errors
    /// [`Error::Config`] as in [`new`](Endpoints::new).
    pub(crate) fn admin_consent_url(
        &self,
        tenant: Option<&str>,
        client_id: &str,
        redirect_uri: &str,
    ) -> Result<Url> {
        let page = [tenant.unwrap_or(ANY_TENANT), "v2.0", "adminconsent"];
        let mut url = below(&self.authority, "authority_base", &page)?;
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("scope", &format!("{}/.default", self.resource()))
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", &format!("{ADMIN_CONSENT_STATE}{}", DYNAMICS.as_str()));
        Ok(url)
    }

    /// What a sign-in asks for: exactly this org, who the user is, and a refresh token.
    ///
    /// With an override it still names the real org: a token is never asked for a loopback name.
    pub(crate) fn scope(&self) -> String {
        format!("{}/user_impersonation openid profile offline_access", self.resource())
    }

    /// What tokens are for: exactly the host that is called.
    fn resource(&self) -> String {
        match &self.site {
            Site::Directory(directory) => directory.address.to_owned(),
            Site::Org(org) => format!("https://{}", org.api_host()),
        }
    }

    /// The issuer that an id_token of this tenant must name, unless the authority is a stand-in
    /// (which signs with whatever name it likes).
    pub(crate) fn issuer(&self, tenant: &str) -> Option<String> {
        let host = self.site.cloud().authority_host();
        (self.authority.host_str() == Some(host)).then(|| format!("https://{host}/{tenant}/v2.0"))
    }

    /// A URL below the service root.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the path would leave the service root.
    pub(crate) fn web_api(&self, path_and_query: &str) -> Result<Url> {
        // Put behind the root as text, so that nothing in it can be read as a scheme or a host.
        let url = Url::parse(&format!("{}{path_and_query}", self.service_root)).ok();
        url.filter(|url| self.accepts(url)).ok_or_else(|| {
            Error::invalid_input("Web API path", "It does not stay below the service root.")
        })
    }

    /// Whether a link that the service handed out may be followed: the same org, by either of its
    /// hosts, below the same path. With an override, exactly that origin.
    pub(crate) fn accepts(&self, next_link: &Url) -> bool {
        let same_origin = match (self.reach, &self.site) {
            (Reach::Site, Site::Org(org)) => org.is_same_org(next_link),
            _ => {
                next_link.origin() == self.service_root.origin()
                    && next_link.username().is_empty()
                    && next_link.password().is_none()
            }
        };
        same_origin
            && next_link.fragment().is_none()
            && next_link.as_str().len() <= MAX_LINK_BYTES
            && stays_below(self.service_root.path(), next_link.path())
    }

    /// The page of a record, for a person to open. Always on the real org.
    pub(crate) fn record_url(&self, table: &str, id: &str) -> Option<Url> {
        let Site::Org(org) = &self.site else { return None };
        let mut url = org.web_base().join("main.aspx").ok()?;
        url.query_pairs_mut()
            .append_pair("etn", table)
            .append_pair("pagetype", "entityrecord")
            .append_pair("id", id);
        Some(url)
    }
}

impl Site {
    const fn cloud(&self) -> Cloud {
        match self {
            Self::Directory(directory) => directory.cloud,
            Self::Org(org) => org.cloud(),
        }
    }
}

/// Whether a path is below the root's.
///
/// The parser has resolved dots already; slashes that are still encoded might be resolved by the
/// server.
fn stays_below(root: &str, path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    path.starts_with(root) && !lower.contains("%2f") && !lower.contains("%5c")
}

/// Adds segments to a base, each encoded by itself.
fn below(base: &Url, key: &'static str, segments: &[&str]) -> Result<Url> {
    let mut url = base.clone();
    url.path_segments_mut().map_err(|()| not_a_base(key))?.pop_if_empty().extend(segments);
    Ok(url)
}

fn not_a_base(key: &'static str) -> Error {
    Error::config(key, "it cannot be the base of other addresses")
}

#[cfg(test)]
mod tests;
