//! The verdict as it is told: what every form of output is made from, and the JSON itself.

use gna_domain::model::{Level, Location};
use gna_domain::rules::gate::{Counts, Terms, Verdict};
use serde::{Deserialize, Serialize};

use crate::cli::Exit;

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Word {
    Pass,
    Broken,
    /// What could be read does not break it, and something could not be read.
    Unknown,
}

impl Word {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Broken => "BROKEN",
            Self::Unknown => "UNKNOWN",
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    pub verdict: Word,
    pub exit_code: u8,
    /// What it rests on: `report-only`, `snapshot` or `server`.
    pub basis: String,
    pub terms: Terms,
    pub counts: Counts,
    /// The worst first.
    pub breaking: Vec<Offender>,
    /// What a reader should know.
    pub notes: Vec<String>,
    pub reports: Vec<ReportTold>,
    pub unreadable: Vec<Unreadable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotTold>,
    /// Ids of the runs on record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
}

/// A vulnerability that breaks the gate.
#[derive(Debug, Serialize, Deserialize)]
pub struct Offender {
    /// Where it is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub title: String,
    pub rule: String,
    pub tool: String,
    pub level: Level,
    pub score: f64,
    pub location: Location,
    #[serde(default)]
    pub identifiers: Vec<String>,
    #[serde(default)]
    pub cwes: Vec<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// Whole days since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_days: Option<i64>,
    /// The surest name it is recognised by.
    pub fingerprint: String,
    /// The report that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    pub why: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ReportTold {
    pub file: String,
    pub format: String,
    pub tool: String,
    pub findings: u64,
    pub skipped: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Unreadable {
    pub file: String,
    pub code: String,
    pub message: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SnapshotTold {
    pub asset: String,
    pub made: String,
}

impl Told {
    pub fn exit(&self) -> Exit {
        exit(self.verdict, self.terms.strict, !self.unreadable.is_empty())
    }
}

/// The word for a verdict, and the code that the command ends with.
pub fn ending(counts: &Counts, strict: bool, is_incomplete: bool) -> (Word, Exit) {
    let word = match (counts.verdict(), is_incomplete) {
        (Verdict::Broken, _) => Word::Broken,
        (Verdict::Pass, true) => Word::Unknown,
        (Verdict::Pass, false) => Word::Pass,
    };
    (word, exit(word, strict, is_incomplete))
}

fn exit(word: Word, strict: bool, is_incomplete: bool) -> Exit {
    if is_incomplete {
        Exit::Unreadable
    } else if word == Word::Broken && strict {
        Exit::Broken
    } else {
        Exit::Done
    }
}

/// Why it breaks the gate, in words.
pub fn why(score: f64, age_days: Option<i64>, terms: &Terms) -> String {
    let age = match age_days {
        Some(1) => ", known for 1 day".to_owned(),
        Some(days) if days > 1 => format!(", known for {days} days"),
        Some(_) => ", new".to_owned(),
        None => String::new(),
    };
    format!(
        "severity {score:.1}, and {:.1} is enough{age}",
        terms.threshold
    )
}

/// Where the policy has its way against the command line.
pub fn overruled(asked: &gna_domain::rules::gate::Limits, terms: &Terms) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(threshold) = asked.threshold.filter(|asked| *asked > terms.threshold) {
        notes.push(format!(
            "the policy's threshold of {:.1} applies, not {threshold:.1}",
            terms.threshold
        ));
    }
    if let Some(days) = asked.grace_days.filter(|days| *days > terms.grace_days) {
        notes.push(format!(
            "the policy's grace of {} days applies, not {days}",
            terms.grace_days
        ));
    }
    if let Some(days) = asked.debt_days.filter(|days| *days != terms.debt_days) {
        let applies = match terms.debt_days {
            0 => "nothing is technical debt by the policy".to_owned(),
            days => format!("the policy's {days} days until technical debt apply"),
        };
        notes.push(format!("{applies}, not {days}"));
    }
    if asked.strict == Some(false) && terms.strict {
        notes.push("the policy is strict: --lax does not apply".to_owned());
    }
    notes
}
