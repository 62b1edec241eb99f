//! Planning: from the keys of a report and what the asset knows to what each item is.

use std::collections::{HashMap, HashSet};

use super::identities::Identities;
use super::reading::Survey;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{AssetId, VulnerabilityId};
use crate::import::{Plan, PlannedItem, Step};
use crate::model::{Counter, Vulnerability};
use crate::port::{fresh, repo};
use crate::rules::identity::Keys;
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
                Verdict::Known { id, absorbs } => Step::See(id, absorbs),
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

/// Pairs of vulnerabilities that a person has declared to be different.
#[derive(Debug, Default)]
pub struct Apart(HashSet<(VulnerabilityId, VulnerabilityId)>);

impl Apart {
    fn contains(&self, a: VulnerabilityId, b: VulnerabilityId) -> bool {
        self.0.contains(&(a, b)) || self.0.contains(&(b, a))
    }

    /// Reads it for the vulnerabilities among which a merge could come up: those that share an
    /// item's keys with others.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(ctx: &Ctx, items: &[Keys], known: &Known) -> Result<Self> {
        let mut contested: HashSet<VulnerabilityId> = HashSet::new();
        for item in items.iter().filter(|item| item.by_any_key) {
            let holders: HashSet<VulnerabilityId> = item
                .keys
                .iter()
                .filter_map(|key| known.get(&key.hash))
                .flatten()
                .map(|holder| holder.vulnerability)
                .collect();
            if holders.len() > 1 {
                contested.extend(holders);
            }
        }
        let ids: Vec<VulnerabilityId> = contested.into_iter().collect();
        let mut pairs = HashSet::new();
        for some in ids.chunks(500) {
            for vulnerability in repo::get_many::<Vulnerability>(ctx.store(), some)
                .await?
                .into_iter()
                .flatten()
            {
                pairs.extend(
                    vulnerability
                        .kept_apart
                        .iter()
                        .map(|other| (vulnerability.id, *other)),
                );
            }
        }
        Ok(Self(pairs))
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
        if let Step::See(into, others) = &item.step {
            absorbed.extend(others.iter().map(|other| (*other, *into)));
        }
        if item.stream == stream {
            shown.extend(plan.vulnerability(at));
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
