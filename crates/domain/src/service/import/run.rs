//! The job: takes a report from whatever point it has reached to its end.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::apart::Apart;
use super::applying::Applying;
use super::closing::close_missing;
use super::reading::{Survey, open, survey};
use super::{KIND, planning};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{ReportId, RuleId};
use crate::import::{Plan, Refusal};
use crate::model::{
    Asset, Counts, Group, Job, Organization, Policy, Progress, Report, ReportStatus, Stream,
};
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{OpenReport, repo};
use crate::rules::identity;
use crate::rules::matching::gather;
use crate::rules::triage_rule::Ready;
use crate::service::{provisional, triage_rule, weakness_acceptance};

/// Runs [`KIND`] jobs.
pub struct ImportHandler;

/// Everything a step of the import needs to know.
pub struct Import<'a> {
    pub ctx: &'a Ctx,
    pub claimed: &'a Claimed,
    pub asset: Asset,
    pub policy: Policy,
    /// Weakness acceptances and triage rules, in their order.
    pub rules: Vec<Ready>,
    /// The organization's weakness acceptances, by the versions of their records.
    pub acceptances: BTreeMap<RuleId, u64>,
    pub report: Stored<Report>,
}

impl Import<'_> {
    /// Commits a step. The report's new value goes with it, and a worker that lost its job can't.
    ///
    /// # Errors
    /// The store's; `store.conflict` when anything it rests on was changed meanwhile.
    pub async fn commit(
        &mut self,
        mut changes: ChangeSet,
        next: Report,
        event: &str,
    ) -> Result<()> {
        self.claimed.fence(&mut changes);
        changes.update(&self.report, &next, Some(Event::named(event)))?;
        self.ctx.store().commit(changes).await?;
        self.report = Stored {
            version: self.report.version + 1,
            value: next,
        };
        Ok(())
    }
}

#[async_trait]
impl Handler for ImportHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Reads an uploaded report and applies it to its asset"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let report =
            repo::require::<Report>(ctx.store(), report_id(&claimed.job().payload)?).await?;
        let report = revived(ctx, claimed, report).await?;
        if report.status.is_final() {
            ctx.ports.blobs.delete(&report.plan_blob()).await?;
            return Ok(Outcome::done());
        }
        let asset = repo::require::<Asset>(ctx.store(), report.asset)
            .await?
            .value;
        let group = repo::require::<Group>(ctx.store(), report.group).await?;
        let organization = repo::require::<Organization>(ctx.store(), report.organization).await?;
        let policy = Policy::effective(&organization.policy, &group.policy);
        let acceptances = weakness_acceptance::all(ctx, report.organization).await?;
        let place = Resource::Group(report.organization, report.group);
        // What the whole organization bears comes before what rules decide.
        let mut rules = weakness_acceptance::ready(&acceptances, ctx.now());
        let of_rules = triage_rule::effective(ctx, report.organization, report.group).await?;
        rules.extend(triage_rule::ready(ctx, of_rules, place).await?);
        let raw = ctx.ports.blobs.get(&report.raw_blob()).await?;
        run(
            Import {
                ctx,
                claimed,
                asset,
                policy,
                rules,
                acceptances: weakness_acceptance::seen(&acceptances),
                report,
            },
            raw,
        )
        .await
    }

    async fn give_up(&self, ctx: &Ctx, job: &Job, error: &Error) -> Result<ChangeSet> {
        let mut changes = ChangeSet::new();
        if let Some(report) = repo::get::<Report>(ctx.store(), report_id(&job.payload)?).await?
            && !report.status.is_final()
        {
            let refusal = Refusal::new(
                "import.failed",
                format!("the import could not be finished: {}", error.message()),
            );
            let next = Report {
                status: ReportStatus::Failed,
                refusal: Some(refusal),
                finished: Some(ctx.now()),
                ..report.value.clone()
            };
            changes.update(&report, &next, Some(Event::named("report.failed")))?;
        }
        Ok(changes)
    }
}

/// A report whose import was given up, and which a person wants tried again, goes on from where it
/// came to.
async fn revived(ctx: &Ctx, claimed: &Claimed, report: Stored<Report>) -> Result<Stored<Report>> {
    if report.status != ReportStatus::Failed || claimed.job().replays == 0 {
        return Ok(report);
    }
    // Without a plan there is nothing to go on from.
    let status = match report.progress.planned {
        0 => ReportStatus::Queued,
        _ => ReportStatus::Running,
    };
    let next = Report {
        status,
        refusal: None,
        finished: None,
        ..report.value.clone()
    };
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    changes.update(&report, &next, Some(Event::named("report.replayed")))?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        version: report.version + 1,
        value: next,
    })
}

fn report_id(payload: &Value) -> Result<ReportId> {
    payload
        .get("report")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .parse()
}

/// The job that imports a report.
#[must_use]
pub fn payload(report: ReportId) -> Value {
    json!({ "report": report })
}

