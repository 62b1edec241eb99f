//! Durable work as people see it: what waits, what was given up, and what is to become of it.
//!
//! Owners of an organization see to the work of theirs, administrators to all. How work is done is
//! [`crate::port::jobs`].

use serde_json::json;

use super::access::{not_anonymous, retrying};
use super::feeds;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{JobId, OrganizationId};
use crate::model::{AuditEntry, Job, Lane, Queue};
use crate::page::{Cursor, Page, PageRequest};
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::{ChangeSet, Key, Stored};

/// Dead letters that one call of [`replay_all`] looks at, at most.
pub const REPLAY_LOOK: usize = 1_000;

/// Dead letters read at once, and those of them that one commit replays.
const PAGE: usize = 100;
const TOGETHER: usize = 20;

/// How far [`replay_all`] came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Jobs that are done again.
    pub jobs: usize,
    /// From where to go on; none at the end.
    pub next: Option<Cursor>,
}

/// Unfinished work of one queue: dead letters with the last given up first, ready ones with the
/// next due first. Of one organization, or of the whole instance.
///
/// # Errors
/// Not permitted (`job.read`, `instance.read`), or the store's.
pub async fn list(
    ctx: &Ctx,
    organization: Option<OrganizationId>,
    queue: Queue,
    page: PageRequest,
) -> Result<Page<Stored<Job>>> {
    permit(ctx, organization, Action::JobRead, Action::InstanceRead)?;
    listed(ctx, organization, queue, page).await
}

/// Whether the caller may do so to the work of an organization, or of all.
fn permit(ctx: &Ctx, of: Option<OrganizationId>, own: Action, any: Action) -> Result<()> {
    let instance = || ctx.permit(any, Resource::Instance);
    match of {
        Some(organization) => ctx
            .permit(own, Resource::Organization(organization))
            .or_else(|refused| instance().or(Err(refused))),
        None => instance(),
    }
}

async fn listed(
    ctx: &Ctx,
    organization: Option<OrganizationId>,
    queue: Queue,
    page: PageRequest,
) -> Result<Page<Stored<Job>>> {
    let is_dead = queue == Queue::Dead;
    let queue = queue.as_str();
    match organization {
        Some(organization) => {
            let organization = organization.to_string();
            let partition = [organization.as_str(), queue];
            repo::list(ctx.store(), "by_organization", &partition, is_dead, page).await
        }
        None => repo::list(ctx.store(), "due", &[queue], is_dead, page).await,
    }
}

/// One job; a finished one is kept for a day.
///
/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn get(ctx: &Ctx, id: JobId) -> Result<Stored<Job>> {
    visible(ctx, id, Action::JobRead, Action::InstanceRead).await
}

async fn visible(ctx: &Ctx, id: JobId, own: Action, any: Action) -> Result<Stored<Job>> {
    not_anonymous(ctx)?;
    let job = repo::get::<Job>(ctx.store(), id)
        .await?
        .ok_or_else(|| ctx.absent::<Job>())?;
    if ctx.can(any, Resource::Instance) {
        return Ok(job);
    }
    match job.organization.map(Resource::Organization) {
        Some(organization) => {
            ctx.permit(own, organization)?;
            Ok(job)
        }
        None => Err(ctx.absent::<Job>()),
    }
}

async fn managed(ctx: &Ctx, id: JobId) -> Result<Stored<Job>> {
    visible(ctx, id, Action::JobManage, Action::InstanceManage).await
}

fn dead(job: &Job) -> Result<()> {
    if job.queue == Some(Queue::Dead) {
        return Ok(());
    }
    Err(Error::conflict(
        "job.not_dead",
        "the job was not given up; only dead letters are replayed or discarded",
    ))
}

