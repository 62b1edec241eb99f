//! Gitleaks' JSON report (`gitleaks git|dir -r report.json -f json`), secrets in code and history.
//!
//! Documented at <https://github.com/gitleaks/gitleaks#reports>; versions 8 (`RuleID`) and 7 and
//! older (`offender`), a list or `null` for none. Identity: rule, file, and the digest of the
//! secret; the secret itself, the line that holds it and the commit message are never kept.
//!
//! Gitleaks states no severity: every secret is high. Reports of version 7 and older name their
//! rules by provider, and those of AWS, GitHub and Heroku are critical there, as DefectDojo has
//! always rated them, so that a move to Gna changes no severity.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Sink};
use gna_domain::model::{CodeLocation, Level, Location};
use serde::Deserialize;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter};
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct Gitleaks;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "gitleaks".into(),
    title: "Gitleaks JSON".into(),
    tool: "Gitleaks".into(),
    category: Category::Secret,
    identity: "rule, file, digest of the secret (else Gitleaks' fingerprint of a commit)".into(),
    streams: true,
});

/// CWE-798: use of hard-coded credentials.
const HARD_CODED: u32 = 798;

/// One leak, in the keys of either generation.
#[derive(Deserialize)]
struct Leak {
    #[serde(alias = "rule", rename = "RuleID")]
    rule: String,
    #[serde(alias = "file", rename = "File")]
    file: String,
    #[serde(default, rename = "Description", deserialize_with = "lenient::string")]
    description: String,
    #[serde(
        default,
        alias = "lineNumber",
        rename = "StartLine",
        deserialize_with = "lenient::opt_u32"
    )]
    line: Option<u32>,
    #[serde(default, rename = "EndLine", deserialize_with = "lenient::opt_u32")]
    end_line: Option<u32>,
    #[serde(default, rename = "StartColumn", deserialize_with = "lenient::opt_u32")]
    column: Option<u32>,
    #[serde(
        default,
        alias = "offender",
        rename = "Secret",
        deserialize_with = "lenient::string"
    )]
    secret: String,
    #[serde(
        default,
        alias = "commit",
        rename = "Commit",
        deserialize_with = "lenient::string"
    )]
    commit: String,
    #[serde(default, rename = "Fingerprint", deserialize_with = "lenient::string")]
    fingerprint: String,
    /// A list in version 8, one text with commas before.
    #[serde(
        default,
        alias = "tags",
        rename = "Tags",
        deserialize_with = "lenient::strings"
    )]
    tags: Vec<String>,
    #[serde(
        default,
        alias = "leakURL",
        rename = "Link",
        deserialize_with = "lenient::string"
    )]
    link: String,
    /// Only there before version 8.
    #[serde(default, rename = "offenderEntropy")]
    legacy_entropy: Option<serde::de::IgnoredAny>,
    #[serde(default, rename = "line")]
    legacy_line: Option<serde::de::IgnoredAny>,
}

