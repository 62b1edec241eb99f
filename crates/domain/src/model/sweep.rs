//! Sweep: when the next thing happens in a group by time alone, and the job that waits for it.

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, JobId};
use crate::port::store::{ById, Entity, Key};
use crate::time::Timestamp;

/// At most one job of a group waits; it is made anew, or brought forward, when something is to
/// happen earlier than it knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    pub group: GroupId,
    /// The job that waits or is under way; an older one that is still about has nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// When that job is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// An earlier moment that became known while the job was under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Timestamp>,
}

impl Entity for Sweep {
    const COLLECTION: &'static str = "sweep";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.group.to_string(), "")
    }
}

impl ById for Sweep {
    type Id = GroupId;
    fn id(&self) -> GroupId {
        self.group
    }
}
