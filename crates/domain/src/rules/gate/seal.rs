//! Keeps a snapshot from being changed on its way to the machine that judges by it.
//!
//! A file is one JSON object: the snapshot, the instance's public key and its signature (Ed25519,
//! RFC 8032) over the snapshot's very bytes. A machine trusts the keys that it was told of, not the
//! one in the file.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Snapshot;
use crate::error::{Error, Result};

/// What the file says that it is. Part of what is signed, so that nothing else that the instance
/// signs can pass for a snapshot.
const FORMAT: &str = "gna-gate-snapshot/1";

#[derive(Serialize, Deserialize)]
struct File<'a> {
    format: &'a str,
    key: &'a str,
    signature: &'a str,
    #[serde(borrow)]
    snapshot: &'a RawValue,
}

/// A key that signs, made of 32 random bytes.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// # Errors
    /// `vault.unreadable` where the bytes are no seed.
    pub fn from_seed(seed: &[u8]) -> Result<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map(Self)
            .map_err(|_| Error::internal("vault.unreadable", "the signing key can't be read"))
    }

    /// What others know it by: 43 characters of base64 as in addresses (RFC 4648, section 5).
    #[must_use]
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// The file of a snapshot.
    ///
    /// # Errors
    /// Only if it can't be written as JSON.
    pub fn seal(&self, snapshot: &Snapshot) -> Result<Vec<u8>> {
        let broken = |_| Error::internal("store.encode", "the snapshot can't be written");
        let text = serde_json::to_string(snapshot).map_err(broken)?;
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(&signed(&text)));
        let snapshot = RawValue::from_string(text).map_err(broken)?;
        serde_json::to_vec(&File {
            format: FORMAT,
            key: &self.public(),
            signature: &signature,
            snapshot: &snapshot,
        })
        .map_err(broken)
    }
}

fn signed(text: &str) -> Vec<u8> {
    [FORMAT.as_bytes(), b"\n", text.as_bytes()].concat()
}

/// Reads a snapshot that one of the trusted keys has signed.
///
/// # Errors
/// `snapshot.malformed` for what is none, `snapshot.foreign` for one of another instance,
/// `snapshot.tampered` for one that was changed.
pub fn open(file: &[u8], trusted: &[String]) -> Result<Snapshot> {
    let malformed = |what: String| Error::invalid("snapshot.malformed", what);
    let file: File = serde_json::from_slice(file)
        .map_err(|error| malformed(format!("that is no snapshot of the gate: {error}")))?;
    if file.format != FORMAT {
        return Err(malformed(format!(
            "the snapshot is of the form {:?}; this version reads {FORMAT:?}: make it anew",
            file.format
        )));
    }
    let tampered = || {
        Error::invalid(
            "snapshot.tampered",
            "the snapshot was changed after it was signed; make it anew",
        )
    };
    if !trusted.iter().any(|key| key.trim() == file.key) {
        return Err(Error::invalid(
            "snapshot.foreign",
            "the snapshot is signed with a key that is not the one you trust; check where it comes from",
        ));
    }
    let key = URL_SAFE_NO_PAD.decode(file.key).map_err(|_| tampered())?;
    let signature = URL_SAFE_NO_PAD
        .decode(file.signature)
        .map_err(|_| tampered())?;
    let text = file.snapshot.get();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&signed(text), &signature)
        .map_err(|_| tampered())?;
    serde_json::from_str(text)
        .map_err(|error| malformed(format!("the snapshot can't be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AssetId, GroupId, OrganizationId, TypedId};
    use crate::rules::gate::Limits;
    use crate::time::Timestamp;
    use uuid::Uuid;

    fn snapshot() -> Snapshot {
        let uuid = Uuid::from_u128;
        Snapshot {
            made: Timestamp::from_millis(7),
            organization: OrganizationId::from_uuid(uuid(1)),
            group: GroupId::from_uuid(uuid(2)),
            asset: AssetId::from_uuid(uuid(3)),
            asset_name: "shop".to_owned(),
            default_ref: "main".to_owned(),
            refs: vec!["main".to_owned()],
            limits: Limits {
                threshold: Some(7.0),
                ..Limits::default()
            },
            review_new: false,
            merge_code_across_tools: false,
            vulnerabilities: Vec::new(),
            identities: Vec::new(),
        }
    }

    #[test]
    fn only_the_very_bytes_of_a_trusted_instance_are_read() {
        let ours = SigningKey::from_seed(&[7; 32]).expect("a key");
        let theirs = SigningKey::from_seed(&[8; 32]).expect("a key");
        let file = ours.seal(&snapshot()).expect("sealed");
        let trusted = [ours.public()];
        assert_eq!(open(&file, &trusted), Ok(snapshot()));
        let code = |file: &[u8], trusted: &[String]| {
            open(file, trusted).expect_err("refused").code().to_owned()
        };
        let text = String::from_utf8(file.clone()).expect("text");
        let loosened = text.replace("\"threshold\":7.0", "\"threshold\":9.9");
        assert_ne!(loosened, text);
        assert_eq!(code(loosened.as_bytes(), &trusted), "snapshot.tampered");
        assert_eq!(code(&file, &[theirs.public()]), "snapshot.foreign");
        assert_eq!(code(&file, &[]), "snapshot.foreign");
        // Signed by someone else under our name.
        let forged = String::from_utf8(theirs.seal(&snapshot()).expect("sealed"))
            .expect("text")
            .replace(&theirs.public(), &ours.public());
        assert_eq!(code(forged.as_bytes(), &trusted), "snapshot.tampered");
        assert_eq!(code(b"{}", &trusted), "snapshot.malformed");
        let newer = text.replace("snapshot/1", "snapshot/2");
        assert_eq!(code(newer.as_bytes(), &trusted), "snapshot.malformed");
    }
}
