//! Durable work: what waits and what was given up.

use async_graphql::{Context, Enum, ID, Json, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::page::Cursor;
use gna_domain::port::store::Stored;
use gna_domain::service::job;

use super::connection::{List, Wish, cost, listed};
use super::scalar::{DateTime, id, parse};
use super::user::{DONE, DonePayload};

/// Which unfinished jobs.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::Queue")]
pub enum JobQueue {
    /// Waiting or running.
    Ready,
    /// Given up; a person must look at it.
    Dead,
}

/// Where a job stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::JobState")]
pub enum JobState {
    /// For its time, its lane or a worker.
    Waiting,
    /// In a worker's hands.
    Running,
    /// Done; kept for a day.
    Done,
    /// Ended because a person wanted it; kept for a day.
    Cancelled,
    /// Given up; a person must look at it.
    Dead,
}

pub struct Job(pub Stored<model::Job>);

/// A piece of durable work.
#[Object]
impl Job {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Names the handler: `import.report`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }
    /// Where it stands.
    async fn state(&self) -> JobState {
        self.0.state().into()
    }
    /// Id of the organization whose work it is; null for the instance's own.
    async fn organization_id(&self) -> Option<ID> {
        self.0.organization.map(id)
    }
    /// When it may be taken; while it runs, when its lease ends.
    async fn due(&self) -> DateTime {
        self.0.due.into()
    }
    /// Failures so far.
    async fn attempts(&self) -> u32 {
        self.0.attempts
    }
    /// How many failures make it a dead letter.
    async fn max_attempts(&self) -> u32 {
        self.0.max_attempts
    }
    /// How often a person had it done again after it was given up.
    async fn replays(&self) -> u32 {
        self.0.replays
    }
    /// Jobs with the same lane take turns.
    async fn lane(&self) -> Option<&str> {
        self.0.lane.as_deref()
    }
    /// What the handler needs: ids, not content.
    async fn payload(&self) -> Json<serde_json::Value> {
        Json(self.0.payload.clone())
    }
    /// Why the last try failed, without what may be a secret.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }
    /// Who wanted it to end.
    async fn cancelled_by(&self) -> Option<&str> {
        self.0.cancelled_by.as_deref()
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// When it ended.
    async fn finished(&self) -> Option<DateTime> {
        self.0.finished.map(Into::into)
    }
}

#[derive(Default)]
pub struct JobQuery;

#[Object]
impl JobQuery {
    /// Unfinished work of an organization, or of the whole instance for administrators: dead letters
    /// with the last given up first, ready ones with the next due first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: Option<ID>,
        #[graphql(desc = "Which ones; dead letters if left out.")] queue: Option<JobQueue>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Job>> {
        let organization = organization
            .map(|of| parse(&of, "organization"))
            .transpose()?;
        let queue = queue.map_or(model::Queue::Dead, Into::into);
        let list =
            move |ctx: Ctx, page| async move { job::list(&ctx, organization, queue, page).await };
        Ok(listed(ctx.data::<Ctx>()?, &Wish::new(first, after)?, list, Job).await?)
    }

    /// One job; a finished one is kept for a day.
    async fn job(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<Job> {
        Ok(Job(job::get(ctx.data::<Ctx>()?, parse(&id, "id")?).await?))
    }
}

/// What came of it.
#[derive(SimpleObject)]
pub struct JobPayload {
    /// The job as it is now.
    pub job: Job,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct JobsReplayPayload {
    /// How many jobs are done again.
    pub jobs: usize,
    /// There may be more: call again with it as `after`.
    pub next: Option<String>,
}

#[derive(Default)]
pub struct JobMutation;

#[Object]
impl JobMutation {
    /// Has a dead letter done again from the start, with all its tries.
    async fn replay_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<JobPayload> {
        let job = job::replay(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(JobPayload { job: Job(job) })
    }
    /// Has all dead letters of an organization done again, or of the whole instance for administrators,
    /// the ones given up last first; looks at up to 1,000 per call.
    async fn replay_jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: Option<ID>,
        #[graphql(desc = "Only those of this kind.")] kind: Option<String>,
        #[graphql(desc = "To go on: `next` of the answer before.")] after: Option<String>,
    ) -> Result<JobsReplayPayload> {
        let of = organization
            .map(|of| parse(&of, "organization"))
            .transpose()?;
        let after = after.map(Cursor);
        let replayed = job::replay_all(ctx.data::<Ctx>()?, of, kind.as_deref(), after).await?;
        Ok(JobsReplayPayload {
            jobs: replayed.jobs,
            next: replayed.next.map(|next| next.0),
        })
    }
    /// Ends a job that waits or runs; nothing of it commits from now on.
    async fn cancel_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<JobPayload> {
        let job = job::cancel(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(JobPayload { job: Job(job) })
    }
    /// Removes a dead letter for good.
    async fn discard_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<DonePayload> {
        job::discard(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(DONE)
    }
}
