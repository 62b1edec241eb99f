//! The filter of vulnerability lists, as callers state it, and the search condition it means.
//!
//! Left alone it shows what a person wants to see first: what is on the default ref and not set
//! aside. To add a filter: a field here, a line in [`VulnerabilityFilter::condition`], and the
//! field's declaration in [`crate::port::search::FIELDS`].

use serde::{Deserialize, Serialize};

use crate::id::{AssetId, BlockerId, FindingId, RefId, UserId};
use crate::model::Level;
use crate::port::search::{Condition, Operand};
use crate::rules::document::{NOBODY, tenths};
use crate::time::Timestamp;

/// All parts must hold; several values of one part mean "any of them". Empty parts do not matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VulnerabilityFilter {
    /// Words in path, package, address, identifier, tag, or in the finding's texts.
    pub text: Option<String>,
    /// `SUBMITTED`, `OPEN`, `REJECTED`, `CLOSED`.
    pub states: Vec<String>,
    pub closed_reasons: Vec<String>,
    pub levels: Vec<Level>,
    /// Score, 0.0 to 10.0, inclusive.
    pub min_severity: Option<f64>,
    pub max_severity: Option<f64>,
    /// Priority, 0.0 to 10.0, inclusive.
    pub min_priority: Option<f64>,
    pub max_priority: Option<f64>,
    pub assets: Vec<AssetId>,
    /// Findings; those they absorbed count too once resolved by the caller.
    pub findings: Vec<FindingId>,
    pub refs: Vec<RefId>,
    pub tools: Vec<String>,
    pub tags: Vec<String>,
    /// Names of environments that their place lies in, in any case.
    pub environments: Vec<String>,
    /// Numbers, without `CWE-`.
    pub cwes: Vec<u32>,
    /// CVE, GHSA and other public names, in any case.
    pub identifiers: Vec<String>,
    /// Name of a package, whole or its start with a `*` at the end.
    pub package: Option<String>,
    /// A path: its start with a `*` at the end, or a piece of it.
    pub path: Option<String>,
    /// `code`, `package`, `endpoint`, `network`, `cloud`, `asset`.
    pub location_kinds: Vec<String>,
    /// `None`: only those seen on the default ref. `Some(false)`: only the others.
    pub on_default_ref: Option<bool>,
    /// Both, whatever [`Self::on_default_ref`] says.
    pub any_ref: bool,
    /// `None`: not those that every tool has set aside. `Some(true)`: only those.
    pub suppressed: Option<bool>,
    /// `UNTREATED`, `IN_PROGRESS`, `ACCEPTED`, `ACCEPTED_PERMANENTLY`.
    pub treatments: Vec<String>,
    pub assignees: Vec<UserId>,
    /// Those that nobody is responsible for; with [`Self::assignees`], also theirs.
    pub unassigned: bool,
    /// `REQUESTED`, `CONFIRMED`, `REJECTED`: only those. Empty: all that are not held for false
    /// positives, that is neither requested nor confirmed.
    pub false_positives: Vec<String>,
    /// False positives or not, where [`Self::false_positives`] is empty.
    pub any_false_positive: bool,
    /// `REQUESTED`, `ON_HOLD`, `VERIFIED`.
    pub verifications: Vec<String>,
    /// Those whose retests wait for one of these.
    pub blockers: Vec<BlockerId>,
    /// Only those whose permanent acceptance waits for its second person.
    pub acceptance_requested: bool,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
    /// Due dates; what has none is in neither.
    pub due_after: Option<Timestamp>,
    pub due_before: Option<Timestamp>,
    pub seen_after: Option<Timestamp>,
    pub seen_before: Option<Timestamp>,
    pub changed_after: Option<Timestamp>,
    pub changed_before: Option<Timestamp>,
    /// Age in whole days since it was created.
    pub min_age_days: Option<i64>,
    pub max_age_days: Option<i64>,
}

impl VulnerabilityFilter {
    /// The condition at this moment.
    #[must_use]
    pub fn condition(&self, now: Timestamp) -> Condition {
        let mut all = Vec::new();
        let mut keywords = |field, values: Vec<String>| {
            if !values.is_empty() {
                all.push(Condition::In(
                    field,
                    values.into_iter().map(Operand::Keyword).collect(),
                ));
            }
        };
        keywords("state", self.states.clone());
        keywords("closed_reason", self.closed_reasons.clone());
        keywords(
            "level",
            self.levels.iter().map(ToString::to_string).collect(),
        );
        keywords(
            "asset",
            self.assets.iter().map(ToString::to_string).collect(),
        );
        keywords(
            "finding",
            self.findings.iter().map(ToString::to_string).collect(),
        );
        keywords("ref", self.refs.iter().map(ToString::to_string).collect());
        keywords("tool", self.tools.clone());
        keywords(
            "tag",
            self.tags
                .iter()
                .map(|tag| tag.trim().to_lowercase())
                .collect(),
        );
        keywords(
            "environment",
            self.environments
                .iter()
                .map(|name| name.trim().to_lowercase())
                .collect(),
        );
        keywords("cwe", self.cwes.iter().map(ToString::to_string).collect());
        keywords("location_kind", self.location_kinds.clone());
        keywords("treatment", self.treatments.clone());
        let nobody = self.unassigned.then(|| NOBODY.to_owned());
        let assignees = self.assignees.iter().map(ToString::to_string);
        keywords("assignee", assignees.chain(nobody).collect());
        keywords("false_positive", self.false_positives.clone());
        keywords("verification", self.verifications.clone());
        let blockers = self.blockers.iter().map(ToString::to_string);
        keywords("blocker", blockers.collect());
        if !self.identifiers.is_empty() {
            let spellings = self
                .identifiers
                .iter()
                .flat_map(|name| spellings(name))
                .map(Operand::Keyword)
                .collect();
            all.push(Condition::In("identifier", spellings));
        }
        if let Some(package) = &self.package {
            all.push(match package.strip_suffix('*') {
                Some(start) => Condition::Prefix("package", start.to_owned()),
                None => Condition::In("package", vec![Operand::Keyword(package.clone())]),
            });
        }
        if let Some(path) = &self.path {
            all.push(match path.strip_suffix('*') {
                Some(start) => Condition::Prefix("path", start.to_owned()),
                None => Condition::Contains("path", path.clone()),
            });
        }
        let mut flag = |field, wanted: bool| {
            all.push(Condition::In(
                field,
                vec![Operand::Number(i64::from(wanted))],
            ))
        };
        if !self.any_ref {
            flag("on_default_ref", self.on_default_ref.unwrap_or(true));
        }
        flag("suppressed", self.suppressed.unwrap_or(false));
        if self.acceptance_requested {
            flag("acceptance_requested", true);
        }
        if self.false_positives.is_empty() && !self.any_false_positive {
            let held = ["REQUESTED", "CONFIRMED"].map(|word| Operand::Keyword(word.to_owned()));
            all.push(not(Condition::In("false_positive", held.to_vec())));
        }
        self.ranges(now, &mut all);
        Condition::All(all)
    }

