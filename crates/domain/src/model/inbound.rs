//! Webhooks in: where an organization has those of an app sent to, and what came.

use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, ReceiverId};
use crate::port::store::{ById, Entity, Key};
use crate::port::vault::{Binding, HoldsSealed, Sealed, Tenant};
use crate::time::{DAY_MS, Timestamp};

/// How long a webhook is kept, and known when it comes again, in milliseconds: 30 days.
pub const RECEIVED_KEPT_MS: i64 = 30 * DAY_MS;

/// Most receivers of one organization.
pub const RECEIVERS_MAX: usize = 100;

/// An address of ours that an app sends webhooks to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookReceiver {
    pub id: ReceiverId,
    pub organization: OrganizationId,
    /// Name of the app's module, which says how its webhooks are told from forgeries.
    pub app: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What was set up in the app. None while the app is still to bring its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sealed>,
    pub enabled: bool,
    /// An integration made it, and has the app send to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub registered: bool,
    pub created: Timestamp,
    /// [`crate::Actor::label`] of who made it.
    pub by: String,
}

impl Entity for HookReceiver {
    const COLLECTION: &'static str = "hook_receiver";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for HookReceiver {
    type Id = ReceiverId;
    fn id(&self) -> ReceiverId {
        self.id
    }
}

impl HookReceiver {
    /// What its secret is sealed under.
    #[must_use]
    pub fn binding(organization: OrganizationId, id: ReceiverId) -> Binding {
        let tenant = Tenant::Organization(organization);
        Binding::new(tenant, format!("{}/{id}", Self::COLLECTION), "secret")
    }
}

impl HoldsSealed for HookReceiver {
    fn sealed(&self) -> Vec<(Binding, Sealed)> {
        let secret = self.secret.iter();
        secret
            .map(|sealed| (Self::binding(self.organization, self.id), sealed.clone()))
            .collect()
    }

    fn resealed(&self, fresh: &[(Binding, Sealed)]) -> Self {
        let secret = fresh.first().map(|(_, sealed)| sealed.clone());
        Self {
            secret: secret.or_else(|| self.secret.clone()),
            ..self.clone()
        }
    }
}

/// Which receivers an organization has; written with each that is made or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverBook {
    pub organization: OrganizationId,
    /// Oldest first.
    pub receivers: Vec<ReceiverId>,
}

impl Entity for ReceiverBook {
    const COLLECTION: &'static str = "hook_receiver_book";
    fn key(&self) -> Key {
        Self::key_of(self.organization)
    }
}

impl ReceiverBook {
    #[must_use]
    pub fn key_of(organization: OrganizationId) -> Key {
        Key::new(Self::COLLECTION, organization.to_string(), "")
    }
}

/// A webhook that was believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedHook {
    pub organization: OrganizationId,
    /// Name of the app or integration type, as in the address.
    pub app: String,
    /// What else the address named; empty where it named nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Hexadecimal SHA-256 of the app's own id of it, or of the body where it has none.
    pub delivery: String,
    /// The app's name of what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// External ids of the accounts that it names; empty where it may be about any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Ids and names of the projects that it names; empty where it may be about any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// UTF-8 as it was sent.
    #[serde(with = "kept_body")]
    pub body: String,
    pub received: Timestamp,
}

impl Entity for ReceivedHook {
    const COLLECTION: &'static str = "received_hook";
    fn key(&self) -> Key {
        Self::key_of(&self.app, &self.target, &self.delivery)
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.received.plus_millis(RECEIVED_KEPT_MS))
    }
}

/// That something signed came, whatever id it was given. Known as long as the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookProof {
    pub organization: OrganizationId,
    /// As in [`ReceivedHook`].
    pub app: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Hexadecimal SHA-256 of what the proof covers.
    pub digest: String,
    pub received: Timestamp,
}

impl Entity for HookProof {
    const COLLECTION: &'static str = "hook_proof";
    fn key(&self) -> Key {
        let partition = ReceivedHook::partition(&self.app, &self.target);
        Key::new(Self::COLLECTION, partition, self.digest.as_str())
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.received.plus_millis(RECEIVED_KEPT_MS))
    }
}

/// A body as it stands in the record: a text, or base64 where the quotes and controls in it would make
/// the text much longer as JSON. So the largest body fits any store's record, whatever is in it.
mod kept_body {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Longest text, in bytes as JSON: what the largest body has in base64.
    const TEXT_MAX: usize = 350_000;

    #[derive(Serialize, Deserialize)]
    struct Wrapped {
        base64: String,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Text(String),
        Wrapped(Wrapped),
    }

    /// How long a text is as JSON, without its quotes (RFC 8259, section 7).
    fn as_json(text: &str) -> usize {
        let bytes = text.bytes().map(|byte| match byte {
            b'"' | b'\\' | 0x08 | 0x09 | 0x0a | 0x0c | 0x0d => 2,
            0x00..0x20 => 6,
            _ => 1,
        });
        bytes.sum()
    }

    pub fn serialize<S: Serializer>(body: &str, to: S) -> Result<S::Ok, S::Error> {
        if as_json(body) <= TEXT_MAX {
            return to.serialize_str(body);
        }
        let base64 = STANDARD.encode(body);
        Wrapped { base64 }.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
        match Kept::deserialize(from)? {
            Kept::Text(text) => Ok(text),
            Kept::Wrapped(Wrapped { base64 }) => {
                let bytes = STANDARD.decode(base64).map_err(D::Error::custom)?;
                String::from_utf8(bytes).map_err(D::Error::custom)
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_text_is_as_long_as_json_makes_it() {
            let all: String = (0..0x250).filter_map(char::from_u32).collect();
            for text in [all.as_str(), "", "\"\\\u{8}\u{7f}é"] {
                let json = serde_json::to_string(text).expect("JSON");
                assert_eq!(as_json(text) + 2, json.len(), "{text:?}");
            }
        }
    }
}

impl ReceivedHook {
    #[must_use]
    pub fn key_of(app: &str, target: &str, delivery: &str) -> Key {
        Key::new(Self::COLLECTION, Self::partition(app, target), delivery)
    }

    /// What came for one receiver is in one partition.
    #[must_use]
    pub fn partition(app: &str, target: &str) -> String {
        format!("{app}/{target}")
    }
}
