//! A weakness acceptance on its way over what there is: applied once it is approved, taken back once it
//! is inactive. The vulnerabilities are looked at in the order in which they were created, a chunk at a
//! time; each chunk commits its decisions together with how far the run has come.

use async_trait::async_trait;
use std::collections::{BTreeMap, HashMap};

use super::find;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{AcceptanceRunId, AssetId, GroupId, OrganizationId, RuleId, VulnerabilityId};
use crate::model::{
    AcceptanceRun, AcceptanceRunStatus as Status, Asset, Failure, Group, Job, Policy,
    Vulnerability, WeaknessAcceptance, WeaknessAcceptanceStatus, WeaknessName,
};
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::search::{Condition, Operand, SearchRequest, Selection, Sort};
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::triage_rule::{Did, Ready, run};
use crate::rules::weakness_acceptance::{is_in_force, taken_back};
use crate::service::filter::spellings;
use crate::service::index;
use crate::service::vulnerability::{Step, commit_with};

/// The kind of the job.
pub const KIND: &str = "weakness_acceptance.run";

/// Most vulnerabilities of one commit.
const CHUNK: usize = 200;

/// Writes that one vulnerability may need: itself, two history rows, presence, audit.
const WRITES_PER_ITEM: usize = 10;

/// How far the total is counted.
const COUNTED: u64 = 1_000_000;

/// Adds a run and its job: it applies what is in force, and takes back what is not.
pub(super) fn begin(
    ctx: &Ctx,
    acceptance: &WeaknessAcceptance,
    group: Option<GroupId>,
    changes: &mut ChangeSet,
) -> Result<()> {
    let back = acceptance.status != WeaknessAcceptanceStatus::Approved;
    let run = fresh_run(ctx, acceptance.organization, acceptance.id, group);
    add(
        ctx,
        AcceptanceRun {
            version: acceptance.version,
            back,
            ..run
        },
        changes,
    )
}

/// Adds a run that takes back what an acceptance set up to that version.
pub(super) fn begin_back(
    ctx: &Ctx,
    organization: OrganizationId,
    acceptance: RuleId,
    version: u32,
    group: Option<GroupId>,
    changes: &mut ChangeSet,
) -> Result<()> {
    let run = fresh_run(ctx, organization, acceptance, group);
    add(
        ctx,
        AcceptanceRun {
            version,
            back: true,
            ..run
        },
        changes,
    )
}

fn fresh_run(
    ctx: &Ctx,
    organization: OrganizationId,
    acceptance: RuleId,
    group: Option<GroupId>,
) -> AcceptanceRun {
    AcceptanceRun {
        id: fresh(ctx.ports.ids.as_ref()),
        organization,
        acceptance,
        version: 0,
        back: false,
        group,
        status: Status::Queued,
        total: None,
        done: 0,
        changed: 0,
        refused: BTreeMap::new(),
        after: None,
        failure: None,
        created: ctx.now(),
        finished: None,
    }
}

fn add(ctx: &Ctx, run: AcceptanceRun, changes: &mut ChangeSet) -> Result<()> {
    let payload = serde_json::json!({ "acceptance": run.acceptance, "run": run.id });
    // One after the other: what is taken back comes after what was being applied.
    let job = Job::new(fresh(ctx.ports.ids.as_ref()), KIND, payload, ctx.now())
        .in_lane(format!("weakness_acceptance:{}", run.acceptance))
        .of(run.organization);
    changes.create(&run, Some(Event::named("acceptance_run.started")))?;
    changes.create(&job, None)
}

/// Does it.
pub struct AcceptanceRunHandler;

#[async_trait]
impl Handler for AcceptanceRunHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Applies a weakness acceptance to what there is, or takes it back"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let ctx = Ctx::system(ctx.ports.clone(), "weakness-acceptance");
        let mut current = load(&ctx, claimed.job())
            .await?
            .ok_or_else(repo::missing::<AcceptanceRun>)?;
        if current.status.is_final() {
            return Ok(Outcome::done());
        }
        // What was there when it was decided on is in the index then.
        index::catch_up(&ctx).await?;
        // Once for all steps: into a group that is made meanwhile come imports, and those apply it.
        let groups = groups_of(&ctx, &current).await?;
        while !current.status.is_final() {
            match step(&ctx, claimed, &current, &groups).await {
                // An import or a person was there first: look again, if it is still ours.
                Err(error) if error.code() == "store.conflict" => {
                    let mut still_mine = ChangeSet::new();
                    claimed.fence(&mut still_mine);
                    ctx.store().commit(still_mine).await?;
                }
                other => other?,
            }
            current = load(&ctx, claimed.job())
                .await?
                .ok_or_else(repo::missing::<AcceptanceRun>)?;
        }
        Ok(Outcome::done())
    }

    async fn give_up(&self, ctx: &Ctx, job: &Job, error: &Error) -> Result<ChangeSet> {
        let mut changes = ChangeSet::new();
        if let Some(current) = load(ctx, job).await?
            && !current.status.is_final()
        {
            let next = AcceptanceRun {
                status: Status::Failed,
                failure: Some(Failure::of(error)),
                finished: Some(ctx.now()),
                ..current.value.clone()
            };
            changes.update(&current, &next, Some(Event::named("acceptance_run.failed")))?;
        }
        Ok(changes)
    }
}

