//! Work for integrations, as durable jobs: their begin and end, what happened here, what the app
//! told, looking at the app from time to time, and the steps of processes.
//!
//! The jobs of one integration take turns; one that waits lets the others go on.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

use super::status::{accounts_are_good, note_accounts, try_accounts};
use super::{allowed, desk, tear_down};
use crate::connect::integration::{Integration, Level, Status};
use crate::connect::process::Process;
use crate::connect::recipe::{Delivery, Occurrence};
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::id::{IntegrationId, ProcessId};
use crate::model::Job;
use crate::port::apps::Apps;
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::recipes::{Desk, Recipe, Recipes};
use crate::port::store::{ChangeSet, Event};
use crate::port::{fresh, repo};
use crate::rules::integration::{Work, is_permanent, waits_for_person, work};
use crate::rules::process::{Step, failed, held, stepped};

/// Kind of the job that begins an integration, and that goes on with one that was paused.
pub const BEGIN: &str = "integration.begin";
/// Kind of the jobs that tell an integration what happened here.
pub const EVENTS: &str = "integration.events";
/// Kind of the jobs that tell an integration what its app told.
pub const WEBHOOK: &str = "integration.webhook";
/// Kind of the jobs that have one look at its app.
pub const TICK: &str = "integration.tick";
/// Kind of the jobs that do the steps of a process.
pub const PROCESS: &str = "integration.process";
/// Kind of the job that takes an integration down.
pub const END: &str = "integration.end";

/// How long work waits for a person (to connect an account, to configure, to go on), in
/// milliseconds, before it looks again: ten minutes. Looking costs two reads of the store.
const KEEP_MS: i64 = 600_000;
/// Title of the message that tells what went wrong in the work itself.
const WORK: &str = "Work";

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    integration: IntegrationId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<Occurrence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<ProcessId>,
}

impl Payload {
    fn of(integration: &Integration) -> Self {
        Self {
            integration: integration.id,
            events: Vec::new(),
            delivery: None,
            process: None,
        }
    }

    fn job(&self, ctx: &Ctx, kind: &str, of: &Integration) -> Job {
        Job::new(fresh(ctx.ports.ids.as_ref()), kind, json!(self), ctx.now())
            .in_lane(Integration::lane(self.integration))
            .yielding()
            .of(of.organization)
    }
}

/// The job that begins it, to be committed with it.
pub(super) fn begin(ctx: &Ctx, integration: &Integration) -> Job {
    Payload::of(integration).job(ctx, BEGIN, integration)
}

/// The job that takes it down.
pub(super) fn end(ctx: &Ctx, integration: &Integration) -> Job {
    Payload::of(integration).job(ctx, END, integration)
}

/// The job that tells an integration of these events.
pub(super) fn events(ctx: &Ctx, integration: &Integration, events: Vec<Occurrence>) -> Job {
    let payload = Payload {
        events,
        ..Payload::of(integration)
    };
    payload.job(ctx, EVENTS, integration)
}

/// The job that does the steps of a process.
pub(super) fn process(ctx: &Ctx, integration: &Integration, process: ProcessId) -> Job {
    let payload = Payload {
        process: Some(process),
        ..Payload::of(integration)
    };
    payload.job(ctx, PROCESS, integration)
}

/// The job that tells an integration of a webhook whose signature was checked. To be committed with
/// whatever makes the delivery known, so that it is told once.
#[must_use]
pub fn webhook(ctx: &Ctx, integration: &Integration, delivery: Delivery) -> Job {
    let payload = Payload {
        delivery: Some(delivery),
        ..Payload::of(integration)
    };
    payload.job(ctx, WEBHOOK, integration)
}

/// Runs the jobs of one kind.
pub struct IntegrationHandler {
    kind: &'static str,
    description: &'static str,
    apps: Arc<dyn Apps>,
    recipes: Arc<dyn Recipes>,
}

