//! What time alone does, noted when it happens: acceptances end, requests lapse, due dates come near
//! and pass.
//!
//! One job per group waits for the next such moment; nothing polls. The search index knows each
//! vulnerability's next moment and arms the job when it learns of an earlier one. Each thing is one
//! committed change of its vulnerability, decided anew from what the store holds, so that it happens
//! exactly once however often the job runs.

use async_trait::async_trait;

use super::index;
use super::triage::policy_of;
use super::vulnerability::{Step, commit_with};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::GroupId;
use crate::model::{Group, Job, Policy, Queue, Sweep, Vulnerability};
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::search::{Condition, SearchRequest, Selection, Sort};
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};
use crate::rules::sla::elapse;
use crate::time::Timestamp;

/// The kind of the job.
pub const KIND: &str = "group.sweep";

/// Vulnerabilities of one commit; each takes some ten writes of it.
const CHUNK: usize = 20;

/// How often arming is tried anew when the job moves at the same time.
const RACES: usize = 10;

const BY_MOMENT: Sort = Sort {
    field: "next_moment",
    descending: false,
};

/// Makes sure that the group's job runs no later than `at`.
///
/// # Errors
/// The store's; call again.
pub async fn arm(ctx: &Ctx, group: GroupId, at: Timestamp) -> Result<()> {
    for _ in 0..RACES {
        match try_arm(ctx, group, at).await {
            Err(error) if error.code() == "store.conflict" => {}
            other => return other,
        }
    }
    Err(Error::conflict(
        "store.conflict",
        "the group's sweep changes too often; try again",
    ))
}

async fn try_arm(ctx: &Ctx, group: GroupId, at: Timestamp) -> Result<()> {
    let mut changes = ChangeSet::new();
    let known = repo::get::<Sweep>(ctx.store(), group).await?;
    match &known {
        Some(sweep) if sweep.due.is_some_and(|due| due <= at && due > ctx.now()) => return Ok(()),
        Some(sweep) if sweep.wanted.is_some_and(|wanted| wanted <= at) => return Ok(()),
        _ => {}
    }
    let waiting = match known.as_ref().and_then(|sweep| sweep.job) {
        Some(job) => repo::get::<Job>(ctx.store(), job)
            .await?
            .filter(|job| job.queue == Some(Queue::Ready)),
        None => None,
    };
    match (&known, waiting) {
        (Some(sweep), Some(job)) if job.lease.is_none() && job.due > at => {
            let next = Sweep {
                due: Some(at),
                ..sweep.value.clone()
            };
            changes.update(sweep, &next, None)?;
            // Never before now: whoever reads the queue from where they were would miss it.
            changes.update(&job, &job.value.clone().due_at(at.max(ctx.now())), None)?;
        }
        // It is under way, or about to be: it takes the moment over when it ends.
        (Some(sweep), Some(_)) => {
            let next = Sweep {
                wanted: Some(at),
                ..sweep.value.clone()
            };
            changes.update(sweep, &next, None)?;
        }
        (known, None) => {
            let job = job_of(ctx, group, at);
            let next = Sweep {
                group,
                job: Some(job.id),
                due: Some(at),
                wanted: None,
            };
            changes.create(&job, None)?;
            match known {
                Some(sweep) => changes.update(sweep, &next, None)?,
                None => changes.create(&next, None)?,
            }
        }
        (None, Some(_)) => return Ok(()),
    }
    ctx.store().commit(changes).await.map(|_| ())
}

fn job_of(ctx: &Ctx, group: GroupId, at: Timestamp) -> Job {
    let payload = serde_json::json!({ "group": group });
    Job::new(fresh(ctx.ports.ids.as_ref()), KIND, payload, ctx.now())
        .in_lane(format!("sweep:{group}"))
        .due_at(at.max(ctx.now()))
}

/// Does it.
pub struct SweepHandler;