async fn load(ctx: &Ctx, job: &Job) -> Result<Option<Stored<AcceptanceRun>>> {
    let part = |name: &str| {
        let part = job.payload.get(name).and_then(serde_json::Value::as_str);
        part.ok_or_else(|| Error::invalid("job.payload", "the job names no run"))
    };
    let acceptance: RuleId = part("acceptance")?.parse()?;
    let id: AcceptanceRunId = part("run")?.parse()?;
    let key = AcceptanceRun::key_of(acceptance, id);
    Ok(repo::get_keys(ctx.store(), &[key]).await?.pop().flatten())
}

/// Looks at the next few, and notes it.
async fn step(
    ctx: &Ctx,
    claimed: &Claimed,
    current: &Stored<AcceptanceRun>,
    groups: &[GroupId],
) -> Result<()> {
    let acceptance = find(ctx, current.organization, current.acceptance).await?;
    let acceptance = acceptance.map(|stored| stored.value);
    let rules: Vec<Ready> = acceptance
        .iter()
        .filter(|acceptance| {
            acceptance.version == current.value.version && is_in_force(acceptance, ctx.now())
        })
        .map(|acceptance| Ready::of_acceptance(acceptance.clone()))
        .collect();
    let mut next = current.value.clone();
    next.status = Status::Running;
    if !current.back && rules.is_empty() {
        next.status = Status::Stopped;
        next.finished = Some(ctx.now());
        let mut changes = ChangeSet::new();
        claimed.fence(&mut changes);
        changes.update(current, &next, Some(Event::named("acceptance_run.stopped")))?;
        return ctx.store().commit(changes).await.map(|_| ());
    }
    let selection = selection(groups, current, acceptance.as_ref());
    if next.total.is_none() {
        next.total = Some(ctx.ports.search.count(&selection, COUNTED).await?.value());
    }
    let size = (ctx.store().limits().writes / WRITES_PER_ITEM).clamp(1, CHUNK);
    let request = SearchRequest {
        selection,
        sort: Sort {
            field: "created",
            descending: false,
        },
        limit: size,
        after: current.after.clone(),
    };
    let page = ctx.ports.search.query(&request).await?;
    let ids: Vec<VulnerabilityId> = page.hits.iter().map(|hit| hit.id).collect();
    next.after = page
        .hits
        .last()
        .map(|hit| hit.cursor.clone())
        .or(next.after);
    let mut steps = Vec::new();
    let found = repo::get_many::<Vulnerability>(ctx.store(), &ids).await?;
    let found: Vec<Stored<Vulnerability>> = found.into_iter().flatten().collect();
    next.done += u64::try_from(ids.len()).unwrap_or(0);
    let around = Around::of(ctx, &found).await?;
    for stored in found {
        let events = if current.back {
            taken_back(&stored.value, current.acceptance, current.value.version)
        } else {
            around.decided(ctx, &rules, &stored, &mut next.refused)
        };
        if !events.is_empty() {
            // What is only refused is written down, and changes nothing.
            let changes = events
                .iter()
                .any(|event| event.name() == "treatment_changed");
            next.changed += u64::from(changes);
            steps.push(Step {
                current: stored,
                events,
            });
        }
    }
    let mut event = "acceptance_run.progressed";
    if !page.has_more {
        next.status = Status::Complete;
        next.finished = Some(ctx.now());
        event = "acceptance_run.completed";
    }
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    changes.update(current, &next, Some(Event::named(event)))?;
    let (action, reason) = told(current, acceptance.as_ref());
    commit_with(ctx, steps, changes, action, Some(&reason))
        .await
        .map(|_| ())
}

