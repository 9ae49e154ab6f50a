//! The web domain that tells one company from another, out of what people type.

use url::Host;

mod shared;

use shared::{MAIL_FAMILIES, SHARED};

/// How much of a field is looked at, in bytes: a domain has 253 at most.
const MAX_BYTES: usize = 2_000;

/// The registrable domain of a web site as typed: a URL, a bare domain, or several of them, of
/// which the first that identifies anyone counts.
pub(super) fn web_domain(website: &str) -> Option<String> {
    let mut typed = sites(website);
    typed.find_map(|site| {
        let site = site.split_once("://").map_or(site, |(_, rest)| rest);
        let site = site.trim_start_matches(['/', '\\']);
        let authority = site.split(['/', '\\', '?', '#']).next()?;
        // Whoever types an address into the field means its domain.
        let host = authority.rsplit('@').next()?;
        identifying(host.split(':').next()?)
    })
}

/// The registrable domain of an e-mail address as typed, or of the first of several that
/// identifies anyone.
pub(super) fn email_domain(email: &str) -> Option<String> {
    let mut typed = sites(email);
    typed.find_map(|address| {
        let (_, domain) = address.rsplit_once('@')?;
        identifying(domain.trim_end_matches(['>', ')', ']']))
    })
}

fn sites(text: &str) -> impl Iterator<Item = &str> {
    let text = text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or("");
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|'))
        .filter(|site| !site.is_empty())
}

/// The registrable domain of a host, unless it is shared by many.
///
/// The Public Suffix List says where registering begins: `contoso.co.uk` is one company's, `co.uk`
/// is not. What ends in no suffix that the list knows ("none", "contoso.local", an IP address) is
/// no domain of the web.
fn identifying(host: &str) -> Option<String> {
    let Ok(Host::Domain(host)) = Host::parse(host.trim_matches('.')) else { return None };
    if is_shared(&host) {
        return None;
    }
    let domain = psl::domain(host.as_bytes()).filter(|domain| domain.suffix().is_known())?;
    let domain = std::str::from_utf8(domain.as_bytes()).ok()?;
    (!is_of_mail_family(domain)).then(|| domain.to_owned())
}

/// Whether a host is one of the shared ones or below one.
fn is_shared(host: &str) -> bool {
    let below = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
    std::iter::once(host).chain(below).any(|name| SHARED.binary_search(&name).is_ok())
}

/// Whether a domain is that of a mail provider with one in many countries, such as `yahoo.co.jp`.
fn is_of_mail_family(domain: &str) -> bool {
    domain.split('.').next().is_some_and(|label| MAIL_FAMILIES.contains(&label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acc_1_a_web_site_as_typed_has_one_domain() {
        for (typed, domain) in [
            ("contoso.com", "contoso.com"),
            ("  HTTPS://WWW.Contoso.COM/de/?q=1#top ", "contoso.com"),
            ("http//contoso.com", ""),
            ("//contoso.com", "contoso.com"),
            ("http:\\\\contoso.com\\de", ""),
            ("contoso.com:8443", "contoso.com"),
            ("www.contoso.com.", "contoso.com"),
            ("shop.eu.contoso.co.uk", "contoso.co.uk"),
            ("contoso.com.au", "contoso.com.au"),
            ("contoso.uk.com", "contoso.uk.com"),
            ("ftp://user:secret@contoso.com", "contoso.com"),
            ("info@contoso.com", "contoso.com"),
            ("müller.de", "xn--mller-kva.de"),
            ("www.xn--mller-kva.de", "xn--mller-kva.de"),
            ("例え.jp", "xn--r8jz45g.jp"),
            ("contoso.com, contoso.de", "contoso.com"),
            ("facebook.com/contoso; contoso.de", "contoso.de"),
            ("https://de.linkedin.com/company/contoso", ""),
            ("contoso.wordpress.com", ""),
            ("sites.google.com/contoso", ""),
            ("google.com", "google.com"),
            ("contoso.github.io", ""),
            ("co.uk", ""),
            ("com", ""),
            ("none", ""),
            ("n/a", ""),
            ("contoso.local", ""),
            ("192.168.0.1", ""),
            ("http://[::1]/", ""),
            ("con toso", ""),
            ("", ""),
            ("https://", ""),
        ] {
            assert_eq!(web_domain(typed).unwrap_or_default(), domain, "{typed}");
        }
    }

    #[test]
    fn acc_1_an_address_names_a_company_unless_its_mail_is_public() {
        for (typed, domain) in [
            ("info@contoso.com", "contoso.com"),
            ("Info@Mail.Contoso.DE", "contoso.de"),
            ("Ada <ada@contoso.com>", "contoso.com"),
            ("ada@gmail.com; info@contoso.com", "contoso.com"),
            ("ada@gmail.com", ""),
            ("ada@googlemail.com", ""),
            ("ada@outlook.com", ""),
            ("ada@hotmail.co.uk", ""),
            ("ada@yahoo.co.jp", ""),
            ("ada@web.de", ""),
            ("ada@contoso.onmicrosoft.com", ""),
            ("contoso.com", ""),
            ("", ""),
        ] {
            assert_eq!(email_domain(typed).unwrap_or_default(), domain, "{typed}");
        }
    }

    #[test]
    fn acc_1_a_field_of_a_megabyte_is_no_burden() {
        for unit in ["a", "a.", "@", "ä", " ,", "//"] {
            let long = unit.repeat(1_000_000);
            assert_eq!((web_domain(&long), email_domain(&long)), (None, None));
        }
    }

    #[test]
    fn acc_1_shared_hosts_stand_in_order() {
        assert!(SHARED.is_sorted_by(|left, right| left < right));
        for host in SHARED {
            assert!(psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known()), "{host}");
        }
    }
}
