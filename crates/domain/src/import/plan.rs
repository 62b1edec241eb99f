//! The plan of an import: what each item of the report is, decided once, before the first write.
//!
//! It is durable before anything is applied, so that an import that is killed and taken up again
//! does what it would have done: ids of new vulnerabilities are in it.

use serde::{Deserialize, Serialize};

use super::Category;
use crate::id::VulnerabilityId;

/// A line of reports that this one continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStream {
    pub tool: String,
    pub category: Category,
}

/// A known vulnerability that an item shows, with those that turn out to be the same.
pub type Seen = (VulnerabilityId, Vec<VulnerabilityId>);

/// What becomes of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Create it under this id.
    #[serde(rename = "n")]
    Create(VulnerabilityId),
    /// It is this one; the others turn out to be the same.
    #[serde(rename = "k")]
    See(VulnerabilityId, Vec<VulnerabilityId>),
    /// It has names of several that a person keeps apart: it is seen of each. At least two, oldest first.
    #[serde(rename = "e")]
    SeeEach(Vec<Seen>),
    /// Said before, at that item.
    #[serde(rename = "d")]
    Duplicate(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedItem {
    /// Number of its stream in [`Plan::streams`].
    #[serde(rename = "s")]
    pub stream: usize,
    #[serde(flatten)]
    pub step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub streams: Vec<PlannedStream>,
    /// One per finding, in the order of the report.
    pub items: Vec<PlannedItem>,
}

impl Plan {
    /// The vulnerabilities that an item is about: one, or each of those that are kept apart.
    pub fn vulnerabilities(&self, item: usize) -> impl Iterator<Item = VulnerabilityId> + '_ {
        let step = match self.step(item) {
            // A duplicate points at an item that is none.
            Some(Step::Duplicate(first)) => usize::try_from(*first)
                .ok()
                .and_then(|first| self.step(first)),
            step => step,
        };
        let (one, each): (Option<VulnerabilityId>, &[Seen]) = match step {
            Some(Step::Create(id) | Step::See(id, _)) => (Some(*id), &[]),
            Some(Step::SeeEach(each)) => (None, each.as_slice()),
            Some(Step::Duplicate(_)) | None => (None, &[]),
        };
        one.into_iter().chain(each.iter().map(|(id, _)| *id))
    }

    fn step(&self, item: usize) -> Option<&Step> {
        self.items.get(item).map(|planned| &planned.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId;
    use uuid::Uuid;

    #[test]
    fn a_plan_survives_its_written_form() {
        let id = |n| VulnerabilityId::from_uuid(Uuid::from_u128(n));
        let item = |step| PlannedItem { stream: 0, step };
        let plan = Plan {
            streams: vec![PlannedStream {
                tool: "Trivy".to_owned(),
                category: Category::Sca,
            }],
            items: vec![
                item(Step::Create(id(1))),
                item(Step::See(id(2), vec![id(3)])),
                item(Step::Duplicate(0)),
                item(Step::SeeEach(vec![(id(4), vec![]), (id(5), vec![id(6)])])),
                item(Step::Duplicate(3)),
            ],
        };
        let written = serde_json::to_vec(&plan).expect("writes");
        assert_eq!(
            serde_json::from_slice::<Plan>(&written).expect("reads"),
            plan
        );
        let about = |item| plan.vulnerabilities(item).collect::<Vec<_>>();
        assert_eq!(about(2), [id(1)]);
        assert_eq!(about(4), [id(4), id(5)]);
        assert!(about(5).is_empty());
    }
}
