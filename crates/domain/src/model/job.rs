//! Durable work: a job, its lease, and the lane that keeps jobs apart.
//!
//! A job is written by a service in the same commit as the change that needs it. What happens to
//! it from then on are the pure steps below; [`crate::port::Jobs`] stores them, a worker takes
//! them. A job that is leased is due again when its lease ends, so that work whose worker died is
//! found by the same list as new work.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{JobId, OrganizationId};
use crate::port::store::{ById, Entity, Key};
use crate::rules::redact::redacted_text;
use crate::time::{DAY_MS, Timestamp};

/// How often a job may fail before it becomes a dead letter, unless it says otherwise. With the
/// waits of [`crate::rules::backoff`] the last try comes about a quarter of an hour after the first.
pub const MAX_ATTEMPTS: u32 = 10;

/// How often a worker may die over a job before it becomes a dead letter. Far more than
/// [`MAX_ATTEMPTS`]: a restart of the server is no fault of the job, but a job that kills every
/// process that takes it must end.
pub const MAX_INTERRUPTIONS: u32 = 100;

/// How long the record of a finished job, or of a lane that nobody holds, stays; milliseconds.
pub(super) const KEPT_MS: i64 = DAY_MS;

/// Most jobs of one lane at a time.
pub const LANE_SLOTS_MAX: u32 = 64;

/// Longest error text kept with a job, in bytes.
const ERROR_LIMIT: usize = 2_000;

/// Which list an unfinished job is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    /// To be done when it is due.
    Ready,
    /// Given up; a person must look at it.
    Dead,
}

impl Queue {
    /// As it stands in the record, and as partition of the list.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Dead => "dead",
        }
    }
}

/// Where a job stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// For its time, its lane or a worker.
    Waiting,
    /// In a worker's hands.
    Running,
    Done,
    /// Ended because a person wanted it.
    Cancelled,
    /// Given up; a person must look at it.
    Dead,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it; made anew for each process.
    pub worker: String,
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    /// Names the handler: `import.run`.
    pub kind: String,
    /// Whose work it is; `None` for the instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationId>,
    /// `None` once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// When it may be taken; while it is leased, when the lease ends.
    pub due: Timestamp,
    /// Failures so far.
    #[serde(default)]
    pub attempts: u32,
    pub max_attempts: u32,
    /// How often its worker went away without a word.
    #[serde(default)]
    pub interruptions: u32,
    /// Of all jobs with the same lane at most [`Job::lane_slots`] are under way: `asset:ast_…`. The
    /// first one taken keeps its place until it is done or dead, also while it waits for another try
    /// (unless it [yields](Job::yields)), so that later ones can't overtake it half way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// How many jobs may be in the lane at a time, 1 to [`LANE_SLOTS_MAX`].
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub lane_slots: u32,
    /// Whether others may go on in its place while it waits for another try.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yields: bool,
    /// How often a person had it tried again after it was given up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replays: u32,
    /// Who wants it to end; the next worker that takes it ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// What the handler needs; ids, not content.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
}

impl Entity for Job {
    const COLLECTION: &'static str = "job";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
    /// A done job is kept for a day; a dead letter until someone deals with it.
    fn expires(&self) -> Option<Timestamp> {
        self.finished.map(|at| at.plus_millis(KEPT_MS))
    }
}

impl ById for Job {
    type Id = JobId;
    fn id(&self) -> JobId {
        self.id
    }
}

impl Job {
    /// Work to be done from now on. To be added to a change with `changes.create(&job, None)`.
    pub fn new(id: JobId, kind: impl Into<String>, payload: Value, now: Timestamp) -> Self {
        Self {
            id,
            kind: kind.into(),
            queue: Some(Queue::Ready),
            due: now,
            attempts: 0,
            max_attempts: MAX_ATTEMPTS,
            interruptions: 0,
            organization: None,
            lane: None,
            lane_slots: 1,
            yields: false,
            replays: 0,
            cancelled_by: None,
            payload,
            lease: None,
            last_error: None,
            created: now,
            finished: None,
        }
    }

