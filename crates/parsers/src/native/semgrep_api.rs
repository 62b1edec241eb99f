//! The findings of Semgrep's platform as its API lists them; read by [`super::semgrep`].
//!
//! `findings` (<https://semgrep.dev/api/v1/docs/>, "List code or supply chain findings") and
//! `vulns` (its older list of Supply Chain vulnerabilities). Their states become ours: fixed and
//! removed ones are absent, ignored ones suppressed with the reason of the triage.

use gna_domain::import::Reported;
use gna_domain::model::{CodeLocation, Location, PackageLocation};
use serde::Deserialize;

use super::draft::Draft;
use super::semgrep::{fingerprint, title};
use crate::{lenient, text};

/// An element of `findings`.
#[derive(Deserialize)]
pub struct Finding {
    rule_name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    rule_message: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    location: FindingPlace,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    match_based_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    state: String,
    #[serde(default, deserialize_with = "lenient::string")]
    status: String,
    #[serde(default, deserialize_with = "lenient::string")]
    triage_state: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    triage_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    triage_comment: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    line_of_code_url: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    rule: Rule,
    #[serde(default, deserialize_with = "lenient::or_default")]
    found_dependency: Option<Found>,
}

#[derive(Deserialize)]
struct FindingPlace {
    file_path: String,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    line: Option<u32>,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    column: Option<u32>,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    end_line: Option<u32>,
}

#[derive(Default, Deserialize)]
struct Rule {
    #[serde(default, deserialize_with = "lenient::strings")]
    cwe_names: Vec<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    owasp_names: Vec<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    confidence: String,
}

#[derive(Deserialize)]
struct Found {
    package: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    ecosystem: String,
}

impl Finding {
    pub fn convert(self) -> (Draft, Location) {
        let mut tags = self.rule.owasp_names;
        tags.extend(super::bandit::confidence(&self.rule.confidence));
        let reason = match (self.triage_reason, self.triage_comment) {
            (Some(reason), Some(comment)) => Some(format!("{reason}: {comment}")),
            (reason, comment) => reason.or(comment),
        };
        let reported = match (
            self.state.as_str(),
            self.status.as_str(),
            self.triage_state.as_str(),
        ) {
            ("fixed" | "removed", ..) | (_, "fixed" | "removed", _) => {
                let reason = if self.state.is_empty() {
                    &self.status
                } else {
                    &self.state
                };
                Reported::Absent {
                    reason: reason.clone(),
                }
            }
            ("muted", ..) => Reported::Suppressed {
                status: "muted".into(),
                justification: reason,
            },
            (_, "ignored", _) | (_, _, "ignored") => Reported::Suppressed {
                status: "ignored".into(),
                justification: reason,
            },
            _ => Reported::Present,
        };
        let mut draft = Draft {
            title: title(&self.rule_name),
            description: self.rule_message,
            cwes: text::cwes(&self.rule.cwe_names),
            severity: self.severity,
            fingerprints: fingerprint(self.match_based_id),
            references: vec![],
            tags,
            reported,
            rule: self.rule_name,
            ..Draft::default()
        };
        if self.line_of_code_url.starts_with("http") {
            draft.message = Some(self.line_of_code_url);
        }
        let place = self.location;
        let path = text::path(&place.file_path, false);
        let location = match self.found_dependency {
            Some(found) => Location::Package(PackageLocation {
                version: found.version,
                ecosystem: text::ecosystem(&found.ecosystem).map(str::to_owned),
                path: Some(path),
                name: found.package,
                ..PackageLocation::default()
            }),
            None => Location::Code(CodeLocation {
                path,
                line: place.line,
                end_line: place.end_line,
                column: place.column,
                ..CodeLocation::default()
            }),
        };
        (draft, location)
    }
}

