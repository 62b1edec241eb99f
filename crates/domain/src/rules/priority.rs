//! Priority: what to look at first, as a score with its reasons. Severity is never changed by it.
//!
//! The score is the sum of its parts, 0.0 to 10.0, each a whole number of tenths, so that what is
//! shown adds up exactly:
//!
//! | part | most | from |
//! |---|---|---|
//! | severity | 4.0 | the shown score (CVSS 4 before 3 before 2) times 0.4 |
//! | exploit probability | 2.0 | the square root of EPSS times 2; all of it where exploitation is known |
//! | known exploitation | 1.5 | listed in KEV |
//! | exposure | 1.0 | the asset faces the internet |
//! | criticality | 1.0 | of the asset: high 1.0, medium 0.5 |
//! | reachability | 0.3 | a tool or person says `reachable`; -1.0 where `unreachable` |
//! | fix | 0.2 | a version without the weakness is known |
//!
//! The root is there because EPSS is steep: most weaknesses have less than a hundredth, and one in
//! ten is a great deal (FIRST, "The EPSS User Guide").

use crate::model::{Asset, Criticality, Threat, Vulnerability};

/// What a part of the score is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Factor {
    Severity,
    ExploitProbability,
    KnownExploitation,
    Exposure,
    Criticality,
    Reachability,
    FixAvailable,
}

impl Factor {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Severity => "SEVERITY",
            Self::ExploitProbability => "EXPLOIT_PROBABILITY",
            Self::KnownExploitation => "KNOWN_EXPLOITATION",
            Self::Exposure => "EXPOSURE",
            Self::Criticality => "CRITICALITY",
            Self::Reachability => "REACHABILITY",
            Self::FixAvailable => "FIX_AVAILABLE",
        }
    }
}

/// A part of the score with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub factor: Factor,
    /// In tenths; below zero where it lowers the score.
    pub tenths: i64,
    /// In words.
    pub because: String,
}

/// The score and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priority {
    /// 0 to 100.
    pub tenths: i64,
    /// Those that are not zero, in the order of [`Factor`].
    pub parts: Vec<Part>,
}

impl Priority {
    /// 0.0 to 10.0.
    #[must_use]
    pub fn score(&self) -> f64 {
        in_tenths(self.tenths)
    }
}

/// A number of tenths as a score.
#[must_use]
pub fn in_tenths(tenths: i64) -> f64 {
    // At most 100: exact.
    tenths as f64 / 10.0
}

/// The public names under which threats are kept; a vulnerability has those of all its aliases.
pub fn cves(value: &Vulnerability) -> impl Iterator<Item = &str> {
    value
        .identifiers
        .iter()
        .map(String::as_str)
        .filter(|name| super::feeds::is_cve(name))
}

/// The priority of a vulnerability on its asset, with what is known of any of its names.
#[must_use]
pub fn priority(value: &Vulnerability, asset: Option<&Asset>, threats: &[&Threat]) -> Priority {
    let listed = threats
        .iter()
        .find_map(|threat| threat.kev.as_ref().map(|kev| (&threat.cve, kev)));
    let parts = [
        severity(value),
        probability(threats, listed.is_some()),
        listed.map(|(cve, kev)| {
            let ransomware = if kev.ransomware {
                ", by ransomware too"
            } else {
                ""
            };
            part(
                Factor::KnownExploitation,
                15,
                format!("{cve} is exploited, known since {}{ransomware}", kev.added),
            )
        }),
        asset.filter(|asset| asset.internet_facing).map(|_| {
            part(
                Factor::Exposure,
                10,
                "the asset faces the internet".to_owned(),
            )
        }),
        asset.and_then(criticality),
        reachability(&value.tags),
        value
            .location
            .package()
            .and_then(|package| package.fixed_version.as_ref())
            .map(|version| {
                part(
                    Factor::FixAvailable,
                    2,
                    format!("version {version} has it no more"),
                )
            }),
    ];
    let parts: Vec<Part> = parts
        .into_iter()
        .flatten()
        .filter(|part| part.tenths != 0)
        .collect();
    let sum: i64 = parts.iter().map(|part| part.tenths).sum();
    Priority {
        tenths: sum.clamp(0, 100),
        parts,
    }
}

