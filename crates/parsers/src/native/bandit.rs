//! Bandit's JSON (`bandit -f json`), security linter for Python.
//!
//! Documented at <https://bandit.readthedocs.io/en/latest/formatters/json.html>. Identity: test
//! id, file, and the lines of the issue. What it is not: Bandit's SARIF, which [`super::sarif`]
//! reads. Files that Bandit could not analyse become warnings.

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Sink};
use gna_domain::model::{CodeLocation, Level, Location};
use gna_domain::time::Timestamp;
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter};
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct Bandit;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "bandit".into(),
    title: "Bandit JSON".into(),
    tool: "Bandit".into(),
    category: Category::Sast,
    identity: "test id, file, normalised lines of the issue".into(),
    streams: true,
});

/// Tests whose text and lines hold the password they found (B105 to B107).
const PASSWORD_TESTS: [&str; 3] = ["B105", "B106", "B107"];

#[derive(Deserialize)]
struct Issue {
    filename: String,
    test_id: String,
    #[serde(default, deserialize_with = "lenient::string")]
    test_name: String,
    #[serde(default, deserialize_with = "lenient::string")]
    issue_text: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    issue_severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    issue_confidence: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    issue_cwe: Cwe,
    #[serde(default, deserialize_with = "lenient::string")]
    more_info: String,
    #[serde(default, deserialize_with = "lenient::string")]
    code: String,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    line_number: Option<u32>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    line_range: Vec<u32>,
    /// Counted from 0, -1 for none.
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    col_offset: Option<u32>,
}

#[derive(Default, Deserialize)]
struct Cwe {
    #[serde(default, deserialize_with = "lenient::string")]
    id: String,
}

/// A file that could not be read or parsed.
#[derive(Deserialize)]
struct Failure {
    #[serde(default, deserialize_with = "lenient::string")]
    filename: String,
    #[serde(default, deserialize_with = "lenient::string")]
    reason: String,
}

