//! Semgrep's JSON (`semgrep scan --json`), and the findings of its platform's API.
//!
//! Documented in `semgrep_output_v1.atd` of <https://github.com/semgrep/semgrep-interfaces> and,
//! for the API (`findings`, `vulns`), in [`super::semgrep_api`]. Identity: rule id, file, and
//! Semgrep's match-based id where it gives one (without an account it writes "requires login");
//! for Supply Chain (`sca_info`) the advisory, package and lock file. A result under `nosemgrep`
//! is suppressed. Lines that hold a secret are not kept.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{CodeLocation, Level, Location, PackageLocation};
use serde::Deserialize;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter};
use super::semgrep_api as api;
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct Semgrep;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| {
    FormatInfo {
    name: "semgrep".into(),
    title: "Semgrep JSON".into(),
    tool: "Semgrep".into(),
    category: Category::Sast,
    identity: "rule id, file, match-based id or normalised lines; for Supply Chain advisory, package, lock file".into(),
    streams: true,
}
});

const LOGIN: &str = "requires login";
/// Weaknesses whose lines hold the secret: hard-coded password, key, credentials.
const SECRET_CWES: [u32; 3] = [259, 321, 798];

#[derive(Deserialize)]
struct Match {
    check_id: String,
    path: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    start: Place,
    #[serde(default, deserialize_with = "lenient::or_default")]
    end: Place,
    #[serde(default)]
    extra: Extra,
}

#[derive(Default, Deserialize)]
struct Place {
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    line: Option<u32>,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    col: Option<u32>,
}

#[derive(Default, Deserialize)]
struct Extra {
    #[serde(default, deserialize_with = "lenient::string")]
    message: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    fingerprint: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    lines: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    fix: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    is_ignored: bool,
    #[serde(default, deserialize_with = "lenient::string")]
    validation_state: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "lenient::or_default")]
    sca_info: Option<ScaInfo>,
}

/// Free form, but these keys are those of Semgrep's own registry.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "lenient::strings")]
    cwe: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    cve: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    ghsa: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    owasp: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    references: Vec<String>,
    #[serde(deserialize_with = "lenient::string")]
    source: String,
    #[serde(deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    impact: Option<String>,
    #[serde(deserialize_with = "lenient::string")]
    confidence: String,
    #[serde(deserialize_with = "lenient::strings")]
    technology: Vec<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    secret_type: Option<String>,
    #[serde(
        rename = "sca-vuln-database-identifier",
        deserialize_with = "lenient::strings"
    )]
    sca_identifiers: Vec<String>,
    #[serde(rename = "sca-severity", deserialize_with = "lenient::opt_string")]
    sca_severity: Option<String>,
    /// Objects of one package and its version each.
    #[serde(rename = "sca-fix-versions", deserialize_with = "lenient::or_default")]
    sca_fixes: Vec<std::collections::BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct ScaInfo {
    #[serde(default, deserialize_with = "lenient::or_default")]
    reachable: Option<bool>,
    dependency_match: DependencyMatch,
}

#[derive(Deserialize)]
struct DependencyMatch {
    found_dependency: Dependency,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    lockfile: Option<String>,
}

#[derive(Deserialize)]
struct Dependency {
    package: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    ecosystem: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    lockfile_path: Option<String>,
}

/// Something that Semgrep could not do; its type is a name, or a list that starts with one.
#[derive(Deserialize)]
struct Failure {
    #[serde(default, deserialize_with = "lenient::string")]
    message: String,
    #[serde(default, deserialize_with = "lenient::string")]
    path: String,
}

