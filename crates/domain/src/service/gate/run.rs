//! A verdict on a report: what is present on its ref, by the policy and what the caller asks, put on
//! record.

use std::collections::{BTreeSet, HashMap};

use super::super::access::retrying;
use super::super::lookup::{Placed, permitted};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{AssetId, FindingId, GateRunId, RefId, ReportId, VulnerabilityId};
use crate::model::{
    Asset, AssetRef, AuditEntry, CodeLocation, Finding, GateRun, GateStanding, Group, Level,
    Location, OFFENDERS_KEPT, Offender, Organization, PresenceRecord, Report, ReportStatus, Stream,
    Vulnerability,
};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Entity, Event, List, Stored};
use crate::port::{fresh, repo};
use crate::rules::gate::{Candidate, Counts, Judgement, Limits, Terms, Verdict, judge};
use crate::time::Timestamp;

/// Most offenders that an answer has, the worst first.
pub const LISTED: usize = 1_000;
/// Most reports of one verdict.
const REPORTS: usize = 100;
/// Records read at once.
const READ: usize = 1_000;

/// What a caller asks.
#[derive(Clone, Debug)]
pub struct RunGate {
    /// The report under test; its import must be complete.
    pub report: ReportId,
    /// Other reports of the same build, of the same asset and ref, at most [`REPORTS`].
    pub with: Vec<ReportId>,
    pub limits: Limits,
    /// Judge only what the base does not have, where the policy allows that.
    pub new_only: bool,
    /// Name of the base ref; the asset's default ref if left out, or if the policy allows no other. Where it is the report's own ref,
    /// only what these reports were the first to show counts.
    pub base: Option<String>,
}

/// A verdict with what broke the gate.
#[derive(Clone, Debug)]
pub struct Ran {
    pub run: Stored<GateRun>,
    /// At most [`LISTED`], the worst first; the record keeps fewer.
    pub breaking: Vec<Offender>,
}

/// Gives a verdict and records it.
///
/// # Errors
/// `not_found` also where the caller may not see the report, not permitted, `gate.report_pending`,
/// `gate.report_failed`, `gate.other_ref`, `gate.too_many`, `gate.no_base`, `gate.limit`, `gate.contradiction`, or the store's.
pub async fn run(ctx: &Ctx, input: RunGate) -> Result<Ran> {
    let report = permitted::<Report>(ctx, input.report, Action::GateRun).await?;
    let group = repo::require::<Group>(ctx.store(), report.group).await?;
    let organization = repo::require::<Organization>(ctx.store(), report.organization).await?;
    let policy = Limits::of_policy(&organization.policy, &group.policy);
    let terms = Limits::agreed(&policy, &input.limits, input.new_only)?;
    is_complete(&report)?;
    let build = build(ctx, &report, &input.with).await?;
    let asset = repo::require::<Asset>(ctx.store(), report.asset).await?;
    let named = input.base.as_ref().filter(|_| policy.allows_base());
    let base = match (terms.new_only, named) {
        (false, _) => None,
        (true, None) => Some(asset.default_ref),
        (true, Some(name)) => Some(base(ctx, asset.id, name).await?),
    };
    let notes = policy.not_compared(input.new_only, input.base.is_some());
    let now = ctx.now();
    let judged = judged(ctx, &report, &build, base, &terms, now).await?;
    let breaking = offenders(ctx, judged.breaking).await?;
    let kept = breaking.iter().take(OFFENDERS_KEPT).cloned().collect();
    let run = GateRun {
        id: fresh(ctx.ports.ids.as_ref()),
        organization: report.organization,
        group: report.group,
        asset: report.asset,
        r#ref: report.r#ref,
        report: report.id,
        commit: report.commit.clone(),
        base,
        created: now,
        by: ctx.actor.label(),
        verdict: judged.counts.verdict(),
        terms,
        counts: judged.counts,
        notes: notes.into_iter().map(str::to_owned).collect(),
        breaking: kept,
    };
    record(ctx, &run).await?;
    Ok(Ran {
        run: Stored {
            value: run,
            version: 1,
        },
        breaking,
    })
}

