//! Counters: how many vulnerabilities an asset has by state and level, kept with every change, so
//! that no overview ever scans. A group's numbers are the sum over its assets.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::id::{AssetId, GroupId};
use crate::port::store::{Entity, Key};

use super::severity::Level;
use super::vulnerability::{State, Vulnerability};

/// Counts of vulnerabilities seen on the default ref, not suppressed and not held for false positives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    #[serde(default)]
    pub open: BTreeMap<Level, i64>,
    #[serde(default)]
    pub closed: BTreeMap<Level, i64>,
    #[serde(default)]
    pub submitted: BTreeMap<Level, i64>,
}

impl Tally {
    fn bucket(&mut self, vulnerability: &Vulnerability) -> Option<&mut i64> {
        if !vulnerability.on_default_ref
            || vulnerability.is_suppressed()
            || vulnerability.triage.is_false_positive()
            || vulnerability.merged_into.is_some()
        {
            return None;
        }
        let side = match vulnerability.state {
            State::Open => &mut self.open,
            State::Closed(_) => &mut self.closed,
            State::Submitted => &mut self.submitted,
            State::Rejected => return None,
        };
        Some(side.entry(vulnerability.severity.level).or_default())
    }

    /// The tally after `before` became `after`.
    #[must_use]
    pub fn moved(mut self, before: Option<&Vulnerability>, after: Option<&Vulnerability>) -> Self {
        if let Some(bucket) = before.and_then(|before| self.bucket(before)) {
            *bucket -= 1;
        }
        if let Some(bucket) = after.and_then(|after| self.bucket(after)) {
            *bucket += 1;
        }
        self
    }

    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (mine, theirs) in [
            (&mut self.open, &other.open),
            (&mut self.closed, &other.closed),
            (&mut self.submitted, &other.submitted),
        ] {
            for (level, count) in theirs {
                *mine.entry(*level).or_default() += count;
            }
        }
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub group: GroupId,
    pub asset: AssetId,
    pub tally: Tally,
}

impl Counter {
    #[must_use]
    pub fn key_of(group: GroupId, asset: AssetId) -> Key {
        Key::new(Self::COLLECTION, group.to_string(), asset.to_string())
    }
}

impl Entity for Counter {
    const COLLECTION: &'static str = "counter";
    fn key(&self) -> Key {
        Self::key_of(self.group, self.asset)
    }
}
