//! `npm audit --json`: version 6 (`advisories`) and version 7 and later (`auditReportVersion` 2).
//!
//! Documented at <https://docs.npmjs.com/cli/commands/npm-audit>; the output of `npm audit fix
//! --dry-run --json` (the report within `audit`) is read too. Identity: the GHSA id that the
//! advisory's address names (its number changes over time), the package, and its folder
//! (`nodes`, from version 7 on; version 6 names the installed version instead). pnpm and Yarn
//! have formats of their own.
//!
//! From version 7 on an entry whose `via` names only other packages depends on something
//! vulnerable and has no advisory of its own. It is handed over as absent with that reason, and so
//! counted as skipped: the advisory is reported once, on the package that has the weakness.

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{Level, Location, PackageLocation};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter};
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct NpmAudit;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "npm-audit".into(),
    title: "npm audit JSON".into(),
    tool: "npm audit".into(),
    category: Category::Sca,
    identity: "advisory (GHSA id), package, folder in node_modules".into(),
    streams: true,
});

/// An advisory of version 6, with the places where it applies.
#[derive(Deserialize)]
struct Advisory {
    #[serde(default, deserialize_with = "lenient::string")]
    id: String,
    module_name: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    findings: Vec<Installed>,
    #[serde(default, deserialize_with = "lenient::string")]
    title: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    overview: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    recommendation: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    patched_versions: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    cves: Vec<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    cwe: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    cvss: Cvss,
    #[serde(default, deserialize_with = "lenient::string")]
    github_advisory_id: String,
    #[serde(default, deserialize_with = "lenient::string")]
    url: String,
    /// Free text, mostly a Markdown list of addresses.
    #[serde(default, deserialize_with = "lenient::string")]
    references: String,
}

#[derive(Default, Deserialize)]
struct Installed {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    paths: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Cvss {
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    score: Option<f64>,
    #[serde(default, rename = "vectorString", deserialize_with = "lenient::string")]
    vector: String,
}

/// A package of version 7 and later.
#[derive(Deserialize)]
struct Package<'a> {
    #[serde(default, deserialize_with = "lenient::string")]
    name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    /// Advisories as objects, other packages as texts.
    #[serde(default, borrow)]
    via: Vec<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::strings")]
    nodes: Vec<String>,
    #[serde(
        default,
        rename = "fixAvailable",
        deserialize_with = "lenient::or_default"
    )]
    fix: Option<Fix>,
}

#[derive(Deserialize)]
struct ViaAdvisory {
    #[serde(default, deserialize_with = "lenient::string")]
    source: String,
    #[serde(default, deserialize_with = "lenient::string")]
    title: String,
    #[serde(default, deserialize_with = "lenient::string")]
    url: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    cwe: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    cvss: Cvss,
    #[serde(default, deserialize_with = "lenient::string")]
    range: String,
}

/// What to install; the field is a boolean where npm can name nothing.
#[derive(Deserialize)]
struct Fix {
    name: String,
    version: String,
}

/// What npm writes instead of a report; some versions say more in a `message` beside it.
#[derive(Deserialize)]
struct Failure {
    #[serde(default, deserialize_with = "lenient::string")]
    code: String,
    #[serde(default, deserialize_with = "lenient::string")]
    summary: String,
}

