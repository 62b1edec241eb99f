//! Functions: everything that Gna does by itself or when asked has a name, and can be run alone.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{JobId, TypedId};
use crate::model::{AuditEntry, Job};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};

/// A named handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// `import.report`, `http.reports`.
    pub name: String,
    /// `job` for what a worker runs, `http` for a group of routes.
    pub trigger: &'static str,
    pub description: String,
    /// Of a group of routes: method and path of each, `GET /api/v2/reports`.
    pub routes: Vec<String>,
}

/// The functions there are, by name; for administrators.
///
/// # Errors
/// Not permitted (`instance.read`).
pub fn list(ctx: &Ctx, functions: &[Function]) -> Result<Vec<Function>> {
    ctx.permit(Action::InstanceRead, Resource::Instance)?;
    let mut all = functions.to_vec();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Makes the job of a function that a worker runs, given `event`. It is an ordinary job: whoever
/// asked can wait for its end.
///
/// # Errors
/// Not permitted (`instance.manage`), `function.unknown`, `function.http`, or the store's.
pub async fn invoke(
    ctx: &Ctx,
    functions: &[Function],
    name: &str,
    event: Value,
) -> Result<Stored<Job>> {
    permitted(ctx, functions, name)?;
    let job = Job::new(fresh(ctx.ports.ids.as_ref()), name, event, ctx.now());
    start(ctx, job).await
}

/// As [`invoke`], once for each `delivery`: where a queue delivers a message again, the job that it
/// made the first time is answered. Finished jobs are forgotten after a day.
///
/// # Errors
/// As [`invoke`].
pub async fn invoke_once(
    ctx: &Ctx,
    functions: &[Function],
    name: &str,
    event: Value,
    delivery: &str,
) -> Result<Stored<Job>> {
    permitted(ctx, functions, name)?;
    let id = JobId::from_uuid(uuid_of(delivery));
    let job = Job::new(id, name, event, ctx.now());
    match start(ctx, job).await {
        Err(error) if error.kind() == Kind::Conflict => repo::require(ctx.store(), id).await,
        done => done,
    }
}

/// An id that the text alone decides: a hash under the version that is for such (RFC 9562, section
/// 5.8).
fn uuid_of(text: &str) -> Uuid {
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

async fn start(ctx: &Ctx, job: Job) -> Result<Stored<Job>> {
    let mut changes = ChangeSet::new();
    changes.create(&job, None)?;
    let entry = AuditEntry::new(ctx, None, "function.invoked", [job.id.to_string()]);
    changes.create(&entry.with(json!({ "function": job.kind })), None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: job,
        version: 1,
    })
}

/// Whether the caller may have that function run, and a worker can.
fn permitted(ctx: &Ctx, functions: &[Function], name: &str) -> Result<()> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    match functions.iter().find(|function| function.name == name) {
        Some(function) if function.trigger == "job" => Ok(()),
        Some(_) => Err(Error::invalid(
            "function.http",
            "this function is a group of routes; call one of them, or use `gna invoke`",
        )),
        None => Err(Error::not_found(
            "function.unknown",
            "there is no function of that name; `gna functions` lists them",
        )),
    }
}
