//! Vulnerabilities that a person keeps apart, though a report gives them one name: the report is a
//! sighting of each, and none of them learns a name that belongs to another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::identities::Identities;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::VulnerabilityId;
use crate::import::{ParsedFinding, Seen, Weakness};
use crate::model::Vulnerability;
use crate::port::repo;
use crate::rules::identity::Keys;
use crate::rules::matching::Known;

/// Pairs of vulnerabilities that a person has declared to be different.
#[derive(Debug, Default)]
pub struct Apart(HashSet<(VulnerabilityId, VulnerabilityId)>);

impl Apart {
    #[must_use]
    pub fn contains(&self, a: VulnerabilityId, b: VulnerabilityId) -> bool {
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
        let mut pairs: HashSet<(VulnerabilityId, VulnerabilityId)> = HashSet::new();
        let mut taken_in: HashMap<VulnerabilityId, VulnerabilityId> = HashMap::new();
        for some in ids.chunks(500) {
            for vulnerability in repo::get_many::<Vulnerability>(ctx.store(), some)
                .await?
                .into_iter()
                .flatten()
            {
                let absorbed = vulnerability.absorbed.iter();
                taken_in.extend(absorbed.map(|other| (*other, vulnerability.id)));
                pairs.extend(
                    vulnerability
                        .kept_apart
                        .iter()
                        .map(|other| (vulnerability.id, *other)),
                );
            }
        }
        // Whoever took one of them in stands in its place.
        let in_place: Vec<(VulnerabilityId, VulnerabilityId)> = pairs
            .iter()
            .filter_map(|(one, other)| Some((*one, *taken_in.get(other)?)))
            .collect();
        pairs.extend(in_place);
        Ok(Self(pairs))
    }
}

/// What an item tells each of `each`, in their order: without the names that another of them has and
/// it has not. A name that none of them has is told to all.
pub fn told<'v>(
    each: &[Seen],
    finding: &ParsedFinding,
    keys: &Keys,
    identities: &Identities,
    current: impl Fn(VulnerabilityId) -> Option<&'v Vulnerability>,
) -> Vec<(ParsedFinding, Keys)> {
    let is_called = |id: VulnerabilityId, name: &str| {
        current(id).is_some_and(|value| value.identifiers.iter().any(|known| known == name))
    };
    each.iter()
        .map(|one| {
            let weakness = Weakness {
                identifiers: finding
                    .weakness
                    .identifiers
                    .iter()
                    .filter(|name| may_learn(one, each, &|id| is_called(id, name.as_str())))
                    .cloned()
                    .collect(),
                ..(*finding.weakness).clone()
            };
            let finding = ParsedFinding {
                weakness: Arc::new(weakness),
                ..finding.clone()
            };
            let keys = Keys {
                keys: keys
                    .keys
                    .iter()
                    .filter(|key| may_learn(one, each, &|id| identities.is_held(&key.hash, id)))
                    .copied()
                    .collect(),
                ..keys.clone()
            };
            (finding, keys)
        })
        .collect()
}

/// Whether one of them has it already, or none has.
fn may_learn(one: &Seen, each: &[Seen], has: &dyn Fn(VulnerabilityId) -> bool) -> bool {
    let some_has = |(id, absorbs): &Seen| has(*id) || absorbs.iter().any(|other| has(*other));
    some_has(one) || !each.iter().any(some_has)
}
