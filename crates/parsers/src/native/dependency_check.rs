//! OWASP Dependency-Check's XML report, schemas 1.0 to 4.x (`--format XML`).
//!
//! Documented by its schemas at <https://github.com/dependency-check/DependencyCheck> (folder
//! `core/src/main/resources/schema`). Identity: advisory, package, path of the file. A vulnerability
//! counts for the dependency and for each related one (the same library in another file).
//! Dependencies without vulnerabilities are no items. Next: `dependency_check_parts.rs`.

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{Level, Location, PackageLocation};
use gna_domain::time::Timestamp;
use std::sync::LazyLock;

use super::dependency_check_parts::{component, fixed_version, level, score, vectors};
use super::draft::{Draft, Emitter};
use crate::format::{Confidence, Format, Options};
use crate::xml::{self, Element};
use crate::{Input, json, text};

pub struct DependencyCheck;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "dependency-check".into(),
    title: "OWASP Dependency-Check XML".into(),
    tool: "Dependency-Check".into(),
    category: Category::Sca,
    identity: "advisory, package without version, path of the file".into(),
    streams: true,
});

/// Lists that grow with the build and say nothing about the weakness.
const LEFT_OUT: [&str; 3] = ["projectReferences", "includedBy", "license"];

impl Format for DependencyCheck {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let head = input.head_text();
        match xml::root(head) {
            Some(root) if root.name == "analysis" => {
                let namespace = root.namespace.unwrap_or_default().to_ascii_lowercase();
                if namespace.contains("dependency-check") || namespace.contains("dependencycheck") {
                    Confidence::Certain
                } else if head.contains("<scanInfo") && head.contains("<projectInfo") {
                    Confidence::Likely
                } else {
                    Confidence::No
                }
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
        let mut emitter = Emitter::new(sink, Level::Medium).with_words(level);
        let mut meta = ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(Category::Sca),
            ..ReportMeta::default()
        };
        let paths = [
            "analysis/dependencies/dependency",
            "analysis/scanInfo",
            "analysis/projectInfo",
        ];
        let root = xml::for_each_without(input, &paths, &LEFT_OUT, |item| {
            let element = &item.element;
            match item.path {
                0 => return dependency(&mut emitter, element),
                1 => meta.tool_version = element.value("engineVersion").map(str::to_owned),
                _ => {
                    meta.subject = element.value("name").map(str::to_owned);
                    meta.scanned_at = element.value("reportDate").and_then(time);
                }
            }
            Ok(())
        })?;
        root.expect(&["analysis"], "Dependency-Check")?;
        meta.items = emitter.items();
        Ok(meta)
    }
}

/// RFC 3339, or with an offset without a colon: `2016-11-05T14:52:15.748-0400`.
fn time(written: &str) -> Option<Timestamp> {
    Timestamp::parse(written)
        .ok()
        .or_else(|| Timestamp::parse_with("%Y-%m-%dT%H:%M:%S%.f%z", written))
}

fn dependency(emitter: &mut Emitter<'_>, dependency: &Element) -> Result<(), Refusal> {
    let found = dependency
        .children
        .iter()
        .find(|child| child.name == "vulnerabilities");
    let Some(found) = found else { return Ok(()) };
    let own = component(dependency, None);
    let related = dependency.all("relatedDependencies/relatedDependency");
    let related = related
        .into_iter()
        .map(|related| component(related, Some(&own)));
    // A file that is listed twice is one place.
    let places = text::unique(std::iter::once(own.clone()).chain(related));
    for vulnerability in &found.children {
        let suppressed = match vulnerability.name.as_str() {
            "vulnerability" => false,
            "suppressedVulnerability" => true,
            _ => continue,
        };
        let Some(name) = vulnerability.value("name") else {
            emitter.skip(json::skipped(
                vulnerability.position(emitter.items()),
                "the vulnerability has no name",
            ));
            continue;
        };
        let fixed = fixed_version(vulnerability);
        for place in &places {
            let position = Position {
                item: emitter.items(),
                ..vulnerability.position(0)
            };
            let location = PackageLocation {
                fixed_version: fixed.clone(),
                ..place.clone()
            };
            let draft = draft(vulnerability, name, &place.name, suppressed);
            emitter.emit(draft, Location::Package(location), position)?;
        }
    }
    Ok(())
}

fn draft(vulnerability: &Element, name: &str, package: &str, suppressed: bool) -> Draft {
    let description = vulnerability.value("description");
    let known_exploited = vulnerability.get("knownExploitedVulnerability").is_some();
    let source = vulnerability
        .attr("source")
        .or(vulnerability.value("source"));
    Draft {
        rule: name.to_owned(),
        title: title(name, package),
        description: description.map(text::plain),
        references: references(vulnerability),
        cwes: {
            let listed = vulnerability.values("cwes/cwe").into_iter();
            text::cwes(listed.chain(vulnerability.values("cwe")))
        },
        identifiers: text::identifiers(name)
            .into_iter()
            .chain([name.to_owned()])
            .collect(),
        vectors: vectors(vulnerability),
        severity: severity(vulnerability),
        score: score(vulnerability),
        tags: known_exploited
            .then(|| "known-exploited".to_owned())
            .into_iter()
            .chain(source.map(|source| format!("source:{}", source.to_ascii_lowercase())))
            .collect(),
        reported: if suppressed {
            Reported::Suppressed {
                status: "suppressed".to_owned(),
                justification: vulnerability.value("notes").map(str::to_owned),
            }
        } else {
            Reported::Present
        },
        ..Draft::default()
    }
}

