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

/// What becomes of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Create it under this id.
    #[serde(rename = "n")]
    Create(VulnerabilityId),
    /// It is this one; the others turn out to be the same.
    #[serde(rename = "k")]
    See(VulnerabilityId, Vec<VulnerabilityId>),
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
    /// The vulnerability that an item is about.
    #[must_use]
    pub fn vulnerability(&self, item: usize) -> Option<VulnerabilityId> {
        match &self.items.get(item)?.step {
            Step::Create(id) | Step::See(id, _) => Some(*id),
            // A duplicate points at an item that is none.
            Step::Duplicate(first) => match &self.items.get(usize::try_from(*first).ok()?)?.step {
                Step::Create(id) | Step::See(id, _) => Some(*id),
                Step::Duplicate(_) => None,
            },
        }
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
            ],
        };
        let written = serde_json::to_vec(&plan).expect("writes");
        assert_eq!(
            serde_json::from_slice::<Plan>(&written).expect("reads"),
            plan
        );
        assert_eq!(plan.vulnerability(2), Some(id(1)));
    }
}