fn part(factor: Factor, tenths: i64, because: String) -> Part {
    Part {
        factor,
        tenths,
        because,
    }
}

fn severity(value: &Vulnerability) -> Option<Part> {
    let score = value.severity.score.clamp(0.0, 10.0);
    // Whole and small after rounding.
    let tenths = (score * 4.0).round() as i64;
    Some(part(
        Factor::Severity,
        tenths,
        format!("its severity is {score:.1}"),
    ))
}

fn probability(threats: &[&Threat], is_exploited: bool) -> Option<Part> {
    let worst = threats
        .iter()
        .filter_map(|threat| threat.epss.map(|epss| (epss.probability, &threat.cve)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if is_exploited {
        return Some(part(
            Factor::ExploitProbability,
            20,
            "exploitation is a fact".to_owned(),
        ));
    }
    let (probability, cve) = worst?;
    let tenths = (probability.clamp(0.0, 1.0).sqrt() * 20.0).round() as i64;
    Some(part(
        Factor::ExploitProbability,
        tenths,
        format!(
            "{cve} will be exploited within 30 days with a probability of {:.1} % (EPSS)",
            probability * 100.0
        ),
    ))
}

fn criticality(asset: &Asset) -> Option<Part> {
    let (tenths, word) = match asset.criticality {
        Criticality::High => (10, "high"),
        Criticality::Medium => (5, "medium"),
        Criticality::Low => return None,
    };
    Some(part(
        Factor::Criticality,
        tenths,
        format!("the asset's criticality is {word}"),
    ))
}

/// By the tags that tools and people give; what says that it can't be reached must be the only word.
fn reachability(tags: &[String]) -> Option<Part> {
    let has = |name: &str| tags.iter().any(|tag| tag == name);
    match (has("reachable"), has("unreachable")) {
        (true, _) => Some(part(
            Factor::Reachability,
            3,
            "it can be reached".to_owned(),
        )),
        (false, true) => Some(part(
            Factor::Reachability,
            -10,
            "it can't be reached".to_owned(),
        )),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Epss, Kev};

    fn threat(cve: &str, probability: Option<f64>, listed: bool) -> Threat {
        Threat {
            cve: cve.to_owned(),
            epss: probability.map(|probability| Epss {
                probability,
                percentile: 0.5,
            }),
            kev: listed.then(|| Kev {
                added: "2025-12-01".to_owned(),
                due: None,
                ransomware: false,
            }),
        }
    }

    #[test]
    fn the_likeliest_of_several_names_counts_and_a_fact_counts_whole() {
        let (a, b) = (
            threat("CVE-2024-0001", Some(0.01), false),
            threat("CVE-2024-0002", Some(0.5), false),
        );
        for (threats, exploited, tenths) in [
            (vec![], false, None),
            (vec![&a], false, Some(2)),
            (vec![&a, &b], false, Some(14)),
            (vec![&a], true, Some(20)),
            (vec![], true, Some(20)),
        ] {
            let found = probability(&threats, exploited).map(|part| part.tenths);
            assert_eq!(found, tenths, "{threats:?}");
        }
        let impossible = threat("CVE-2024-0003", Some(7.0), false);
        assert_eq!(
            probability(&[&impossible], false).map(|part| part.tenths),
            Some(20)
        );
    }

    #[test]
    fn what_can_be_reached_weighs_a_little_and_what_cannot_much_less() {
        let tags = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        for (names, tenths) in [
            (&[][..], None),
            (&["web"], None),
            (&["reachable"], Some(3)),
            (&["unreachable"], Some(-10)),
            (&["reachable", "unreachable"], Some(3)),
        ] {
            let found = reachability(&tags(names)).map(|part| part.tenths);
            assert_eq!(found, tenths, "{names:?}");
        }
    }
}
