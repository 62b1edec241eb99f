//! Applying triage rules to the open vulnerabilities of a group, or only counting what they would do:
//! listed once, then looked at in steps. Each step commits its decisions and the run's progress together.

use async_trait::async_trait;
use std::collections::HashMap;

use super::{RuleDraft, checked, effective, ready};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{AssetId, GroupId, TriageRunId, VulnerabilityId};
use crate::model::{
    Asset, AuditEntry, EXAMPLES_MAX, Failure, Job, RuleOutcome, TriageRun, TriageRunStatus,
    Vulnerability,
};
use crate::policy::Action;
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::triage_rule::{Did, Ready, run};
use crate::service::bulk::run::{discard, listed, plan};
use crate::service::filter::VulnerabilityFilter;
use crate::service::triage::policy_of;
use crate::service::vulnerability::{Step, commit_with};
use crate::service::{group, index, lookup};

/// The kind of the job.
pub const KIND: &str = "triage.rules";

/// Most vulnerabilities of one step, where nothing is changed and where something is.
const LOOK: usize = 1_000;
const CHUNK: usize = 200;

/// Writes that one vulnerability may need: itself, two history rows, presence, audit.
const WRITES_PER_ITEM: usize = 10;

/// Applies the rules of a group and of its organization, or only tries them. A draft is tried alone, and
/// never applied.
///
/// # Errors
/// `not_found`, not permitted (`rule.manage`), `run.draft`, what makes a draft wrong, or the store's.
pub async fn start(
    ctx: &Ctx,
    id: GroupId,
    dry: bool,
    draft: Option<&RuleDraft>,
) -> Result<Stored<TriageRun>> {
    let group = group::require(ctx, id).await?;
    let place = Resource::Group(group.organization, id);
    ctx.permit(Action::RuleManage, place)?;
    let rules = match draft {
        Some(_) if !dry => {
            return Err(Error::invalid(
                "run.draft",
                "a draft is only tried: save it as a rule to have it applied",
            )
            .on_field("draft"));
        }
        Some(draft) => vec![checked(ctx, place, draft).await?],
        None => effective(ctx, group.organization, id).await?,
    };
    let rules: Vec<_> = rules
        .into_iter()
        .filter(|rule| rule.enabled || dry)
        .collect();
    let outcomes = rules
        .iter()
        .map(|rule| RuleOutcome {
            rule: rule.id,
            name: rule.name.clone(),
            version: rule.version,
            matched: 0,
            changed: 0,
            refused: 0,
            failed: 0,
            examples: Vec::new(),
        })
        .collect();
    let value = TriageRun {
        id: fresh(ctx.ports.ids.as_ref()),
        organization: group.organization,
        group: id,
        by: ctx.actor.label(),
        dry,
        rules,
        status: TriageRunStatus::Queued,
        total: None,
        done: 0,
        changed: 0,
        outcomes,
        created: ctx.now(),
        finished: None,
        failure: None,
    };
    let payload = serde_json::json!({ "run": value.id });
    let job = Job::new(fresh(ctx.ports.ids.as_ref()), KIND, payload, ctx.now())
        .in_lane(format!("bulk:{id}"))
        .of(group.organization);
    let subject = [id.to_string(), value.id.to_string()];
    let audit = AuditEntry::new(ctx, Some(group.organization), "triage_run.started", subject);
    let mut changes = ChangeSet::new();
    changes.create(&value, Some(Event::named("triage_run.started")))?;
    changes.create(&job, None)?;
    changes.create(
        &audit.with(serde_json::json!({ "dry": dry, "draft": draft.is_some() })),
        None,
    )?;
    ctx.store().commit(changes).await?;
    Ok(Stored { value, version: 1 })
}

/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn require(ctx: &Ctx, id: TriageRunId) -> Result<Stored<TriageRun>> {
    lookup::permitted(ctx, id, Action::RuleRead).await
}

/// Does it.
pub struct TriageRunHandler;

#[async_trait]
impl Handler for TriageRunHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Applies triage rules to a group's open vulnerabilities, or counts what they would do"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let id = run_id(claimed.job())?;
        let ctx = Ctx::system(ctx.ports.clone(), "triage-rules");
        let mut current = repo::require::<TriageRun>(ctx.store(), id).await?;
        if !current.status.is_final() && current.total.is_none() {
            match list(&ctx, claimed, &current).await {
                Err(error) if error.code() == "store.conflict" => {}
                listed => listed?,
            }
            current = repo::require::<TriageRun>(ctx.store(), id).await?;
        }
        if !current.status.is_final() {
            let written = ctx.ports.blobs.get(&current.plan_blob()).await?;
            let ids: Vec<VulnerabilityId> = serde_json::from_slice(&written)
                .map_err(|_| Error::internal("triage_run.plan", "the plan can't be read"))?;
            let place = Resource::Group(current.organization, current.group);
            let mut rules = current.rules.clone();
            // What is only tried is tried also where it is switched off.
            rules.iter_mut().for_each(|rule| rule.enabled = true);
            let rules = ready(&ctx, rules, place).await?;
            while !current.status.is_final() {
                match step(&ctx, claimed, &current, &ids, &rules).await {
                    Err(error) if error.code() == "store.conflict" => {
                        let mut still_mine = ChangeSet::new();
                        claimed.fence(&mut still_mine);
                        ctx.store().commit(still_mine).await?;
                    }
                    other => other?,
                }
                current = repo::require::<TriageRun>(ctx.store(), id).await?;
            }
        }
        ctx.ports.blobs.delete(&current.plan_blob()).await?;
        Ok(Outcome::done())
    }

    async fn give_up(&self, ctx: &Ctx, job: &Job, error: &Error) -> Result<ChangeSet> {
        let mut changes = ChangeSet::new();
        if let Some(current) = repo::get::<TriageRun>(ctx.store(), run_id(job)?).await? {
            discard(ctx, &current.plan_blob()).await;
            if !current.status.is_final() {
                let next = TriageRun {
                    status: TriageRunStatus::Failed,
                    finished: Some(ctx.now()),
                    failure: Some(Failure::of(error)),
                    ..current.value.clone()
                };
                changes.update(&current, &next, Some(Event::named("triage_run.failed")))?;
            }
        }
        Ok(changes)
    }
}

