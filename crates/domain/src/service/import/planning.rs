//! Planning: from the keys of a report and what the asset knows to what each item is.

use std::collections::{HashMap, HashSet};

use super::apart::Apart;
use super::identities::Identities;
use super::reading::Survey;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{AssetId, VulnerabilityId};
use crate::import::{Plan, PlannedItem, Step};
use crate::model::Counter;
use crate::port::fresh;
use crate::rules::matching::{Known, Verdict, match_all};

/// Decides what each item is, and gives new vulnerabilities their ids.
pub fn plan(ctx: &Ctx, survey: &Survey, known: &Known, apart: &Apart) -> Plan {
    let verdicts = match_all(&survey.keys, known, &|a, b| apart.contains(a, b));
    let items = verdicts
        .into_iter()
        .zip(&survey.stream_of)
        .map(|(verdict, stream)| {
            let step = match verdict {
                Verdict::New => Step::Create(fresh(ctx.ports.ids.as_ref())),
                Verdict::Known { id, absorbs, also } if also.is_empty() => Step::See(id, absorbs),
                Verdict::Known { id, absorbs, also } => {
                    Step::SeeEach(std::iter::once((id, absorbs)).chain(also).collect())
                }
                Verdict::DuplicateOf(first) => {
                    Step::Duplicate(u64::try_from(first).unwrap_or(u64::MAX))
                }
            };
            PlannedItem {
                stream: *stream,
                step,
            }
        })
        .collect();
    Plan {
        streams: survey.streams.clone(),
        items,
    }
}

/// Whether the asset has no vulnerabilities yet, so that nothing needs to be looked up.
///
/// # Errors
/// The store's.
pub async fn is_fresh(ctx: &Ctx, group: crate::id::GroupId, asset: AssetId) -> Result<bool> {
    // The counter comes with the first chunk that is ever applied to the asset.
    let counter = ctx.store().get(&[Counter::key_of(group, asset)]).await?;
    Ok(counter.iter().all(Option::is_none))
}

/// Reads what the asset knows under the report's keys.
///
/// # Errors
/// The store's.
pub async fn known(
    ctx: &Ctx,
    group: crate::id::GroupId,
    asset: AssetId,
    survey: &Survey,
) -> Result<Identities> {
    let fresh = is_fresh(ctx, group, asset).await?;
    Identities::load(ctx.store(), asset, &survey.keys, fresh).await
}

/// The items whose vulnerability a stream shows; what is not among them is gone.
#[must_use]
pub fn shown(plan: &Plan, stream: usize) -> HashSet<VulnerabilityId> {
    let mut shown = HashSet::with_capacity(plan.items.len());
    let mut absorbed: HashMap<VulnerabilityId, VulnerabilityId> = HashMap::new();
    for (at, item) in plan.items.iter().enumerate() {
        match &item.step {
            Step::See(into, others) => {
                absorbed.extend(others.iter().map(|other| (*other, *into)));
            }
            Step::SeeEach(each) => absorbed.extend(
                each.iter()
                    .flat_map(|(into, others)| others.iter().map(move |other| (*other, *into))),
            ),
            Step::Create(_) | Step::Duplicate(_) => {}
        }
        if item.stream == stream {
            shown.extend(plan.vulnerabilities(at));
        }
    }
    shown.extend(
        absorbed
            .into_iter()
            .filter(|(_, into)| shown.contains(into))
            .map(|(other, _)| other)
            .collect::<Vec<_>>(),
    );
    shown
}
