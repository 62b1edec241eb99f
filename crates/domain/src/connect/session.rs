//! An authorization session: what the server remembers between the start of a connection and its end.
//!
//! It is found by the person who began it and the digest of its state, so that a state that leaked is
//! of no use to anyone else. It is used once and lives ten minutes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::credential::Owner;
use super::module::ModuleName;
use crate::id::{EntityId, OrganizationId, UserId};
use crate::port::store::{Entity, Key};
use crate::port::vault::{Binding, Sealed, Tenant};
use crate::time::Timestamp;

/// How long a connection may take, in milliseconds: ten minutes.
pub const AUTHORIZATION_MS: i64 = 600_000;
/// Open sessions that one person may have at a time.
pub const AUTHORIZATIONS_MAX: usize = 50;

/// A connection that is being made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationSession {
    /// SHA-256 of the state.
    pub state: String,
    /// Who began it, and must end it.
    pub user: UserId,
    pub organization: OrganizationId,
    pub owner: Owner,
    pub module: ModuleName,
    /// The entity that is connected again, which must be the same account afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<EntityId>,
    /// Number of the form that comes next, from 0.
    pub step: usize,
    #[serde(default)]
    pub connection: Map<String, Value>,
    /// Verifier of PKCE, secret parameters and values kept from earlier steps, sealed by the vault
    /// and bound to the state's digest.
    pub sealed: Sealed,
    pub created: Timestamp,
    pub expires: Timestamp,
}

impl AuthorizationSession {
    /// Where the session of that person and state is.
    #[must_use]
    pub fn key_of(user: UserId, state: &str) -> Key {
        Key::new(Self::COLLECTION, user.to_string(), state)
    }

    /// What `sealed` is bound to.
    #[must_use]
    pub fn binding(organization: OrganizationId, state: &str) -> Binding {
        let record = format!("{}/{state}", Self::COLLECTION);
        let field = super::credential::VALUES_FIELD;
        Binding::new(Tenant::Organization(organization), record, field)
    }
}

impl Entity for AuthorizationSession {
    const COLLECTION: &'static str = "authorization";
    fn key(&self) -> Key {
        Self::key_of(self.user, &self.state)
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}
