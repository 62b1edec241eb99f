//! Rotation of keys: asks for it, and tells how far it is. The work itself is a durable job.

use serde::{Deserialize, Serialize};

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::JobId;
use crate::model::{AuditEntry, Job, Queue};
use crate::policy::Action;
use crate::port::{ChangeSet, fresh, repo};
use crate::time::Timestamp;

/// The kind of the job.
pub const KIND: &str = "keys.rotate";

/// Rotations take turns.
const LANE: &str = "keys";

/// What is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// The keyring's key: all data keys are wrapped anew.
    Keyring,
    /// Also the data keys: all secrets are sealed anew.
    DataKeys,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Key,
    Wrap,
    Renew,
    /// The `kind`-th kind of record, in the first or second pass.
    Seal {
        kind: usize,
        pass: u32,
    },
    Done,
}

/// How far a rotation is: the payload of its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    pub plan: Plan,
    pub step: Step,
    pub started: Timestamp,
    /// Where the present step goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The keyring's new key.
    #[serde(default)]
    pub key: String,
    /// Data keys wrapped anew.
    pub wrapped: u64,
    /// Tenants that got a new data key.
    pub renewed: u64,
    /// Secrets sealed anew.
    pub resealed: u64,
}

impl Rotation {
    /// # Errors
    /// `job.payload`.
    pub fn of(job: &Job) -> Result<Self> {
        serde_json::from_value(job.payload.clone())
            .map_err(|_| Error::invalid("job.payload", "the job does not say how far it is"))
    }

    /// # Errors
    /// Only if it can't be written as JSON.
    pub fn payload(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self)
            .map_err(|_| Error::internal("job.payload", "the progress can't be written"))
    }
}

/// Asks for a rotation.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn rotate(ctx: &Ctx, plan: Plan) -> Result<JobId> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    let rotation = Rotation {
        plan,
        step: Step::Key,
        started: ctx.now(),
        cursor: None,
        key: String::new(),
        wrapped: 0,
        renewed: 0,
        resealed: 0,
    };
    let job = Job::new(
        fresh(ctx.ports.ids.as_ref()),
        KIND,
        rotation.payload()?,
        ctx.now(),
    )
    .in_lane(LANE);
    let mut changes = ChangeSet::new();
    changes.create(&job, None)?;
    let audit = AuditEntry::new(ctx, None, "keys.rotation_requested", [job.id.to_string()])
        .with(serde_json::json!({ "plan": plan }));
    changes.create(&audit, None)?;
    ctx.store().commit(changes).await?;
    Ok(job.id)
}

/// How a rotation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub rotation: Rotation,
    pub done: bool,
    /// Why it was given up.
    pub failed: Option<String>,
    /// Why the last try of a step failed, while it is tried again.
    pub last_error: Option<String>,
}

/// # Errors
/// Not permitted, `not_found` (also a day after its end), or the store's.
pub async fn standing(ctx: &Ctx, job: JobId) -> Result<Standing> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    let job = repo::require::<Job>(ctx.store(), job).await?;
    if job.kind != KIND {
        return Err(repo::missing::<Job>());
    }
    let why = job.last_error.clone();
    let dead = job.queue == Some(Queue::Dead);
    Ok(Standing {
        rotation: Rotation::of(&job)?,
        done: job.queue.is_none(),
        failed: why.clone().filter(|_| dead),
        last_error: why.filter(|_| !dead),
    })
}
