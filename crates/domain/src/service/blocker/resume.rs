//! What waited for a blocker goes on after it is solved: a durable job in steps. Each step takes what
//! it resumes out of the list that it walks, so that one that was interrupted goes on where it stopped.

use async_trait::async_trait;

use super::super::vulnerability::{Step, commit_with};
use crate::ctx::{Actor, Ctx};
use crate::error::{Error, Result};
use crate::id::{BlockerId, VulnerabilityId};
use crate::model::{Blocker, BlockerHold, Job, Note, Vulnerability};
use crate::page::PageRequest;
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};
use crate::rules::verification::{self, Command};

/// The kind of the job.
pub const KIND: &str = "blocker.resume";

/// Most vulnerabilities of one commit.
const CHUNK: usize = 100;

/// Writes that one vulnerability may need: itself, two history rows, audit, the list.
const WRITES_PER_ITEM: usize = 10;

/// The job for a blocker that is solved.
pub(super) fn job(ctx: &Ctx, blocker: &Blocker) -> Job {
    Job::new(
        fresh(ctx.ports.ids.as_ref()),
        KIND,
        serde_json::json!({ "blocker": blocker.id }),
        ctx.now(),
    )
    .in_lane(format!("blocker:{}", blocker.id))
    .of(blocker.organization)
}

/// Does it.
pub struct ResumeHandler;

#[async_trait]
impl Handler for ResumeHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Lets the retests go on that waited for a blocker"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let id: BlockerId = claimed
            .job()
            .payload
            .get("blocker")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| Error::invalid("job.payload", "the job names no blocker"))?
            .parse()?;
        let blocker = repo::require::<Blocker>(ctx.store(), id).await?;
        let ctx = Ctx {
            actor: Actor::System("blocker"),
            ..ctx.clone()
        };
        let size = (ctx.store().limits().writes / WRITES_PER_ITEM).clamp(1, CHUNK);
        loop {
            let waiting = super::held(&ctx, id, PageRequest::first(size)).await?;
            if waiting.items.is_empty() {
                return Ok(Outcome::done());
            }
            match step(&ctx, claimed, &blocker.value, waiting.items).await {
                // An import or a person was there first: look again, if the job is still ours.
                Err(error) if error.code() == "store.conflict" => {
                    let mut still_mine = ChangeSet::new();
                    claimed.fence(&mut still_mine);
                    ctx.store().commit(still_mine).await?;
                }
                other => other?,
            }
        }
    }
}

/// Lets the next few go on.
async fn step(
    ctx: &Ctx,
    claimed: &Claimed,
    blocker: &Blocker,
    waiting: Vec<Stored<BlockerHold>>,
) -> Result<()> {
    let ids: Vec<VulnerabilityId> = waiting.iter().map(|hold| hold.vulnerability).collect();
    let found = repo::get_many::<Vulnerability>(ctx.store(), &ids).await?;
    let reason = match blocker
        .solved
        .as_ref()
        .and_then(|note| note.reason.as_ref())
    {
        Some(how) => format!("{} is solved: {how}", blocker.title),
        None => format!("{} is solved", blocker.title),
    };
    let note = Note::new(&ctx.actor, ctx.now(), Some(&reason));
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    let mut steps = Vec::new();
    for (hold, current) in waiting.iter().zip(found) {
        match current.filter(|current| current.blocker() == Some(blocker.id)) {
            Some(current) => {
                let events = verification::decide(&current.value, Command::Resume, &note)?;
                steps.push(Step { current, events });
            }
            // The list says more than is so: the row goes.
            None => changes.delete(hold, None),
        }
    }
    commit_with(ctx, steps, changes, "verification.resumed", Some(&reason))
        .await
        .map(|_| ())
}
