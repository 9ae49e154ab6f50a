//! The address of an org, as a person pastes it: read strictly, never spliced from text.

use std::fmt;

use url::Url;

use crate::error::{Error, Result};

/// The longest address that is looked at; browsers hand out no longer ones.
const MAX_INPUT_BYTES: usize = 2048;

/// The longest label that DNS allows.
const MAX_LABEL_BYTES: usize = 63;

/// An org's address: one label and one of Microsoft's suffixes.
///
/// It can only be made by [`parse`](OrgUrl::parse), so whoever holds one holds a name below a
/// suffix of the table, and no request built on it can go anywhere else.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OrgUrl {
    label: String,
    suffix: Suffix,
    web: Url,
    api: Url,
}

/// Where Microsoft hosts orgs. A region's number is open on purpose: new ones keep appearing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Suffix {
    /// `crm.dynamics.com` (1) and `crm2.dynamics.com` to `crm99.dynamics.com`.
    Region(u8),
    UsGovernmentHigh,
    UsDefense,
    China,
}

/// Which of Microsoft's separate clouds an org lives in; each has its own sign-in, and knows only
/// the apps that are registered there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Cloud {
    /// The commercial cloud, with all `crmN.dynamics.com`; US Government GCC (`crm9`) is part of it.
    Public,
    /// US Government GCC High and the Department of Defense.
    UsGovernment,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// The host that signs users in.
    pub(crate) const fn authority_host(self) -> &'static str {
        match self {
            Self::Public => "login.microsoftonline.com",
            Self::UsGovernment => "login.microsoftonline.us",
            Self::China => "login.partner.microsoftonline.cn",
        }
    }
}

impl Cloud {
    /// The cloud whose users this host signs in; China's has an older name, too.
    pub(crate) fn of_authority(host: &str) -> Option<Self> {
        if host == "login.chinacloudapi.cn" {
            return Some(Self::China);
        }
        let all = [Self::Public, Self::UsGovernment, Self::China];
        all.into_iter().find(|cloud| cloud.authority_host() == host)
    }
}

impl Suffix {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "crm.microsoftdynamics.us" => Some(Self::UsGovernmentHigh),
            "crm.appsplatform.us" => Some(Self::UsDefense),
            "crm.dynamics.cn" => Some(Self::China),
            _ => {
                let number = text.strip_prefix("crm")?.strip_suffix(".dynamics.com")?;
                match number.as_bytes() {
                    [] => Some(Self::Region(1)),
                    [b'2'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'] => {
                        number.parse().ok().map(Self::Region)
                    }
                    _ => None,
                }
            }
        }
    }

    const fn cloud(self) -> Cloud {
        match self {
            Self::Region(_) => Cloud::Public,
            Self::UsGovernmentHigh | Self::UsDefense => Cloud::UsGovernment,
            Self::China => Cloud::China,
        }
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(1) => f.write_str("crm.dynamics.com"),
            Self::Region(number) => write!(f, "crm{number}.dynamics.com"),
            Self::UsGovernmentHigh => f.write_str("crm.microsoftdynamics.us"),
            Self::UsDefense => f.write_str("crm.appsplatform.us"),
            Self::China => f.write_str("crm.dynamics.cn"),
        }
    }
}

impl OrgUrl {
    /// Reads an address as a person pastes it.
    ///
    /// Spaces around, upper case, `https://`, a path and a query, and the `.api.` form are taken;
    /// whatever could point elsewhere is refused with a sentence for the person who typed it.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub(crate) fn parse(input: &str) -> Result<Self> {
        let host = host_of(input.trim_ascii()).map_err(refused)?.to_ascii_lowercase();
        let (label, suffix) = split_host(&host).map_err(refused)?;
        Self::assemble(label, suffix)
    }

    fn assemble(label: &str, suffix: Suffix) -> Result<Self> {
        let build = |address: String| {
            Url::parse(&address).map_err(|_| refused("It is not an address that a browser opens."))
        };
        Ok(Self {
            web: build(format!("https://{label}.{suffix}/"))?,
            api: build(format!("https://{label}.api.{suffix}/"))?,
            label: label.to_owned(),
            suffix,
        })
    }

    /// The form that is stored: scheme and web host, such as `https://contoso.crm4.dynamics.com`.
    pub(crate) fn canonical(&self) -> String {
        format!("https://{}", self.web_host())
    }

    /// The host that people open in a browser.
    pub(crate) fn web_host(&self) -> String {
        format!("{}.{}", self.label, self.suffix)
    }

    /// The host that answers the Web API; tokens are asked for exactly this one.
    pub(crate) fn api_host(&self) -> String {
        format!("{}.api.{}", self.label, self.suffix)
    }

    /// The root of [`web_host`](OrgUrl::web_host).
    pub(crate) const fn web_base(&self) -> &Url {
        &self.web
    }

    /// The root of [`api_host`](OrgUrl::api_host).
    pub(crate) const fn api_base(&self) -> &Url {
        &self.api
    }

    /// The cloud that the org lives in.
    pub(crate) const fn cloud(&self) -> Cloud {
        self.suffix.cloud()
    }

    /// Whether a URL leads to this org, by either of its two hosts.
    pub(crate) fn is_same_org(&self, url: &Url) -> bool {
        let host = url.host_str();
        url.scheme() == "https"
            && url.port().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && (host == self.web.host_str() || host == self.api.host_str())
    }
}