impl Format for Gitleaks {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        if input.head_text().trim() == "null" {
            return Confidence::Weak;
        }
        match Outline::of(input.head_text()) {
            Some(outline) if !outline.list => Confidence::No,
            Some(outline) if outline.has_all(&["RuleID", "File", "Fingerprint"]) => {
                Confidence::Certain
            }
            Some(outline) if outline.has_all(&["RuleID", "Match", "Secret"]) => Confidence::Likely,
            Some(outline) if outline.has_all(&["offender", "rule", "file"]) => Confidence::Likely,
            // Nothing was found; other tools write the same.
            Some(outline) if outline.is_empty_list() => Confidence::Weak,
            _ => Confidence::No,
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut emitter = Emitter::new(sink, Level::High);
        let report = input.text()?.trim();
        if report != "null" {
            if !report.starts_with('[') {
                return Err(Refusal::new(
                    "report.wrong_format",
                    "the report is no JSON list; expected is the output of `gitleaks dir -f json -r FILE`",
                ));
            }
            json::for_each(input, "[]", |item| {
                match emitter.check(item.read::<Leak>()) {
                    Some(leak) => {
                        let (draft, location) = convert(leak);
                        emitter.emit(draft, location, item.position)
                    }
                    None => Ok(()),
                }
            })?;
        }
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(Category::Secret),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

fn convert(leak: Leak) -> (Draft, Location) {
    let legacy = leak.legacy_line.is_some() || leak.legacy_entropy.is_some();
    let provider = ["AWS", "Github", "GitHub", "Heroku"]
        .iter()
        .any(|name| leak.rule.contains(name));
    let mut fingerprints = Vec::new();
    if !leak.secret.is_empty() && !redacted(&leak.secret) {
        fingerprints.push(text::secret_fingerprint(&leak.secret));
    }
    // Without a commit it ends with the line, which moves; within one it stays.
    if !leak.commit.is_empty() && !leak.fingerprint.is_empty() {
        fingerprints.push(("gitleaks".to_owned(), leak.fingerprint));
    }
    let tags = leak
        .tags
        .iter()
        .flat_map(|tags| tags.split(','))
        .map(|tag| tag.trim().to_owned())
        .collect();
    let named = leak.rule.clone();
    let draft = Draft {
        title: if leak.description.is_empty() { format!("Hard coded {named}") } else { leak.description },
        recommendation: Some(
            "Revoke the secret where it was issued, then remove it from the code; it stays readable in the history.".into(),
        ),
        references: vec![leak.link],
        cwes: vec![HARD_CODED],
        default: (legacy && provider).then_some(Level::Critical),
        message: (!leak.commit.is_empty()).then(|| format!("In commit {}", leak.commit)),
        fingerprints,
        tags,
        rule: leak.rule,
        ..Draft::default()
    };
    let location = CodeLocation {
        path: text::path(&leak.file, false),
        line: leak.line,
        end_line: leak.end_line,
        column: leak.column,
        ..CodeLocation::default()
    };
    (draft, Location::Code(location))
}

/// What `--redact` leaves: the word, or a beginning with dots.
fn redacted(secret: &str) -> bool {
    secret.contains("REDACTED") || secret.ends_with("...") || secret.chars().all(|c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};

    #[test]
    fn both_generations_are_read_and_no_secret_is_kept() {
        let read = read(
            &Gitleaks,
            r#"[
            {"RuleID": "generic-api-key", "Description": "Detected a Generic API Key", "StartLine": 4, "EndLine": 4,
             "StartColumn": 9, "EndColumn": 40, "Match": "key = hunter2hunter2", "Secret": "hunter2hunter2", "File": "conf/a.toml",
             "SymlinkFile": "", "Commit": "0c1d", "Entropy": 3.5, "Author": "A", "Email": "a@shop.example", "Date": "", "Message": "hunter2hunter2",
             "Tags": ["key"], "Fingerprint": "0c1d:conf/a.toml:generic-api-key:4"},
            {"RuleID": "private-key", "Description": "", "StartLine": 1, "Secret": "REDACTED", "File": "k.pem", "Commit": "", "Tags": null,
             "Fingerprint": "k.pem:private-key:1"},
            {"line": "token = hunter2", "lineNumber": 9, "offender": "hunter2", "commit": "", "rule": "AWS Access Key", "file": "b.yml",
             "commitMessage": "add hunter2", "tags": "key, AWS", "leakURL": ""},
            {"RuleID": 1}]"#,
        );
        assert_eq!(
            read.lines(),
            [
                (
                    "generic-api-key".into(),
                    Level::High,
                    "conf/a.toml:4".into()
                ),
                ("private-key".into(), Level::High, "k.pem:1".into()),
                ("AWS Access Key".into(), Level::Critical, "b.yml:9".into()),
            ]
        );
        assert!(!format!("{:?}", read.findings).contains("hunter2"));
        let names = |nth: usize| {
            read.findings[nth]
                .fingerprints
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (names(0), names(1), names(2)),
            (
                vec!["secret-sha256", "gitleaks"],
                vec![],
                vec!["secret-sha256"]
            )
        );
        assert_eq!(read.findings[2].tags, ["key", "AWS"]);
        assert_eq!(read.codes(), ["item.skipped"]);
    }

    #[test]
    fn none_is_null_or_an_empty_list() {
        for text in ["null", " null\n", "[]"] {
            assert_eq!(read(&Gitleaks, text).meta.items, 0, "{text}");
            assert_eq!(detected(&Gitleaks, text), Confidence::Weak, "{text}");
        }
        assert_eq!(refused(&Gitleaks, "{}").code, "report.wrong_format");
        assert_eq!(detected(&Gitleaks, r#"[{"host": "a"}]"#), Confidence::No);
    }
}
