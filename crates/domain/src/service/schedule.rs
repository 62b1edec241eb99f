//! Schedules: made, switched, run, and kept by [`tick`], which turns what is due into jobs.
//!
//! A run is one commit: its job together with the schedule's next time, on condition that the
//! schedule is as it was read. Of several that try the same run, one commits.

use serde_json::{Value, json};

use super::access::{not_anonymous, retrying};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{OrganizationId, ScheduleId};
use crate::model::{AuditEntry, Job, Overlap, Schedule, Timing};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Entity, List, Stored};
use crate::port::{fresh, repo};
use crate::rules::schedule as rules;
use crate::time::Timestamp;

/// Schedules looked at per round trip.
const LOOK: usize = 100;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// `None` for the instance's own.
    pub organization: Option<OrganizationId>,
    /// Unique among those of its owner: 1 to 100 of a-z, 0-9, dot, - and _.
    pub name: String,
    pub timing: Timing,
    pub overlap: Overlap,
    pub spread_ms: u32,
    /// The kind of job, and what it is given.
    pub job: String,
    pub payload: Value,
}

/// A schedule to be committed with something else: `changes.create(&made, None)`. For Gna's own
/// parts; it asks no policy.
///
/// # Errors
/// `schedule.*` for what can't be kept.
pub fn prepare(ctx: &Ctx, new: NewSchedule) -> Result<Schedule> {
    rules::check_name(&new.name)?;
    rules::check_spread(new.spread_ms)?;
    let now = ctx.now();
    rules::check(&new.timing, now)?;
    let bare = Schedule {
        id: fresh(ctx.ports.ids.as_ref()),
        organization: new.organization,
        scope: Schedule::scope_of(new.organization),
        name: new.name,
        timing: new.timing,
        overlap: new.overlap,
        spread_ms: new.spread_ms,
        job: new.job,
        payload: new.payload,
        shared_lane: None,
        armed: true,
        planned: None,
        due: None,
        last: None,
        skipped: None,
        created: now,
        by: ctx.actor.label(),
    };
    Ok(rules::armed(&bare, now))
}

/// Makes a schedule. `kinds` are the kinds of jobs that someone handles.
///
/// # Errors
/// Not permitted (`instance.manage`: a schedule runs with all rights), `schedule.*`, or the store's.
pub async fn create(ctx: &Ctx, new: NewSchedule, kinds: &[String]) -> Result<Stored<Schedule>> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    if !kinds.contains(&new.job) {
        return Err(Error::invalid(
            "schedule.job",
            format!(
                "there is no kind of job {:?}; there are: {}",
                new.job,
                kinds.join(", ")
            ),
        )
        .on_field("job"));
    }
    let schedule = prepare(ctx, new)?;
    let mut changes = ChangeSet::new();
    changes.create(&schedule, None)?;
    commit(ctx, &schedule, "schedule.created", changes).await?;
    Ok(Stored {
        value: schedule,
        version: 1,
    })
}

/// Makes one of Gna's own schedules at the start of a process, unless it is there; a changed timing
/// takes hold. One that a person switched off stays off.
///
/// # Errors
/// `schedule.*`, or the store's.
pub async fn ensure(ctx: &Ctx, new: NewSchedule) -> Result<()> {
    let scope = Schedule::scope_of(new.organization);
    let found = repo::find::<Schedule>(ctx.store(), "name", &[&scope, &new.name]).await?;
    let mut changes = ChangeSet::new();
    match found {
        None => changes.create(&prepare(ctx, new)?, None)?,
        Some(found) => {
            let next = Schedule {
                timing: new.timing,
                overlap: new.overlap,
                spread_ms: new.spread_ms,
                job: new.job,
                payload: new.payload,
                ..found.value.clone()
            };
            if next == found.value {
                return Ok(());
            }
            let is_moved = next.timing != found.timing || next.spread_ms != found.spread_ms;
            let next = match is_moved && found.armed {
                true => rules::armed(&next, ctx.now()),
                false => next,
            };
            changes.update(&found, &next, None)?;
        }
    }
    match ctx.store().commit(changes).await {
        // Another process did the same at the same moment.
        Err(error) if error.kind() == Kind::Conflict => Ok(()),
        done => done.map(|_| ()),
    }
}

