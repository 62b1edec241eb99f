//! Anchore Grype's JSON report (`grype ... -o json`).
//!
//! Documented at <https://github.com/anchore/grype#output-formats>; the fields are those of
//! `grype/presenter/models`. Identity: advisory (with its CVE where the match is by another name)
//! and package with path. Matches that an ignore rule or a VEX document set aside
//! (`ignoredMatches`, written with `--show-suppressed`) are suppressed, with their reason.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{Level, Location, PackageLocation};
use gna_domain::time::Timestamp;
use serde::Deserialize;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter};
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::json::Item;
use crate::{Input, json, lenient, text};

pub struct Grype;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "grype".into(),
    title: "Grype JSON".into(),
    tool: "Grype".into(),
    category: Category::Sca,
    identity: "advisory (CVE first) and package with its path".into(),
    streams: true,
});

/// The report without its matches.
#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    matches: Option<Ignored>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    source: Source,
    #[serde(default, deserialize_with = "lenient::or_default")]
    descriptor: Descriptor,
}

/// A list that is not kept.
#[derive(Deserialize)]
#[serde(transparent)]
struct Ignored(serde::de::IgnoredAny);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    #[serde(deserialize_with = "lenient::string")]
    r#type: String,
    #[serde(deserialize_with = "lenient::or_default")]
    target: Target,
}

/// An object for images; a path for folders and files.
#[derive(Deserialize)]
#[serde(untagged)]
enum Target {
    Path(String),
    Image {
        #[serde(rename = "userInput", default)]
        user_input: Option<String>,
    },
}

