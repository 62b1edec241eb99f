//! Lanes: what keeps jobs apart that must not run side by side, or not too many of them.
//!
//! A lane with room for several is several records, one per place: a commit is fenced by the place
//! its job is in, so that who comes and goes beside it does not disturb it.

use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

use super::job::{Job, KEPT_MS};

/// Who is in a place of a lane. Every claim writes it anew, so that its version tells one claim
/// from all others: a commit that requires the version fails once someone else has taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// The job's lane, with `#2` and so on for its further places; `job:ID` for a job that shares
    /// none.
    pub name: String,
    /// `None` when it is free.
    pub holder: Option<JobId>,
    pub since: Timestamp,
}

impl Entity for Lane {
    const COLLECTION: &'static str = "lane";
    fn key(&self) -> Key {
        Self::key_of(&self.name)
    }
    /// A free lane is forgotten after a day, not at once: its version must keep growing for as
    /// long as a worker that lost its lease could still be about.
    fn expires(&self) -> Option<Timestamp> {
        self.holder
            .is_none()
            .then(|| self.since.plus_millis(KEPT_MS))
    }
}

impl Lane {
    #[must_use]
    pub fn key_of(name: &str) -> Key {
        Key::new(Self::COLLECTION, name, "")
    }

    /// The names of the places that a job may run in.
    #[must_use]
    pub fn names_of(job: &Job) -> Vec<String> {
        let Some(lane) = &job.lane else {
            return vec![format!("job:{}", job.id)];
        };
        (1..=job.lane_slots.max(1))
            .map(|place| match place {
                1 => lane.clone(),
                place => format!("{lane}#{place}"),
            })
            .collect()
    }

    #[must_use]
    pub fn held_by(name: &str, job: JobId, since: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            holder: Some(job),
            since,
        }
    }

    #[must_use]
    pub fn freed(&self, since: Timestamp) -> Self {
        Self {
            holder: None,
            since,
            ..self.clone()
        }
    }
}
