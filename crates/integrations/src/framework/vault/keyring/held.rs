//! Keys held in memory: given by the environment, or read from a file.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use gna_domain::error::{Error, Result};
use gna_domain::port::Ids;
use gna_domain::port::vault::{KeyBytes, Keyring, Wrapped};
use gna_domain::secret::Secret;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::framework::vault::cipher::{Cipher, bound};

/// Wraps with the first key, opens with any. Keys are told apart by a digest of themselves, so that
/// nobody has to name them.
pub struct HeldKeyring {
    keys: Vec<(String, Cipher)>,
    ids: Arc<dyn Ids>,
}

impl HeldKeyring {
    /// From the current key and older ones, each 32 bytes in base64 or hexadecimal digits.
    ///
    /// # Errors
    /// `keyring.invalid`; it says which, not what.
    pub fn parse(current: &Secret, older: &[Secret], ids: Arc<dyn Ids>) -> Result<Self> {
        let keys = std::iter::once(current)
            .chain(older)
            .enumerate()
            .map(|(at, text)| {
                key(text.expose()).ok_or_else(|| {
                    let which = if at == 0 { "keyring.key" } else { "a key of keyring.old_keys" };
                    Error::invalid(
                        "keyring.invalid",
                        format!("{which} must be 32 random bytes in base64 or hexadecimal digits, as `openssl rand -base64 32` gives"),
                    )
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Self::from_keys(&keys, ids)
    }

    /// From the current key and older ones.
    ///
    /// # Errors
    /// `keyring.invalid` when there is none.
    pub fn from_keys(keys: &[KeyBytes], ids: Arc<dyn Ids>) -> Result<Self> {
        let keys: Vec<(String, Cipher)> = keys
            .iter()
            .filter_map(|key| Some((id(key), Cipher::new(key).ok()?)))
            .collect();
        if keys.is_empty() {
            return Err(Error::invalid("keyring.invalid", "the keyring has no key"));
        }
        Ok(Self { keys, ids })
    }

    pub(super) fn first(&self) -> Result<&(String, Cipher)> {
        self.keys
            .first()
            .ok_or_else(|| Error::invalid("keyring.invalid", "the keyring has no key"))
    }

    pub(super) fn knows(&self, key_id: &str) -> bool {
        self.keys.iter().any(|(id, _)| id == key_id)
    }

    pub(super) fn wrap_now(&self, context: &str, key: &KeyBytes) -> Result<Wrapped> {
        let (id, cipher) = self.first()?;
        let mut bytes = Vec::new();
        cipher
            .seal(
                &self.ids.random(),
                &tied(id, context),
                key.expose(),
                &mut bytes,
            )
            .map_err(|_| Error::internal("keyring.failed", "a key could not be wrapped"))?;
        Ok(Wrapped {
            key_id: id.clone(),
            bytes,
        })
    }

    pub(super) fn unwrap_now(&self, context: &str, wrapped: &Wrapped) -> Result<KeyBytes> {
        let (id, cipher) = self
            .keys
            .iter()
            .find(|(id, _)| *id == wrapped.key_id)
            .ok_or_else(|| missing(&wrapped.key_id))?;
        cipher
            .open(&tied(id, context), &wrapped.bytes)
            .ok()
            .and_then(|bytes| KeyBytes::from_slice(&bytes))
            .ok_or_else(|| {
                Error::internal(
                    "keyring.unreadable",
                    "a data key can't be unwrapped: its record was changed; restore a backup",
                )
            })
    }
}

#[async_trait]
impl Keyring for HeldKeyring {
    fn kind(&self) -> &'static str {
        "env"
    }

    async fn current(&self) -> Result<String> {
        Ok(self.first()?.0.clone())
    }

    async fn has(&self, key_id: &str) -> Result<bool> {
        Ok(self.knows(key_id))
    }

    async fn wrap(&self, context: &str, key: &KeyBytes) -> Result<Wrapped> {
        self.wrap_now(context, key)
    }

    async fn unwrap(&self, context: &str, wrapped: &Wrapped) -> Result<KeyBytes> {
        self.unwrap_now(context, wrapped)
    }

    async fn rotate(&self) -> Result<String> {
        self.current().await
    }
}

/// 32 bytes in one of the usual forms.
pub(super) fn key(text: &str) -> Option<KeyBytes> {
    let text = text.trim();
    let decoded = [
        hex::decode(text).ok(),
        STANDARD.decode(text).ok(),
        STANDARD_NO_PAD.decode(text).ok(),
        URL_SAFE.decode(text).ok(),
        URL_SAFE_NO_PAD.decode(text).ok(),
    ];
    decoded
        .into_iter()
        .flatten()
        .map(Zeroizing::new)
        .find_map(|bytes| KeyBytes::from_slice(&bytes))
}

/// The name of a key: 8 bytes of a digest of it, which tell nothing of the key.
pub(super) fn id(key: &KeyBytes) -> String {
    let digest = Sha256::new_with_prefix(b"gna keyring key id")
        .chain_update(key.expose())
        .finalize();
    let start: String = hex::encode(digest).chars().take(16).collect();
    format!("k-{start}")
}

fn tied(id: &str, context: &str) -> Vec<u8> {
    bound("gna wrapped", &[id.as_bytes(), context.as_bytes()])
}

pub(super) fn missing(key_id: &str) -> Error {
    Error::unavailable(
        "keyring.key_missing",
        format!(
            "the keyring does not have the key {key_id} any more; put it back, secrets can't be opened without it"
        ),
    )
}
