//! Functions: everything that Gna does by itself or when asked has a name, and can be run alone.

use serde_json::{Value, json};

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::model::{AuditEntry, Job};
use crate::policy::Action;
use crate::port::fresh;
use crate::port::store::{ChangeSet, Stored};

/// A named handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// `import.report`, `http.reports`.
    pub name: String,
    /// `job` for what a worker runs, `http` for a group of routes.
    pub trigger: &'static str,
    pub description: String,
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
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    match functions.iter().find(|function| function.name == name) {
        Some(function) if function.trigger == "job" => {}
        Some(_) => {
            return Err(Error::invalid(
                "function.http",
                "this function is a group of routes; call one of them, or use `gna invoke`",
            ));
        }
        None => {
            return Err(Error::not_found(
                "function.unknown",
                "there is no function of that name; `gna functions` lists them",
            ));
        }
    }
    let job = Job::new(fresh(ctx.ports.ids.as_ref()), name, event, ctx.now());
    let mut changes = ChangeSet::new();
    changes.create(&job, None)?;
    let entry = AuditEntry::new(ctx, None, "function.invoked", [job.id.to_string()]);
    changes.create(&entry.with(json!({ "function": name })), None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: job,
        version: 1,
    })
}