fn is_complete(report: &Report) -> Result<()> {
    match report.status {
        ReportStatus::Complete => Ok(()),
        ReportStatus::Queued | ReportStatus::Running => Err(Error::conflict(
            "gate.report_pending",
            "the report is still being imported; ask again when it is complete",
        )
        .after_seconds(1)),
        ReportStatus::Refused | ReportStatus::Failed => Err(Error::conflict(
            "gate.report_failed",
            "the report could not be imported: there is nothing to judge",
        )),
    }
}

/// All reports of the build.
async fn build(ctx: &Ctx, report: &Report, with: &[ReportId]) -> Result<Vec<ReportId>> {
    if with.len() >= REPORTS {
        return Err(Error::limit(
            "gate.too_many",
            format!("at most {REPORTS} reports are judged together"),
        ));
    }
    let others = repo::get_many::<Report>(ctx.store(), with).await?;
    for other in others {
        let other = other.ok_or_else(|| ctx.absent::<Report>())?;
        ctx.permit(Action::GateRun, other.place())?;
        if (other.asset, other.r#ref) != (report.asset, report.r#ref) {
            return Err(Error::invalid(
                "gate.other_ref",
                "reports that are judged together are of one asset and one ref",
            )
            .on_field("with"));
        }
        is_complete(&other)?;
    }
    Ok(std::iter::once(report.id)
        .chain(with.iter().copied())
        .collect())
}

async fn base(ctx: &Ctx, asset: AssetId, name: &str) -> Result<RefId> {
    repo::find::<AssetRef>(ctx.store(), "name", &[&asset.to_string(), name.trim()])
        .await?
        .map(|found| found.id)
        .ok_or_else(|| {
            Error::invalid(
                "gate.no_base",
                "the asset has no ref of that name to compare with",
            )
            .on_field("base")
        })
}

struct AllJudged {
    counts: Counts,
    /// The worst, no more than [`LISTED`].
    breaking: Vec<Stored<Vulnerability>>,
}

