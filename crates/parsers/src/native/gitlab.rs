//! GitLab's security reports: SAST, secret detection, dependency and container scanning, cluster
//! images, DAST, API and coverage fuzzing; schema versions 2 to 15.
//!
//! Documented at <https://gitlab.com/gitlab-org/security-products/security-report-schemas>.
//! Identity: the primary identifier (the first, which GitLab tracks by too), the location by its
//! kind, and the `scope_offset` signatures of `tracking` where they are given. Flags and dismissals
//! are suppressed. `Unknown` and a missing severity are info unless a vector says more. The line
//! of a found secret (`raw_source_code_extract`) and the evidence of DAST are never kept.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{Level, Location};
use gna_domain::time::Timestamp;
use serde::Deserialize;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter};
use super::gitlab_place::Place;
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct Gitlab;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| {
    FormatInfo {
    name: "gitlab".into(),
    title: "GitLab security report".into(),
    tool: "GitLab".into(),
    category: Category::Other,
    identity: "primary identifier, and by kind: file and signature or line; package and file or image; method and address".into(),
    streams: true,
}
});

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    id: Option<String>,
    /// From version 15 on; before it `message`, which names the place too.
    #[serde(default, deserialize_with = "lenient::opt_string")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    confidence: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    solution: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    scanner: Scanner,
    #[serde(default)]
    location: Place,
    #[serde(default, deserialize_with = "lenient::or_default")]
    identifiers: Vec<Identifier>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    links: Vec<Link>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    cvss_vectors: Vec<Vector>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    flags: Vec<Flag>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    tracking: Tracking,
    /// Exports of the vulnerability report carry it.
    #[serde(default, deserialize_with = "lenient::string")]
    state: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    dismissal_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    evidence: Evidence,
}

#[derive(Default, Deserialize)]
struct Scanner {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    version: Option<String>,
}

#[derive(Default, Deserialize)]
struct Identifier {
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::string")]
    name: String,
    #[serde(default, deserialize_with = "lenient::string")]
    value: String,
    #[serde(default, deserialize_with = "lenient::string")]
    url: String,
}

#[derive(Default, Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "lenient::string")]
    url: String,
}

#[derive(Default, Deserialize)]
struct Vector {
    #[serde(default, deserialize_with = "lenient::string")]
    vector: String,
}

/// `flagged-as-likely-false-positive` is the only type so far.
#[derive(Default, Deserialize)]
struct Flag {
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    description: Option<String>,
}

#[derive(Default, Deserialize)]
struct Tracking {
    #[serde(default, deserialize_with = "lenient::or_default")]
    items: Vec<Tracked>,
}

#[derive(Default, Deserialize)]
struct Tracked {
    #[serde(default, deserialize_with = "lenient::or_default")]
    signatures: Vec<Signature>,
}

#[derive(Default, Deserialize)]
struct Signature {
    #[serde(default, deserialize_with = "lenient::string")]
    algorithm: String,
    #[serde(default, deserialize_with = "lenient::string")]
    value: String,
}

#[derive(Default, Deserialize)]
struct Evidence {
    #[serde(default, deserialize_with = "lenient::or_default")]
    request: Request,
}

#[derive(Default, Deserialize)]
struct Request {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    url: Option<String>,
}

/// What ran; it stands after the findings in many reports.
#[derive(Default, Deserialize)]
struct Scan {
    #[serde(default, deserialize_with = "lenient::or_default")]
    scanner: Scanner,
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    end_time: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    status: String,
}