/// An element of `vulns`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vuln {
    title: String,
    advisory: Advisory,
    matched_dependency: Specified,
    #[serde(default, deserialize_with = "lenient::or_default")]
    closest_safe_dependency: Option<Specified>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    dependency_file_location: FileLocation,
    #[serde(default, deserialize_with = "lenient::or_default")]
    triage: Triage,
    #[serde(default, deserialize_with = "lenient::string")]
    exposure_type: String,
    #[serde(default, deserialize_with = "lenient::string")]
    transitivity: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Advisory {
    rule_id: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    ecosystem: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    references: AdvisoryReferences,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdvisoryReferences {
    #[serde(default, deserialize_with = "lenient::strings")]
    cve_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    cwe_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    urls: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Specified {
    name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    version_specifier: Option<String>,
}

#[derive(Default, Deserialize)]
struct FileLocation {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    path: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Triage {
    #[serde(default, deserialize_with = "lenient::string")]
    status: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    dismiss_reason: Option<String>,
}

impl Vuln {
    pub fn convert(self) -> (Draft, Location) {
        let Advisory {
            rule_id,
            description,
            ecosystem,
            severity,
            references,
        } = self.advisory;
        let named = references
            .urls
            .iter()
            .flat_map(|url| text::identifiers(url))
            .filter(|id| id.starts_with("GHSA-"));
        let identifiers = references.cve_ids.iter().cloned().chain(named).collect();
        let reported = match self.triage.status.as_str() {
            "FIXED" | "REMOVED" => Reported::Absent {
                reason: self.triage.status,
            },
            "IGNORED" | "DISMISSED" => Reported::Suppressed {
                status: self.triage.status,
                justification: self
                    .triage
                    .dismiss_reason
                    .filter(|reason| reason != "UNKNOWN_REASON"),
            },
            _ => Reported::Present,
        };
        let words = [self.exposure_type, self.transitivity];
        let draft = Draft {
            rule: rule_id,
            title: self.title,
            description,
            cwes: text::cwes(&references.cwe_ids),
            references: references.urls,
            identifiers,
            severity,
            tags: words.iter().map(|word| word.to_ascii_lowercase()).collect(),
            reported,
            ..Draft::default()
        };
        let location = PackageLocation {
            name: self.matched_dependency.name,
            version: self.matched_dependency.version_specifier,
            ecosystem: text::ecosystem(&ecosystem).map(str::to_owned),
            fixed_version: self
                .closest_safe_dependency
                .and_then(|safe| safe.version_specifier),
            path: self
                .dependency_file_location
                .path
                .map(|path| text::path(&path, false)),
            ..PackageLocation::default()
        };
        (draft, Location::Package(location))
    }
}

#[cfg(test)]
mod tests {
    use super::super::semgrep::Semgrep;
    use crate::format::Confidence;
    use crate::native::testing::{detected, read};
    use gna_domain::import::Reported;
    use gna_domain::model::Level;

    #[test]
    fn findings_of_the_platform_keep_their_triage() {
        let text = r#"{"findings": [
            {"rule_name": "ts.no-refs", "rule_message": "refs", "severity": "medium", "state": "unresolved", "status": "ignored", "match_based_id": "f_1",
             "triage_state": "ignored", "triage_reason": "acceptable_risk", "triage_comment": "demo", "rule": {"cwe_names": ["CWE-319: Cleartext"]},
             "location": {"file_path": "src/a.tsx", "line": 12, "column": 8, "end_line": 14}},
            {"rule_name": "ts.no-refs", "severity": "high", "state": "fixed", "status": "fixed", "location": {"file_path": "src/b.tsx", "line": 1}}]}"#;
        assert_eq!(detected(&Semgrep, text), Confidence::Likely);
        let read = read(&Semgrep, text);
        assert_eq!(
            read.lines()[0],
            ("ts.no-refs".into(), Level::Medium, "src/a.tsx:12".into())
        );
        assert_eq!(
            read.findings[0].reported,
            Reported::Suppressed {
                status: "ignored".into(),
                justification: Some("acceptable_risk: demo".into())
            }
        );
        assert_eq!(
            read.findings[1].reported,
            Reported::Absent {
                reason: "fixed".into()
            }
        );
    }

    #[test]
    fn vulns_of_the_platform_are_packages() {
        let read = read(
            &Semgrep,
            r#"{"vulns": [{"title": "Reachable Assertion in grpc", "advisory": {"ruleId": "ssc-8", "ecosystem": "pypi", "severity": "HIGH",
            "references": {"cveIds": ["CVE-2023-1428"], "cweIds": ["CWE-617: Reachable Assertion"], "urls": ["https://github.com/advisories/GHSA-6628-q6j9-w8vg"]}},
            "exposureType": "REACHABLE", "matchedDependency": {"name": "grpcio", "versionSpecifier": "1.47.0"}, "dependencyFileLocation": {"path": "requirements.txt", "startLine": "22"},
            "triage": {"status": "NEW", "dismissReason": "UNKNOWN_REASON"}, "closestSafeDependency": {"name": "grpcio", "versionSpecifier": "1.53.0"}}], "hasMore": false}"#,
        );
        assert_eq!(
            read.lines(),
            [(
                "ssc-8".into(),
                Level::High,
                "grpcio@1.47.0 (requirements.txt)".into()
            )]
        );
        assert_eq!(
            read.findings[0].weakness.identifiers,
            ["CVE-2023-1428", "GHSA-6628-q6j9-w8vg"]
        );
        assert_eq!(read.findings[0].tags, ["reachable"]);
        assert_eq!(read.package(0).fixed_version.as_deref(), Some("1.53.0"));
    }
}
