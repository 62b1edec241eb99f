//! A credential: the secrets of one connection, sealed, and what is known of their state.
//!
//! What may be done with a refresh token, and when, is decided in [`crate::rules::refresh`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

use super::module::ModuleName;
use crate::error::Error;
use crate::id::{CredentialId, EntityId, OrganizationId, RefreshId, UserId};
use crate::port::store::{ById, Entity, Key};
use crate::port::vault::{Binding, HoldsSealed, Sealed, Tenant};
use crate::secret::Secret;
use crate::time::Timestamp;

/// Whose a connection is, written `organization` or as the user's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    Organization,
    User(UserId),
}

impl Owner {
    #[must_use]
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::Organization => None,
            Self::User(user) => Some(user),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization => f.write_str("organization"),
            Self::User(user) => user.fmt(f),
        }
    }
}

impl FromStr for Owner {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "organization" => Ok(Self::Organization),
            user => user.parse().map(Self::User),
        }
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What is about to be, or was, presented to refresh a credential. Written before the call is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub id: RefreshId,
    /// Digest of the refresh token that is presented; empty where none is (a grant that can be
    /// repeated).
    pub presented: String,
    /// When it was presented for the first time.
    pub first: Timestamp,
    /// Until then nobody else presents; from then on the outcome is unknown.
    pub until: Timestamp,
    /// How often it was presented, this time included.
    pub presentations: u32,
}

/// Refusals of a refresh without a known reason, in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    pub count: u32,
    pub first: Timestamp,
}

/// The secrets of one connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    pub id: CredentialId,
    pub organization: OrganizationId,
    pub owner: Owner,
    pub module: ModuleName,
    /// The app's own id of the account.
    pub external_id: String,
    /// Connection parameters that are no secrets, like the site's name.
    #[serde(default)]
    pub connection: Map<String, Value>,
    /// All other values, sealed by the vault as one JSON object bound to this credential.
    pub sealed: Sealed,
    /// SHA-256 of the refresh token in `sealed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_digest: Option<String>,
    /// When the tokens were given.
    pub issued: Timestamp,
    /// `None` where the app did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires: Option<Timestamp>,
    /// Whether the app accepts it, as far as is known. An invalid one waits to be connected again.
    pub valid: bool,
    /// What the user should know while it is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Counts the changes of the tokens, from 1.
    pub generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// Absent after every refresh that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusals: Option<Refusals>,
    /// The entities that use it. With the last one it goes.
    #[serde(default)]
    pub entities: Vec<EntityId>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Entity for Credential {
    const COLLECTION: &'static str = "credential";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Credential {
    type Id = CredentialId;
    fn id(&self) -> CredentialId {
        self.id
    }
}

impl Credential {
    /// What `sealed` is bound to.
    #[must_use]
    pub fn binding(organization: OrganizationId, id: CredentialId) -> Binding {
        let record = format!("{}/{id}", Self::COLLECTION);
        Binding::new(Tenant::Organization(organization), record, VALUES_FIELD)
    }
}

impl HoldsSealed for Credential {
    fn sealed(&self) -> Vec<(Binding, Sealed)> {
        let binding = Self::binding(self.organization, self.id);
        vec![(binding, self.sealed.clone())]
    }

    fn resealed(&self, fresh: &[(Binding, Sealed)]) -> Self {
        let sealed = fresh
            .iter()
            .find(|(binding, _)| binding.field == VALUES_FIELD)
            .map_or_else(|| self.sealed.clone(), |(_, sealed)| sealed.clone());
        Self {
            sealed,
            ..self.clone()
        }
    }
}

/// Name of the field that the sealed values are bound to.
pub const VALUES_FIELD: &str = "values";

/// The digest of the refresh token among a credential's values.
#[must_use]
pub fn refresh_digest(values: &Map<String, Value>) -> Option<String> {
    let token = values.get("refresh_token")?.as_str()?;
    (!token.is_empty()).then(|| Secret::new(token).digest())
}

/// The values after a token answer: what the answer names replaces what was there, the rest stays.
/// So an answer without a refresh token keeps the one there is (RFC 6749, section 6).
#[must_use]
pub fn renewed(current: &Map<String, Value>, answer: &Map<String, Value>) -> Map<String, Value> {
    let mut values = current.clone();
    for (name, value) in answer {
        let says_nothing = value.is_null() || value.as_str() == Some("");
        if !says_nothing {
            values.insert(name.clone(), value.clone());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn an_answer_without_a_refresh_token_keeps_the_one_there_is() {
        let current = map(json!({"access_token": "a1", "refresh_token": "r1", "site": "x"}));
        for (answer, refresh) in [
            (json!({"access_token": "a2"}), "r1"),
            (json!({"access_token": "a2", "refresh_token": null}), "r1"),
            (json!({"access_token": "a2", "refresh_token": ""}), "r1"),
            (json!({"access_token": "a2", "refresh_token": "r2"}), "r2"),
        ] {
            let values = renewed(&current, &map(answer));
            assert_eq!(
                Value::Object(values.clone()),
                json!({"access_token": "a2", "refresh_token": refresh, "site": "x"})
            );
            assert_eq!(refresh_digest(&values), Some(Secret::new(refresh).digest()));
        }
        assert_eq!(refresh_digest(&map(json!({"refresh_token": ""}))), None);
    }

    #[test]
    fn an_owner_survives_its_written_form() {
        for text in ["organization", "usr_00000000000000000000000000000007"] {
            let owner: Owner = text.parse().expect("parses");
            assert_eq!(owner.to_string(), text);
            let json = serde_json::to_string(&owner).expect("writes");
            assert_eq!(serde_json::from_str::<Owner>(&json).expect("reads"), owner);
        }
        assert!("everyone".parse::<Owner>().is_err());
    }
}
