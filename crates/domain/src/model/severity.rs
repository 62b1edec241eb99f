//! Severity: five levels, one score, and the vectors they come from.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The five levels every scanner's own words map to, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// By the qualitative rating scale of CVSS v3.1 (section 5) and v4.0 (section 6):
    /// 0 none, below 4 low, below 7 medium, below 9 high, else critical.
    #[must_use]
    pub fn from_score(score: f64) -> Self {
        match score {
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            s if s > 0.0 => Self::Low,
            _ => Self::Info,
        }
    }

    /// Reads the words scanners use, in any case. `None` for a word that says nothing about
    /// severity ("unknown", "undefined", an empty one): the caller must then decide and warn.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "crit" | "blocker" | "very high" | "urgent" | "fatal" | "emergency" => {
                Self::Critical
            }
            "high" | "important" | "error" | "serious" | "severe" | "major" => Self::High,
            "medium" | "moderate" | "warning" | "warn" | "middle" | "normal" => Self::Medium,
            "low" | "minor" | "note" | "very low" => Self::Low,
            "info" | "informational" | "information" | "none" | "negligible" | "log" | "style"
            | "debug" | "trivial" | "false positive" => Self::Info,
            _ => return None,
        })
    }

    /// The score that stands for the level where a source gives a word and no vector: the middle
    /// of the level's band, rounded down to a tenth; 0 for `Info`.
    #[must_use]
    pub fn nominal_score(self) -> f64 {
        match self {
            Self::Info => 0.0,
            Self::Low => 2.0,
            Self::Medium => 5.4,
            Self::High => 7.9,
            Self::Critical => 9.5,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A CVSS vector as the report wrote it, with the base score that it yields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cvss {
    pub version: CvssVersion,
    /// In the standard's own form: with its prefix from version 3 on, bare in version 2.
    pub vector: String,
    /// 0.0 to 10.0, computed by us from the vector.
    pub score: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CvssVersion {
    #[serde(rename = "2.0")]
    V2,
    #[serde(rename = "3.0")]
    V30,
    #[serde(rename = "3.1")]
    V31,
    #[serde(rename = "4.0")]
    V4,
}

impl Cvss {
    /// Reads a vector of any version. Accepts a `CVSS:2.0/` prefix, `CVSS2#` as Nessus writes it,
    /// and parentheses. `None` for anything else, and for a vector that lacks a mandatory metric:
    /// such a one would score as if nothing were at stake.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.trim().trim_matches(|c| c == '(' || c == ')');
        let bare = bare
            .strip_prefix("CVSS:2.0/")
            .or_else(|| bare.strip_prefix("CVSS2#"))
            .or_else(|| bare.strip_prefix("CVSS2:"))
            .unwrap_or(bare);
        let version = match bare {
            b if b.starts_with("CVSS:4.0/") => CvssVersion::V4,
            b if b.starts_with("CVSS:3.1/") => CvssVersion::V31,
            b if b.starts_with("CVSS:3.0/") => CvssVersion::V30,
            b if b.starts_with("AV:") => CvssVersion::V2,
            _ => return None,
        };
        let mandatory: &[&str] = match version {
            CvssVersion::V2 => &["AV", "AC", "Au", "C", "I", "A"],
            CvssVersion::V30 | CvssVersion::V31 => &["AV", "AC", "PR", "UI", "S", "C", "I", "A"],
            CvssVersion::V4 => &[
                "AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA",
            ],
        };
        let has = |name: &str| {
            bare.split('/').any(|metric| {
                metric
                    .split_once(':')
                    .is_some_and(|(key, value)| key == name && !value.is_empty())
            })
        };
        if !mandatory.iter().all(|name| has(name)) {
            return None;
        }
        let parsed = cvss::Cvss::from_str(bare).ok()?;
        // A tenth is all the precision a score has.
        let score = (parsed.score() * 10.0).round() / 10.0;
        Some(Self {
            version,
            vector: bare.to_owned(),
            score,
        })
    }
}

/// The vector to believe when a source gives several: the newest version of the standard, then
/// the higher score.
#[must_use]
pub fn preferred(vectors: &[Cvss]) -> Option<&Cvss> {
    vectors
        .iter()
        .max_by(|a, b| a.version.cmp(&b.version).then(a.score.total_cmp(&b.score)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_every_version_are_scored() {
        for (text, score) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(9.8)),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:U/C:N/I:L/A:N", Some(4.3)),
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", Some(7.5)),
            ("CVSS2#AV:N/AC:L/Au:N/C:P/I:P/A:P", Some(7.5)),
            ("(AV:N/AC:L/Au:N/C:P/I:P/A:P)", Some(7.5)),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
                Some(9.3),
            ),
            ("CVSS:3.1/AV:N/AC:L", None),
            ("CVSS:9.9/AV:N", None),
            ("", None),
        ] {
            assert_eq!(Cvss::parse(text).map(|cvss| cvss.score), score, "{text}");
        }
    }

    #[test]
    fn words_map_one_to_one_and_unknown_ones_do_not() {
        assert_eq!(Level::from_word("CRITICAL"), Some(Level::Critical));
        assert_eq!(Level::from_word(" Moderate "), Some(Level::Medium));
        assert_eq!(Level::from_word("unknown"), None);
        for level in Level::ALL {
            assert_eq!(Level::from_score(level.nominal_score()), level);
            assert_eq!(Level::from_word(level.as_str()), Some(level));
        }
    }
}
