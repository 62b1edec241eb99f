//! Schedule: what makes a job, and when.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{JobId, OrganizationId, ScheduleId};
use crate::port::store::{ById, Entity, Key};
use crate::time::{DAY_MS, Timestamp};

use super::audit::INSTANCE;

/// How long a one-shot schedule is kept after it ran, in milliseconds: 30 days.
const KEPT_MS: i64 = 30 * DAY_MS;

/// When it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Timing {
    /// By the calendar of a time zone; see [`crate::rules::cron`].
    Cron { expression: String, zone: String },
    /// Again and again, counted from when it was made.
    Every { seconds: u32 },
    /// One time.
    Once { at: Timestamp },
}

/// What becomes of a run that is due while the one before is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It waits for the one before; while one waits already, it is left out.
    Queue,
}

/// A run that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub at: Timestamp,
    pub job: JobId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub id: ScheduleId,
    /// Whose it is; `None` for the instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationId>,
    /// [`Schedule::scope_of`] its organization.
    pub scope: String,
    /// Unique among those of its owner.
    pub name: String,
    pub timing: Timing,
    pub overlap: Overlap,
    /// Runs come up to so many milliseconds later, always by the same, which its id decides: so
    /// that a thousand daily schedules do not start at midnight together.
    #[serde(default)]
    pub spread_ms: u32,
    /// The kind of the jobs it makes, and what they are given.
    pub job: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    /// The lane of its jobs, where that is not its own. In a shared lane a job gives its place up
    /// while it waits for another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_lane: Option<String>,
    /// Whether it is armed: switched on, with a run to come.
    pub armed: bool,
    /// The next run by its timing, before it is spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Timestamp>,
    /// The next run as it will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The last run that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Run>,
    /// The last one that was left out because of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Timestamp>,
    pub created: Timestamp,
    /// [`crate::Actor::label`] of who made it.
    pub by: String,
}

impl Entity for Schedule {
    const COLLECTION: &'static str = "schedule";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
    fn expires(&self) -> Option<Timestamp> {
        match (&self.timing, &self.last, self.armed) {
            (Timing::Once { .. }, Some(last), false) => Some(last.at.plus_millis(KEPT_MS)),
            _ => None,
        }
    }
}

impl ById for Schedule {
    type Id = ScheduleId;
    fn id(&self) -> ScheduleId {
        self.id
    }
}

impl Schedule {
    /// Partition of an owner's schedules.
    #[must_use]
    pub fn scope_of(organization: Option<OrganizationId>) -> String {
        organization.map_or_else(|| INSTANCE.to_owned(), |id| id.to_string())
    }

    /// The lane that its jobs run in, one after the other.
    #[must_use]
    pub fn lane(&self) -> String {
        let own = || format!("schedule:{}", self.id);
        self.shared_lane.clone().unwrap_or_else(own)
    }
}