#[async_trait]
impl Handler for SweepHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let group: GroupId = claimed
            .job()
            .payload
            .get("group")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| Error::invalid("job.payload", "the job names no group"))?
            .parse()?;
        let mine = |sweep: &Stored<Sweep>| sweep.job == Some(claimed.job().id);
        if !repo::get::<Sweep>(ctx.store(), group)
            .await?
            .is_some_and(|sweep| mine(&sweep))
        {
            return Ok(Outcome::done());
        }
        let found = repo::require::<Group>(ctx.store(), group).await?;
        // What the index does not know yet would be missed; it arms the job again for what comes later.
        index::catch_up(ctx).await?;
        let policy = policy_of(ctx, found.organization, group).await?;
        while sweep_chunk(ctx, claimed, group, &policy).await? {
            index::catch_up(ctx).await?;
        }
        loop {
            let Some(sweep) = repo::get::<Sweep>(ctx.store(), group).await?.filter(mine) else {
                return Ok(Outcome::done());
            };
            let next = [next_moment(ctx, group).await?, sweep.wanted];
            match hand_over(ctx, claimed, &sweep, next.into_iter().flatten().min()).await {
                Err(error) if error.code() == "store.conflict" => {
                    // Someone armed it meanwhile, or someone else took the job over: then this fails.
                    let mut still_mine = ChangeSet::new();
                    claimed.fence(&mut still_mine);
                    ctx.store().commit(still_mine).await?;
                }
                other => return other.map(|()| Outcome::done()),
            }
        }
    }
}

/// Ends this job's turn: another one waits for the next moment, if there is one.
async fn hand_over(
    ctx: &Ctx,
    claimed: &Claimed,
    sweep: &Stored<Sweep>,
    next: Option<Timestamp>,
) -> Result<()> {
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    let job = next.map(|at| job_of(ctx, sweep.group, at));
    let after = Sweep {
        group: sweep.group,
        job: job.as_ref().map(|job| job.id),
        due: next,
        wanted: None,
    };
    changes.update(sweep, &after, None)?;
    if let Some(job) = &job {
        changes.create(job, None)?;
    }
    ctx.store().commit(changes).await.map(|_| ())
}

/// Notes what happened to some vulnerabilities; whether there may be more.
async fn sweep_chunk(
    ctx: &Ctx,
    claimed: &Claimed,
    group: GroupId,
    policy: &Policy,
) -> Result<bool> {
    let now = ctx.now();
    let request = request(group, Some(now), CHUNK);
    let found = ctx.ports.search.query(&request).await?;
    let ids: Vec<_> = found.hits.iter().map(|hit| hit.id).collect();
    let steps: Vec<Step> = repo::get_many::<Vulnerability>(ctx.store(), &ids)
        .await?
        .into_iter()
        .flatten()
        .filter_map(|current| {
            let event = elapse(&current.value, policy, now)?;
            Some(Step {
                current,
                events: vec![event],
            })
        })
        .collect();
    if steps.is_empty() {
        return Ok(false);
    }
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    match commit_with(ctx, steps, changes, "vulnerability.elapsed", None).await {
        // Someone decided on one of them at the same moment: look again.
        Err(error) if error.code() == "store.conflict" => {
            let mut still_mine = ChangeSet::new();
            claimed.fence(&mut still_mine);
            ctx.store().commit(still_mine).await?;
            Ok(true)
        }
        other => other.map(|_| true),
    }
}

async fn next_moment(ctx: &Ctx, group: GroupId) -> Result<Option<Timestamp>> {
    let found = ctx.ports.search.query(&request(group, None, 1)).await?;
    let Some(id) = found.hits.first().map(|hit| hit.id) else {
        return Ok(None);
    };
    let Some(value) = repo::get::<Vulnerability>(ctx.store(), id).await? else {
        return Ok(None);
    };
    let policy = policy_of(ctx, value.organization, group).await?;
    // Never at once: what is due and yet not to be noted is the index's to correct.
    Ok(crate::rules::sla::next_moment(&value, &policy).map(|at| at.max(ctx.now().plus_millis(1))))
}

/// The vulnerabilities of a group by their next moment: those up to `until`, or those still to come.
fn request(group: GroupId, until: Option<Timestamp>, limit: usize) -> SearchRequest {
    let until = until.map(Timestamp::millis);
    SearchRequest {
        selection: Selection {
            groups: vec![group],
            condition: Condition::Between("next_moment", None, until),
            text: None,
        },
        sort: BY_MOMENT,
        limit,
        after: None,
    }
}
