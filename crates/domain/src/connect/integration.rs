//! An integration: a record that joins connected accounts to a recipe, with its configuration.
//!
//! What its status means and how it changes is decided in [`crate::rules::integration`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::credential::Owner;
use crate::id::{EntityId, GroupId, IntegrationId, OrganizationId, ScheduleId};
use crate::port::store::{ById, Entity, Key};
use crate::time::Timestamp;

/// Messages of one kind that are kept; the oldest go first.
pub const MESSAGES_MAX: usize = 20;
/// Longest message, in bytes.
const MESSAGE_BYTES: usize = 1_000;

/// Where an integration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Runs.
    Enabled,
    /// Runs, but something that its recipe requires is not configured.
    NeedsConfig,
    /// Runs, and is busy with a piece of long work.
    Processing,
    /// Paused by a person, until a person goes on with it.
    Disabled,
    /// Its credentials do not work, or what can be done with its account can't be found out; it goes on
    /// by itself when that works again.
    Error,
    /// Being made.
    InCreation,
    /// Being taken down.
    InDeletion,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warning,
    Info,
    Log,
}

/// Something the user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub title: String,
    pub message: String,
    /// Written in milliseconds since 1970.
    pub timestamp: i64,
}

/// Messages for the user, by kind, newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    #[serde(default)]
    pub errors: Vec<Message>,
    #[serde(default)]
    pub warnings: Vec<Message>,
    #[serde(default)]
    pub info: Vec<Message>,
    #[serde(default)]
    pub logs: Vec<Message>,
}

impl Messages {
    /// With one more. The same message again only moves its time, so that a broken connection does
    /// not push everything else out.
    #[must_use]
    pub fn with(&self, level: Level, title: &str, message: &str, now: Timestamp) -> Self {
        let mut next = self.clone();
        let list = match level {
            Level::Error => &mut next.errors,
            Level::Warning => &mut next.warnings,
            Level::Info => &mut next.info,
            Level::Log => &mut next.logs,
        };
        let end = message.floor_char_boundary(MESSAGE_BYTES);
        let message = message.get(..end).unwrap_or_default();
        list.retain(|old| old.title != title || old.message != message);
        list.push(Message {
            title: title.to_owned(),
            message: message.to_owned(),
            timestamp: now.millis(),
        });
        let over = list.len().saturating_sub(MESSAGES_MAX);
        list.drain(..over);
        next
    }

    /// Without what was said under a title: it is over.
    #[must_use]
    pub fn without(&self, title: &str) -> Self {
        let mut next = self.clone();
        for list in [&mut next.errors, &mut next.warnings] {
            list.retain(|message| message.title != title);
        }
        next
    }
}

/// An account that an integration uses, under the name that its recipe gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub slot: String,
    pub entity: EntityId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    pub id: IntegrationId,
    pub organization: OrganizationId,
    pub owner: Owner,
    /// Whose vulnerabilities it is about; `None` for all groups of the organization, or for
    /// recipes that have nothing to do with any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    pub recipe: String,
    /// Version of the recipe that it was made with.
    pub version: String,
    /// In the order of the recipe's slots.
    pub entities: Vec<Joined>,
    /// SHA-256 of owner, recipe, group and accounts: what makes it the same integration. Its own id
    /// while it is taken down, so that another one can take its place at once.
    pub identity: String,
    #[serde(default)]
    pub config: Map<String, Value>,
    pub status: Status,
    #[serde(default)]
    pub messages: Messages,
    /// Pieces of its long work that have not ended.
    #[serde(default, skip_serializing_if = "is_none_running")]
    pub running: u32,
    /// What makes it look at the app from time to time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleId>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none_running(running: &u32) -> bool {
    *running == 0
}

impl Integration {
    /// The account in a slot.
    #[must_use]
    pub fn entity(&self, slot: &str) -> Option<EntityId> {
        let joined = self.entities.iter().find(|joined| joined.slot == slot);
        joined.map(|joined| joined.entity)
    }

    /// Its jobs take turns: this is their lane.
    #[must_use]
    pub fn lane(id: IntegrationId) -> String {
        format!("integration:{id}")
    }
}

impl Entity for Integration {
    const COLLECTION: &'static str = "integration";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Integration {
    type Id = IntegrationId;
    fn id(&self) -> IntegrationId {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_few_short_and_said_once() {
        let at = Timestamp::from_millis;
        let mut messages = Messages::default();
        for n in 0..30 {
            messages = messages.with(Level::Error, "Broken", &format!("number {n}"), at(n));
        }
        assert_eq!(messages.errors.len(), MESSAGES_MAX);
        assert_eq!(messages.errors[0].message, "number 10");
        let again = messages.with(Level::Error, "Broken", "number 12", at(99));
        assert_eq!(again.errors.len(), MESSAGES_MAX);
        assert_eq!(again.errors[MESSAGES_MAX - 1].timestamp, 99);
        let long = messages.with(Level::Info, "Long", &"ä".repeat(2_000), at(1));
        assert_eq!(long.info[0].message.len(), MESSAGE_BYTES);
        assert!(again.without("Broken").errors.is_empty());
    }
}