async fn run(mut import: Import<'_>, raw: Bytes) -> Result<Outcome> {
    let ctx = import.ctx;
    let opened = open(
        ctx.ports.parsing.clone(),
        import.report.file_name.clone(),
        raw,
        import.report.format.clone(),
    )
    .await?;
    let open_report = match opened {
        Ok(open_report) => open_report,
        Err(refusal) => return refuse(&import, refusal).await,
    };
    let options = identity::Options {
        merge_code_across_tools: import.policy.merge_code_across_tools,
    };
    let mut surveyed = match survey(open_report.clone(), options, import.report.category).await? {
        Ok(surveyed) => surveyed,
        Err(refusal) => return refuse(&import, refusal).await,
    };
    let mut identities =
        planning::known(ctx, import.asset.group, import.asset.id, &surveyed).await?;
    // What of it is applied already joins no more items than were joined when it was planned.
    gather(&mut surveyed.keys, identities.known());
    let plan = if import.report.status == ReportStatus::Running {
        let written = ctx.ports.blobs.get(&import.report.plan_blob()).await?;
        serde_json::from_slice(&written).map_err(|_| {
            Error::internal("import.plan_lost", "the plan of the import can't be read")
        })?
    } else {
        let known = identities.known();
        let apart = Apart::load(ctx, &surveyed.keys, known).await?;
        let plan = planning::plan(ctx, &surveyed, known, &apart);
        begin(&mut import, open_report.as_ref(), &surveyed, &plan).await?;
        plan
    };
    let keys = surveyed.keys;
    Applying::new(&mut import, &plan, &keys, &mut identities)
        .run(open_report)
        .await?;
    drop((keys, identities));
    close_missing(&mut import, &plan).await?;
    finish(&mut import, &plan).await
}

/// The plan becomes durable, then the report says that it is running.
async fn begin(
    import: &mut Import<'_>,
    open_report: &dyn OpenReport,
    survey: &Survey,
    plan: &Plan,
) -> Result<()> {
    let ctx = import.ctx;
    let written = serde_json::to_vec(plan)
        .map_err(|_| Error::internal("import.plan", "the plan can't be written"))?;
    ctx.ports
        .blobs
        .put(&import.report.plan_blob(), written.into())
        .await?;
    if !survey.warnings.is_empty() {
        let warnings = serde_json::to_vec(&survey.warnings)
            .map_err(|_| Error::internal("import.warnings", "the warnings can't be written"))?;
        ctx.ports
            .blobs
            .put(&import.report.warnings_blob(), warnings.into())
            .await?;
    }
    let planned = u64::try_from(plan.items.len()).unwrap_or(u64::MAX);
    let report = import.report.value.clone();
    let meta = &survey.meta;
    let next = Report {
        status: ReportStatus::Running,
        format: Some(open_report.format().name.clone()),
        tool: Some(meta.tool.clone()),
        tool_version: meta.tool_version.clone(),
        category: plan.streams.first().map(|stream| stream.category),
        commit: report.commit.clone().or_else(|| meta.commit.clone()),
        counts: Counts {
            total: planned + survey.skipped.values().sum::<u64>(),
            skipped: survey.skipped.clone(),
            ..Counts::default()
        },
        progress: Progress {
            planned,
            acceptances: import.acceptances.clone(),
            ..Progress::default()
        },
        warnings: u64::try_from(survey.warnings.len()).unwrap_or(u64::MAX),
        ..report
    };
    import
        .commit(ChangeSet::new(), next, "report.running")
        .await
}

/// Nothing of the report is kept but the record of why; what was made for it alone goes too.
async fn refuse(import: &Import<'_>, refusal: Refusal) -> Result<Outcome> {
    let mut changes = ChangeSet::new();
    let removed = provisional::remove(import.ctx, &import.report, &mut changes).await?;
    let next = Report {
        status: ReportStatus::Refused,
        format: refusal
            .format
            .clone()
            .or_else(|| import.report.format.clone()),
        refusal: Some(refusal),
        finished: Some(import.ctx.now()),
        removed_asset: removed.map(Box::new),
        ..import.report.value.clone()
    };
    changes.update(&import.report, &next, Some(Event::named("report.refused")))?;
    Ok(Outcome::Done(changes))
}

/// The streams now end in this report; whoever waits for it is told in the same commit.
async fn finish(import: &mut Import<'_>, plan: &Plan) -> Result<Outcome> {
    let ctx = import.ctx;
    let mut changes = ChangeSet::new();
    let report = &import.report;
    for planned in &plan.streams {
        let stream = Stream {
            asset: report.asset,
            r#ref: report.r#ref,
            category: planned.category,
            tool: planned.tool.clone(),
            report: report.id,
            scanned_at: report.scanned_at,
            commit: report.commit.clone(),
        };
        match repo::get_keys::<Stream>(ctx.store(), &[crate::port::Entity::key(&stream)])
            .await?
            .pop()
            .flatten()
        {
            Some(current) => {
                changes.update(&current, &stream, Some(Event::named("stream.continued")))?
            }
            None => changes.create(&stream, Some(Event::named("stream.started")))?,
        }
    }
    let seen = &report.progress.acceptances;
    weakness_acceptance::catch_up(ctx, report.organization, report.group, seen, &mut changes)
        .await?;
    let next = Report {
        status: ReportStatus::Complete,
        finished: Some(ctx.now()),
        ..report.value.clone()
    };
    debug_assert!(next.counts.add_up(), "{:?}", next.counts);
    import.commit(changes, next, "report.completed").await?;
    // Only now: until this commit is durable, whoever takes the job over needs the plan.
    ctx.ports.blobs.delete(&import.report.plan_blob()).await?;
    Ok(Outcome::done())
}