/// Takes back what [`ensure`] made, where the configuration does not want it any more.
///
/// # Errors
/// The store's.
pub async fn withdraw(ctx: &Ctx, name: &str) -> Result<()> {
    let scope = Schedule::scope_of(None);
    let Some(found) = repo::find::<Schedule>(ctx.store(), "name", &[&scope, name]).await? else {
        return Ok(());
    };
    let mut changes = ChangeSet::new();
    changes.delete(&found, None);
    match ctx.store().commit(changes).await {
        // Another process did the same at the same moment.
        Err(error) if error.kind() == Kind::Conflict => Ok(()),
        done => done.map(|_| ()),
    }
}

async fn commit(ctx: &Ctx, of: &Schedule, what: &str, mut changes: ChangeSet) -> Result<()> {
    let entry = AuditEntry::new(ctx, of.organization, what, [of.id.to_string()]);
    changes.create(&entry.with(json!({ "name": of.name, "job": of.job })), None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// Those of an organization, or the instance's own, by name.
///
/// # Errors
/// Not permitted (`job.read`, `instance.read`), or the store's.
pub async fn list(
    ctx: &Ctx,
    organization: Option<OrganizationId>,
    page: PageRequest,
) -> Result<Page<Stored<Schedule>>> {
    match organization {
        Some(_) if ctx.can(Action::InstanceRead, Resource::Instance) => {}
        Some(of) => ctx.permit(Action::JobRead, Resource::Organization(of))?,
        None => ctx.permit(Action::InstanceRead, Resource::Instance)?,
    }
    let scope = Schedule::scope_of(organization);
    repo::list(ctx.store(), "by_scope", &[&scope], false, page).await
}

/// One schedule.
///
/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn get(ctx: &Ctx, id: ScheduleId) -> Result<Stored<Schedule>> {
    visible(ctx, id, Action::JobRead, Action::InstanceRead).await
}

/// One schedule by its name among those of its owner.
///
/// # Errors
/// As [`get`].
pub async fn named(
    ctx: &Ctx,
    organization: Option<OrganizationId>,
    name: &str,
) -> Result<Stored<Schedule>> {
    let scope = Schedule::scope_of(organization);
    let found = repo::find::<Schedule>(ctx.store(), "name", &[&scope, name]).await?;
    match found {
        Some(found) => get(ctx, found.id).await,
        None => Err(ctx.absent::<Schedule>()),
    }
}

async fn visible(ctx: &Ctx, id: ScheduleId, own: Action, any: Action) -> Result<Stored<Schedule>> {
    not_anonymous(ctx)?;
    let found = repo::get::<Schedule>(ctx.store(), id)
        .await?
        .ok_or_else(|| ctx.absent::<Schedule>())?;
    if ctx.can(any, Resource::Instance) {
        return Ok(found);
    }
    match found.organization {
        Some(organization) => {
            ctx.permit(own, Resource::Organization(organization))?;
            Ok(found)
        }
        None => Err(ctx.absent::<Schedule>()),
    }
}

async fn managed(ctx: &Ctx, id: ScheduleId) -> Result<Stored<Schedule>> {
    visible(ctx, id, Action::JobManage, Action::InstanceManage).await
}

/// Switches it on, with the next run from now on, or off.
///
/// # Errors
/// As [`get`], not permitted (`job.manage`, `instance.manage`), or the store's.
pub async fn switch(ctx: &Ctx, id: ScheduleId, on: bool) -> Result<Stored<Schedule>> {
    retrying(|| async {
        let current = managed(ctx, id).await?;
        if current.armed == on {
            return Ok(current);
        }
        let (next, what) = match on {
            true => (rules::armed(&current, ctx.now()), "schedule.enabled"),
            false => (rules::disarmed(&current), "schedule.disabled"),
        };
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, None)?;
        commit(ctx, &next, what, changes).await?;
        Ok(after(&current, next))
    })
    .await
}

/// Starts a run now; the next one stays when it was.
///
/// # Errors
/// As [`switch`], and `schedule.running` while the run before is not finished.
pub async fn run_now(ctx: &Ctx, id: ScheduleId) -> Result<Stored<Schedule>> {
    retrying(|| async {
        let current = managed(ctx, id).await?;
        let before = before(ctx, &current).await?;
        if rules::overlaps(current.overlap, before.as_deref()) {
            return Err(Error::conflict(
                "schedule.running",
                "the run before is not finished; see its job",
            ));
        }
        let (next, job) = rules::started(&current, fresh(ctx.ports.ids.as_ref()), ctx.now());
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, None)?;
        if let Some(job) = job {
            changes.create(&job, None)?;
        }
        commit(ctx, &next, "schedule.run", changes).await?;
        Ok(after(&current, next))
    })
    .await
}

