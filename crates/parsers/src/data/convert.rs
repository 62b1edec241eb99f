//! From the generic form to a finding: identifiers, severity, location, limits.
//!
//! It decides nothing about identity across reports and keeps no finding; what it shares is one
//! [`Weakness`] for all instances of a rule. Next: [`super::generic`] for the form itself.

use gna_domain::import::{ParsedFinding, Position, Reported, SeverityBasis, Weakness};
use gna_domain::model::{Cvss, Level, preferred};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::generic::GenericFinding;
use super::place;
use crate::text;

/// Most weaknesses that are remembered for sharing; beyond it sharing starts anew.
const POOL: usize = 10_000;
/// Weaknesses that are a secret in the code: hard-coded password, key, credentials.
const SECRETS: &[u32] = &[259, 321, 798];
/// Longest title, in bytes.
const TITLE: usize = 500;

/// How the words of one report are understood.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The format's own severity words, in lower case; asked before [`Level::from_word`].
    pub words: HashMap<String, Level>,
    /// The level where the report states neither word, vector nor score.
    pub default: Level,
    /// Longest text, in bytes; see `Limits::max_text`.
    pub max_text: usize,
    /// The report lists secrets: their lines are not kept.
    pub secret: bool,
    /// Texts are HTML and are kept as plain text.
    pub html: bool,
}

/// Something that was not taken as written, though the finding stands: a code and a sentence.
pub type Note = (&'static str, String);

/// Converts one report's findings.
#[derive(Debug)]
pub struct Converter {
    rules: Rules,
    pool: HashMap<String, Arc<Weakness>>,
    tools: HashMap<String, Arc<str>>,
}

impl Converter {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            pool: HashMap::new(),
            tools: HashMap::new(),
        }
    }

    /// Makes a finding of the form; what was not taken as written is added to `notes`.
    ///
    /// # Errors
    /// A sentence that says why nothing can be made of it: no text to name it by, or a location
    /// whose kind lacks its main field.
    pub fn convert(
        &mut self,
        form: GenericFinding,
        position: Position,
        notes: &mut Vec<Note>,
    ) -> Result<ParsedFinding, String> {
        let cwes = text::cwes(
            form.cwes
                .iter()
                .flat_map(|cwes| cwes.split([',', ';', '|'])),
        );
        // What tells of a hard-coded secret shows it in its lines, whatever the tool is for.
        let secret = self.rules.secret || cwes.iter().any(|cwe| SECRETS.contains(cwe));
        let location = place::location(form.location.as_ref(), secret)?;
        let identifiers = identifiers(&form.identifiers);
        let title = self.title(&form, &identifiers)?;
        let rule = match form.rule.as_deref() {
            Some(rule) => text::one_line(rule, TITLE),
            None => identifiers
                .first()
                .cloned()
                .unwrap_or_else(|| text::slug(&title)),
        };
        let cvss = vectors(&form.cvss, notes);
        let (severity, severity_basis) = self.severity(&form, &cvss, notes);
        let reported = reported(&form);
        let keep = |value: Option<String>| {
            let plain = value.map(|value| {
                if self.rules.html {
                    text::plain(&value)
                } else {
                    value.trim().to_owned()
                }
            });
            plain
                .filter(|text| !text.is_empty())
                .map(|text| text::cut(&text, self.rules.max_text).into_owned())
        };
        let weakness = Weakness {
            rule,
            title,
            description: keep(form.description),
            recommendation: keep(form.recommendation),
            references: references(&form.references),
            cwes,
            identifiers,
            cvss,
        };
        let message = keep(form.message);
        Ok(ParsedFinding {
            weakness: self.share(weakness),
            location,
            severity,
            severity_basis,
            message,
            fingerprints: form.fingerprints.into_iter().collect(),
            tool: form.tool.map(|tool| {
                Arc::clone(
                    self.tools
                        .entry(tool)
                        .or_insert_with_key(|tool| Arc::from(tool.as_str())),
                )
            }),
            tags: form
                .tags
                .into_iter()
                .filter(|tag| !tag.trim().is_empty())
                .collect(),
            reported,
            position,
        })
    }

    fn title(&self, form: &GenericFinding, identifiers: &[String]) -> Result<String, String> {
        let candidates = [&form.title, &form.message, &form.description, &form.rule];
        let text = candidates
            .into_iter()
            .flatten()
            .find_map(|text| first_line(text));
        match text.or_else(|| identifiers.first().map(String::as_str)) {
            Some(text) if self.rules.html => Ok(text::one_line(&text::plain(text), TITLE)),
            Some(text) => Ok(text::one_line(text, TITLE)),
            None => Err("it has neither a title nor a rule, message or description".to_owned()),
        }
    }

    fn severity(
        &self,
        form: &GenericFinding,
        cvss: &[Cvss],
        notes: &mut Vec<Note>,
    ) -> (Level, SeverityBasis) {
        let word = form.severity.as_deref().map(str::trim).unwrap_or_default();
        if let Some(level) = self
            .rules
            .words
            .get(&word.to_lowercase())
            .copied()
            .or_else(|| Level::from_word(word))
        {
            return (level, SeverityBasis::Stated);
        }
        if let Some(score) = score(word) {
            return (Level::from_score(score), SeverityBasis::Score);
        }
        let derived = preferred(cvss)
            .map(|cvss| cvss.score)
            .or_else(|| form.score.as_deref().and_then(score));
        let (level, basis) = match derived {
            Some(score) => (Level::from_score(score), SeverityBasis::Score),
            None => (self.rules.default, SeverityBasis::Default),
        };
        if !word.is_empty() {
            let word = text::cut(word, 60).into_owned();
            notes.push((
                "severity.unknown",
                format!("the severity {word:?} is not known; {level} was taken"),
            ));
        }
        (level, basis)
    }

    fn share(&mut self, weakness: Weakness) -> Arc<Weakness> {
        if let Some(known) = self.pool.get(&weakness.rule)
            && **known == weakness
        {
            return Arc::clone(known);
        }
        if self.pool.len() >= POOL {
            self.pool.clear();
        }
        let shared = Arc::new(weakness);
        self.pool.insert(shared.rule.clone(), Arc::clone(&shared));
        shared
    }
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

