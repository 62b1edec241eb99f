//! Reads what the Frigg framework encrypted, to take over its records. Never writes it.
//!
//! Its form is `base64(key id):iv:ciphertext:base64(wrapped data key)`, iv and ciphertext in
//! hexadecimal digits, by AES-256-CTR. The data key is 32 characters of text, used as bytes. Where
//! keys came from the environment (`AES_KEY`, 32 characters) the wrapped data key is itself
//! `iv:ciphertext` by the same cipher. There is no tag: whoever changed such a text is not
//! noticed, so that what comes out must be checked by using it, and sealed anew at once.
//! Source: packages/core/encrypt in the framework's repository.

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gna_domain::error::{Error, Result};
use gna_domain::secret::Secret;
use zeroize::Zeroizing;

/// Whether a text has the form of one that Frigg encrypted. Everything else was kept in the clear.
#[must_use]
pub fn is_encrypted(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [id, iv, hidden, wrapped] = parts.as_slice() else {
        return false;
    };
    let is_base64 = |text: &str| !text.is_empty() && STANDARD.decode(text).is_ok();
    is_base64(id)
        && iv.len() == 32
        && hex::decode(iv).is_ok()
        && hex::decode(hidden).is_ok()
        && is_base64(wrapped)
}

/// The keys of the old environment: `AES_KEY_ID` with `AES_KEY`, and the deprecated pair.
pub struct LegacyKeys(Vec<(String, Secret)>);

impl LegacyKeys {
    #[must_use]
    pub fn new(keys: Vec<(String, Secret)>) -> Self {
        Self(keys)
    }

    /// # Errors
    /// `legacy.malformed`, `legacy.key_missing` with the key's id, `legacy.kms` for one that is not in any
    /// environment. None holds the text.
    pub fn open(&self, text: &str) -> Result<Secret> {
        let mut parts = text.split(':');
        let (Some(id), Some(iv), Some(hidden), Some(wrapped), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(malformed());
        };
        let id = decoded(id)?;
        let id = std::str::from_utf8(&id).map_err(|_| malformed())?;
        // There the data key is wrapped by the service itself, and named by its address.
        if id.starts_with("arn:") {
            return Err(Error::invalid(
                "legacy.kms",
                "this was encrypted with a key of AWS KMS, which is not read here; have Frigg write it anew with AES_KEY, or connect the account again",
            ));
        }
        let (_, key) = self
            .0
            .iter()
            .find(|(known, _)| known == id)
            .ok_or_else(|| {
                Error::invalid(
                    "legacy.key_missing",
                    format!("the key {id:?} is needed to read this; name it with its AES_KEY"),
                )
            })?;
        let wrapped = decoded(wrapped)?;
        let (key_iv, key_hidden) = std::str::from_utf8(&wrapped)
            .ok()
            .and_then(|wrapped| wrapped.split_once(':'))
            .ok_or_else(malformed)?;
        let data_key = counter_mode(key.expose().as_bytes(), key_iv, key_hidden)?;
        let text = counter_mode(&data_key, iv, hidden)?;
        std::str::from_utf8(&text)
            .map(Secret::new)
            .map_err(|_| malformed())
    }
}

fn decoded(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| malformed())
}

fn counter_mode(key: &[u8], iv: &str, hidden: &str) -> Result<Zeroizing<Vec<u8>>> {
    let iv: [u8; 16] = hex::decode(iv)
        .ok()
        .and_then(|iv| iv.try_into().ok())
        .ok_or_else(malformed)?;
    let mut text = Zeroizing::new(hex::decode(hidden).map_err(|_| malformed())?);
    let key = UnboundCipherKey::new(&AES_256, key).map_err(|_| malformed())?;
    DecryptingKey::ctr(key)
        .and_then(|key| {
            key.decrypt(&mut text, DecryptionContext::Iv128(FixedLength::from(iv)))
                .map(|_| ())
        })
        .map_err(|_| malformed())?;
    Ok(text)
}

fn malformed() -> Error {
    Error::invalid(
        "legacy.malformed",
        "this is not a text that Frigg encrypted, or not with this key",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Node's own `crypto`, as the framework does.
    const VECTORS: &str = include_str!("legacy_vectors.json");

    #[test]
    fn texts_made_by_node_are_read() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).expect("JSON");
        let text =
            |value: &serde_json::Value, name: &str| value[name].as_str().expect(name).to_owned();
        let keys = LegacyKeys::new(
            vectors["keys"]
                .as_array()
                .expect("keys")
                .iter()
                .map(|key| (text(key, "id"), Secret::new(text(key, "key"))))
                .collect(),
        );
        let cases = vectors["texts"].as_array().expect("texts");
        assert_eq!(cases.len(), 4);
        for case in cases {
            let opened = keys.open(&text(case, "encrypted")).expect("opens");
            assert_eq!(opened.expose(), text(case, "plain"));
        }
        let unknown = LegacyKeys::new(Vec::new());
        let refused = unknown
            .open(&text(&cases[0], "encrypted"))
            .expect_err("no key");
        assert_eq!(refused.code(), "legacy.key_missing");
    }

    #[test]
    fn what_is_encrypted_is_known_by_its_form() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).expect("JSON");
        for case in vectors["texts"].as_array().expect("texts") {
            assert!(is_encrypted(case["encrypted"].as_str().expect("a text")));
        }
        for text in ["", "a:b:c:d", "https://a.example:443/x", "xoxb-1-2", ":::"] {
            assert!(!is_encrypted(text), "{text}");
        }
    }

    #[test]
    fn what_kms_holds_the_key_of_says_so() {
        let id = STANDARD.encode("arn:aws:kms:eu-central-1:1:key/x");
        let text = format!("{id}:{}:00:AQIDBA==", "0".repeat(32));
        assert!(is_encrypted(&text));
        let refused = LegacyKeys::new(Vec::new()).open(&text).expect_err("no key");
        assert_eq!(refused.code(), "legacy.kms");
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        let keys = LegacyKeys::new(vec![("k".to_owned(), Secret::new("0".repeat(32)))]);
        for text in [
            "",
            ":::",
            "a:b:c:d",
            "azE=:00:00:00",
            "aw==:00:00:MDA6MDA=",
            "aw==:1:2:3:4",
        ] {
            assert!(keys.open(text).is_err(), "{text}");
        }
    }
}