impl Format for Gitlab {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()) else {
            return Confidence::No;
        };
        if outline.list {
            // Before version 2 the report was the list of vulnerabilities alone.
            let is = outline.has_all(&["identifiers", "location"])
                && outline.has_any(&["category", "scanner"]);
            return if is {
                Confidence::Likely
            } else {
                Confidence::No
            };
        }
        if !outline.has("vulnerabilities") && !outline.has("scan") {
            return Confidence::No;
        }
        let items = outline.mentions("\"identifiers\"") && outline.mentions("\"location\"");
        if outline.mentions("security-products/security-report-schemas") {
            Confidence::Certain
        } else if outline.has("version")
            && (outline.has_any(&["remediations", "scan", "dependency_files"]) || items)
        {
            Confidence::Likely
        } else if items && !outline.has("bomFormat") {
            Confidence::Weak
        } else {
            Confidence::No
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut emitter = Emitter::new(sink, Level::Info);
        let mut scan = Scan::default();
        let mut is_report = input.text()?.trim_start().starts_with('[');
        let mut kinds: Vec<&'static str> = Vec::new();
        json::for_each_of(
            input,
            &["vulnerabilities[]", "[]", "scan", "vulnerabilities"],
            |item| {
                match item.path {
                    0 | 1 => {
                        if let Some(vulnerability) = emitter.check(item.read::<Vulnerability>()) {
                            let (draft, location) = convert(vulnerability);
                            if !kinds.contains(&location.kind()) {
                                kinds.push(location.kind());
                            }
                            emitter.emit(draft, location, item.position)?;
                        }
                    }
                    2 => scan = item.read().unwrap_or_default(),
                    _ => is_report |= item.raw.starts_with('['),
                }
                Ok(())
            },
        )?;
        if !is_report {
            return Err(super::bandit::lacks(
                "vulnerabilities",
                "a GitLab analyzer (gl-*-report.json)",
            ));
        }
        if scan.status == "failure" {
            emitter.note(
                "scan.incomplete",
                "the report says that its scan failed",
                Default::default(),
            );
        }
        Ok(ReportMeta {
            tool: scan
                .scanner
                .name
                .or(scan.scanner.id)
                .unwrap_or_else(|| INFO.tool.clone()),
            tool_version: scan.scanner.version,
            category: Some(category(&scan.kind, &kinds)),
            scanned_at: scan.end_time.and_then(|text| Timestamp::parse(&text).ok()),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

/// By `scan.type`; older reports are told by their places.
fn category(kind: &str, places: &[&str]) -> Category {
    match (kind, places) {
        ("sast", _) => Category::Sast,
        ("secret_detection", _) => Category::Secret,
        ("dependency_scanning", _) => Category::Sca,
        ("container_scanning" | "cluster_image_scanning", _) => Category::Container,
        ("dast" | "api_fuzzing" | "api_security", _) => Category::Dast,
        ("", ["code"]) => Category::Sast,
        ("", ["package"]) => Category::Sca,
        ("", ["endpoint"]) => Category::Dast,
        _ => Category::Other,
    }
}

fn convert(found: Vulnerability) -> (Draft, Location) {
    let location = found.location.location(found.evidence.request.url);
    let of_kind = |wanted: &'static str| {
        found
            .identifiers
            .iter()
            .filter(move |identifier| identifier.kind.eq_ignore_ascii_case(wanted))
    };
    let cwes = text::cwes(of_kind("cwe").map(|identifier| &identifier.value));
    let rule = found.identifiers.first().map_or_else(String::new, primary);
    let package = location.package().map(|package| package.name.clone());
    let identifiers: Vec<String> = found
        .identifiers
        .iter()
        .filter(|identifier| !identifier.kind.eq_ignore_ascii_case("cwe"))
        .flat_map(|identifier| [identifier.value.clone(), identifier.name.clone()])
        .collect();
    let title = match (found.name, found.message, &package) {
        (Some(name), ..) => name,
        (None, Some(message), None) => message,
        (None, None, None) if !found.identifiers.is_empty() => found
            .identifiers
            .first()
            .map(|identifier| identifier.name.clone())
            .unwrap_or_default(),
        (None, _, Some(package)) => {
            format!(
                "{} in {package}",
                text::in_order(&identifiers).first().unwrap_or(&rule)
            )
        }
        _ => found.description.clone().unwrap_or_default(),
    };
    let title = text::one_line(&title, 500);
    let rule = if rule.is_empty() {
        text::slug(&title)
    } else {
        rule
    };
    let signatures = found
        .tracking
        .items
        .iter()
        .flat_map(|item| &item.signatures);
    let mut fingerprints: Vec<(String, String)> = signatures
        .filter(|signature| {
            signature.algorithm.starts_with("scope_offset") && !signature.value.is_empty()
        })
        .map(|signature| {
            (
                format!("gitlab/{}", signature.algorithm),
                signature.value.clone(),
            )
        })
        .collect();
    // For finding it again in GitLab. Many analyzers draw a new one for every run, so code, where
    // fingerprints are identity, goes without.
    if !matches!(location, Location::Code(_)) {
        fingerprints.extend(found.id.map(|id| ("gitlab/id".to_owned(), id)));
    }
    let reported = match (
        found.flags.into_iter().next(),
        found.state.to_ascii_lowercase().as_str(),
    ) {
        (_, "resolved") => Reported::Absent {
            reason: "resolved".into(),
        },
        (_, "dismissed") => Reported::Suppressed {
            status: "dismissed".into(),
            justification: found.dismissal_reason,
        },
        (Some(flag), _) => Reported::Suppressed {
            status: flag.kind,
            justification: flag.description,
        },
        _ => Reported::Present,
    };
    let links = found.links.into_iter().map(|link| link.url);
    let draft = Draft {
        references: links
            .chain(
                found
                    .identifiers
                    .iter()
                    .map(|identifier| identifier.url.clone()),
            )
            .collect(),
        rule,
        title,
        description: found.description,
        recommendation: found
            .solution
            .filter(|solution| !solution.starts_with("No solution provided")),
        cwes,
        identifiers,
        vectors: found
            .cvss_vectors
            .into_iter()
            .map(|vector| vector.vector)
            .collect(),
        severity: found.severity,
        fingerprints,
        tool: found.scanner.name.or(found.scanner.id),
        tags: super::bandit::confidence(&found.confidence)
            .into_iter()
            .collect(),
        reported,
        ..Draft::default()
    };
    (draft, location)
}

/// The value of the primary identifier; its name where an analyzer put a sentence there.
fn primary(identifier: &Identifier) -> String {
    let sentence = identifier.value.len() > 100 || identifier.value.split_whitespace().count() > 6;
    if identifier.value.trim().is_empty() || sentence && !identifier.name.is_empty() {
        identifier.name.clone()
    } else {
        identifier.value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};

    const SAST: &str = r#"{"version": "15.0.7", "vulnerabilities": [
        {"id": "a", "name": "Use of MD5", "description": "weak", "severity": "Medium", "location": {"file": "app/hash.go", "start_line": 12, "end_line": 13, "class": "hash", "method": "sum"},
         "identifiers": [{"type": "semgrep_id", "name": "gosec.G401", "value": "gosec.G401", "url": "https://semgrep.example/r"}, {"type": "cwe", "name": "CWE-327", "value": "327"}],
         "flags": [{"type": "flagged-as-likely-false-positive", "origin": "vet", "description": "test code"}],
         "tracking": {"type": "source", "items": [{"file": "app/hash.go", "signatures": [{"algorithm": "scope_offset", "value": "app/hash.go|sum[0]:3"}, {"algorithm": "location", "value": "x"}]}]}},
        {"id": "b", "name": "node_username", "severity": "Unknown", "location": {"file": "b.js", "start_line": 3},
         "identifiers": [{"type": "njsscan_rule_type", "name": "node_username", "value": "A hardcoded username in plain text is identified. Store it properly in an environment."}]},
        {"id": "c", "name": "Token", "severity": "Critical", "raw_source_code_extract": "hunter2", "location": {"file": "c.env", "start_line": 1, "commit": {"sha": "0"}},
         "identifiers": [{"type": "gitleaks_rule_id", "name": "Gitleaks rule ID pat", "value": "pat"}]},
        {"location": 5}],
        "scan": {"scanner": {"id": "semgrep", "name": "Semgrep", "version": "4.4.0"}, "type": "sast", "end_time": "2026-04-14T19:46:18", "status": "success"}}"#;

    #[test]
    fn code_is_tracked_by_its_scope() {
        assert_eq!(detected(&Gitlab, SAST), Confidence::Likely);
        let read = read(&Gitlab, SAST);
        assert_eq!(
            read.lines(),
            [
                ("gosec.G401".into(), Level::Medium, "app/hash.go:12".into()),
                ("node_username".into(), Level::Info, "b.js:3".into()),
                ("pat".into(), Level::Critical, "c.env:1".into()),
            ]
        );
        let first = &read.findings[0];
        assert_eq!(
            (
                first.weakness.title.as_str(),
                first.weakness.cwes.as_slice()
            ),
            ("Use of MD5", &[327][..])
        );
        assert_eq!(
            first.fingerprints,
            [(
                "gitlab/scope_offset".to_owned(),
                "app/hash.go|sum[0]:3".to_owned()
            )]
        );
        assert_eq!(
            first.reported,
            Reported::Suppressed {
                status: "flagged-as-likely-false-positive".into(),
                justification: Some("test code".into())
            }
        );
        assert!(!format!("{:?}", read.findings).contains("hunter2"));
        assert_eq!(read.codes(), ["severity.unknown", "item.skipped"]);
        assert_eq!(
            (
                read.meta.tool.as_str(),
                read.meta.category,
                read.meta.scanned_at.is_some()
            ),
            ("Semgrep", Some(Category::Sast), true)
        );
    }

    #[test]
    fn packages_of_files_and_images() {
        let read = read(
            &Gitlab,
            r#"{"version": "14.0.0", "vulnerabilities": [
            {"category": "container_scanning", "message": "CVE-2020-1751 in libc6-2.28-10", "severity": "High", "solution": "No solution provided", "scanner": {"id": "trivy", "name": "Trivy"},
             "location": {"dependency": {"package": {"name": "libc6"}, "version": "2.28-10"}, "operating_system": "debian 10.9", "image": "shop:1"},
             "identifiers": [{"type": "cve", "name": "CVE-2020-1751", "value": "CVE-2020-1751"}], "links": [{"url": "https://a.example"}]},
            {"category": "dependency_scanning", "name": "Remote code execution", "severity": "Critical", "cvss_vectors": [{"vendor": "x", "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}],
             "location": {"file": "svc/pom.xml", "dependency": {"package": {"name": "org.apache.logging.log4j/log4j-core"}, "version": "2.14.1"}},
             "identifiers": [{"type": "gemnasium", "name": "Gemnasium-9f", "value": "9f"}, {"type": "cve", "name": "CVE-2021-44228", "value": "CVE-2021-44228"}, {"type": "ghsa", "name": "GHSA-JFH8-C2JP-5V3Q", "value": "GHSA-jfh8-c2jp-5v3q"}]}], "remediations": []}"#,
        );
        assert_eq!(
            read.lines(),
            [
                ("CVE-2020-1751".into(), Level::High, "libc6@2.28-10".into()),
                (
                    "9f".into(),
                    Level::Critical,
                    "org.apache.logging.log4j:log4j-core@2.14.1 (svc/pom.xml)".into()
                ),
            ]
        );
        assert_eq!(read.findings[0].weakness.title, "CVE-2020-1751 in libc6");
        assert_eq!(read.findings[0].weakness.recommendation, None);
        assert_eq!(
            (
                read.package(0).ecosystem.as_deref(),
                read.package(0).image.as_deref()
            ),
            (Some("deb"), Some("shop:1"))
        );
        assert_eq!(read.package(1).ecosystem.as_deref(), Some("maven"));
        assert_eq!(
            read.findings[1].weakness.identifiers,
            ["CVE-2021-44228", "GHSA-jfh8-c2jp-5v3q"]
        );
        assert_eq!(
            (read.findings[0].tool.as_deref(), read.meta.category),
            (Some("Trivy"), Some(Category::Sca))
        );
    }

    #[test]
    fn what_lacks_the_list_is_refused() {
        assert_eq!(
            refused(
                &Gitlab,
                r#"{"version": "3.0", "scan": {"type": "coverage_fuzzing"}}"#
            )
            .code,
            "report.wrong_format"
        );
        assert_eq!(
            refused(&Gitlab, "{\"type\":\"warning\"}\n{\"type\":\"error\"}").code,
            "report.malformed"
        );
        let empty = r#"{"version": "2.3", "vulnerabilities": [], "remediations": []}"#;
        assert_eq!(
            (detected(&Gitlab, empty), read(&Gitlab, empty).meta.items),
            (Confidence::Likely, 0)
        );
    }
}
