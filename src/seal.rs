//! Seals secrets at rest (XChaCha20-Poly1305) and binds them to the place where they are kept.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};

use crate::clock::Randomness;
use crate::error::{Error, Result};
use crate::host::KeyRing;

/// The nonce that XChaCha20 takes, drawn at random for every seal.
const NONCE_BYTES: usize = 24;

/// A sealed secret: safe to store, useless without the key and outside its place.
///
/// Stores keep its two parts as they are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores take it apart and build it")]
pub struct Sealed {
    /// Which key sealed it.
    pub key_id: String,
    /// The nonce and the sealed bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes, key {})", self.bytes.len(), self.key_id)
    }
}

/// Where a secret belongs. Opening it anywhere else fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealPlace<'a> {
    /// The workspace.
    pub(crate) workspace: &'a str,
    /// The connection or sign-in.
    pub(crate) owner: &'a str,
    /// What the secret is.
    pub(crate) field: &'static str,
}

impl SealPlace<'_> {
    /// The place as bytes to authenticate: each part with its length in front.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(128);
        for part in ["fluint-crm/1", self.workspace, self.owner, self.field] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// Seals and opens with the host's keys.
#[derive(Clone, Debug)]
pub(crate) struct Sealer {
    keys: Arc<dyn KeyRing>,
    randomness: Arc<Randomness>,
}

impl Sealer {
    pub(crate) fn new(keys: Arc<dyn KeyRing>, randomness: Arc<Randomness>) -> Self {
        Self { keys, randomness }
    }

    /// Seals bytes for one place with the current key.
    pub(crate) fn seal(&self, place: SealPlace<'_>, secret: &[u8]) -> Result<Sealed> {
        let key = self.keys.current();
        let mut nonce = [0; NONCE_BYTES];
        self.randomness.fill_secret(&mut nonce)?;
        let aad = place.associated_data();
        let sealed = XChaCha20Poly1305::new(key.bytes().expose_secret().into())
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: &aad })
            .map_err(|_| Error::config("sealing key", "the secret could not be sealed"))?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(Sealed { key_id: key.id().to_owned(), bytes })
    }

    /// Whether it was sealed with the key that seals now.
    pub(crate) fn is_current(&self, sealed: &Sealed) -> bool {
        self.keys.current().id() == sealed.key_id
    }

    /// Opens what was sealed for this very place.
    pub(crate) fn open(&self, place: SealPlace<'_>, sealed: &Sealed) -> Result<SecretBox<Vec<u8>>> {
        let key = self.keys.by_id(&sealed.key_id).ok_or_else(|| {
            Error::config("sealing key", format!("the key {} is not there", sealed.key_id))
        })?;
        let refused = || {
            Error::config("sealing key", "a sealed secret was changed, or belongs somewhere else")
        };
        let (nonce, message) =
            sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(refused)?;
        let aad = place.associated_data();
        XChaCha20Poly1305::new(key.bytes().expose_secret().into())
            .decrypt(&XNonce::from(*nonce), Payload { msg: message, aad: &aad })
            .map(|bytes| SecretBox::new(Box::new(bytes)))
            .map_err(|_| refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{SealingKey, StaticKeys};

    fn sealer(keys: StaticKeys) -> Sealer {
        Sealer::new(Arc::new(keys), Arc::new(Randomness::from_machine()))
    }

    fn place<'a>(owner: &'a str) -> SealPlace<'a> {
        SealPlace { workspace: "acme", owner, field: "tokens" }
    }

    /// CON-9, R-10: a secret opens in its own place only.
    #[test]
    fn con_9_r_10_a_secret_opens_in_its_own_place_only() {
        let sealer = sealer(StaticKeys::new(SealingKey::new("k1", [7; 32]).unwrap(), vec![]));
        let sealed = sealer.seal(place("one"), b"marker-secret").unwrap();
        assert_eq!(sealer.open(place("one"), &sealed).unwrap().expose_secret(), b"marker-secret");
        assert!(sealer.open(place("two"), &sealed).is_err());
        assert!(!format!("{sealed:?}").contains("marker"));
        let mut changed = sealed;
        *changed.bytes.last_mut().unwrap() ^= 1;
        assert!(sealer.open(place("one"), &changed).is_err());
    }

    /// CON-9: keys rotate; what an old key sealed still opens.
    #[test]
    fn con_9_r_10_keys_rotate() {
        let old = sealer(StaticKeys::new(SealingKey::new("old", [1; 32]).unwrap(), vec![]));
        let sealed = old.seal(place("one"), b"secret").unwrap();
        let rotated = sealer(StaticKeys::new(
            SealingKey::new("new", [2; 32]).unwrap(),
            vec![SealingKey::new("old", [1; 32]).unwrap()],
        ));
        assert_eq!(rotated.open(place("one"), &sealed).unwrap().expose_secret(), b"secret");
        assert_eq!(rotated.seal(place("one"), b"secret").unwrap().key_id, "new");
        let gone = sealer(StaticKeys::new(SealingKey::new("new", [2; 32]).unwrap(), vec![]));
        assert!(matches!(gone.open(place("one"), &sealed), Err(Error::Config { .. })));
    }

    #[test]
    fn con_9_a_key_never_prints_its_bytes() {
        let key = SealingKey::new("k1", [65; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "SealingKey(k1)");
    }
}