impl Format for Bandit {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        match Outline::of(input.head_text()) {
            Some(outline) if outline.has("metrics") && outline.mentions("\"CONFIDENCE.") => {
                Confidence::Certain
            }
            Some(outline)
                if outline.has("results")
                    && outline.mentions("\"issue_severity\"")
                    && outline.mentions("\"test_id\"") =>
            {
                Confidence::Likely
            }
            Some(outline) if outline.has_all(&["errors", "generated_at", "metrics"]) => {
                Confidence::Likely
            }
            _ => Confidence::No,
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut emitter = Emitter::new(sink, Level::Low);
        let mut scanned_at = None;
        let mut is_report = false;
        json::for_each_of(
            input,
            &["results[]", "errors[]", "generated_at", "results"],
            |item| {
                match item.path {
                    0 => {
                        if let Some(issue) = emitter.check(item.read::<Issue>()) {
                            let (draft, location) = convert(issue);
                            emitter.emit(draft, location, item.position)?;
                        }
                    }
                    1 => {
                        if let Ok(Failure { filename, reason }) = item.read() {
                            emitter.note(
                                "scan.incomplete",
                                format!("{filename} was not analysed: {reason}"),
                                item.position,
                            );
                        }
                    }
                    2 => {
                        scanned_at = item
                            .read::<String>()
                            .ok()
                            .and_then(|text| Timestamp::parse(&text).ok())
                    }
                    _ => is_report = true,
                }
                Ok(())
            },
        )?;
        if !is_report {
            return Err(lacks("results", "bandit -f json"));
        }
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(Category::Sast),
            scanned_at,
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

/// A refusal of a document that lacks the field that makes it a report.
pub(super) fn lacks(field: &str, command: &str) -> Refusal {
    Refusal::new(
        "report.wrong_format",
        format!("the JSON has no {field:?}; expected is the output of `{command}`"),
    )
    .at(Position::default())
}

fn convert(issue: Issue) -> (Draft, Location) {
    let secret = PASSWORD_TESTS.contains(&issue.test_id.as_str());
    let text = if secret {
        without_value(&issue.issue_text)
    } else {
        issue.issue_text
    };
    let lines = if issue.line_range.is_empty() {
        issue.line_number.into_iter().collect()
    } else {
        issue.line_range
    };
    let location = CodeLocation {
        path: text::path(&issue.filename, false),
        line: issue.line_number,
        end_line: lines.iter().copied().max(),
        column: issue.col_offset.map(|offset| offset.saturating_add(1)),
        snippet: (!secret).then(|| numbered_lines(&issue.code, &lines)),
        symbol: None,
    };
    let draft = Draft {
        title: if text.is_empty() {
            issue.test_name.replace('_', " ")
        } else {
            text
        },
        rule: issue.test_id,
        references: vec![issue.more_info],
        cwes: text::cwes([issue.issue_cwe.id]),
        severity: issue.issue_severity,
        tags: confidence(&issue.issue_confidence).into_iter().collect(),
        ..Draft::default()
    };
    (draft, Location::Code(location))
}

/// The word as a tag, `confidence:high`; none where the tool is silent.
pub(super) fn confidence(word: &str) -> Option<String> {
    let word = word.trim().to_ascii_lowercase();
    (!matches!(word.as_str(), "" | "undefined" | "unknown")).then(|| format!("confidence:{word}"))
}

/// `Possible hardcoded password: 'hunter2'` without what follows the colon.
fn without_value(text: &str) -> String {
    text.split([':', '\'', '"'])
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The lines of an excerpt such as `12 x = 1\n13 y = 2\n` whose numbers are asked for, bare.
fn numbered_lines(code: &str, wanted: &[u32]) -> String {
    let wanted: HashSet<u32> = wanted.iter().copied().collect();
    let mut lines = Vec::new();
    for line in code.lines() {
        let (number, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if number.parse().is_ok_and(|number| wanted.contains(&number)) {
            lines.push(rest);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{read, refused};

    #[test]
    fn an_issue_is_a_finding_with_its_bare_lines() {
        let read = read(
            &Bandit,
            r#"{"errors": [{"filename": "bad.py", "reason": "syntax error"}],
            "generated_at": "2026-03-01T10:00:00Z", "metrics": {"_totals": {"CONFIDENCE.HIGH": 1}}, "results": [
            {"code": "6 \n7 subprocess.run(cmd,\n8     shell=True)\n9 \n", "col_offset": 4, "filename": "./shop/tasks.py",
             "issue_confidence": "HIGH", "issue_cwe": {"id": 78, "link": "https://cwe.mitre.org/data/definitions/78.html"},
             "issue_severity": "HIGH", "issue_text": "subprocess call with shell=True identified, security issue.",
             "line_number": 7, "line_range": [7, 8], "more_info": "https://bandit.readthedocs.io/x.html",
             "test_id": "B602", "test_name": "subprocess_popen_with_shell_equals_true"}]}"#,
        );
        let finding = &read.findings[0];
        assert_eq!(
            (
                finding.weakness.rule.as_str(),
                finding.weakness.cwes.as_slice()
            ),
            ("B602", &[78][..])
        );
        let Location::Code(code) = &finding.location else {
            panic!("{:?}", finding.location)
        };
        assert_eq!(
            (code.path.as_str(), code.line, code.end_line, code.column),
            ("shop/tasks.py", Some(7), Some(8), Some(5))
        );
        assert_eq!(
            code.snippet.as_deref(),
            Some("subprocess.run(cmd,\n    shell=True)")
        );
        assert_eq!(finding.tags, ["confidence:high"]);
        assert_eq!(
            (read.codes(), read.meta.scanned_at.is_some()),
            (vec!["scan.incomplete"], true)
        );
    }

    #[test]
    fn a_password_is_not_kept() {
        let read = read(
            &Bandit,
            r#"{"results": [{"code": "3 PASSWORD = 'hunter2'\n", "filename": "a.py", "issue_severity": "LOW",
            "issue_text": "Possible hardcoded password: 'hunter2'", "line_number": 3, "test_id": "B105"}]}"#,
        );
        assert_eq!(
            read.findings[0].weakness.title,
            "Possible hardcoded password"
        );
        assert!(!format!("{:?}", read.findings).contains("hunter2"));
    }

    #[test]
    fn another_document_is_refused() {
        assert_eq!(refused(&Bandit, r#"{"x": 1}"#).code, "report.wrong_format");
        assert_eq!(
            refused(&Bandit, r#"{"results": [{"#).code,
            "report.truncated"
        );
    }
}
