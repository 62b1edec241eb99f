//! A mapping: what a thing here is called in the connected app, and what a recipe remembers of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::IntegrationId;
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

/// Longest source id, in bytes.
pub const SOURCE_BYTES: usize = 200;

/// One thing of one integration. There is one for a source id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    pub integration: IntegrationId,
    /// Its id on our side.
    pub source: String,
    /// Its id in the app; absent while it is being made there, so that a worker that was killed
    /// looks for it before it makes a second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    /// What else the recipe remembers: the state both sides agreed on last, a link.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
    pub updated: Timestamp,
}

impl Mapping {
    #[must_use]
    pub fn key_of(integration: IntegrationId, source: &str) -> Key {
        Key::new(Self::COLLECTION, integration.to_string(), source)
    }
}

impl Entity for Mapping {
    const COLLECTION: &'static str = "mapping";
    fn key(&self) -> Key {
        Self::key_of(self.integration, &self.source)
    }
}