    #[must_use]
    pub fn in_lane(mut self, lane: impl Into<String>) -> Self {
        self.lane = Some(lane.into());
        self
    }

    /// In a lane with room for several; each keeps a place only while it runs or waits, as
    /// [`Job::lane`] says.
    #[must_use]
    pub fn in_lane_of(self, lane: impl Into<String>, slots: u32) -> Self {
        Self {
            lane_slots: slots.clamp(1, LANE_SLOTS_MAX),
            ..self.in_lane(lane)
        }
    }

    /// Gives its place in the lane up while it waits for another try.
    #[must_use]
    pub fn yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    #[must_use]
    pub fn of(mut self, organization: OrganizationId) -> Self {
        self.organization = Some(organization);
        self
    }

    /// Not to be taken before then.
    #[must_use]
    pub fn due_at(mut self, due: Timestamp) -> Self {
        self.due = due;
        self
    }

    #[must_use]
    pub fn with_attempts(mut self, max: u32) -> Self {
        self.max_attempts = max.max(1);
        self
    }

    /// Whether a worker may take it now: it waits and is due, or its lease has ended.
    #[must_use]
    pub fn is_claimable(&self, now: Timestamp) -> bool {
        self.queue == Some(Queue::Ready) && self.due <= now
    }

    /// The job in a worker's hands until the lease ends. A lease that is still there belonged to a
    /// worker that went away, which is counted.
    #[must_use]
    pub fn claimed(&self, worker: &str, until: Timestamp) -> Self {
        Self {
            due: until,
            interruptions: self
                .interruptions
                .saturating_add(u32::from(self.lease.is_some())),
            lease: Some(Lease {
                worker: worker.to_owned(),
                until,
            }),
            ..self.clone()
        }
    }