fn score(text: &str) -> Option<f64> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|score| (0.0..=10.0).contains(score))
}

/// Names that follow a known scheme, normalised and in order; then the others that look like one.
fn identifiers(texts: &[String]) -> Vec<String> {
    let words = || {
        texts
            .iter()
            .flat_map(|text| text.split([',', ';', '|', ' ', '\n', '\t']))
            .map(str::trim)
    };
    let looks = |word: &&str| {
        word.len() <= 80
            && word.contains('-')
            && word.bytes().any(|byte| byte.is_ascii_digit())
            && text::identifier(word).is_none()
    };
    let known = text::in_order(words());
    text::unique(
        known
            .into_iter()
            .chain(words().filter(looks).map(str::to_owned)),
    )
}

/// Addresses, one a line or a list entry each, without repeats.
fn references(texts: &[String]) -> Vec<String> {
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let kept = lines.filter(|line| !line.is_empty());
    text::unique(kept).into_iter().map(str::to_owned).collect()
}

fn vectors(texts: &[String], notes: &mut Vec<Note>) -> Vec<Cvss> {
    let mut out: Vec<Cvss> = Vec::new();
    let mut seen = HashSet::new();
    for text in texts
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
    {
        match Cvss::parse(text) {
            Some(cvss) if seen.insert(cvss.vector.clone()) => out.push(cvss),
            Some(_) => {}
            None => {
                let text = text::cut(text, 120).into_owned();
                notes.push((
                    "vector.malformed",
                    format!("{text:?} is not a CVSS vector; it was left out"),
                ));
            }
        }
    }
    out
}

