//! What reports say about a weakness type, joined into one finding, whatever their order.

use crate::id::{FindingId, GroupId, OrganizationId};
use crate::import::Weakness;
use crate::model::Finding;
use crate::rules::lifecycle::union;
use crate::time::Timestamp;

/// A finding as it is first told.
#[must_use]
pub fn first_told(
    id: FindingId,
    organization: OrganizationId,
    group: GroupId,
    names: &[String],
    weakness: &Weakness,
    now: Timestamp,
) -> Finding {
    let empty = Finding {
        id,
        organization,
        group,
        keys: Vec::new(),
        title: String::new(),
        description: None,
        recommendation: None,
        references: Vec::new(),
        cwes: Vec::new(),
        identifiers: Vec::new(),
        cvss: Vec::new(),
        created: now,
        merged_into: None,
        absorbed: Vec::new(),
    };
    told(&empty, names, weakness)
}

/// The finding after another report told of it. Equal to `current` when nothing is new. Of two
/// texts the longer one stays (then the one that sorts first), so that the order does not matter.
#[must_use]
pub fn told(current: &Finding, names: &[String], weakness: &Weakness) -> Finding {
    let mut cvss = current.cvss.clone();
    for vector in &weakness.cvss {
        if !cvss.iter().any(|known| known.vector == vector.vector) {
            cvss.push(vector.clone());
        }
    }
    cvss.sort_by(|a, b| a.vector.cmp(&b.vector));
    Finding {
        keys: ordered(&current.keys, names),
        title: richer(Some(&current.title), Some(&weakness.title)).unwrap_or_default(),
        description: richer(current.description.as_ref(), weakness.description.as_ref()),
        recommendation: richer(
            current.recommendation.as_ref(),
            weakness.recommendation.as_ref(),
        ),
        references: limited(ordered(&current.references, &weakness.references)),
        cwes: ordered(&current.cwes, &weakness.cwes),
        identifiers: ordered(&current.identifiers, &weakness.identifiers),
        cvss,
        ..current.clone()
    }
}

/// One finding from two that turned out to be the same.
#[must_use]
pub fn joined(survivor: &Finding, other: &Finding) -> Finding {
    let weakness = Weakness {
        rule: String::new(),
        title: other.title.clone(),
        description: other.description.clone(),
        recommendation: other.recommendation.clone(),
        references: other.references.clone(),
        cwes: other.cwes.clone(),
        identifiers: other.identifiers.clone(),
        cvss: other.cvss.clone(),
    };
    let absorbed = union(&union(&survivor.absorbed, &other.absorbed), &[other.id]);
    Finding {
        absorbed,
        ..told(survivor, &other.keys, &weakness)
    }
}

/// Most references kept with a finding.
const MAX_REFERENCES: usize = 100;

fn limited(mut references: Vec<String>) -> Vec<String> {
    references.truncate(MAX_REFERENCES);
    references
}

fn ordered<T: Ord + Clone>(a: &[T], b: &[T]) -> Vec<T> {
    let mut all = union(a, b);
    all.sort();
    all
}

fn richer(a: Option<&String>, b: Option<&String>) -> Option<String> {
    a.into_iter()
        .chain(b)
        .max_by(|a, b| a.len().cmp(&b.len()).then_with(|| b.cmp(a)))
        .cloned()
}
