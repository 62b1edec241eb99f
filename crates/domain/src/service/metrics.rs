//! The programme in numbers: sums of the counters that are kept with every change, and their recount.

use async_trait::async_trait;
use std::collections::BTreeMap;

use super::change::{creation, has_no_history};
use super::group;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{AssetId, GroupId, OrganizationId};
use crate::model::{
    Counter, Flow, HistoryEntry, Level, Tally, Vulnerability, VulnerabilityEvent, week_start,
};
use crate::page::PageRequest;
use crate::policy::Action;
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::repo;
use crate::port::store::{ChangeSet, Entity, List, Stored};
use crate::rules::lifecycle::apply_all;
use crate::time::Timestamp;

/// The kind of the job that counts anew.
pub const REBUILD: &str = "metrics.rebuild";

/// Vulnerabilities that are read at once for a recount.
const PAGE: usize = 200;

/// How often a counter that changed meanwhile is counted anew.
const RACES: usize = 5;

/// One severity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelMetrics {
    pub level: Level,
    pub open: i64,
    /// Open and accepted.
    pub accepted: i64,
    /// Open and past their due date.
    pub overdue: i64,
    pub closed: i64,
    pub remediated: i64,
    /// From the default ref to the last closing; none where nothing was repaired.
    pub mean_days_to_remediate: Option<f64>,
}

/// What a group or an organization comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Worst first.
    pub levels: Vec<LevelMetrics>,
    pub open: i64,
    pub closed: i64,
    pub accepted: i64,
    pub overdue: i64,
    /// Sum of CVSSF over open ones.
    pub risk_exposure: f64,
    /// Of that, what is accepted: the debt.
    pub accepted_exposure: f64,
    /// Share, 0.0 to 1.0, of open and closed ones that did not pass their due date; none without any.
    pub sla_compliance: Option<f64>,
    pub mean_days_to_remediate: Option<f64>,
    /// Oldest first, by their first day; only weeks in which something happened.
    pub weeks: Vec<(Timestamp, Flow)>,
}

/// A group in numbers. Costs as many reads as its counters have pages, however many vulnerabilities
/// there are.
///
/// # Errors
/// Not permitted (`vulnerability.read`), or the store's.
pub async fn of_group(ctx: &Ctx, organization: OrganizationId, id: GroupId) -> Result<Metrics> {
    ctx.permit(Action::VulnerabilityRead, Resource::Group(organization, id))?;
    let tallies = group::tallies(ctx, &[id]).await?;
    Ok(metrics(&sum(&tallies)))
}

/// An organization in numbers, over the groups whose vulnerabilities the caller may see.
///
/// # Errors
/// The store's; the caller already has the organization.
pub async fn of_organization(ctx: &Ctx, id: OrganizationId) -> Result<Metrics> {
    let groups = group::ids_where(ctx, id, Action::VulnerabilityRead).await?;
    of_groups(ctx, &groups).await
}

/// Groups together; the caller was let in to each.
///
/// # Errors
/// The store's.
pub(super) async fn of_groups(ctx: &Ctx, groups: &[GroupId]) -> Result<Metrics> {
    let tallies = group::tallies(ctx, groups).await?;
    Ok(metrics(&sum(&tallies)))
}

fn sum(tallies: &[Tally]) -> Tally {
    tallies
        .iter()
        .fold(Tally::default(), |sum, tally| sum.plus(tally))
}

/// The numbers of a tally.
#[must_use]
pub fn metrics(tally: &Tally) -> Metrics {
    let total = |side: &BTreeMap<Level, i64>| side.values().sum::<i64>();
    let of = |side: &BTreeMap<Level, i64>, level| side.get(&level).copied().unwrap_or_default();
    let levels = [
        Level::Critical,
        Level::High,
        Level::Medium,
        Level::Low,
        Level::Info,
    ]
    .map(|level| {
        let remediated = of(&tally.remediated, level);
        LevelMetrics {
            level,
            open: of(&tally.open, level),
            accepted: of(&tally.accepted, level),
            overdue: of(&tally.overdue, level),
            closed: of(&tally.closed, level),
            remediated,
            mean_days_to_remediate: mean_days(of(&tally.remediation_seconds, level), remediated),
        }
    });
    let (open, closed) = (total(&tally.open), total(&tally.closed));
    let passed = total(&tally.overdue) + total(&tally.late);
    Metrics {
        levels: levels.into(),
        open,
        closed,
        accepted: total(&tally.accepted),
        overdue: total(&tally.overdue),
        risk_exposure: tally.exposure as f64 / 1_000.0,
        accepted_exposure: tally.accepted_exposure as f64 / 1_000.0,
        sla_compliance: (open + closed > 0).then(|| 1.0 - passed as f64 / (open + closed) as f64),
        mean_days_to_remediate: mean_days(
            total(&tally.remediation_seconds),
            total(&tally.remediated),
        ),
        weeks: tally
            .weeks
            .iter()
            .map(|(week, flow)| (week_start(*week), *flow))
            .collect(),
    }
}

fn mean_days(seconds: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| seconds as f64 / 86_400.0 / count as f64)
}

/// Counts everything anew from the vulnerabilities and their history.
pub struct RebuildHandler;