impl IntegrationHandler {
    /// The handlers of all kinds of work for integrations.
    #[must_use]
    pub fn all(apps: &Arc<dyn Apps>, recipes: &Arc<dyn Recipes>) -> Vec<Arc<dyn Handler>> {
        [
            (
                BEGIN,
                "Begins an integration, or goes on with one that was paused.",
            ),
            (
                EVENTS,
                "Tells an integration what happened to vulnerabilities.",
            ),
            (WEBHOOK, "Tells an integration what its app told."),
            (TICK, "Has an integration look at its app."),
            (PROCESS, "Does the next step of an integration's long work."),
            (END, "Takes an integration down."),
        ]
        .into_iter()
        .map(|(kind, description)| -> Arc<dyn Handler> {
            Arc::new(Self {
                kind,
                description,
                apps: Arc::clone(apps),
                recipes: Arc::clone(recipes),
            })
        })
        .collect()
    }

    /// Whether there is a point in beginning.
    async fn is_time(&self, ctx: &Ctx, found: &Integration) -> Result<Work> {
        Ok(match work(found.status) {
            // One look at the app per interval; everything else asks the store only.
            Work::Keep if found.status == Status::Error && self.kind == TICK => {
                match try_accounts(ctx, self.apps.as_ref(), found).await {
                    Ok(()) => Work::Do,
                    Err(_) => Work::Drop,
                }
            }
            Work::Keep if accounts_are_good(ctx, found).await? => Work::Do,
            // A later look sees the same.
            Work::Keep if self.kind == TICK => Work::Drop,
            // What was begun goes on when its integration does.
            Work::Drop if self.kind == PROCESS && found.status == Status::Disabled => Work::Keep,
            other => other,
        })
    }

    async fn work(
        &self,
        desk: &Desk<'_>,
        recipe: &dyn Recipe,
        payload: &Payload,
    ) -> Result<Outcome> {
        allowed::check_owner(&desk.ctx, recipe.info(), &desk.integration).await?;
        match (self.kind, payload.process, &payload.delivery) {
            (BEGIN, ..) => {
                recipe.begin(desk).await?;
                if recipe.info().every_seconds > 0 {
                    recipe.tick(desk).await?;
                }
            }
            (EVENTS, ..) => recipe.events(desk, &payload.events).await?,
            (TICK, ..) => recipe.tick(desk).await?,
            (WEBHOOK, _, Some(delivery)) => recipe.webhook(desk, delivery).await?,
            (PROCESS, Some(id), _) => return step(desk, recipe, id).await,
            _ => {
                return Err(Error::invalid(
                    "job.payload",
                    "the job's payload lacks what its kind needs",
                ));
            }
        }
        Ok(Outcome::done())
    }

    /// What an error means for the job.
    async fn failed(&self, desk: &Desk<'_>, payload: Value, error: Error) -> Result<Outcome> {
        let later = |millis: i64| {
            Ok(Outcome::Later {
                at: desk.ctx.now().plus_millis(millis),
                payload: payload.clone(),
            })
        };
        // Kept until a person has seen to it: nothing that happened is lost.
        if waits_for_person(&error) {
            return if self.kind == TICK {
                Ok(Outcome::done())
            } else {
                later(KEEP_MS)
            };
        }
        if let Some(seconds) = error.retry_after() {
            return later(
                i64::try_from(seconds)
                    .unwrap_or(86_400)
                    .saturating_mul(1_000),
            );
        }
        // Another worker has the job, or somebody else changed the same: no news for the user.
        if error.kind() == Kind::Conflict {
            return Err(error);
        }
        desk.note(Level::Error, WORK, error.message()).await?;
        if self.kind == TICK {
            // The next look comes anyway; dead letters of looks would help nobody.
            return Ok(Outcome::done());
        }
        Err(if is_permanent(&error) {
            // A dead letter at once, whatever kind of error it is elsewhere.
            Error::new(Kind::Invalid, error.code(), error.message())
        } else {
            error
        })
    }
}