impl Format for Semgrep {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()).filter(|outline| !outline.list) else {
            return Confidence::No;
        };
        let results = outline.has("results");
        if results && outline.mentions("\"check_id\"") && outline.mentions("\"extra\"") {
            return Confidence::Certain;
        }
        if outline.has("findings") && outline.mentions("\"match_based_id\"")
            || outline.has("vulns") && outline.mentions("\"matchedDependency\"")
            || results
                && outline.has_any(&[
                    "interfile_languages_used",
                    "skipped_rules",
                    "engine_requested",
                ])
        {
            return Confidence::Likely;
        }
        let known = ["version", "results", "errors", "paths", "time"];
        if results && outline.has("errors") && outline.keys.iter().all(|key| known.contains(key)) {
            return if outline.has_any(&["version", "paths"]) {
                Confidence::Likely
            } else {
                Confidence::Weak
            };
        }
        // The platform's list without an element; DefectDojo's looks the same.
        if outline.keys == ["findings"] && !outline.mentions("\"title\"") {
            return Confidence::Weak;
        }
        Confidence::No
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut emitter = Emitter::new(sink, Level::Medium).with_words(words);
        let mut version = None;
        let mut shape = None;
        let mut packages = 0;
        let paths = [
            "results[]",
            "findings[]",
            "vulns[]",
            "errors[]",
            "version",
            "results",
            "findings",
            "vulns",
        ];
        json::for_each_of(input, &paths, |item| {
            match item.path {
                0 => {
                    if let Some(found) = emitter.check(item.read::<Match>()) {
                        let (draft, location) = convert(found);
                        packages += u64::from(location.package().is_some());
                        emitter.emit(draft, location, item.position)?;
                    }
                }
                1 => {
                    if let Some(finding) = emitter.check(item.read::<api::Finding>()) {
                        let (draft, location) = finding.convert();
                        emitter.emit(draft, location, item.position)?;
                    }
                }
                2 => {
                    if let Some(vuln) = emitter.check(item.read::<api::Vuln>()) {
                        let (draft, location) = vuln.convert();
                        packages += 1;
                        emitter.emit(draft, location, item.position)?;
                    }
                }
                3 => {
                    if let Ok(Failure { message, path }) = item.read() {
                        let of = if path.is_empty() {
                            String::new()
                        } else {
                            format!("{path}: ")
                        };
                        emitter.note("scan.incomplete", format!("{of}{message}"), item.position);
                    }
                }
                4 => version = item.read::<String>().ok(),
                _ => shape = Some(item.path),
            }
            Ok(())
        })?;
        if shape.is_none() {
            return Err(super::bandit::lacks("results", "semgrep scan --json"));
        }
        let items = emitter.items();
        let category = if packages > 0 && packages == items {
            Category::Sca
        } else {
            Category::Sast
        };
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            tool_version: version,
            category: Some(category),
            items,
            ..ReportMeta::default()
        })
    }
}

/// Semgrep's levels; rules that only gather facts are `INVENTORY` or `EXPERIMENT`.
pub(super) fn words(word: &str) -> Option<Level> {
    match word.to_ascii_uppercase().as_str() {
        "INVENTORY" | "EXPERIMENT" => Some(Level::Info),
        _ => Level::from_word(word),
    }
}

fn convert(found: Match) -> (Draft, Location) {
    let Match {
        check_id,
        path,
        start,
        end,
        extra,
    } = found;
    let metadata = extra.metadata;
    let cwes = text::cwes(&metadata.cwe);
    let secret = metadata.secret_type.is_some()
        || check_id.contains("secrets.")
        || !matches!(extra.validation_state.as_str(), "" | "NO_VALIDATOR")
        || cwes.iter().any(|cwe| SECRET_CWES.contains(cwe));
    let mut references = metadata.references;
    references.push(metadata.source);
    let mut tags: Vec<String> = metadata.technology;
    tags.extend(metadata.owasp);
    tags.extend(super::bandit::confidence(&metadata.confidence));
    let mut draft = Draft {
        title: title(&check_id),
        description: Some(extra.message),
        recommendation: extra
            .fix
            .filter(|_| !secret)
            .map(|fix| format!("Replace it with:\n{fix}")),
        references,
        cwes,
        identifiers: [metadata.cve, metadata.ghsa, metadata.sca_identifiers].concat(),
        severity: extra.severity.or(metadata.severity).or(metadata.impact),
        fingerprints: fingerprint(extra.fingerprint),
        tags,
        reported: if extra.is_ignored {
            Reported::Suppressed {
                status: "nosemgrep".into(),
                justification: None,
            }
        } else {
            Reported::Present
        },
        rule: check_id,
        ..Draft::default()
    };
    let path = text::path(&path, false);
    let Some(sca) = extra.sca_info else {
        let snippet = extra.lines.filter(|lines| !secret && lines != LOGIN);
        let location = CodeLocation {
            path,
            line: start.line,
            end_line: end.line,
            column: start.col,
            snippet,
            symbol: None,
        };
        return (draft, Location::Code(location));
    };
    let DependencyMatch {
        found_dependency: found,
        lockfile,
    } = sca.dependency_match;
    if let Some(id) = draft.identifiers.first() {
        draft.title = format!("{id} in {}", found.package);
    }
    draft.severity = metadata.sca_severity.or(draft.severity);
    draft.fingerprints.clear();
    if sca.reachable == Some(true) {
        draft.tags.push("reachable".to_owned());
        draft.message = Some(format!(
            "Reached from {path}:{}",
            start.line.unwrap_or_default()
        ));
    }
    let fixed: Vec<String> = metadata
        .sca_fixes
        .into_iter()
        .filter_map(|mut fix| fix.remove(&found.package))
        .collect();
    let location = PackageLocation {
        version: found.version,
        ecosystem: text::ecosystem(&found.ecosystem).map(str::to_owned),
        fixed_version: (!fixed.is_empty()).then(|| fixed.join(", ")),
        path: lockfile
            .or(found.lockfile_path)
            .map(|path| text::path(&path, false)),
        name: found.package,
        ..PackageLocation::default()
    };
    (draft, Location::Package(location))
}

