//! Schedules: what makes jobs, and when.

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model::{self, Timing};
use gna_domain::port::store::Stored;
use gna_domain::service::schedule::{self, NewSchedule};

use super::connection::{List, Wish, cost, listed};
use super::scalar::{DateTime, id, parse};
use super::user::{DONE, DonePayload};
use crate::rest::timing;
use crate::state::AppState;

/// What becomes of a run that is due while the one before is not finished.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::Overlap")]
pub enum ScheduleOverlap {
    /// It is left out.
    Skip,
    /// It waits; while one waits already, it is left out.
    Queue,
}

pub struct Schedule(pub Stored<model::Schedule>);

/// What makes jobs, and when.
#[Object]
impl Schedule {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Unique among those of its owner.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// Id of the organization it belongs to; null for the instance's own.
    async fn organization_id(&self) -> Option<ID> {
        self.0.organization.map(id)
    }
    /// The kind of the jobs it makes.
    async fn job(&self) -> &str {
        &self.0.job
    }
    /// What the jobs are given.
    async fn payload(&self) -> Json<serde_json::Value> {
        Json(self.0.payload.clone())
    }
    /// Five fields, in the time of the zone.
    async fn cron(&self) -> Option<&str> {
        match &self.0.timing {
            Timing::Cron { expression, .. } => Some(expression),
            _ => None,
        }
    }
    /// Name of a time zone.
    async fn zone(&self) -> Option<&str> {
        match &self.0.timing {
            Timing::Cron { zone, .. } => Some(zone),
            _ => None,
        }
    }
    /// Seconds between runs.
    async fn every_seconds(&self) -> Option<u32> {
        match self.0.timing {
            Timing::Every { seconds } => Some(seconds),
            _ => None,
        }
    }
    /// The time of a schedule that runs once.
    async fn at(&self) -> Option<DateTime> {
        match self.0.timing {
            Timing::Once { at } => Some(at.into()),
            _ => None,
        }
    }
    /// What becomes of a run while the one before is not finished.
    async fn overlap(&self) -> ScheduleOverlap {
        self.0.overlap.into()
    }
    /// Runs come up to so many seconds later, always by the same.
    async fn spread_seconds(&self) -> u32 {
        self.0.spread_ms / 1_000
    }
    /// Whether it is switched on, with a run to come.
    async fn enabled(&self) -> bool {
        self.0.armed
    }
    /// When it runs next.
    async fn next_run(&self) -> Option<DateTime> {
        self.0.due.map(Into::into)
    }
    /// When it ran last.
    async fn last_run(&self) -> Option<DateTime> {
        self.0.last.as_ref().map(|last| last.at.into())
    }
    /// Id of the job of the last run; kept for a day after it is done.
    async fn last_job_id(&self) -> Option<ID> {
        self.0.last.as_ref().map(|last| id(last.job))
    }
    /// When a run was last left out because of the one before.
    async fn last_skipped(&self) -> Option<DateTime> {
        self.0.skipped.map(Into::into)
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
}

#[derive(Default)]
pub struct ScheduleQuery;

#[Object]
impl ScheduleQuery {
    /// Schedules of an organization, or the instance's own, by name.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn schedules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: Option<ID>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Schedule>> {
        let of = organization
            .map(|of| parse(&of, "organization"))
            .transpose()?;
        let list = move |ctx: Ctx, page| async move { schedule::list(&ctx, of, page).await };
        Ok(listed(
            ctx.data::<Ctx>()?,
            &Wish::new(first, after)?,
            list,
            Schedule,
        )
        .await?)
    }

    /// One schedule.
    async fn schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Schedule> {
        let found = schedule::get(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Schedule(found))
    }
}

/// A schedule to be made: with `cron`, `everySeconds` or `at`.
#[derive(InputObject)]
pub struct CreateScheduleInput {
    /// Id of the organization; the instance's own if left out.
    pub organization: Option<ID>,
    /// 1 to 100 of a-z, 0-9, dot, - and _; unique among those of its owner.
    pub name: String,
    /// A kind of job.
    pub job: String,
    /// What the jobs are given.
    pub payload: Option<Json<serde_json::Value>>,
    /// Five fields.
    pub cron: Option<String>,
    /// Name of the time zone of `cron`; UTC if left out.
    pub zone: Option<String>,
    /// Seconds between runs.
    pub every_seconds: Option<u32>,
    /// For one run.
    pub at: Option<DateTime>,
    /// What becomes of a run while the one before is not finished; SKIP if left out.
    pub overlap: Option<ScheduleOverlap>,
    /// Runs come up to so many seconds later, always by the same.
    pub spread_seconds: Option<u32>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct SchedulePayload {
    /// The schedule as it is now.
    pub schedule: Schedule,
}

#[derive(Default)]
pub struct ScheduleMutation;

#[Object]
impl ScheduleMutation {
    /// Makes a schedule; for administrators, since its jobs run with all rights.
    async fn create_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule.")] input: CreateScheduleInput,
    ) -> Result<SchedulePayload> {
        let organization = input
            .organization
            .map(|of| parse(&of, "input.organization"))
            .transpose()?;
        let gna = ctx.data::<Ctx>()?;
        // Before anything is said about what was sent.
        gna.permit(
            gna_domain::policy::Action::InstanceManage,
            gna_domain::Resource::Instance,
        )?;
        let at = input.at.map(|at| at.0);
        let wanted = NewSchedule {
            organization,
            name: input.name,
            timing: timing(input.cron, input.zone, input.every_seconds, at)?,
            overlap: input.overlap.map_or_else(Default::default, Into::into),
            spread_ms: input.spread_seconds.unwrap_or(0).saturating_mul(1_000),
            job: input.job,
            payload: input.payload.map_or(serde_json::Value::Null, |json| json.0),
        };
        let kinds = ctx.data::<AppState>()?.config.job_kinds();
        let made = schedule::create(gna, wanted, &kinds).await?;
        Ok(SchedulePayload {
            schedule: Schedule(made),
        })
    }
    /// Switches a schedule on, with its next run from now on, or off.
    async fn switch_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
        #[graphql(desc = "On or off.")] enabled: bool,
    ) -> Result<SchedulePayload> {
        let changed = schedule::switch(ctx.data::<Ctx>()?, parse(&id, "id")?, enabled).await?;
        Ok(SchedulePayload {
            schedule: Schedule(changed),
        })
    }
    /// Starts a run now; the next one stays when it was.
    async fn run_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<SchedulePayload> {
        let changed = schedule::run_now(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(SchedulePayload {
            schedule: Schedule(changed),
        })
    }
    /// Removes a schedule; jobs that it made go on.
    async fn delete_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<DonePayload> {
        schedule::delete(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(DONE)
    }
}