fn reported(form: &GenericFinding) -> Reported {
    let word = form.status.as_deref().map(str::trim).unwrap_or_default();
    let reason = form.status_reason.as_deref().map(str::trim);
    match word.to_ascii_lowercase().replace([' ', '-'], "_").as_str() {
        "" | "open" | "opened" | "reopened" | "present" | "active" | "new" | "existing"
        | "confirmed" | "unresolved" | "detected" | "failed" | "fail" | "affected"
        | "to_review" | "triage_required" => Reported::Present,
        "fixed" | "resolved" | "closed" | "pass" | "passed" | "absent" | "gone" | "remediated"
        | "not_detected" => Reported::Absent {
            reason: reason.unwrap_or(word).to_owned(),
        },
        _ => Reported::Suppressed {
            status: word.to_owned(),
            justification: reason.map(str::to_owned),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::model::Location;

    fn converter() -> Converter {
        let words = HashMap::from([
            ("very bad".to_owned(), Level::Critical),
            ("1".to_owned(), Level::Low),
        ]);
        Converter::new(Rules {
            words,
            default: Level::Medium,
            max_text: 100,
            secret: false,
            html: false,
        })
    }

    fn convert(json: &str) -> (Result<ParsedFinding, String>, Vec<&'static str>) {
        let mut notes = Vec::new();
        let form = serde_json::from_str(json).unwrap();
        let finding = converter().convert(form, Position::default(), &mut notes);
        (finding, notes.into_iter().map(|(code, _)| code).collect())
    }

    #[test]
    fn severity_comes_from_word_then_vector_then_score_then_default() {
        use SeverityBasis::{Default, Score, Stated};
        let vector = r#""cvss": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H""#;
        for (fields, level, basis, notes) in [
            (
                r#""severity": "Very Bad""#.to_owned(),
                Level::Critical,
                Stated,
                vec![],
            ),
            (
                r#""severity": "low", "score": 9"#.to_owned(),
                Level::Low,
                Stated,
                vec![],
            ),
            (r#""severity": 1"#.to_owned(), Level::Low, Stated, vec![]),
            (r#""severity": 7.1"#.to_owned(), Level::High, Score, vec![]),
            (
                format!(r#"{vector}, "score": 1"#),
                Level::Critical,
                Score,
                vec![],
            ),
            (
                r#""score": "4.0", "cvss": ["nonsense"]"#.to_owned(),
                Level::Medium,
                Score,
                vec!["vector.malformed"],
            ),
            (
                format!(r#""severity": "purple", {vector}"#),
                Level::Critical,
                Score,
                vec!["severity.unknown"],
            ),
            (
                r#""severity": "purple", "score": 11"#.to_owned(),
                Level::Medium,
                Default,
                vec!["severity.unknown"],
            ),
            (
                r#""severity": " ""#.to_owned(),
                Level::Medium,
                Default,
                vec![],
            ),
        ] {
            let (finding, seen) = convert(&format!(r#"{{"title": "t", {fields}}}"#));
            let finding = finding.unwrap();
            assert_eq!(
                (finding.severity, finding.severity_basis, seen),
                (level, basis, notes),
                "{fields}"
            );
        }
    }

    #[test]
    fn rule_and_title_stand_in_for_each_other() {
        for (json, rule, title) in [
            (r#"{"rule": "R1", "title": "One"}"#, "R1", "One"),
            (
                r#"{"rule": "R1", "message": "\n  seen here\nand there"}"#,
                "R1",
                "seen here",
            ),
            (r#"{"rule": "R1"}"#, "R1", "R1"),
            (
                r#"{"title": "Weak cipher (RC4)"}"#,
                "weak-cipher-rc4",
                "Weak cipher (RC4)",
            ),
            (
                r#"{"identifiers": "ghsa-AAAA-bbbb-cccc, cve-2024-1"}"#,
                "CVE-2024-1",
                "CVE-2024-1",
            ),
        ] {
            let finding = convert(json).0.unwrap();
            assert_eq!(
                (
                    finding.weakness.rule.as_str(),
                    finding.weakness.title.as_str()
                ),
                (rule, title),
                "{json}"
            );
        }
        assert!(convert(r#"{"severity": "HIGH"}"#).0.is_err());
    }

    #[test]
    fn places_are_told_by_their_fields() {
        for (location, expected) in [
            (
                r#"{"path": ".\\src\\a.cs", "line": 0, "end_line": 4}"#,
                Ok(r#"{"kind":"code","path":"src/a.cs"}"#),
            ),
            (
                r#"{"path": "a.c", "line": 3, "end_line": 2, "column": 1}"#,
                Ok(r#"{"kind":"code","path":"a.c","line":3,"column":1}"#),
            ),
            (
                r#"{"purl": "pkg:npm/%40acme/till@1.0.0", "fixed_version": ["1.1", "2.0"], "path": "package.json"}"#,
                Ok(
                    r#"{"kind":"package","name":"@acme/till","purl":"pkg:npm/%40acme/till@1.0.0","fixed_version":"1.1, 2.0","path":"package.json"}"#,
                ),
            ),
            (
                r#"{"purl": "pkg:maven/com.acme/till@1.0.0"}"#,
                Ok(
                    r#"{"kind":"package","name":"com.acme:till","purl":"pkg:maven/com.acme/till@1.0.0"}"#,
                ),
            ),
            (
                r#"{"url": "https://shop.example/a", "method": "get"}"#,
                Ok(r#"{"kind":"endpoint","url":"https://shop.example/a","method":"GET"}"#),
            ),
            (
                r#"{"host": "10.0.0.1", "port": "443", "protocol": "TCP"}"#,
                Ok(r#"{"kind":"network","host":"10.0.0.1","port":443,"protocol":"tcp"}"#),
            ),
            (
                r#"{"host": "10.0.0.1", "port": 0}"#,
                Ok(r#"{"kind":"network","host":"10.0.0.1"}"#),
            ),
            (
                r#"{"resource": "arn:x", "region": "eu-1"}"#,
                Ok(r#"{"kind":"cloud","resource":"arn:x","region":"eu-1"}"#),
            ),
            ("{}", Ok(r#"{"kind":"asset"}"#)),
            ("null", Ok(r#"{"kind":"asset"}"#)),
            (r#"{"kind": "package", "path": "a"}"#, Err("\"name\"")),
            (r#"{"kind": "moon"}"#, Err("moon")),
        ] {
            let (finding, _) = convert(&format!(r#"{{"title": "t", "location": {location}}}"#));
            match (finding, expected) {
                (Ok(finding), Ok(json)) => {
                    assert_eq!(
                        finding.location,
                        serde_json::from_str::<Location>(json).unwrap(),
                        "{location}"
                    );
                }
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
                (got, expected) => panic!("{location}: {got:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn names_references_and_statuses_are_normalised() {
        let finding = convert(
            r#"{"title": "t", "identifiers": ["ACME-2024-7", "GHSA-AAAA-bbbb-cccc;cve-2024-1", "CVE-2024-1", "no id"],
                "cwes": ["CWE-79, CWE-80", 0, "79"], "references": "https://a.example\nhttps://a.example\n https://b.example"}"#,
        )
        .0
        .unwrap();
        assert_eq!(
            finding.weakness.identifiers,
            ["CVE-2024-1", "GHSA-aaaa-bbbb-cccc", "ACME-2024-7"]
        );
        assert_eq!(finding.weakness.cwes, [79, 80]);
        assert_eq!(
            finding.weakness.references,
            ["https://a.example", "https://b.example"]
        );
        for (status, expected) in [
            ("Open", Reported::Present),
            ("FAIL", Reported::Present),
            (
                "passed",
                Reported::Absent {
                    reason: "why".into(),
                },
            ),
            (
                "False Positive",
                Reported::Suppressed {
                    status: "False Positive".into(),
                    justification: Some("why".into()),
                },
            ),
        ] {
            let (finding, _) = convert(&format!(
                r#"{{"title": "t", "status": "{status}", "status_reason": "why"}}"#
            ));
            assert_eq!(finding.unwrap().reported, expected, "{status}");
        }
    }

    #[test]
    fn lines_with_secrets_are_not_kept() {
        for (cwe, kept) in [
            ("CWE-89", true),
            ("CWE-798", false),
            ("CWE-259, CWE-1", false),
        ] {
            let json = format!(
                r#"{{"title": "t", "cwes": "{cwe}", "location": {{"path": "a", "snippet": "x"}}}}"#
            );
            match convert(&json).0.unwrap().location {
                Location::Code(code) => assert_eq!(code.snippet.is_some(), kept, "{cwe}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn instances_of_a_rule_share_their_weakness() {
        let mut converter = converter();
        let mut one = |title: &str| {
            let form = GenericFinding {
                rule: Some("R".into()),
                title: Some(title.into()),
                ..GenericFinding::default()
            };
            converter
                .convert(form, Position::default(), &mut Vec::new())
                .unwrap()
                .weakness
        };
        let (a, b, c) = (one("same"), one("same"), one("other"));
        assert!(Arc::ptr_eq(&a, &b) && !Arc::ptr_eq(&a, &c));
    }
}
