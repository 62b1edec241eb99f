//! A process: a piece of long work of an integration, done in steps, with its progress.
//!
//! How its state changes is decided in [`crate::rules::process`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{IntegrationId, OrganizationId, ProcessId};
use crate::port::store::{ById, Entity, Key};
use crate::time::{DAY_MS, Timestamp};

/// How long one that has ended is kept, in milliseconds: 30 days.
const KEPT_MS: i64 = 30 * DAY_MS;

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProcessState {
    /// Nothing is done yet.
    Initializing,
    Running,
    /// A person or the integration's status holds it.
    Paused,
    Completed,
    Error,
    /// A person ended it.
    Cancelled,
}

impl ProcessState {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Error | Self::Cancelled)
    }
}

/// How far it came, in the recipe's own units (pages, records).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessProgress {
    /// Absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    #[serde(default)]
    pub done: u64,
    /// Of those done, how many failed.
    #[serde(default)]
    pub failed: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub id: ProcessId,
    pub organization: OrganizationId,
    pub integration: IntegrationId,
    /// What it does, for people: `Pull of findings`.
    pub name: String,
    /// The recipe's word for it: `pull`.
    pub kind: String,
    pub state: ProcessState,
    /// What the next step needs: a cursor.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub context: Value,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub results: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ProcessId>,
    #[serde(default)]
    pub progress: ProcessProgress,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
}

impl Entity for Process {
    const COLLECTION: &'static str = "process";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
    fn expires(&self) -> Option<Timestamp> {
        self.finished.map(|at| at.plus_millis(KEPT_MS))
    }
}

impl ById for Process {
    type Id = ProcessId;
    fn id(&self) -> ProcessId {
        self.id
    }
}