    fn ranges(&self, now: Timestamp, all: &mut Vec<Condition>) {
        let mut between = |field, from: Option<i64>, to: Option<i64>| {
            if from.is_some() || to.is_some() {
                all.push(Condition::Between(field, from, to));
            }
        };
        let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
        between(
            "severity",
            self.min_severity.map(tenths),
            self.max_severity.map(tenths),
        );
        between(
            "priority",
            self.min_priority.map(tenths),
            self.max_priority.map(tenths),
        );
        between(
            "created",
            millis(self.created_after),
            millis(self.created_before),
        );
        between("due", millis(self.due_after), millis(self.due_before));
        between(
            "last_seen",
            millis(self.seen_after),
            millis(self.seen_before),
        );
        between(
            "state_changed",
            millis(self.changed_after),
            millis(self.changed_before),
        );
        let days_ago = |days: i64| now.plus_days(-days).millis();
        // One day old: created between two days and one day ago.
        let oldest = self
            .max_age_days
            .map(|days| days_ago(days.saturating_add(1)).saturating_add(1));
        between("created", oldest, self.min_age_days.map(days_ago));
    }
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

/// How a public name may be written in the index: CVEs in upper case, GHSA with a lower-case rest,
/// others as given.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let name = name.trim();
    let upper = name.to_ascii_uppercase();
    let mut all = vec![name.to_owned()];
    if let Some(rest) = upper.strip_prefix("GHSA-") {
        all.push(format!("GHSA-{}", rest.to_ascii_lowercase()));
    }
    all.push(upper);
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(filter: &VulnerabilityFilter) -> Vec<Condition> {
        match filter.condition(Timestamp::from_millis(10 * crate::time::DAY_MS)) {
            Condition::All(parts) => parts,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_default_shows_the_default_ref_and_nothing_set_aside() {
        let on = |field, number| Condition::In(field, vec![Operand::Number(number)]);
        assert_eq!(
            parts(&VulnerabilityFilter::default()),
            [
                on("on_default_ref", 1),
                on("suppressed", 0),
                not(Condition::In(
                    "false_positive",
                    ["REQUESTED", "CONFIRMED"]
                        .map(|word| Operand::Keyword(word.to_owned()))
                        .to_vec()
                ))
            ]
        );
        let everything = VulnerabilityFilter {
            any_ref: true,
            suppressed: Some(true),
            any_false_positive: true,
            ..Default::default()
        };
        assert_eq!(parts(&everything), [on("suppressed", 1)]);
    }

    #[test]
    fn names_paths_and_ages_become_conditions() {
        let keyword = |text: &str| Operand::Keyword(text.to_owned());
        let any = VulnerabilityFilter {
            any_ref: true,
            ..Default::default()
        };
        for (filter, expected) in [
            (
                VulnerabilityFilter {
                    identifiers: vec!["ghsa-AbCd-1".into()],
                    ..any.clone()
                },
                Condition::In(
                    "identifier",
                    vec![
                        keyword("ghsa-AbCd-1"),
                        keyword("GHSA-abcd-1"),
                        keyword("GHSA-ABCD-1"),
                    ],
                ),
            ),
            (
                VulnerabilityFilter {
                    path: Some("src/*".into()),
                    ..any.clone()
                },
                Condition::Prefix("path", "src/".into()),
            ),
            (
                VulnerabilityFilter {
                    path: Some("cart".into()),
                    ..any.clone()
                },
                Condition::Contains("path", "cart".into()),
            ),
            (
                VulnerabilityFilter {
                    min_severity: Some(7.0),
                    ..any.clone()
                },
                Condition::Between("severity", Some(70), None),
            ),
            (
                VulnerabilityFilter {
                    min_age_days: Some(3),
                    ..any.clone()
                },
                Condition::Between("created", None, Some(7 * crate::time::DAY_MS)),
            ),
        ] {
            assert!(
                parts(&filter).contains(&expected),
                "{expected:?} in {:?}",
                parts(&filter)
            );
        }
    }
}