async fn commit(ctx: &Ctx, job: &Stored<Job>, what: &str, mut changes: ChangeSet) -> Result<()> {
    let entry = AuditEntry::new(ctx, job.organization, what, [job.id.to_string()]);
    changes.create(&entry.with(json!({ "kind": job.kind })), None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// Has a dead letter done again from the start, with all its tries.
///
/// # Errors
/// As [`get`], not permitted (`job.manage`, `instance.manage`), `job.not_dead`, or the store's.
pub async fn replay(ctx: &Ctx, id: JobId) -> Result<Stored<Job>> {
    retrying(|| async {
        let job = managed(ctx, id).await?;
        dead(&job)?;
        let next = job.replayed(ctx.now());
        let mut changes = ChangeSet::new();
        changes.update(&job, &next, None)?;
        commit(ctx, &job, "job.replayed", changes).await?;
        Ok(after(&job, next))
    })
    .await
}

/// Has all dead letters of an organization or of the instance done again, or those of one kind: the ones
/// given up last first, up to [`REPLAY_LOOK`] looked at per call. Those given up anew meanwhile are
/// not among them.
///
/// # Errors
/// Not permitted (`job.manage`, `instance.manage`), `page.cursor`, or the store's; what was replayed
/// until then stays so.
pub async fn replay_all(
    ctx: &Ctx,
    organization: Option<OrganizationId>,
    kind: Option<&str>,
    after: Option<Cursor>,
) -> Result<Replayed> {
    permit(ctx, organization, Action::JobManage, Action::InstanceManage)?;
    let mut request = PageRequest { first: PAGE, after };
    let (mut jobs, mut looked) = (0, 0);
    loop {
        let page = listed(ctx, organization, Queue::Dead, request.clone()).await?;
        looked += page.items.len();
        let is_wanted = |job: &Stored<Job>| kind.is_none_or(|kind| job.kind == kind);
        let wanted: Vec<_> = page.items.into_iter().filter(is_wanted).collect();
        for some in wanted.chunks(TOGETHER) {
            jobs += replay_some(ctx, some).await?;
        }
        match page.next {
            Some(next) if looked < REPLAY_LOOK => request.after = Some(next),
            next => return Ok(Replayed { jobs, next }),
        }
    }
}

/// Answers how many of them it were.
async fn replay_some(ctx: &Ctx, jobs: &[Stored<Job>]) -> Result<usize> {
    let mut changes = ChangeSet::new();
    for job in jobs {
        changes.update(job, &job.replayed(ctx.now()), None)?;
        let subject = [job.id.to_string()];
        let entry = AuditEntry::new(ctx, job.organization, "job.replayed", subject);
        changes.create(&entry.with(json!({ "kind": job.kind })), None)?;
    }
    match ctx.store().commit(changes).await {
        Ok(_) => return Ok(jobs.len()),
        // Somebody saw to one of them, or the list lags.
        Err(error) if error.kind() == Kind::Conflict => {}
        Err(error) => return Err(error),
    }
    let mut count = 0;
    for job in jobs {
        match replay(ctx, job.id).await {
            Ok(_) => count += 1,
            Err(error) if error.code() == "job.not_dead" || error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Removes a dead letter for good, with what was kept for another try.
///
/// # Errors
/// As [`replay`].
pub async fn discard(ctx: &Ctx, id: JobId) -> Result<()> {
    retrying(|| async {
        let job = managed(ctx, id).await?;
        dead(&job)?;
        let mut changes = ChangeSet::new();
        changes.delete(&job, None);
        commit(ctx, &job, "job.discarded", changes).await?;
        if job.kind == feeds::KIND {
            feeds::forget(ctx, &job).await;
        }
        Ok(())
    })
    .await
}

/// Ends a job that waits or runs. Nothing of it commits from now on; a worker then tells whoever
/// waits for it, and the job is kept as cancelled for a day.
///
/// # Errors
/// As [`get`], not permitted (`job.manage`, `instance.manage`), `job.finished`, or the store's.
pub async fn cancel(ctx: &Ctx, id: JobId) -> Result<Stored<Job>> {
    retrying(|| async {
        let job = managed(ctx, id).await?;
        if job.queue != Some(Queue::Ready) {
            return Err(Error::conflict(
                "job.finished",
                "the job has ended already; a dead letter can be discarded",
            ));
        }
        if job.cancelled_by.is_some() {
            return Ok(job);
        }
        let next = job.cancelling(&ctx.actor.label(), ctx.now());
        let mut changes = ChangeSet::new();
        changes.update(&job, &next, None)?;
        let keys: Vec<Key> = Lane::names_of(&job)
            .iter()
            .map(|name| Lane::key_of(name))
            .collect();
        let lanes = repo::get_keys::<Lane>(ctx.store(), &keys).await?;
        // Another version of its place in the lane: the commits of whoever runs it fail from here on.
        for lane in lanes
            .into_iter()
            .flatten()
            .filter(|lane| lane.holder == Some(id))
        {
            changes.update(&lane, &Lane::held_by(&lane.name, id, ctx.now()), None)?;
        }
        commit(ctx, &job, "job.cancelled", changes).await?;
        Ok(after(&job, next))
    })
    .await
}

fn after(before: &Stored<Job>, value: Job) -> Stored<Job> {
    Stored {
        value,
        version: before.version + 1,
    }
}