fn run_id(job: &Job) -> Result<TriageRunId> {
    job.payload
        .get("run")
        .and_then(serde_json::Value::as_str)
        .ok_or_else(|| Error::invalid("job.payload", "the job names no run"))?
        .parse()
}

/// Writes down which vulnerabilities are open now.
async fn list(ctx: &Ctx, claimed: &Claimed, current: &Stored<TriageRun>) -> Result<()> {
    index::catch_up(ctx).await?;
    let filter = VulnerabilityFilter {
        states: vec!["OPEN".to_owned(), "SUBMITTED".to_owned()],
        any_ref: true,
        any_false_positive: true,
        ..VulnerabilityFilter::default()
    };
    let place = Resource::Group(current.organization, current.group);
    let (ids, status, failure) = match listed(ctx, place, &filter).await {
        Ok(ids) => (Some(ids), TriageRunStatus::Running, None),
        Err(error) if error.code() == "bulk.too_many" => {
            (None, TriageRunStatus::Failed, Some(Failure::of(&error)))
        }
        Err(error) => return Err(error),
    };
    if let Some(ids) = &ids {
        let blob = current.plan_blob();
        ctx.ports.blobs.put(&blob, plan(ids)?).await?;
    }
    let next = TriageRun {
        status,
        total: ids.map(|ids| u64::try_from(ids.len()).unwrap_or(u64::MAX)),
        finished: status.is_final().then(|| ctx.now()),
        failure,
        ..current.value.clone()
    };
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    changes.update(current, &next, Some(Event::named("triage_run.listed")))?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// Looks at the next few, and notes it.
async fn step(
    ctx: &Ctx,
    claimed: &Claimed,
    current: &Stored<TriageRun>,
    ids: &[VulnerabilityId],
    rules: &[Ready],
) -> Result<()> {
    let size = if current.dry {
        LOOK
    } else {
        (ctx.store().limits().writes / WRITES_PER_ITEM).clamp(1, CHUNK)
    };
    let from = usize::try_from(current.done).unwrap_or(usize::MAX);
    let chunk: Vec<VulnerabilityId> = ids.iter().skip(from).take(size).copied().collect();
    let policy = policy_of(ctx, current.organization, current.group).await?;
    let found = repo::get_many::<Vulnerability>(ctx.store(), &chunk).await?;
    let assets = assets_of(ctx, found.iter().flatten()).await?;
    let mut next = TriageRun {
        status: TriageRunStatus::Running,
        done: current.done + u64::try_from(chunk.len()).unwrap_or(0),
        ..current.value.clone()
    };
    let mut steps = Vec::new();
    for stored in found.into_iter().flatten() {
        let Some(asset) = assets
            .get(&stored.asset)
            .filter(|_| stored.group == current.group)
        else {
            continue;
        };
        let ran = run(rules, &stored.value, asset, &policy, ctx.now());
        for (ready, did) in rules.iter().zip(&ran.did) {
            let of_rule = |outcome: &&mut RuleOutcome| outcome.rule == ready.rule.id;
            if let Some(outcome) = next.outcomes.iter_mut().find(of_rule) {
                count(outcome, did, stored.id);
            }
        }
        if !ran.events.is_empty() {
            next.changed += 1;
            if !current.dry {
                steps.push(Step {
                    current: stored,
                    events: ran.events,
                });
            }
        }
    }
    let mut event = "triage_run.progressed";
    if next.total.is_none_or(|total| next.done >= total) || chunk.is_empty() {
        next.status = TriageRunStatus::Complete;
        next.finished = Some(ctx.now());
        event = "triage_run.completed";
    }
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    changes.update(current, &next, Some(Event::named(event)))?;
    commit_with(ctx, steps, changes, "rules.applied", None)
        .await
        .map(|_| ())
}

fn count(outcome: &mut RuleOutcome, did: &Did, id: VulnerabilityId) {
    match did {
        Did::Nothing => {}
        Did::Failed => outcome.failed += 1,
        Did::Matched { changed, refused } => {
            outcome.matched += 1;
            outcome.refused += u64::from(!refused.is_empty());
            if *changed {
                outcome.changed += 1;
                if outcome.examples.len() < EXAMPLES_MAX {
                    outcome.examples.push(id);
                }
            }
        }
    }
}

async fn assets_of(
    ctx: &Ctx,
    found: impl Iterator<Item = &Stored<Vulnerability>>,
) -> Result<HashMap<AssetId, Asset>> {
    let mut ids: Vec<AssetId> = found.map(|stored| stored.asset).collect();
    ids.sort_unstable();
    ids.dedup();
    let assets = repo::get_many::<Asset>(ctx.store(), &ids).await?;
    Ok(assets
        .into_iter()
        .flatten()
        .map(|stored| (stored.id, stored.value))
        .collect())
}
