//! Reads the challenge of a `WWW-Authenticate` header: who signs people in, and which claims are
//! wanted (continuous access evaluation).

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use url::Url;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The claims that the API wants in the next token, decoded, when the header asks for some.
pub(crate) fn claims_challenge(header: &str) -> Option<String> {
    let parameters = parameters(header);
    let value = |name: &str| {
        parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    };
    if value("error") != Some("insufficient_claims") {
        return None;
    }
    let claims = value("claims")?;
    let bytes = GeneralPurpose::new(&STANDARD, LENIENT)
        .decode(claims)
        .or_else(|_| GeneralPurpose::new(&URL_SAFE, LENIENT).decode(claims))
        .ok()?;
    String::from_utf8(bytes).ok()
}

/// The authority that signs the org's people in, when the header names one.
pub(crate) fn authorization_uri(header: &str) -> Option<Url> {
    let named = |key: &str| key.eq_ignore_ascii_case("authorization_uri");
    let parameters = parameters(header);
    let (_, value) = parameters.iter().find(|(key, _)| named(key))?;
    Url::parse(value).ok()
}

/// Splits `Bearer a="b", c=d` at the commas outside quotes. Values lose their quotes.
fn parameters(header: &str) -> Vec<(&str, &str)> {
    let header = header.trim();
    let list = header.split_once(char::is_whitespace).map_or(header, |(_, list)| list);
    let mut quoted = false;
    list.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .filter_map(|part| part.split_once('='))
    .map(|(key, value)| (key.trim(), value.trim().trim_matches('"')))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn con_5_a_claims_challenge_is_decoded() {
        let header = r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7fX19""#;
        let claims = claims_challenge(header);
        assert_eq!(claims.as_deref(), Some(r#"{"access_token":{"nbf":{}}}"#));
    }

    #[test]
    fn con_2_the_authority_is_read_with_and_without_quotes() {
        let bare = "Bearer authorization_uri=https://login.microsoftonline.com/\
                    11111111-2222-3333-4444-555555555555/oauth2/authorize, \
                    resource_id=https://contoso.crm4.dynamics.com/";
        let quoted = r#"Bearer Authorization_URI="https://login.microsoftonline.us/common/oauth2/authorize", realm="a,b""#;
        let read = |header| authorization_uri(header).map(String::from);
        assert_eq!(
            read(bare).as_deref(),
            Some(
                "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/\
                 authorize"
            )
        );
        let us = "https://login.microsoftonline.us/common/oauth2/authorize";
        assert_eq!(read(quoted).as_deref(), Some(us));
        for header in ["", "Bearer", "Bearer authorization_uri=", "Bearer realm=\"x\""] {
            assert_eq!(read(header), None, "{header}");
        }
    }

    #[test]
    fn con_5_other_challenges_carry_no_claims() {
        for header in [
            "",
            "Bearer",
            r#"Bearer error="invalid_token", claims="eyJ9""#,
            r#"Bearer error="insufficient_claims""#,
            r#"Bearer error="insufficient_claims", claims="%%%""#,
            r#"Bearer realm="a, error=insufficient_claims, claims=e30=""#,
        ] {
            assert_eq!(claims_challenge(header), None, "{header}");
        }
    }
}
