//! The job that makes letters of what waits: at once, or as each person's digest is due.

use async_trait::async_trait;
use serde_json::{Value, json};
use std::cmp::Reverse;

use super::super::access::{self, Access};
use super::super::schedule::NewSchedule;
use super::{post, preferences};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{JobId, UserId};
use crate::model::{Job, Letter, Notice, NoticePreferences, NoticeQueue, Overlap, Timing};
use crate::page::PageRequest;
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};
use crate::rules::notice::{is_digest_due, needs};
use crate::time::Timestamp;

/// The kind of the job.
pub const KIND: &str = "notice.gather";

/// Most notices that are listed in a letter.
const LISTED: usize = 50;

/// Notices read at once.
const PAGE: usize = 200;

/// Most notices of one letter, the listed ones and those that are only counted: what one commit
/// removes.
const TAKEN: usize = 1_000;

/// Of what one commit writes, what is kept for the letter, its job and the fence.
const ROOM: usize = 8;

/// Looks every half hour whose digest is due: zones differ by halves of hours.
#[must_use]
pub fn schedule() -> NewSchedule {
    NewSchedule {
        organization: None,
        name: "notice.digest".to_owned(),
        timing: Timing::Cron {
            expression: "*/30 * * * *".to_owned(),
            zone: "UTC".to_owned(),
        },
        overlap: Overlap::Skip,
        spread_ms: 0,
        job: KIND.to_owned(),
        payload: json!({ "queue": NoticeQueue::Digest }),
    }
}

/// The job for a queue. Those of one queue take turns.
pub(super) fn job(id: JobId, queue: NoticeQueue, now: Timestamp) -> Job {
    Job::new(id, KIND, json!({ "queue": queue }), now).in_lane(format!("notice:{}", queue.as_str()))
}

/// Does it.
pub struct GatherHandler;

#[async_trait]
impl Handler for GatherHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Makes e-mails of what people are to be told: queue is now or digest"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let queue = claimed.job().payload.get("queue").cloned();
        let queue: NoticeQueue = serde_json::from_value(queue.unwrap_or(Value::Null))
            .map_err(|_| Error::invalid("job.payload", "the job names no queue: now or digest"))?;
        let most = ctx.store().limits().writes.saturating_sub(ROOM);
        let most = most.clamp(1, TAKEN);
        let mut page = PageRequest::first(PAGE);
        let mut held: Vec<Stored<Notice>> = Vec::new();
        loop {
            let listed =
                repo::children::<Notice>(ctx.store(), queue.as_str(), false, page.clone()).await?;
            for notice in listed.items {
                let is_other = held.first().is_some_and(|first| first.user != notice.user);
                if is_other || held.len() >= most {
                    send(ctx, claimed, queue, std::mem::take(&mut held)).await?;
                }
                held.push(notice);
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        send(ctx, claimed, queue, held).await?;
        Ok(Outcome::done())
    }
}

/// Makes one letter of what waits for one person, if it is time.
async fn send(
    ctx: &Ctx,
    claimed: &Claimed,
    queue: NoticeQueue,
    held: Vec<Stored<Notice>>,
) -> Result<()> {
    let Some(user) = held.first().map(|notice| notice.user) else {
        return Ok(());
    };
    let access = access::load(ctx.store(), user).await?;
    let access = access.filter(|access| !access.user.is_disabled() && !access.user.is_deleted());
    let person = wishes(ctx, user).await?;
    let oldest = held.iter().map(|notice| notice.at).min();
    let is_due = match (queue, &access, oldest) {
        (NoticeQueue::Digest, Some(_), Some(oldest)) => is_digest_due(&person, oldest, ctx.now()),
        _ => true,
    };
    if !is_due {
        return Ok(());
    }
    let mut changes = ChangeSet::new();
    for notice in &held {
        changes.delete(notice, None);
    }
    // Who is gone, or wants nothing any more, is told nothing; nor is anybody of what they were let
    // in to when it happened and may not read now.
    let told = match access {
        Some(access) if !person.muted => readable(held, &access),
        _ => Vec::new(),
    };
    if !told.is_empty() {
        let letter = letter(ctx, queue, user, told);
        changes.create(&letter, None)?;
        changes.create(&post::job(ctx, &letter), None)?;
    }
    claimed.fence(&mut changes);
    ctx.store().commit(changes).await.map(|_| ())
}

async fn wishes(ctx: &Ctx, user: UserId) -> Result<NoticePreferences> {
    let own = preferences::stored(ctx, &[user]).await?.into_iter().next();
    let own = own.flatten().map(|own| own.value);
    Ok(own.unwrap_or_else(|| NoticePreferences::default_of(user)))
}

fn readable(held: Vec<Stored<Notice>>, access: &Access) -> Vec<Notice> {
    let grants = access.grants();
    held.into_iter()
        .map(|notice| notice.value)
        .filter(|notice| {
            let place = Resource::Group(notice.organization, notice.of);
            grants.can(needs(&notice.event, notice.kind), place)
        })
        .collect()
}

fn letter(ctx: &Ctx, queue: NoticeQueue, user: UserId, mut notices: Vec<Notice>) -> Letter {
    let count = notices.len();
    notices.sort_by_key(|notice| (Reverse(notice.level), notice.at));
    notices.truncate(LISTED);
    Letter {
        id: fresh(ctx.ports.ids.as_ref()),
        user,
        queue,
        more: u64::try_from(count - notices.len()).unwrap_or(0),
        notices,
        summary: None,
        leaving: None,
        created: ctx.now(),
    }
}
