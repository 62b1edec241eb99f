//! Work for integrations, as durable jobs: their begin and end, what happened here, what the app
//! told, looking at the app from time to time, and the steps of processes.
//!
//! The jobs of one integration take turns; one that waits lets the others go on. Where its recipe says
//! so, several that tell it of events and webhooks are under way at once.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

use super::busy::{Count, count, end_process};
use super::spread::{Arrived, SpreadHandler};
use super::status::{accounts_are_good, note_accounts, try_accounts};
use super::{allowed, desk, tear_down};
use crate::connect::integration::{Integration, Level, Status};
use crate::connect::process::Process;
use crate::connect::recipe::{Delivery, Occurrence};
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::id::{IntegrationId, JobId, ProcessId};
use crate::model::{Job, LANE_SLOTS_MAX, Lane, Queue, ReceivedHook};
use crate::port::apps::Apps;
use crate::port::jobs::{Claimed, Class, Handler, Outcome};
use crate::port::recipes::{Desk, Recipe, Recipes};
use crate::port::store::{ChangeSet, Event, Key};
use crate::port::{fresh, repo};
use crate::rules::integration::{
    KEPT_DAYS, Work, is_permanent, is_too_old, next_look_ms, waits_for_person, work,
};
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

/// Largest body of a webhook that is handed on, in bytes; of a larger one recipes hear that it came.
const BODY_BYTES: usize = 65_536;
/// How long the end of an integration waits for jobs that were begun before it, in milliseconds.
const OTHERS_MS: i64 = 5_000;
/// Title of the message that tells what went wrong in the work itself.
const WORK: &str = "Work";

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    integration: IntegrationId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<Occurrence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hook: Option<Hook>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<ProcessId>,
}

/// Which webhook it is about: its content is read from its own record, so that it is not copied for
/// each integration to where whoever runs the server reads it.
#[derive(Debug, Serialize, Deserialize)]
struct Hook {
    slot: String,
    app: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    target: String,
    delivery: String,
}

impl Payload {
    fn of(integration: &Integration) -> Self {
        Self {
            integration: integration.id,
            events: Vec::new(),
            hook: None,
            process: None,
        }
    }

    /// `slots` says how many of its kind may be under way at once.
    fn job(&self, ctx: &Ctx, kind: &str, of: &Integration, slots: u32) -> Job {
        Job::new(fresh(ctx.ports.ids.as_ref()), kind, json!(self), ctx.now())
            .in_lane_of(Integration::lane(self.integration), slots)
            .yielding()
            .of(of.organization)
    }
}

/// The job that begins it, to be committed with it.
pub(super) fn begin(ctx: &Ctx, integration: &Integration) -> Job {
    Payload::of(integration).job(ctx, BEGIN, integration, 1)
}

/// The job that takes it down.
pub(super) fn end(ctx: &Ctx, integration: &Integration) -> Job {
    Payload::of(integration).job(ctx, END, integration, 1)
}

/// The job that tells an integration of these events, of which so many may be under way at once.
pub(super) fn events(
    ctx: &Ctx,
    integration: &Integration,
    events: Vec<Occurrence>,
    at_once: u32,
) -> Job {
    let payload = Payload {
        events,
        ..Payload::of(integration)
    };
    payload.job(ctx, EVENTS, integration, at_once)
}

/// The job that has one look at its app.
pub(super) fn look(ctx: &Ctx, integration: &Integration) -> Job {
    Payload::of(integration).job(ctx, TICK, integration, 1)
}

/// The job that does the steps of a process.
pub(super) fn process(ctx: &Ctx, integration: &Integration, process: ProcessId) -> Job {
    let payload = Payload {
        process: Some(process),
        ..Payload::of(integration)
    };
    payload.job(ctx, PROCESS, integration, 1)
}

/// The job that tells an integration of a webhook whose signature was checked. To be committed with
/// whatever makes the delivery known, so that it is told once.
#[must_use]
pub(super) fn webhook(
    ctx: &Ctx,
    integration: &Integration,
    slot: String,
    of: &Arrived,
    at_once: u32,
) -> Job {
    let hook = Hook {
        slot,
        app: of.app.clone(),
        target: of.target.clone(),
        delivery: of.delivery.clone(),
    };
    let payload = Payload {
        hook: Some(hook),
        ..Payload::of(integration)
    };
    payload.job(ctx, WEBHOOK, integration, at_once)
}