#[async_trait]
impl Handler for RebuildHandler {
    fn kind(&self) -> &'static str {
        REBUILD
    }

    fn description(&self) -> &'static str {
        "Counts the numbers of all groups anew from vulnerabilities and their history"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        for _ in 0..RACES {
            if rebuild(ctx, Some(claimed)).await? {
                return Ok(Outcome::done());
            }
        }
        Err(Error::unavailable(
            "metrics.busy",
            "too much changes while it is counted; it is tried again",
        ))
    }
}

/// Counts once; whether nothing changed meanwhile that would have to be counted again. A counter that
/// changed while the vulnerabilities were read is left as it is.
///
/// # Errors
/// The store's.
pub async fn rebuild(ctx: &Ctx, claimed: Option<&Claimed>) -> Result<bool> {
    let kept = all_counters(ctx).await?;
    let counted = recount(ctx).await?;
    let mut whole = true;
    for (key, tally) in &counted {
        let next = Counter {
            group: key.0,
            asset: key.1,
            tally: tally.clone(),
        };
        let mut changes = ChangeSet::new();
        if let Some(claimed) = claimed {
            claimed.fence(&mut changes);
        }
        match kept.get(key) {
            Some(current) if current.value == next => continue,
            Some(current) => changes.update(current, &next, None)?,
            None => changes.create(&next, None)?,
        }
        match ctx.store().commit(changes).await {
            Err(error) if error.code() == "store.conflict" => whole = false,
            other => {
                other?;
            }
        }
    }
    for (key, current) in kept.iter().filter(|(key, _)| !counted.contains_key(*key)) {
        let next = Counter {
            group: key.0,
            asset: key.1,
            tally: Tally::default(),
        };
        if current.value != next {
            let mut changes = ChangeSet::new();
            changes.update(current, &next, None)?;
            ctx.store().commit(changes).await?;
        }
    }
    Ok(whole)
}

async fn all_counters(ctx: &Ctx) -> Result<BTreeMap<(GroupId, AssetId), Stored<Counter>>> {
    let mut all = BTreeMap::new();
    let mut page = PageRequest::first(1_000);
    loop {
        let found = ctx.store().scan(Counter::COLLECTION, &page).await?;
        let next = found.next.clone();
        for counter in repo::typed_page::<Counter>(found)?.items {
            all.insert((counter.group, counter.asset), counter);
        }
        match next {
            Some(next) => page.after = Some(next),
            None => return Ok(all),
        }
    }
}

/// What the counters must be, from the vulnerabilities and their history.
///
/// # Errors
/// The store's.
pub async fn recount(ctx: &Ctx) -> Result<BTreeMap<(GroupId, AssetId), Tally>> {
    let mut tallies: BTreeMap<(GroupId, AssetId), Tally> = BTreeMap::new();
    let mut page = PageRequest::first(PAGE);
    loop {
        let found = ctx.store().scan(Vulnerability::COLLECTION, &page).await?;
        let next = found.next.clone();
        let values = repo::typed_page::<Vulnerability>(found)?.items;
        for (value, history) in values.iter().zip(histories(ctx, &values).await?) {
            let tally = tallies.entry((value.group, value.asset)).or_default();
            *tally = replayed(std::mem::take(tally), &history);
        }
        match next {
            Some(next) => page.after = Some(next),
            None => return Ok(tallies),
        }
    }
}

/// Each change of one vulnerability, counted as it was when it was committed.
fn replayed(tally: Tally, history: &[HistoryEntry]) -> Tally {
    let mut before: Option<Vulnerability> = None;
    history.iter().fold(tally, |tally, entry| {
        let after = match (&before, entry.events.as_slice()) {
            (None, [VulnerabilityEvent::Created { value }, rest @ ..]) => {
                apply_all(value, rest, entry.at)
            }
            (Some(before), events) => apply_all(before, events, entry.at),
            (None, _) => return tally,
        };
        let tally = tally.moved(before.as_ref(), Some(&after), entry.at);
        before = Some(after);
        tally
    })
}

/// The histories of a page of vulnerabilities, in order.
async fn histories(ctx: &Ctx, values: &[Stored<Vulnerability>]) -> Result<Vec<Vec<HistoryEntry>>> {
    let list = |value: &Stored<Vulnerability>, after| List {
        collection: HistoryEntry::COLLECTION,
        index: None,
        partition: vec![value.id.to_string()],
        prefix: String::new(),
        until: None,
        descending: false,
        page: PageRequest {
            first: 1_000,
            after,
        },
    };
    let has_rows = |value: &&Stored<Vulnerability>| value.version > 1 || !has_no_history(value);
    let lists: Vec<List> = values
        .iter()
        .filter(has_rows)
        .map(|value| list(value, None))
        .collect();
    let mut pages = if lists.is_empty() {
        Vec::new()
    } else {
        ctx.store().list(&lists).await?
    }
    .into_iter();
    let mut all = Vec::with_capacity(values.len());
    for value in values {
        if !has_rows(&value) {
            all.push(vec![creation(&value.value)]);
            continue;
        }
        let mut entries = Vec::new();
        let mut page = pages.next();
        while let Some(found) = page.take() {
            let next = found.next.clone();
            let found = repo::typed_page::<HistoryEntry>(found)?;
            entries.extend(found.items.into_iter().map(|stored| stored.value));
            if next.is_some() {
                page = ctx.store().list(&[list(value, next)]).await?.pop();
            }
        }
        all.push(entries);
    }
    Ok(all)
}