/// Under the name that Semgrep's SARIF gives it, so that both reports of one scan agree.
pub(super) fn fingerprint(value: Option<String>) -> Vec<(String, String)> {
    value
        .filter(|value| value != LOGIN)
        .map(|value| ("matchBasedId/v1".to_owned(), value))
        .into_iter()
        .collect()
}

/// `python.lang.security.dangerous-exec.dangerous-exec` as `Dangerous exec`.
pub(super) fn title(rule: &str) -> String {
    let name = rule
        .rsplit('.')
        .find(|part| !part.is_empty())
        .unwrap_or(rule)
        .replace(['-', '_'], " ");
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};

    #[test]
    fn results_of_code_secrets_and_packages() {
        let text = r#"{"version": "1.100.0", "results": [
            {"check_id": "python.lang.dangerous-exec.dangerous-exec", "path": "./shop/run.py", "start": {"line": 3, "col": 5}, "end": {"line": 3, "col": 20},
             "extra": {"message": "exec of input", "severity": "ERROR", "lines": "    exec(code)", "fingerprint": "abc_0", "is_ignored": true,
             "metadata": {"cwe": "CWE-95: Eval Injection", "owasp": ["A03:2021 - Injection"], "confidence": "LOW"}}},
            {"check_id": "generic.secrets.api-key", "path": "a.env", "start": {"line": 1}, "end": {"line": 1},
             "extra": {"message": "key", "severity": "INVENTORY", "lines": "KEY=hunter2", "fingerprint": "requires login"}},
            {"check_id": "ssc-1", "path": "src/a.py", "start": {"line": 8}, "end": {"line": 8}, "extra": {"message": "Affected versions...", "severity": "WARNING",
             "metadata": {"sca-vuln-database-identifier": "CVE-2023-1428", "sca-severity": "CRITICAL", "sca-fix-versions": [{"grpcio": "1.53.0"}]},
             "sca_info": {"reachable": true, "dependency_match": {"lockfile": "requirements.txt",
               "found_dependency": {"package": "grpcio", "version": "1.47.0", "ecosystem": "pypi"}}}}}],
            "errors": [{"code": 3, "level": "warn", "type": ["PartialParsing", []], "message": "Syntax error", "path": "x.py"}], "paths": {"scanned": []}}"#;
        let read = read(&Semgrep, text);
        assert_eq!(detected(&Semgrep, text), Confidence::Certain);
        assert_eq!(
            read.lines(),
            [
                (
                    "python.lang.dangerous-exec.dangerous-exec".into(),
                    Level::High,
                    "shop/run.py:3".into()
                ),
                (
                    "generic.secrets.api-key".into(),
                    Level::Info,
                    "a.env:1".into()
                ),
                (
                    "ssc-1".into(),
                    Level::Critical,
                    "grpcio@1.47.0 (requirements.txt)".into()
                ),
            ]
        );
        assert_eq!(read.findings[0].weakness.title, "Dangerous exec");
        assert_eq!(
            read.findings[0].fingerprints,
            [("matchBasedId/v1".to_owned(), "abc_0".to_owned())]
        );
        assert!(
            matches!(&read.findings[0].reported, Reported::Suppressed { status, .. } if status == "nosemgrep")
        );
        assert!(
            !format!("{:?}", read.findings[1]).contains("hunter2")
                && read.findings[1].fingerprints.is_empty()
        );
        assert_eq!(read.findings[2].weakness.identifiers, ["CVE-2023-1428"]);
        assert_eq!(read.package(2).fixed_version.as_deref(), Some("1.53.0"));
        assert_eq!(
            (read.codes(), read.meta.tool_version.as_deref()),
            (vec!["scan.incomplete"], Some("1.100.0"))
        );
    }

    #[test]
    fn an_empty_report_is_weak_and_another_document_refused() {
        assert_eq!(
            detected(&Semgrep, r#"{"results": [], "errors": []}"#),
            Confidence::Weak
        );
        assert_eq!(
            read(&Semgrep, r#"{"results": [], "errors": []}"#)
                .meta
                .items,
            0
        );
        assert_eq!(
            refused(&Semgrep, r#"{"runs": []}"#).code,
            "report.wrong_format"
        );
        assert_eq!(
            read(&Semgrep, r#"{"results": [{"check_id": 1}]}"#).codes(),
            ["item.skipped"]
        );
    }
}
