//! Identity: which vulnerabilities of an asset have a key. Imports match against it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::{AssetId, VulnerabilityId};
use crate::port::store::{Entity, Key};

/// Which vulnerabilities of an asset have a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    #[serde(skip)]
    pub asset: Option<AssetId>,
    #[serde(skip)]
    pub hash: String,
    pub holders: Vec<Holder>,
}

/// A vulnerability that has a key, with what decides between several. An import holds some hundred
/// thousand of them in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    #[serde(rename = "v")]
    pub vulnerability: VulnerabilityId,
    #[serde(default, rename = "l", skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(default, rename = "s", skip_serializing_if = "Option::is_none")]
    pub snippet: Option<SnippetHash>,
}

/// The first 4 bytes of the hash of a normalised snippet; written as 8 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnippetHash(pub [u8; 4]);

impl Serialize for SnippetHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for SnippetHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 4];
        hex::decode_to_slice(&text, &mut bytes).map_err(de::Error::custom)?;
        Ok(Self(bytes))
    }
}

impl Identity {
    #[must_use]
    pub fn key_of(asset: AssetId, hash: &str) -> Key {
        Key::new(Self::COLLECTION, asset.to_string(), hash)
    }
}

impl Entity for Identity {
    const COLLECTION: &'static str = "identity";
    fn key(&self) -> Key {
        let partition = self
            .asset
            .map(|asset| asset.to_string())
            .unwrap_or_default();
        Key::new(Self::COLLECTION, partition, self.hash.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_stored_as_it_always_was() {
        let stored = r#"{"v":"vul_00000000000000000000000000000000","l":7,"s":"01ff0a00"}"#;
        let holder: Holder = serde_json::from_str(stored).unwrap();
        assert_eq!(holder.snippet, Some(SnippetHash([1, 255, 10, 0])));
        assert_eq!(serde_json::to_string(&holder).unwrap(), stored);
        for damaged in ["01ff0a", "01ff0a0000", "01ff0ag0"] {
            let stored = stored.replace("01ff0a00", damaged);
            assert!(
                serde_json::from_str::<Holder>(&stored).is_err(),
                "{damaged}"
            );
        }
    }
}