impl Default for Target {
    fn default() -> Self {
        Self::Path(String::new())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Descriptor {
    #[serde(deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Match {
    vulnerability: Vulnerability,
    #[serde(default, deserialize_with = "lenient::list_or_default")]
    related_vulnerabilities: Vec<Vulnerability>,
    artifact: Artifact,
    #[serde(default, deserialize_with = "lenient::list_or_default")]
    applied_ignore_rules: Vec<IgnoreRule>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vulnerability {
    id: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    data_source: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    urls: Vec<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::list_or_default")]
    cvss: Vec<Vector>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    fix: Fix,
    #[serde(default, deserialize_with = "lenient::list_or_default")]
    cwes: Vec<Cwe>,
    #[serde(default, deserialize_with = "lenient::list_or_default")]
    advisories: Vec<Advisory>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Vector {
    #[serde(deserialize_with = "lenient::string")]
    vector: String,
    #[serde(deserialize_with = "lenient::or_default")]
    metrics: Metrics,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metrics {
    #[serde(deserialize_with = "lenient::opt_f64")]
    base_score: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fix {
    #[serde(deserialize_with = "lenient::strings")]
    versions: Vec<String>,
    #[serde(deserialize_with = "lenient::string")]
    state: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cwe {
    #[serde(deserialize_with = "lenient::string")]
    cwe: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Advisory {
    #[serde(deserialize_with = "lenient::opt_string")]
    link: Option<String>,
}

#[derive(Deserialize)]
struct Artifact {
    name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    r#type: String,
    #[serde(default, deserialize_with = "lenient::list_or_default")]
    locations: Vec<Place>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    purl: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Place {
    #[serde(deserialize_with = "lenient::opt_string")]
    path: Option<String>,
    #[serde(rename = "layerID", deserialize_with = "lenient::opt_string")]
    layer: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct IgnoreRule {
    #[serde(deserialize_with = "lenient::opt_string")]
    vex_status: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    vex_justification: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    reason: Option<String>,
}

impl Format for Grype {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()).filter(|outline| !outline.list) else {
            return Confidence::No;
        };
        // Xeol reports the end of life of packages in the same outline.
        if !outline.has("matches") || outline.mentions("\"Cycle\"") || outline.mentions("xeol") {
            return Confidence::No;
        }
        let inner = outline.mentions("\"vulnerability\"") && outline.mentions("\"artifact\"");
        let around =
            outline.has_all(&["source", "descriptor"]) || outline.has_all(&["source", "distro"]);
        match (
            inner || outline.mentions("\"relatedVulnerabilities\""),
            around,
        ) {
            (true, true) => Confidence::Certain,
            (true, false) | (false, true) => Confidence::Likely,
            (false, false) => Confidence::No,
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let report: Report = json::document(input)?;
        if report.matches.is_none() && report.descriptor.version.is_none() {
            return Err(Refusal::new(
                "report.wrong_format",
                "this JSON has no `matches`, so it is no report of Grype; let it write one with -o json",
            ));
        }
        let mut out = Emitter::new(sink, Level::Info);
        json::for_each_of(input, &["matches[]", "ignoredMatches[]"], |item| {
            let Some(found) = out.check(item.read::<Match>()) else {
                return Ok(());
            };
            emit(found, item.path == 1, &item, &mut out)
        })?;
        let subject = match report.source.target {
            Target::Path(path) => Some(path),
            Target::Image { user_input } => user_input,
        };
        Ok(ReportMeta {
            tool: "Grype".to_owned(),
            tool_version: report.descriptor.version,
            category: Some(if report.source.r#type == "image" {
                Category::Container
            } else {
                Category::Sca
            }),
            scanned_at: report
                .descriptor
                .timestamp
                .and_then(|text| Timestamp::parse(&text).ok()),
            subject: subject.filter(|subject| !subject.is_empty()),
            items: out.items(),
            ..ReportMeta::default()
        })
    }
}

fn emit(
    found: Match,
    ignored: bool,
    item: &Item<'_, '_>,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let Match {
        vulnerability,
        related_vulnerabilities: related,
        artifact,
        applied_ignore_rules: rules,
    } = found;
    let mut identifiers = vec![vulnerability.id.clone()];
    identifiers.extend(related.iter().map(|other| other.id.clone()));
    let all = || std::iter::once(&vulnerability).chain(&related);
    let references = all()
        .flat_map(|one| one.data_source.iter().chain(&one.urls))
        .chain(
            vulnerability
                .advisories
                .iter()
                .filter_map(|advisory| advisory.link.as_ref()),
        )
        .cloned()
        .collect();
    // The advisory's own vectors; those of the CVE behind it only where it has none.
    let scored = all()
        .find(|one| !one.cvss.is_empty())
        .map(|one| one.cvss.as_slice())
        .unwrap_or_default();
    let fixed: Vec<&str> = vulnerability
        .fix
        .versions
        .iter()
        .map(String::as_str)
        .filter(|version| !version.is_empty())
        .collect();
    let draft = Draft {
        title: format!("{} in {}", vulnerability.id, artifact.name),
        description: all().find_map(|one| one.description.clone()),
        references,
        cwes: text::cwes(all().flat_map(|one| &one.cwes).map(|cwe| &cwe.cwe)),
        identifiers,
        vectors: scored.iter().map(|vector| vector.vector.clone()).collect(),
        score: scored
            .iter()
            .filter_map(|vector| vector.metrics.base_score)
            .reduce(f64::max),
        severity: vulnerability.severity.clone(),
        tags: [vulnerability.fix.state.as_str()]
            .into_iter()
            .filter(|state| *state == "wont-fix")
            .map(str::to_owned)
            .collect(),
        reported: if ignored {
            set_aside(&rules)
        } else {
            Reported::Present
        },
        rule: vulnerability.id.clone(),
        ..Draft::default()
    };
    let place = artifact.locations.first();
    let location = PackageLocation {
        name: artifact.name,
        version: artifact.version,
        ecosystem: text::ecosystem(&artifact.r#type).map(str::to_owned),
        purl: artifact.purl,
        fixed_version: (!fixed.is_empty()).then(|| fixed.join(", ")),
        path: place
            .and_then(|place| place.path.as_deref())
            .map(|path| text::path(path, false)),
        layer: place.and_then(|place| place.layer.clone()),
        ..PackageLocation::default()
    };
    out.emit(draft, Location::Package(location), item.position)
}

fn set_aside(rules: &[IgnoreRule]) -> Reported {
    let status = rules.iter().find_map(|rule| rule.vex_status.clone());
    if status.as_deref() == Some("fixed") {
        return Reported::Absent {
            reason: "VEX status fixed".to_owned(),
        };
    }
    Reported::Suppressed {
        status: status.unwrap_or_else(|| "ignored".to_owned()),
        justification: rules.iter().find_map(|rule| {
            rule.vex_justification
                .clone()
                .or_else(|| rule.reason.clone())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, fixture, read, refused};

    #[test]
    fn matches_carry_the_cve_behind_an_advisory() {
        let read = read(&Grype, &fixture("grype/shop.json"));
        assert_eq!(
            read.meta.subject.as_deref(),
            Some("registry.shop.example/shop:1.4")
        );
        assert_eq!(
            (read.meta.tool_version.as_deref(), read.meta.category),
            (Some("0.80.0"), Some(Category::Container))
        );
        let first = &read.findings[0];
        assert_eq!(
            first.weakness.identifiers,
            ["CVE-2024-0001", "GHSA-aaaa-bbbb-cccc"]
        );
        assert_eq!(
            (first.weakness.rule.as_str(), first.weakness.title.as_str()),
            ("GHSA-aaaa-bbbb-cccc", "GHSA-aaaa-bbbb-cccc in acme-web")
        );
        assert_eq!(
            first
                .weakness
                .cvss
                .iter()
                .map(|cvss| cvss.score)
                .collect::<Vec<_>>(),
            [7.5]
        );
        assert_eq!(first.weakness.cwes, [79]);
        let package = read.package(0);
        assert_eq!(
            (package.path.as_deref(), package.fixed_version.as_deref()),
            (Some("/app/requirements.txt"), Some("2.1.0"))
        );
        assert_eq!(
            (package.purl.as_deref(), package.ecosystem.as_deref()),
            (Some("pkg:pypi/acme-web@2.0.0"), Some("pypi"))
        );
        assert_eq!(read.findings[1].severity, Level::Info, "negligible");
    }

    #[test]
    fn ignored_matches_and_broken_ones_are_accounted_for() {
        let read = read(&Grype, &fixture("grype/shop.json"));
        let suppressed = Reported::Suppressed {
            status: "not_affected".into(),
            justification: Some("vulnerable_code_not_present".into()),
        };
        assert_eq!(read.findings[2].reported, suppressed);
        assert_eq!(read.codes(), ["item.skipped"]);
        assert_eq!(read.meta.items, 4);
    }

    #[test]
    fn reports_of_others_are_told_apart() {
        assert_eq!(
            detected(&Grype, &fixture("grype/shop.json")),
            Confidence::Certain
        );
        assert_eq!(
            detected(
                &Grype,
                r#"{"matches":[],"source":{},"descriptor":{"name":"grype"}}"#
            ),
            Confidence::Likely
        );
        assert_eq!(detected(&Grype, r#"{"results":[]}"#), Confidence::No);
        assert_eq!(
            refused(&Grype, r#"{"results":[]}"#).code,
            "report.wrong_format"
        );
        assert_eq!(
            read(&Grype, r#"{"matches":null,"descriptor":{"version":"1"}}"#)
                .meta
                .items,
            0
        );
    }
}