async fn judged(
    ctx: &Ctx,
    report: &Report,
    build: &[ReportId],
    base: Option<RefId>,
    terms: &Terms,
    now: Timestamp,
) -> Result<AllJudged> {
    let ids: Vec<VulnerabilityId> = present(ctx, report.asset, report.r#ref)
        .await?
        .into_iter()
        .collect();
    let mut all = AllJudged {
        counts: Counts::default(),
        breaking: Vec::new(),
    };
    for some in ids.chunks(READ) {
        let stored = repo::get_many::<Vulnerability>(ctx.store(), some).await?;
        for value in stored.into_iter().flatten() {
            if value.merged_into.is_some() || !value.is_present_on(report.r#ref) {
                continue;
            }
            let on_base = base.is_some_and(|base| was_there(&value, report.r#ref, build, base));
            let judgement = judge(&Candidate::of(&value, on_base, now), terms, now);
            all.counts = all.counts.and(judgement);
            if judgement == Judgement::Breaks {
                all.breaking.push(value);
            }
        }
        all.breaking.sort_by(|a, b| {
            b.severity
                .score
                .total_cmp(&a.severity.score)
                .then(a.id.cmp(&b.id))
        });
        all.breaking.truncate(LISTED);
    }
    Ok(all)
}

/// Whether the base has it too; where that is the ref under test, whether a report before this build
/// showed it.
fn was_there(value: &Vulnerability, tested: RefId, build: &[ReportId], base: RefId) -> bool {
    if base != tested {
        return value.is_present_on(base);
    }
    value.presences().any(|presence| {
        presence.r#ref == base && presence.gone.is_none() && !build.contains(&presence.first.report)
    })
}

/// What any source shows on a ref. By primary keys only, so that nothing lags behind the import.
async fn present(ctx: &Ctx, asset: AssetId, r#ref: RefId) -> Result<BTreeSet<VulnerabilityId>> {
    let streams = repo::all_children::<Stream>(ctx.store(), &asset.to_string()).await?;
    let mut ids = BTreeSet::new();
    for stream in streams.iter().filter(|stream| stream.r#ref == r#ref) {
        let mut page = PageRequest::first(READ);
        loop {
            let list = List {
                collection: PresenceRecord::COLLECTION,
                index: None,
                partition: vec![PresenceRecord::partition_of(asset, &stream.name())],
                prefix: String::new(),
                until: None,
                descending: false,
                page: page.clone(),
            };
            let Some(listed) = ctx.store().list(&[list]).await?.pop() else {
                break;
            };
            ids.extend(repo::ids::<VulnerabilityId>(
                listed.items.iter().map(|raw| &raw.key.sort),
            ));
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
    }
    Ok(ids)
}

async fn offenders(ctx: &Ctx, breaking: Vec<Stored<Vulnerability>>) -> Result<Vec<Offender>> {
    let ids: BTreeSet<FindingId> = breaking.iter().map(|value| value.finding).collect();
    let ids: Vec<FindingId> = ids.into_iter().collect();
    let titles: HashMap<FindingId, String> = repo::get_many::<Finding>(ctx.store(), &ids)
        .await?
        .into_iter()
        .flatten()
        .map(|finding| (finding.id, finding.value.title))
        .collect();
    Ok(breaking
        .into_iter()
        .map(|stored| offender(stored.value, &titles))
        .collect())
}

fn offender(value: Vulnerability, titles: &HashMap<FindingId, String>) -> Offender {
    // The source that still shows it and that its severity comes from, else any.
    let source = value
        .sources
        .iter()
        .max_by_key(|source| (source.is_present(), source.tool == value.severity.tool));
    let (tool, rule) = source.map_or_else(Default::default, |source| {
        (source.tool.clone(), source.rule.clone())
    });
    let fingerprint = value
        .keys
        .iter()
        .min_by_key(|key| key.rank)
        .map(|key| key.hash.clone())
        .unwrap_or_default();
    Offender {
        vulnerability: value.id,
        title: titles
            .get(&value.finding)
            .cloned()
            .unwrap_or_else(|| rule.clone()),
        tool,
        rule,
        level: Level::from_score(value.severity.score),
        score: value.severity.score,
        location: without_snippet(value.location),
        identifiers: value.identifiers,
        cwes: value.cwes,
        first_seen: value.created,
        fingerprint,
    }
}

fn without_snippet(location: Location) -> Location {
    match location {
        Location::Code(code) => Location::Code(CodeLocation {
            snippet: None,
            ..code
        }),
        other => other,
    }
}

async fn record(ctx: &Ctx, run: &GateRun) -> Result<()> {
    let subject = [
        run.group.to_string(),
        run.asset.to_string(),
        run.report.to_string(),
        run.id.to_string(),
    ];
    let audit = AuditEntry::new(ctx, Some(run.organization), "gate.run", subject).with(
        serde_json::json!({ "verdict": run.verdict, "strict": run.terms.strict, "breaking": run.counts.breaking }),
    );
    let key = GateStanding::key_of(run.asset, run.r#ref, run.base, &run.terms);
    retrying(|| async {
        let before =
            repo::get_keys::<GateStanding>(ctx.store(), std::slice::from_ref(&key)).await?;
        let before = before.into_iter().next().flatten();
        let stood = before.as_ref().map(|before| before.verdict);
        let mut changes = ChangeSet::new();
        changes.create(run, Some(Event::named(event(stood, run.verdict))))?;
        changes.create(&audit, None)?;
        let now = GateStanding {
            asset: run.asset,
            r#ref: run.r#ref,
            base: run.base,
            terms: run.terms,
            verdict: run.verdict,
            run: run.id,
        };
        match &before {
            // What this run is called rests on it: another one that ends now may turn it.
            Some(before) if before.verdict == now.verdict => changes.require(before),
            Some(before) => changes.update(before, &now, None)?,
            None => changes.create(&now, None)?,
        }
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

/// What the feed calls a verdict after the one before it on the same ref, by the same terms.
fn event(before: Option<Verdict>, now: Verdict) -> &'static str {
    match (before, now) {
        (_, Verdict::Broken) => "gate.broken",
        (Some(Verdict::Broken), Verdict::Pass) => "gate.recovered",
        (_, Verdict::Pass) => "gate.passed",
    }
}

/// One run.
///
/// # Errors
/// `not_found` also where the caller may not see it.
pub async fn get(ctx: &Ctx, id: GateRunId) -> Result<Stored<GateRun>> {
    permitted(ctx, id, Action::GateRead).await
}

/// Runs of a group, newest first.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn of_group(
    ctx: &Ctx,
    group: &Group,
    page: PageRequest,
) -> Result<Page<Stored<GateRun>>> {
    ctx.permit(
        Action::GateRead,
        Resource::Group(group.organization, group.id),
    )?;
    let of = group.id.to_string();
    repo::list(ctx.store(), "by_group", &[&of], true, page).await
}