impl fmt::Debug for OrgUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrgUrl({})", self.web_host())
    }
}

/// What is wrong with an address, as a sentence.
type Refusal = &'static str;

fn refused(reason: Refusal) -> Error {
    Error::invalid_input("org address", reason)
}

/// Cuts the host out of an address without any of a URL parser's leniency: it would strip tabs,
/// turn backslashes around, decode percent signs and fold Unicode, each a way to say one host to a
/// reader and another to a socket.
fn host_of(input: &str) -> Result<&str, Refusal> {
    if input.is_empty() {
        return Err("Enter the address of your Dynamics 365 org.");
    }
    if input.len() > MAX_INPUT_BYTES {
        return Err("The address is too long.");
    }
    if input.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("Remove the space or line break inside the address.");
    }
    if input.contains('\\') {
        return Err("Remove the backslash from the address.");
    }
    if input.contains('#') {
        return Err("Remove the # and everything after it from the address.");
    }
    let rest = without_scheme(input)?;
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    check_host_text(host)?;
    Ok(host)
}

/// Takes `https://` off, if it is there.
fn without_scheme(input: &str) -> Result<&str, Refusal> {
    // A `://` behind the first slash or question mark belongs to the path or the query.
    let head = input.find(['/', '?']).unwrap_or(input.len());
    match input.split_once("://") {
        Some((scheme, rest)) if scheme.len() < head => {
            if scheme.eq_ignore_ascii_case("https") {
                Ok(rest)
            } else if scheme.eq_ignore_ascii_case("http") {
                Err("Use https:// instead of http://.")
            } else {
                Err("The address must begin with https://.")
            }
        }
        _ => Ok(input),
    }
}

fn check_host_text(host: &str) -> Result<(), Refusal> {
    if host.is_empty() {
        return Err("The address has no host name. It should look like contoso.crm4.dynamics.com.");
    }
    if !host.is_ascii() {
        return Err("The address holds a letter that no Dynamics 365 address has.");
    }
    if host.contains('@') {
        return Err("Remove the user name and the @ from the address.");
    }
    if host.starts_with('[') || host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err("Enter the name of your org, not an IP address.");
    }
    if host.contains(':') {
        return Err("Remove the port, the colon and what follows it, from the address.");
    }
    if host.contains('%') {
        return Err("Remove the % from the address.");
    }
    if host.ends_with('.') {
        return Err("Remove the dot at the end of the address.");
    }
    Ok(())
}

/// Splits a lower-case host into its label and its suffix.
fn split_host(host: &str) -> Result<(&str, Suffix), Refusal> {
    if Suffix::parse(host).is_some() {
        return Err("The name of your org is missing in front of the address.");
    }
    let (label, rest) = host.split_once('.').ok_or(LOOKS_LIKE)?;
    let rest = rest.strip_prefix("api.").unwrap_or(rest);
    let Some(suffix) = Suffix::parse(rest) else {
        return Err(unknown_suffix(rest));
    };
    check_label(label)?;
    Ok((label, suffix))
}

const LOOKS_LIKE: Refusal =
    "This is not a Dynamics 365 address. It should look like contoso.crm4.dynamics.com.";

fn unknown_suffix(rest: &str) -> Refusal {
    if rest == CLOSED_GERMAN_CLOUD {
        return "Microsoft closed this German cloud in 2021. Enter the org's new address.";
    }
    let mut tail = rest;
    while let Some((_, shorter)) = tail.split_once('.') {
        if Suffix::parse(shorter).is_some() {
            return "There are too many parts in front of the address. It should look like \
                    contoso.crm4.dynamics.com.";
        }
        tail = shorter;
    }
    LOOKS_LIKE
}

/// Closed on 2021-10-29; its orgs moved to `crm16.dynamics.com` or elsewhere.
const CLOSED_GERMAN_CLOUD: &str = "crm.microsoftdynamics.de";

/// Names below a suffix that are Microsoft's own services.
const NOT_ORGS: [&str; 2] = ["api", "globaldisco"];

fn check_label(label: &str) -> Result<(), Refusal> {
    if label.is_empty() {
        return Err("The name of your org is missing in front of the address.");
    }
    if label.len() > MAX_LABEL_BYTES {
        return Err("The name of the org is too long.");
    }
    if !label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err("The name of the org may hold letters, digits and hyphens only.");
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("The name of the org may not begin or end with a hyphen.");
    }
    if label.starts_with("xn--") {
        return Err("The address holds a letter that no Dynamics 365 address has.");
    }
    if NOT_ORGS.contains(&label) {
        return Err("This is an address of Microsoft's own, not that of an org.");
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