/// One step of a process. What will not pass by itself ends the process, not the job.
async fn step(desk: &Desk<'_>, recipe: &dyn Recipe, id: ProcessId) -> Result<Outcome> {
    let Some(current) = repo::get::<Process>(desk.ctx.store(), id).await? else {
        return Ok(Outcome::done());
    };
    if current.state.is_final() {
        return Ok(Outcome::done());
    }
    let now = desk.ctx.now();
    let (next, goes_on) = match recipe.step(desk, &current).await {
        Ok(step) => {
            let goes_on = match &step {
                Step::More { at, .. } => Some(at.unwrap_or(now)),
                Step::Done { .. } => None,
            };
            (stepped(&held(&current, false, now), &step, now), goes_on)
        }
        Err(error) if is_permanent(&error) => (failed(&current, error.message(), now), None),
        Err(error) => return Err(error),
    };
    let event = match next.state.is_final() {
        true => Some(Event::named("process.ended")),
        false => None,
    };
    let mut changes = ChangeSet::new();
    changes.update(&current, &next, event)?;
    match goes_on {
        Some(at) => {
            desk.commit(changes).await?;
            let payload = Payload {
                process: Some(id),
                ..Payload::of(&desk.integration)
            };
            Ok(Outcome::Later {
                at,
                payload: json!(payload),
            })
        }
        None => Ok(Outcome::Done(changes)),
    }
}

fn payload(job: &Job) -> Result<Payload> {
    serde_json::from_value(job.payload.clone())
        .map_err(|_| Error::invalid("job.payload", "the job's payload can't be read"))
}

#[async_trait]
impl Handler for IntegrationHandler {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn description(&self) -> &'static str {
        self.description
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let payload = payload(claimed.job())?;
        let id = payload.integration;
        let Some(found) = repo::get::<Integration>(ctx.store(), id).await? else {
            return Ok(Outcome::done());
        };
        if self.kind == END {
            let (apps, recipes) = (self.apps.as_ref(), self.recipes.as_ref());
            let removal = tear_down::finish(ctx, apps, recipes, found, claimed).await?;
            return Ok(Outcome::Done(removal));
        }
        match self.is_time(ctx, &found).await? {
            Work::Drop => return Ok(Outcome::done()),
            Work::Keep => {
                hold(ctx, claimed, payload.process).await?;
                return Ok(Outcome::Later {
                    at: ctx.now().plus_millis(KEEP_MS),
                    payload: claimed.job().payload.clone(),
                });
            }
            Work::Do => {}
        }
        let Some(recipe) = self.recipes.get(&found.recipe) else {
            return Err(Error::invalid(
                "recipe.unknown",
                format!("this server no longer has the recipe {}", found.recipe),
            ));
        };
        let had_problem = found
            .messages
            .errors
            .iter()
            .any(|message| message.title == WORK);
        let desk = desk(ctx, self.apps.as_ref(), found, Some(claimed)).await?;
        let done = self.work(&desk, recipe.as_ref(), &payload).await;
        note_accounts(ctx, id, done.as_ref().err()).await?;
        match done {
            Ok(outcome) => {
                if had_problem {
                    desk.unnote(WORK).await?;
                }
                Ok(outcome)
            }
            Err(error) => {
                self.failed(&desk, claimed.job().payload.clone(), error)
                    .await
            }
        }
    }

    /// A process whose job was given up has failed.
    async fn give_up(&self, ctx: &Ctx, job: &Job, error: &Error) -> Result<ChangeSet> {
        let mut changes = ChangeSet::new();
        if let Some(id) = payload(job)?.process
            && let Some(current) = repo::get::<Process>(ctx.store(), id).await?
        {
            let next = failed(&current, error.message(), ctx.now());
            if next != current.value {
                changes.update(&current, &next, Some(Event::named("process.ended")))?;
            }
        }
        Ok(changes)
    }
}

/// Shows a process as held while its integration is.
async fn hold(ctx: &Ctx, claimed: &Claimed, process: Option<ProcessId>) -> Result<()> {
    let Some(id) = process else { return Ok(()) };
    let Some(current) = repo::get::<Process>(ctx.store(), id).await? else {
        return Ok(());
    };
    let next = held(&current, true, ctx.now());
    if next == current.value {
        return Ok(());
    }
    let mut changes = ChangeSet::new();
    changes.update(&current, &next, None)?;
    claimed.fence(&mut changes);
    ctx.store().commit(changes).await.map(|_| ())
}
