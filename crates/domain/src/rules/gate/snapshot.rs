//! What a machine without a server needs to know of an asset: by which names its vulnerabilities
//! are recognised, since when they are known, what people decided, and the policy.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

use super::judge::{Acceptance, Candidate, open_since};
use super::limits::Limits;
use crate::id::{AssetId, GroupId, OrganizationId, VulnerabilityId};
use crate::model::{Holder, State, Vulnerability};
use crate::rules::matching::Known;
use crate::time::Timestamp;

/// One asset at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub made: Timestamp,
    pub organization: OrganizationId,
    pub group: GroupId,
    pub asset: AssetId,
    pub asset_name: String,
    /// Name of the default ref, what `--new-only` compares with unless told otherwise.
    pub default_ref: String,
    /// Names of the asset's refs; entries name them by their place here.
    pub refs: Vec<String>,
    /// What organization and group have set about the gate.
    pub limits: Limits,
    /// New vulnerabilities wait for review first.
    pub review_new: bool,
    /// See [`crate::rules::identity::Options`].
    pub merge_code_across_tools: bool,
    pub vulnerabilities: Vec<Entry>,
    /// Who has which identity key, by its hexadecimal digits.
    pub identities: Vec<(String, Vec<Holder>)>,
}

/// What the gate needs of one vulnerability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub id: VulnerabilityId,
    pub state: State,
    pub first_seen: Timestamp,
    /// Since when it has been open; none where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_since: Option<Timestamp>,
    /// 0.0 to 10.0.
    pub score: f64,
    /// A person gave it that score: what a report says does not change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<Acceptance>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub false_positive: bool,
    /// On which refs it is present, as places in [`Snapshot::refs`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<usize>,
}

impl Entry {
    /// `refs` are the places of the refs that show it.
    #[must_use]
    pub fn of(value: &Vulnerability, refs: Vec<usize>) -> Self {
        Self {
            id: value.id,
            state: value.state,
            first_seen: value.created,
            open_since: (value.state == State::Open).then(|| open_since(value, value.created)),
            score: value.severity.score,
            rated: value.triage.severity.is_some(),
            acceptance: Acceptance::of(&value.triage.treatment),
            false_positive: value.triage.is_false_positive(),
            refs,
        }
    }

    /// As a report shows it that gives it this score.
    #[must_use]
    pub fn candidate(
        &self,
        score: f64,
        suppressed: bool,
        on_base: bool,
        now: Timestamp,
    ) -> Candidate {
        Candidate {
            // The snapshot may be older than what the tool knows by now, or know a source that the
            // report is not of: the worse one counts.
            score: if self.rated {
                self.score
            } else {
                self.score.max(score)
            },
            state: self.state,
            first_seen: Some(self.first_seen),
            open_since: Some(self.open_since.unwrap_or(now)),
            acceptance: self.acceptance,
            false_positive: self.false_positive,
            suppressed,
            on_base,
        }
    }
}

impl Snapshot {
    /// For matching.
    #[must_use]
    pub fn known(&self) -> Known {
        self.identities
            .iter()
            .filter_map(|(hash, holders)| {
                let mut key = [0; 16];
                hex::decode_to_slice(hash, &mut key).ok()?;
                Some((key, holders.clone()))
            })
            .collect()
    }

    #[must_use]
    pub fn by_id(&self) -> HashMap<VulnerabilityId, &Entry> {
        self.vulnerabilities
            .iter()
            .map(|entry| (entry.id, entry))
            .collect()
    }

    /// The place of a ref by its name.
    #[must_use]
    pub fn place_of(&self, r#ref: &str) -> Option<usize> {
        self.refs.iter().position(|name| name == r#ref)
    }
}
