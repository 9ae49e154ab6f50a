//! The `claims` parameter of token and sign-in requests (OpenID Connect), which carries what we can
//! do and what a challenge asks for.

use serde_json::{Map, Value, json};

/// The longest claims challenge that is passed on.
const MAX_CLAIMS_BYTES: usize = 8 * 1024;

/// Whether a challenge looks like the JSON object that it should be.
pub(crate) fn is_usable(challenge: &str) -> bool {
    read(challenge).is_some()
}

/// The declaration that we understand claims challenges (`cp1`), and what a challenge asks for
/// besides. Entra gives longer tokens to those who declare it, and expects them to answer.
pub(crate) fn with_capability(challenge: Option<&str>) -> String {
    let mut claims = json!({"access_token": {"xms_cc": {"values": ["cp1"]}}});
    if let Some(challenge) = challenge.and_then(read) {
        merge(&mut claims, Value::Object(challenge));
    }
    claims.to_string()
}

fn read(challenge: &str) -> Option<Map<String, Value>> {
    let fits = challenge.len() <= MAX_CLAIMS_BYTES;
    fits.then(|| serde_json::from_str(challenge).ok()).flatten()
}

/// Adds what is not there yet; where both name the same, ours stays.
fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        for (name, value) in from {
            match into.get_mut(&name) {
                Some(there) => merge(there, value),
                None => drop(into.insert(name, value)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn con_5_the_capability_is_declared_beside_what_a_challenge_wants() {
        let ours = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
        assert_eq!(with_capability(None), ours);
        assert_eq!(
            with_capability(Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#)),
            r#"{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["cp1"]}}}"#
        );
        assert_eq!(
            with_capability(Some(r#"{"id_token":{"acrs":null},"access_token":{"xms_cc":1}}"#)),
            r#"{"access_token":{"xms_cc":{"values":["cp1"]}},"id_token":{"acrs":null}}"#
        );
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_CLAIMS_BYTES));
        for useless in ["", "[]", "no json", &long] {
            assert_eq!(with_capability(Some(useless)), ours);
            assert!(!is_usable(useless));
        }
    }
}