impl Format for NpmAudit {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        match Outline::of(input.head_text()) {
            Some(outline) if outline.list => Confidence::No,
            Some(outline) if outline.has("auditReportVersion") => Confidence::Certain,
            Some(outline) if outline.has("audit") && outline.mentions("\"auditReportVersion\"") => {
                Confidence::Certain
            }
            Some(outline) if outline.has_all(&["actions", "advisories"]) => Confidence::Likely,
            Some(outline) if outline.has("actions") && outline.mentions("\"resolves\"") => {
                Confidence::Likely
            }
            Some(outline) if outline.has("advisories") && outline.mentions("\"module_name\"") => {
                Confidence::Weak
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
        let mut emitter = Emitter::new(sink, Level::Medium);
        let mut is_report = false;
        let mut failure = None;
        let mut message = String::new();
        let paths = [
            "vulnerabilities{}",
            "audit.vulnerabilities{}",
            "advisories{}",
            "vulnerabilities",
            "audit.vulnerabilities",
            "advisories",
            "error",
            "message",
        ];
        json::for_each_of(input, &paths, |item| {
            match item.path {
                0 | 1 => match emitter.check(item.read::<Package<'_>>()) {
                    Some(package) => {
                        emit_package(&mut emitter, package, item.key(), item.position)?
                    }
                    None => return Ok(()),
                },
                2 => match emitter.check(item.read::<Advisory>()) {
                    Some(advisory) => emit_advisory(&mut emitter, advisory, item.position)?,
                    None => return Ok(()),
                },
                6 => failure = item.read::<Failure>().ok(),
                7 => message = item.read().unwrap_or_default(),
                _ => is_report = true,
            }
            Ok(())
        })?;
        match failure {
            Some(Failure { code, summary }) if !is_report => Err(Refusal::new(
                "report.wrong_format",
                format!(
                    "npm audit failed and wrote its error instead of a report: {}",
                    text::one_line(&format!("{code} {summary} {message}"), 300)
                ),
            )),
            _ if !is_report => Err(super::bandit::lacks("vulnerabilities", "npm audit --json")),
            _ => Ok(ReportMeta {
                tool: INFO.tool.clone(),
                category: Some(Category::Sca),
                items: emitter.items(),
                ..ReportMeta::default()
            }),
        }
    }
}

/// One finding for each installed version.
fn emit_advisory(
    emitter: &mut Emitter<'_>,
    advisory: Advisory,
    position: Position,
) -> Result<(), Refusal> {
    let mut named = text::identifiers(&advisory.github_advisory_id);
    named.extend(text::identifiers(&advisory.url));
    let identifiers = text::in_order(advisory.cves.iter().chain(&named));
    let mut references = vec![advisory.url.clone()];
    references.extend(addresses(&advisory.references));
    let installed = if advisory.findings.is_empty() {
        vec![Installed::default()]
    } else {
        advisory.findings
    };
    for Installed { version, paths } in installed {
        let draft = Draft {
            rule: rule(&identifiers, &advisory.id),
            title: advisory.title.clone(),
            description: advisory.overview.clone(),
            recommendation: advisory.recommendation.clone(),
            references: references.clone(),
            cwes: text::cwes(&advisory.cwe),
            identifiers: identifiers.clone(),
            vectors: vec![advisory.cvss.vector.clone()],
            severity: advisory.severity.clone(),
            score: advisory.cvss.score,
            message: (!paths.is_empty())
                .then(|| format!("Introduced through {}", paths.join(", "))),
            ..Draft::default()
        };
        let fixed = advisory
            .patched_versions
            .clone()
            .filter(|range| range != "<0.0.0");
        let location = package(&advisory.module_name, version, fixed, None);
        emitter.emit(draft, location, position)?;
    }
    Ok(())
}

/// One finding for each advisory and folder.
fn emit_package(
    emitter: &mut Emitter<'_>,
    entry: Package<'_>,
    key: &str,
    position: Position,
) -> Result<(), Refusal> {
    let name = if entry.name.is_empty() {
        key
    } else {
        &entry.name
    };
    let mut through = Vec::new();
    let mut advisories = Vec::new();
    for via in entry.via {
        if let Ok(name) = serde_json::from_str::<String>(via.get()) {
            through.push(name);
        } else if let Ok(advisory) = serde_json::from_str::<ViaAdvisory>(via.get()) {
            advisories.push(advisory);
        }
    }
    let folders: Vec<Option<String>> = if entry.nodes.is_empty() {
        vec![None]
    } else {
        entry.nodes.into_iter().map(Some).collect()
    };
    let upgrade = entry
        .fix
        .as_ref()
        .map(|fix| format!("Update {} to version {}.", fix.name, fix.version));
    if advisories.is_empty() {
        let draft = Draft {
            rule: name.to_owned(),
            title: format!("Depends on vulnerable versions of {}", through.join(", ")),
            recommendation: upgrade,
            severity: entry.severity,
            reported: Reported::Absent {
                reason: format!(
                    "no advisory of its own; those of {} are reported on it",
                    through.join(", ")
                ),
            },
            ..Draft::default()
        };
        return emitter.emit(
            draft,
            package(name, None, None, folders.into_iter().next().flatten()),
            position,
        );
    }
    for advisory in advisories {
        let fixed_version = entry
            .fix
            .as_ref()
            .filter(|fix| fix.name == name)
            .map(|fix| fix.version.clone());
        let identifiers = text::identifiers(&advisory.url);
        for folder in &folders {
            let draft = Draft {
                rule: rule(&identifiers, &advisory.source),
                title: advisory.title.clone(),
                recommendation: upgrade.clone(),
                references: vec![advisory.url.clone()],
                cwes: text::cwes(&advisory.cwe),
                identifiers: identifiers.clone(),
                vectors: vec![advisory.cvss.vector.clone()],
                severity: advisory.severity.clone().or_else(|| entry.severity.clone()),
                score: advisory.cvss.score,
                message: (!advisory.range.is_empty())
                    .then(|| format!("Vulnerable versions: {}", advisory.range)),
                ..Draft::default()
            };
            emitter.emit(
                draft,
                package(name, None, fixed_version.clone(), folder.clone()),
                position,
            )?;
        }
    }
    Ok(())
}

/// The GHSA id, else another identifier, else npm's number.
fn rule(identifiers: &[String], number: &str) -> String {
    let ghsa = identifiers.iter().find(|id| id.starts_with("GHSA-"));
    ghsa.or(identifiers.first())
        .cloned()
        .unwrap_or_else(|| format!("npm:{number}"))
}

fn package(
    name: &str,
    version: Option<String>,
    fixed_version: Option<String>,
    path: Option<String>,
) -> Location {
    Location::Package(PackageLocation {
        name: name.to_owned(),
        version,
        ecosystem: Some("npm".to_owned()),
        fixed_version,
        path: path.filter(|path| !path.is_empty()),
        ..PackageLocation::default()
    })
}

/// The addresses in a Markdown text.
fn addresses(markdown: &str) -> impl Iterator<Item = String> + '_ {
    markdown
        .split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '<' | '>' | '[' | ']'))
        .filter(|word| word.starts_with("https://") || word.starts_with("http://"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};

    #[test]
    fn version_6_gives_one_finding_for_each_installed_version() {
        let text = r#"{"actions": [], "advisories": {"1064843": {"id": 1064843, "module_name": "ansi-regex", "severity": "moderate",
            "findings": [{"version": "3.0.0", "paths": ["eslint>ansi-regex"]}, {"version": "4.1.0", "paths": []}],
            "title": " Inefficient Regular Expression ", "cves": ["CVE-2021-3807"], "github_advisory_id": "GHSA-93q8-gq69-wqmw", "patched_versions": ">=5.0.1",
            "cwe": ["CWE-918", "CWE-1333"], "cvss": {"score": 7.5, "vectorString": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"},
            "references": "- https://nvd.example/CVE-2021-3807\n- [x](https://a.example/b)", "url": "https://github.com/advisories/GHSA-93q8-gq69-wqmw"}}, "muted": []}"#;
        assert_eq!(detected(&NpmAudit, text), Confidence::Likely);
        let read = read(&NpmAudit, text);
        assert_eq!(
            read.lines(),
            [
                (
                    "GHSA-93q8-gq69-wqmw".into(),
                    Level::Medium,
                    "ansi-regex@3.0.0".into()
                ),
                (
                    "GHSA-93q8-gq69-wqmw".into(),
                    Level::Medium,
                    "ansi-regex@4.1.0".into()
                ),
            ]
        );
        let weakness = &read.findings[0].weakness;
        assert_eq!(weakness.title, "Inefficient Regular Expression");
        assert_eq!(
            weakness.identifiers,
            ["CVE-2021-3807", "GHSA-93q8-gq69-wqmw"]
        );
        assert_eq!(
            (weakness.cwes.as_slice(), weakness.references.len()),
            (&[918, 1333][..], 3)
        );
        assert_eq!(read.package(0).fixed_version.as_deref(), Some(">=5.0.1"));
    }

    #[test]
    fn version_7_gives_one_finding_for_each_advisory_and_folder() {
        let text = r#"{"auditReportVersion": 2, "vulnerabilities": {
            "debug": {"name": "debug", "severity": "high", "via": [{"source": 1, "name": "debug", "title": "ReDoS in debug", "url": "https://github.com/advisories/GHSA-gxpj-cx7g-858c",
                "severity": "moderate", "cwe": ["CWE-400"], "cvss": {"score": 5.3, "vectorString": null}, "range": "<2.6.9"}, "ms"],
                "nodes": ["node_modules/debug", "node_modules/a/node_modules/debug"], "fixAvailable": {"name": "express", "version": "4.18.3", "isSemVerMajor": false}},
            "express": {"name": "express", "severity": "high", "via": ["debug"], "nodes": ["node_modules/express"], "fixAvailable": true}}}"#;
        assert_eq!(detected(&NpmAudit, text), Confidence::Certain);
        for text in [
            text.to_owned(),
            format!("{{\"added\": 1, \"audit\": {text}}}"),
        ] {
            let read = read(&NpmAudit, &text);
            assert_eq!(
                read.lines(),
                [
                    (
                        "GHSA-gxpj-cx7g-858c".into(),
                        Level::Medium,
                        "debug (node_modules/debug)".into()
                    ),
                    (
                        "GHSA-gxpj-cx7g-858c".into(),
                        Level::Medium,
                        "debug (node_modules/a/node_modules/debug)".into()
                    ),
                    (
                        "express".into(),
                        Level::High,
                        "express (node_modules/express)".into()
                    ),
                ]
            );
            assert!(
                matches!(&read.findings[2].reported, Reported::Absent { reason } if reason.contains("debug"))
            );
            assert_eq!(
                read.findings[0].weakness.recommendation.as_deref(),
                Some("Update express to version 4.18.3.")
            );
            assert_eq!(
                read.package(0).fixed_version,
                None,
                "that is the version of another package"
            );
        }
    }

    #[test]
    fn an_error_of_npm_is_told() {
        let refusal = refused(
            &NpmAudit,
            r#"{"error": {"code": "ENOLOCK", "summary": "This command requires an existing lockfile."}}"#,
        );
        assert_eq!(refusal.code, "report.wrong_format");
        assert!(refusal.message.contains("ENOLOCK"), "{refusal}");
        let refusal = refused(
            &NpmAudit,
            r#"{"message": "405 Method Not Allowed", "error": {"summary": "", "detail": ""}}"#,
        );
        assert!(refusal.message.contains("405"), "{refusal}");
        assert_eq!(
            read(&NpmAudit, r#"{"advisories": {"1": {"id": 1}}}"#).codes(),
            ["item.skipped"]
        );
    }
}
