//! E-mail addresses as an identity to compare, not as a mailbox to write to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest address that RFC 5321 allows, in bytes, with room for what CRMs let through.
const MAX_EMAIL_BYTES: usize = 320;

/// An e-mail address, compared without regard to ASCII case and surrounding space.
///
/// Non-ASCII characters are never folded, decomposed or mapped: two addresses that merely look
/// alike stay different, so that no deal lands on the wrong person (DEA-1).
///
/// # Example
/// ```
/// use fluint_crm::model::EmailAddress;
/// # fn main() -> fluint_crm::Result<()> {
/// assert_eq!(EmailAddress::new(" Ada@Contoso.com ")?, EmailAddress::new("ada@contoso.com")?);
/// assert_ne!(EmailAddress::new("ada@contoso.com")?, EmailAddress::new("adа@contoso.com")?);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(Box<str>);

impl EmailAddress {
    /// Accepts an address as a person or a CRM wrote it: trimmed, ASCII letters lower-cased.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when there is not exactly one `@` with text on both sides, or when
    /// white space or a control character stands inside, or past 320 bytes.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref().trim();
        let refuse = |reason: &'static str| Err(Error::invalid_input("e-mail address", reason));
        if text.len() > MAX_EMAIL_BYTES {
            return refuse("it is longer than 320 bytes");
        }
        match text.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => {
                if domain.contains('@') {
                    return refuse("it holds more than one @");
                }
            }
            _ => return refuse("it needs text on both sides of one @"),
        }
        // Nearly every address is plain ASCII: no branch for each byte.
        let plain = text.bytes().fold(true, |plain, byte| plain & byte.is_ascii_graphic());
        if !plain && text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refuse("it holds white space or a control character");
        }
        Ok(Self(text.to_ascii_lowercase().into_boxed_str()))
    }

    /// The address, ASCII letters in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({})", self.0)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<EmailAddress> for String {
    fn from(email: EmailAddress) -> Self {
        email.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dea_1_case_and_space_do_not_matter() {
        assert_eq!(EmailAddress::new("\tADA@X.COM\n").unwrap().as_str(), "ada@x.com");
    }

    #[test]
    fn dea_1_what_is_no_address_is_refused() {
        for bad in ["", "@", "a@", "@b", "a b@c", "a@b@c", "a\u{200b}b", "a@b\u{0}c"] {
            assert!(EmailAddress::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn dea_1_non_ascii_is_never_folded() {
        for (left, right) in [
            ("ı@x.com", "i@x.com"),
            ("İ@x.com", "i@x.com"),
            ("ａ@x.com", "a@x.com"),
            ("ß@x.com", "ss@x.com"),
            ("é@x.com", "e\u{301}@x.com"),
            ("\u{212a}@x.com", "k@x.com"),
        ] {
            assert_ne!(EmailAddress::new(left).unwrap(), EmailAddress::new(right).unwrap());
        }
    }
}