    /// Whether so many workers died over it that it must not be run again.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        self.interruptions > MAX_INTERRUPTIONS
    }

    /// The same lease, longer.
    #[must_use]
    pub fn extended(&self, until: Timestamp) -> Self {
        Self {
            due: until,
            lease: self.lease.clone().map(|lease| Lease { until, ..lease }),
            ..self.clone()
        }
    }

    /// Its lease is given back and it may be taken at once: its worker is known to be gone.
    #[must_use]
    pub fn freed(&self, now: Timestamp) -> Self {
        Self {
            due: now,
            ..self.clone()
        }
    }

    #[must_use]
    pub fn completed(&self, now: Timestamp) -> Self {
        Self {
            queue: None,
            lease: None,
            finished: Some(now),
            ..self.clone()
        }
    }

    /// Unharmed and to be continued later; what went wrong before is forgotten.
    #[must_use]
    pub fn continued(&self, due: Timestamp, payload: Value) -> Self {
        Self {
            due,
            payload,
            attempts: 0,
            interruptions: 0,
            lease: None,
            ..self.clone()
        }
    }

    /// Failed once more: waits for another try, or becomes a dead letter after the last.
    #[must_use]
    pub fn failed(&self, error: &str, due: Timestamp) -> Self {
        let attempts = self.attempts.saturating_add(1);
        let failed = Self {
            attempts,
            due,
            lease: None,
            last_error: Some(cut(&redacted_text(error))),
            ..self.clone()
        };
        if attempts >= self.max_attempts {
            Self {
                queue: Some(Queue::Dead),
                ..failed
            }
        } else {
            failed
        }
    }

    /// Given up, whatever tries are left.
    #[must_use]
    pub fn buried(&self, error: &str, now: Timestamp) -> Self {
        Self {
            queue: Some(Queue::Dead),
            due: now,
            lease: None,
            last_error: Some(cut(&redacted_text(error))),
            ..self.clone()
        }
    }

    /// A dead letter to be done again from the start, with all its tries.
    #[must_use]
    pub fn replayed(&self, now: Timestamp) -> Self {
        Self {
            queue: Some(Queue::Ready),
            due: now,
            attempts: 0,
            interruptions: 0,
            replays: self.replays.saturating_add(1),
            cancelled_by: None,
            ..self.clone()
        }
    }

    /// To be ended by the next worker that takes it; whoever has it now has lost it.
    #[must_use]
    pub fn cancelling(&self, by: &str, now: Timestamp) -> Self {
        Self {
            due: now,
            lease: None,
            cancelled_by: Some(by.to_owned()),
            ..self.clone()
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> JobState {
        match (self.queue, &self.lease, &self.cancelled_by) {
            (Some(Queue::Dead), ..) => JobState::Dead,
            (None, _, Some(_)) => JobState::Cancelled,
            (None, _, None) => JobState::Done,
            (Some(Queue::Ready), Some(_), _) => JobState::Running,
            (Some(Queue::Ready), None, _) => JobState::Waiting,
        }
    }

    /// Whether one more failure makes it a dead letter.
    #[must_use]
    pub fn is_last_attempt(&self) -> bool {
        self.attempts.saturating_add(1) >= self.max_attempts
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn cut(error: &str) -> String {
    let end = error.floor_char_boundary(ERROR_LIMIT);
    error.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn job() -> Job {
        Job::new(
            JobId::from_uuid(Uuid::from_u128(1)),
            "test.run",
            Value::Null,
            NOW,
        )
    }

    #[test]
    fn a_leased_job_is_due_again_when_its_lease_ends() {
        let until = NOW.plus_millis(60_000);
        let leased = job().claimed("w1", until);
        assert!(!leased.is_claimable(NOW) && leased.is_claimable(until));
        let taken_over = leased.claimed("w2", until.plus_millis(60_000));
        assert_eq!((taken_over.interruptions, taken_over.attempts), (1, 0));
    }

    #[test]
    fn the_last_failure_makes_a_dead_letter_and_done_jobs_expire() {
        let twice = job().with_attempts(2);
        let once = twice.failed("no answer", NOW.plus_millis(5));
        assert_eq!(
            (once.queue, once.attempts, once.due.millis()),
            (Some(Queue::Ready), 1, 1_005)
        );
        assert!(once.is_last_attempt());
        let dead = once.failed("no answer", NOW);
        assert_eq!((dead.queue, dead.expires()), (Some(Queue::Dead), None));
        assert!(!dead.is_claimable(NOW));
        let done = once.completed(NOW);
        assert_eq!(
            (done.queue, done.expires()),
            (None, Some(NOW.plus_millis(DAY_MS)))
        );
    }

    #[test]
    fn a_job_that_kills_its_workers_is_given_up() {
        let mut deaths = job();
        for _ in 0..=MAX_INTERRUPTIONS {
            deaths = deaths.claimed("w", NOW);
        }
        assert!(!deaths.is_worn_out());
        assert!(deaths.claimed("w", NOW).is_worn_out());
    }

    #[test]
    fn a_replayed_job_has_all_its_tries_and_a_cancelled_one_is_nobodys() {
        let dead = job().with_attempts(1).failed("access_token=hunter2", NOW);
        assert!(
            !dead
                .last_error
                .clone()
                .unwrap_or_default()
                .contains("hunter2")
        );
        let again = dead.replayed(NOW.plus_millis(1));
        assert_eq!(
            (again.queue, again.attempts, again.replays, again.state()),
            (Some(Queue::Ready), 0, 1, JobState::Waiting)
        );
        let taken = again.claimed("w", NOW.plus_millis(60_000));
        assert_eq!(taken.state(), JobState::Running);
        let ending = taken.cancelling("usr_1", NOW);
        assert!(ending.is_claimable(NOW) && ending.lease.is_none());
        assert_eq!(ending.completed(NOW).state(), JobState::Cancelled);
    }

    #[test]
    fn long_errors_are_cut_between_characters() {
        let dead = job().buried(&"ä".repeat(ERROR_LIMIT), NOW);
        assert_eq!(
            dead.last_error.map(|text| text.chars().count()),
            Some(ERROR_LIMIT / 2)
        );
    }

    #[test]
    fn a_done_job_is_in_no_list() {
        let json = serde_json::to_value(job().completed(NOW)).expect("json");
        assert!(json.get("queue").is_none());
        let json = serde_json::to_value(job()).expect("json");
        assert_eq!(
            json.get("queue").and_then(Value::as_str),
            Some(Queue::Ready.as_str())
        );
    }
}