/// Removes it. Jobs that it made go on.
///
/// # Errors
/// As [`switch`].
pub async fn delete(ctx: &Ctx, id: ScheduleId) -> Result<()> {
    retrying(|| async {
        let current = managed(ctx, id).await?;
        let mut changes = ChangeSet::new();
        changes.delete(&current, None);
        commit(ctx, &current, "schedule.deleted", changes).await
    })
    .await
}

fn after(before: &Stored<Schedule>, value: Schedule) -> Stored<Schedule> {
    Stored {
        value,
        version: before.version + 1,
    }
}

/// The job of the last run, where it is still kept.
async fn before(ctx: &Ctx, schedule: &Schedule) -> Result<Option<Stored<Job>>> {
    match &schedule.last {
        Some(last) => repo::get::<Job>(ctx.store(), last.job).await,
        None => Ok(None),
    }
}

/// Starts every run that is due; answers when the next one is. Call it again then, or when a
/// schedule was written.
///
/// # Errors
/// The store's; what was started stays started.
pub async fn tick(ctx: &Ctx) -> Result<Option<Timestamp>> {
    let mut page = PageRequest::first(LOOK);
    // When what is started here is due again; the list may not show that yet.
    let mut next: Option<Timestamp> = None;
    loop {
        let listed = due(ctx, page.clone()).await?;
        let now = ctx.now();
        let is_ready =
            |schedule: &Schedule| schedule.armed && schedule.due.is_some_and(|due| due <= now);
        let (ready, later): (Vec<_>, Vec<_>) = listed
            .items
            .into_iter()
            .filter(|schedule| schedule.armed)
            .partition(|schedule| is_ready(schedule));
        // What the list shows may have been started by now.
        for schedule in repo::current(ctx.store(), &ready).await? {
            let again = match is_ready(&schedule) {
                true => run(ctx, &schedule, now).await?,
                false => schedule.due.filter(|_| schedule.armed),
            };
            next = next.into_iter().chain(again).min();
        }
        // In the order of their times: all that follow are later.
        if let Some(due) = later.first().and_then(|schedule| schedule.due) {
            return Ok(next.into_iter().chain([due]).min());
        }
        match listed.next {
            Some(after) => page.after = Some(after),
            None => return Ok(next),
        }
    }
}

async fn due(ctx: &Ctx, page: PageRequest) -> Result<Page<Stored<Schedule>>> {
    let list = List {
        collection: Schedule::COLLECTION,
        index: Some("due"),
        partition: vec!["1".to_owned()],
        prefix: String::new(),
        until: None,
        descending: false,
        page,
    };
    let page = ctx.store().list(&[list]).await?.pop();
    repo::typed_page(page.unwrap_or_else(Page::empty))
}

/// Answers when it is due again.
async fn run(ctx: &Ctx, schedule: &Stored<Schedule>, now: Timestamp) -> Result<Option<Timestamp>> {
    let before = before(ctx, schedule).await?;
    let id = fresh(ctx.ports.ids.as_ref());
    let (next, job) = rules::tick(schedule, before.as_deref(), id, now);
    let mut changes = ChangeSet::new();
    changes.update(schedule, &next, None)?;
    if let Some(job) = job {
        changes.create(&job, None)?;
    }
    match ctx.store().commit(changes).await {
        // Someone else was faster, or a person changed it: it is looked at again.
        Err(error) if error.kind() == Kind::Conflict => {
            let current = repo::get::<Schedule>(ctx.store(), schedule.id).await?;
            Ok(current
                .filter(|current| current.armed)
                .and_then(|current| current.due))
        }
        done => done.map(|_| next.due.filter(|_| next.armed)),
    }
}
