//! Finding: a weakness type in a group, said once for all its vulnerabilities.

use serde::{Deserialize, Serialize};

use crate::id::{FindingId, GroupId, OrganizationId};
use crate::port::store::{ById, Entity, Key};
use crate::time::Timestamp;

use super::severity::Cvss;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub id: FindingId,
    pub organization: OrganizationId,
    pub group: GroupId,
    /// Names it is found by in its group: `CVE-2021-44228`, `semgrep:python.lang.exec`.
    pub keys: Vec<String>,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwes: Vec<u32>,
    /// CVE, GHSA, OSV and other public names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cvss: Vec<Cvss>,
    pub created: Timestamp,
    /// The finding that took this one in, when both turned out to be the same weakness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<FindingId>,
    /// Findings that this one took in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absorbed: Vec<FindingId>,
}

impl Entity for Finding {
    const COLLECTION: &'static str = "finding";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Finding {
    type Id = FindingId;
    fn id(&self) -> FindingId {
        self.id
    }
}

/// Which finding a name belongs to in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingKey {
    pub group: GroupId,
    pub name: String,
    pub finding: FindingId,
}

impl FindingKey {
    #[must_use]
    pub fn key_of(group: GroupId, name: &str) -> Key {
        Key::new(Self::COLLECTION, group.to_string(), name)
    }
}

impl Entity for FindingKey {
    const COLLECTION: &'static str = "finding_key";
    fn key(&self) -> Key {
        Self::key_of(self.group, &self.name)
    }
}