/// What the webhook says. Of one that is no longer kept the recipe still hears that it came.
async fn delivery(ctx: &Ctx, of: &Integration, hook: &Hook) -> Result<Delivery> {
    let key = ReceivedHook::key_of(&hook.app, &hook.target, &hook.delivery);
    let found = repo::get_keys::<ReceivedHook>(ctx.store(), &[key]).await?;
    let found = found.into_iter().next().flatten();
    let found = found.filter(|found| found.organization == of.organization);
    let body = found
        .as_ref()
        .map(|found| found.body.as_str())
        .filter(|body| body.len() <= BODY_BYTES)
        .and_then(|body| serde_json::from_str(body).ok());
    Ok(Delivery {
        slot: hook.slot.clone(),
        event: found.and_then(|found| found.value.event),
        id: Some(hook.delivery.clone()),
        body: body.unwrap_or_default(),
    })
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
        let spread: Arc<dyn Handler> = Arc::new(SpreadHandler(Arc::clone(recipes)));
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
        .chain([spread])
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
        match (self.kind, payload.process, &payload.hook) {
            (BEGIN, ..) => {
                recipe.begin(desk).await?;
                if recipe.info().every_seconds > 0 {
                    recipe.tick(desk).await?;
                }
            }
            (EVENTS, ..) => recipe.events(desk, &payload.events).await?,
            (TICK, ..) => recipe.tick(desk).await?,
            (WEBHOOK, _, Some(hook)) => {
                let delivery = delivery(&desk.ctx, &desk.integration, hook).await?;
                recipe.webhook(desk, &delivery).await?;
            }
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
    async fn failed(&self, desk: &Desk<'_>, job: &Job, error: Error) -> Result<Outcome> {
        // Kept until a person has seen to it: nothing that happened is lost.
        if waits_for_person(&error) {
            if self.kind == TICK {
                return Ok(Outcome::done());
            }
            return match self.kept(&desk.ctx, job) {
                Some(outcome) => Ok(outcome),
                None => missed(desk).await,
            };
        }
        if let Some(seconds) = error.retry_after() {
            let millis = i64::try_from(seconds)
                .unwrap_or(86_400)
                .saturating_mul(1_000);
            return Ok(later(&desk.ctx, job, millis));
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

impl IntegrationHandler {
    /// When work that waits for a person is looked at again; `None` for news that have waited too long.
    /// A beginning and a process wait as long as it takes: there is one of each.
    fn kept(&self, ctx: &Ctx, job: &Job) -> Option<Outcome> {
        let waited = ctx.now().millis().saturating_sub(job.created.millis());
        let is_news = matches!(self.kind, EVENTS | WEBHOOK);
        let is_kept = !(is_news && is_too_old(waited));
        is_kept.then(|| later(ctx, job, next_look_ms(waited)))
    }
}

/// Says that news were dropped.
async fn missed(desk: &Desk<'_>) -> Result<Outcome> {
    let text =
        format!("what happened more than {KEPT_DAYS} days ago can't be told to the app any more");
    desk.note(Level::Error, WORK, &text).await?;
    Ok(Outcome::done())
}

fn later(ctx: &Ctx, job: &Job, millis: i64) -> Outcome {
    Outcome::Later {
        at: ctx.now().plus_millis(millis),
        payload: job.payload.clone(),
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
    match goes_on {
        Some(at) => {
            let mut changes = ChangeSet::new();
            changes.update(&current, &next, None)?;
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
        None => {
            end_process(desk, &current, &next).await?;
            Ok(Outcome::done())
        }
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

    fn class(&self) -> Class {
        Class::Apps
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let payload = payload(claimed.job())?;
        let id = payload.integration;
        let Some(found) = repo::get::<Integration>(ctx.store(), id).await? else {
            return Ok(Outcome::done());
        };
        if self.kind == END {
            if others_work(ctx, id, claimed).await? {
                return Ok(later(ctx, claimed.job(), OTHERS_MS));
            }
            let (apps, recipes) = (self.apps.as_ref(), self.recipes.as_ref());
            let removal = tear_down::finish(ctx, apps, recipes, found, claimed).await?;
            return Ok(Outcome::Done(removal));
        }
        match self.is_time(ctx, &found).await? {
            Work::Drop => return Ok(Outcome::done()),
            Work::Keep => {
                hold(ctx, claimed, payload.process).await?;
                if let Some(outcome) = self.kept(ctx, claimed.job()) {
                    return Ok(outcome);
                }
                let desk = desk(ctx, self.apps.as_ref(), found, Some(claimed)).await?;
                return missed(&desk).await;
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
            Err(error) => self.failed(&desk, claimed.job(), error).await,
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
                count(ctx, &mut changes, current.integration, Count::Out).await?;
            }
        }
        Ok(changes)
    }
}

/// Whether jobs of an integration that is taken down are under way in other places of its lane. They were
/// begun before: whoever begins now sees that it is taken down, and does nothing.
async fn others_work(ctx: &Ctx, id: IntegrationId, claimed: &Claimed) -> Result<bool> {
    let any = claimed.job().clone();
    let any = any.in_lane_of(Integration::lane(id), LANE_SLOTS_MAX);
    let own = &claimed.lane().name;
    let places = Lane::names_of(&any).into_iter();
    let keys: Vec<Key> = places
        .filter(|place| place != own)
        .map(|place| Lane::key_of(&place))
        .collect();
    let lanes = repo::get_keys::<Lane>(ctx.store(), &keys).await?;
    let holders: Vec<JobId> = lanes
        .into_iter()
        .flatten()
        .filter_map(|lane| lane.holder)
        .collect();
    let jobs = repo::get_many::<Job>(ctx.store(), &holders).await?;
    let mut jobs = jobs.into_iter().flatten();
    Ok(jobs.any(|job| job.queue == Some(Queue::Ready) && job.lease.is_some()))
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
