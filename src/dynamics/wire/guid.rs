//! GUIDs as text: rows keep them as the service spells them, so most are only checked and copied.

use std::borrow::Cow;

use uuid::Uuid;

/// A GUID in lower case with hyphens, without braces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Guid<'a>(Cow<'a, str>);

impl<'a> Guid<'a> {
    /// Reads any of the spellings of a GUID.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if is_canonical(text) {
            return Some(Self(Cow::Borrowed(text)));
        }
        let uuid = Uuid::try_parse(text).ok()?;
        Some(Self(Cow::Owned(uuid.hyphenated().to_string())))
    }

    /// Whether it is the empty GUID, which stands for none.
    pub(crate) fn is_nil(&self) -> bool {
        self.0 == "00000000-0000-0000-0000-000000000000"
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Digits of sixteen, and the hyphen: a bit each.
const DIGIT: u8 = 1;
const HYPHEN: u8 = 2;

/// What stands where in a GUID.
const FORM: [u8; 36] = {
    let mut form = [DIGIT; 36];
    form[8] = HYPHEN;
    form[13] = HYPHEN;
    form[18] = HYPHEN;
    form[23] = HYPHEN;
    form
};

/// Looks at all characters at once: a page holds tens of thousands of GUIDs.
fn is_canonical(text: &str) -> bool {
    let Ok(text) = <&[u8; 36]>::try_from(text.as_bytes()) else { return false };
    text.iter().zip(&FORM).fold(true, |fits, (byte, form)| {
        let digit = u8::from(byte.is_ascii_digit() | matches!(byte, b'a'..=b'f'));
        let hyphen = u8::from(*byte == b'-') << 1;
        fits & ((digit | hyphen) == *form)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spelled(text: &str) -> Option<String> {
        Guid::parse(text).map(|guid| guid.as_str().to_owned())
    }

    proptest! {
        #[test]
        fn syn_1_a_guid_is_spelled_as_a_real_parser_reads_it(
            text in "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-fA-Fg-]{36}|\
                \\{?[-0-9a-f]{32,36}\\}?",
            odd in any::<char>(),
            at in 0_usize..36,
        ) {
            let parsed = |text: &str| Uuid::try_parse(text).ok().map(|uuid| uuid.to_string());
            prop_assert_eq!(spelled(&text), parsed(&text));
            let mut spoiled: Vec<char> = text.chars().collect();
            spoiled[at % text.len()] = odd;
            let spoiled: String = spoiled.into_iter().collect();
            prop_assert_eq!(spelled(&spoiled), parsed(&spoiled));
        }
    }

    #[test]
    fn syn_1_the_services_own_spelling_is_kept_as_it_is() {
        let own = Guid::parse("0a1b2c3d-1111-2222-3333-4444555566ff");
        assert!(matches!(own, Some(Guid(Cow::Borrowed(_)))));
        for odd in ["0a1b2c3d-1111-2222-33334-444555566ff", "0a1b2c3d-1111-22223-333-4444555566ff"]
        {
            assert_eq!(Guid::parse(odd), None);
        }
    }

    #[test]
    fn syn_1_the_empty_guid_is_known_in_every_spelling() {
        for text in [Uuid::nil().to_string(), Uuid::nil().simple().to_string()] {
            assert!(Guid::parse(&text).is_some_and(|guid| guid.is_nil()));
        }
        assert!(!Guid::parse("00000000-0000-0000-0000-000000000001").unwrap().is_nil());
    }
}
