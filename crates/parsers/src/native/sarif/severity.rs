//! The severity of a result: the security score that code hosts ask for, else the level that the
//! standard computes (§3.27.10), else the words of known property bags.

use gna_domain::import::SeverityBasis;
use gna_domain::model::Level;

use super::model::{Configuration, Finding, Properties, Rule};

/// What was found out, and a word that said nothing.
pub struct Judged {
    pub level: Level,
    pub basis: SeverityBasis,
    pub unknown: Option<String>,
}

/// `changed` is the rule's configuration as an invocation overrode it.
pub fn judge(result: &Finding, rule: Option<&Rule>, changed: Option<&Configuration>) -> Judged {
    let bags = [Some(&result.properties), rule.map(|rule| &rule.properties)];
    for bag in bags.into_iter().flatten() {
        if let Some((level, basis)) = bag.security_severity.as_deref().and_then(scored) {
            return Judged {
                level,
                basis,
                unknown: None,
            };
        }
    }
    let default = rule.map(|rule| &rule.default_configuration);
    let levels = [
        result.level.as_deref(),
        changed.and_then(|changed| changed.level.as_deref()),
        default.and_then(|default| default.level.as_deref()),
    ];
    let mut unknown = None;
    for word in levels.into_iter().flatten() {
        match by_level(word) {
            Some(level) => {
                return Judged {
                    level,
                    basis: SeverityBasis::Stated,
                    unknown: None,
                };
            }
            None => unknown = unknown.or_else(|| Some(word.to_owned())),
        }
    }
    if let Some(level) = bags.into_iter().flatten().find_map(by_words) {
        return Judged {
            level,
            basis: SeverityBasis::Stated,
            unknown,
        };
    }
    let ranks = [
        result.rank,
        changed.and_then(|changed| changed.rank),
        default.and_then(|default| default.rank),
    ];
    // §3.27.11: a rank is 0 to 100, and negative where it is not set.
    if let Some(rank) = ranks
        .into_iter()
        .flatten()
        .find(|rank| (0.0..=100.0).contains(rank))
    {
        return Judged {
            level: Level::from_score(rank / 10.0),
            basis: SeverityBasis::Score,
            unknown,
        };
    }
    if result.kind.as_deref() == Some("informational") {
        return Judged {
            level: Level::Info,
            basis: SeverityBasis::Stated,
            unknown,
        };
    }
    // §3.27.10: in the absence of everything, the level is `warning`.
    Judged {
        level: Level::Medium,
        basis: SeverityBasis::Default,
        unknown,
    }
}

/// The standard's four levels. A `note` is "a minor problem or an opportunity to improve the code",
/// which is information to a security team. `none` says that severity does not apply.
fn by_level(word: &str) -> Option<Level> {
    match word.trim().to_ascii_lowercase().as_str() {
        "note" | "none" => Some(Level::Info),
        other => Level::from_word(other),
    }
}

/// A score from 0 to 10, as text or number; some tools write a word.
fn scored(text: &str) -> Option<(Level, SeverityBasis)> {
    match text.trim().parse::<f64>() {
        Ok(score) if (0.0..=10.0).contains(&score) => {
            Some((Level::from_score(score), SeverityBasis::Score))
        }
        Ok(_) => None,
        Err(_) => Level::from_word(text).map(|level| (level, SeverityBasis::Stated)),
    }
}

fn by_words(bag: &Properties) -> Option<Level> {
    let words = [
        &bag.severity,
        &bag.issue_severity,
        &bag.security_risk,
        &bag.problem_severity,
    ];
    words
        .into_iter()
        .flatten()
        .find_map(|word| match word.trim().to_ascii_lowercase().as_str() {
            "recommendation" => Some(Level::Info),
            other => Level::from_word(other),
        })
}
