//! An entity: one connected account of an external app.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::credential::Owner;
use super::module::ModuleName;
use crate::id::{CredentialId, EntityId, OrganizationId};
use crate::port::store::{ById, Entity, Key};
use crate::time::Timestamp;

/// One connected account. There is one per organization, owner, module and external id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectedEntity {
    pub id: EntityId,
    pub organization: OrganizationId,
    pub owner: Owner,
    pub module: ModuleName,
    pub credential: CredentialId,
    /// The app's own id of the account.
    pub external_id: String,
    pub name: String,
    /// What the module says is kept of the account; named as `{entity.NAME}` by its calls.
    #[serde(default)]
    pub properties: Map<String, Value>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Entity for ConnectedEntity {
    const COLLECTION: &'static str = "entity";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for ConnectedEntity {
    type Id = EntityId;
    fn id(&self) -> EntityId {
        self.id
    }
}