/// The advisory has no title of its own; some databases (RetireJS) have a sentence for a name.
fn title(name: &str, package: &str) -> String {
    if name.contains(' ') {
        name.to_owned()
    } else {
        format!("{name} in {package}")
    }
}

/// The word of the vulnerability itself, or of its newest CVSS version.
fn severity(vulnerability: &Element) -> Option<String> {
    let paths = [
        "severity",
        "cvssV4/baseSeverity",
        "cvssV3/baseSeverity",
        "cvssV2/severity",
    ];
    let words: Vec<&str> = paths
        .iter()
        .filter_map(|path| vulnerability.value(path))
        .collect();
    let known = words.iter().find(|word| level(word).is_some());
    known.or(words.first()).map(|word| (*word).to_owned())
}

fn references(vulnerability: &Element) -> Vec<String> {
    vulnerability
        .values("references/reference/url")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{detected, fixture, read, refused};
    use super::*;
    use gna_domain::import::SeverityBasis;
    use gna_domain::model::CvssVersion;

    fn lines(expected: &[(&str, Level, &str)]) -> Vec<(String, Level, String)> {
        expected
            .iter()
            .map(|(rule, level, place)| ((*rule).to_owned(), *level, (*place).to_owned()))
            .collect()
    }

    #[test]
    fn current_reports_have_purls_related_files_and_suppressions() {
        let text = fixture("dependency-check/schema-4.xml");
        assert_eq!(detected(&DependencyCheck, &text), Confidence::Certain);
        let read = read(&DependencyCheck, &text);
        let core = "org.acme:acme-core@1.2.3 (/build/shop/lib/acme-core-1.2.3.jar)";
        let shaded = "org.acme:acme-core@1.2.3 (/build/shop/all.jar/META-INF/maven/pom.xml)";
        assert_eq!(
            read.lines(),
            lines(&[
                ("CVE-2024-0001", Level::Critical, core),
                ("CVE-2024-0001", Level::Critical, shaded),
                ("GHSA-abcd-1234-efgh", Level::Medium, core),
                ("GHSA-abcd-1234-efgh", Level::Medium, shaded),
                (
                    "Prototype pollution in old jquery",
                    Level::Medium,
                    "jquery@1.12.0 (/build/shop/static/jquery.js)"
                ),
            ])
        );
        let first = &read.findings[0];
        assert_eq!(first.weakness.identifiers, ["CVE-2024-0001"]);
        assert_eq!(first.weakness.cwes, [502, 20]);
        assert_eq!(first.weakness.title, "CVE-2024-0001 in org.acme:acme-core");
        let versions: Vec<_> = first
            .weakness
            .cvss
            .iter()
            .map(|cvss| (cvss.version, cvss.score))
            .collect();
        assert_eq!(
            versions,
            [
                (CvssVersion::V4, 9.3),
                (CvssVersion::V31, 9.8),
                (CvssVersion::V2, 7.5)
            ]
        );
        assert_eq!(first.tags, ["known-exploited", "source:nvd"]);
        assert_eq!(read.package(0).fixed_version.as_deref(), Some("1.2.4"));
        assert_eq!(
            read.package(0).purl.as_deref(),
            Some("pkg:maven/org.acme/acme-core@1.2.3")
        );
        assert!(matches!(&read.findings[2].reported,
            Reported::Suppressed { justification: Some(why), .. } if why == "not reachable"));
        assert_eq!(read.findings[4].severity_basis, SeverityBasis::Stated);
        assert_eq!(read.package(4).ecosystem.as_deref(), Some("npm"));
        assert_eq!(read.meta.tool_version.as_deref(), Some("12.1.0"));
        assert_eq!(read.meta.subject.as_deref(), Some("shop"));
        assert_eq!(read.codes(), ["item.skipped"]);
    }

    #[test]
    fn old_reports_have_coordinates_or_evidence() {
        let text = fixture("dependency-check/schema-1.xml");
        assert_eq!(detected(&DependencyCheck, &text), Confidence::Certain);
        let read = read(&DependencyCheck, &text);
        assert_eq!(
            read.lines(),
            lines(&[
                (
                    "CVE-2012-0001",
                    Level::High,
                    "org.acme:old@1.0 (C:/shop/lib/old-1.0.jar)"
                ),
                (
                    "CVE-2012-0002",
                    Level::Medium,
                    "acme:server@2.1 (/shop/server.dll)"
                ),
                ("CVE-2012-0003", Level::Low, "widget@3.0 (/shop/widget.bin)"),
                ("CVE-2012-0004", Level::Medium, "plain.so (/shop/plain.so)"),
            ])
        );
        assert_eq!(read.findings[0].weakness.cvss[0].score, 7.5);
        assert_eq!(read.findings[0].weakness.cwes, [79]);
        assert_eq!(read.package(0).ecosystem.as_deref(), Some("maven"));
        assert_eq!(read.findings[3].severity_basis, SeverityBasis::Default);
        assert_eq!(
            read.meta.scanned_at.unwrap().to_string(),
            "2016-11-05T18:52:15.748Z"
        );
    }

    #[test]
    fn other_and_damaged_files_are_refused() {
        let text = fixture("dependency-check/schema-4.xml");
        assert_eq!(
            refused(&DependencyCheck, "<bom/>").code,
            "report.wrong_format"
        );
        assert_eq!(
            refused(&DependencyCheck, &text[..2_000]).code,
            "report.truncated"
        );
        assert_eq!(
            detected(&DependencyCheck, "<analysis><x/></analysis>"),
            Confidence::No
        );
    }
}