/// What the audit log calls it, and what the history says why.
fn told(run: &AcceptanceRun, acceptance: Option<&WeaknessAcceptance>) -> (&'static str, String) {
    let note = acceptance.and_then(|acceptance| {
        let ended = acceptance.ended.as_ref().filter(|_| run.back);
        ended.or(Some(&acceptance.submitted).filter(|_| !run.back))
    });
    let reason = note.and_then(|note| note.reason.as_deref());
    let of = match acceptance {
        Some(of) => format!("acceptance {} of {}", run.acceptance, of.weakness),
        None => format!("acceptance {}", run.acceptance),
    };
    let text = match (run.back, reason) {
        (true, Some(reason)) => format!("{of} is no longer in force: {reason}"),
        (true, None) => format!("{of} is no longer in force"),
        (false, reason) => reason.unwrap_or_default().to_owned(),
    };
    let action = if run.back {
        "weakness_acceptance.taken_back"
    } else {
        "weakness_acceptance.applied"
    };
    (action, text)
}

/// What the decisions on a chunk depend on.
struct Around {
    assets: HashMap<AssetId, Asset>,
    policies: HashMap<GroupId, (Policy, u64)>,
}

impl Around {
    async fn of(ctx: &Ctx, found: &[Stored<Vulnerability>]) -> Result<Self> {
        let mut assets: Vec<AssetId> = found.iter().map(|stored| stored.asset).collect();
        assets.sort_unstable();
        assets.dedup();
        let assets = repo::get_many::<Asset>(ctx.store(), &assets).await?;
        Ok(Self {
            assets: assets
                .into_iter()
                .flatten()
                .map(|stored| (stored.id, stored.value))
                .collect(),
            policies: index::policies(ctx, found).await?,
        })
    }

    fn decided(
        &self,
        ctx: &Ctx,
        rules: &[Ready],
        stored: &Stored<Vulnerability>,
        codes: &mut BTreeMap<String, u64>,
    ) -> Vec<crate::model::VulnerabilityEvent> {
        let (Some(asset), Some((policy, _))) = (
            self.assets.get(&stored.asset),
            self.policies.get(&stored.group),
        ) else {
            return Vec::new();
        };
        let ran = run(rules, &stored.value, asset, policy, ctx.now());
        for did in ran.did {
            if let Did::Matched { refused, .. } = did {
                for code in refused {
                    *codes.entry(code).or_default() += 1;
                }
            }
        }
        ran.events
    }
}

/// Where it looks.
async fn groups_of(ctx: &Ctx, run: &AcceptanceRun) -> Result<Vec<GroupId>> {
    if let Some(group) = run.group {
        return Ok(vec![group]);
    }
    let of = run.organization.to_string();
    let groups = repo::list_all::<Group>(ctx.store(), "by_organization", &[&of]).await?;
    Ok(groups.into_iter().map(|group| group.id).collect())
}

/// What it looks at: what has the weakness and is open, or what is accepted.
fn selection(
    groups: &[GroupId],
    run: &AcceptanceRun,
    acceptance: Option<&WeaknessAcceptance>,
) -> Selection {
    let words = |field, words: &[&str]| {
        let words = words
            .iter()
            .map(|word| Operand::Keyword((*word).to_owned()));
        Condition::In(field, words.collect())
    };
    let condition = match acceptance.filter(|_| !run.back) {
        Some(acceptance) => Condition::All(vec![
            words("state", &["OPEN", "SUBMITTED"]),
            about(&acceptance.weakness),
        ]),
        None => words("treatment", &["ACCEPTED", "ACCEPTED_PERMANENTLY"]),
    };
    Selection {
        groups: groups.to_vec(),
        condition,
        text: None,
    }
}

/// Narrows to what may have the weakness; the rule then looks at each.
fn about(weakness: &WeaknessName) -> Condition {
    match weakness {
        WeaknessName::Cwe(number) => {
            Condition::In("cwe", vec![Operand::Keyword(number.to_string())])
        }
        WeaknessName::Name(name) => {
            let names = spellings(name).into_iter().map(Operand::Keyword).collect();
            let mut any = vec![Condition::In("identifier", names)];
            // A tool's name may have a colon in it.
            let tools: Vec<Operand> = name
                .match_indices(':')
                .filter_map(|(at, _)| name.get(..at))
                .map(|tool| Operand::Keyword(tool.to_owned()))
                .collect();
            if !tools.is_empty() {
                any.push(Condition::In("tool", tools));
            }
            Condition::Any(any)
        }
    }
}
