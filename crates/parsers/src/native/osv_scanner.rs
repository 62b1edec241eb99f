//! OSV-Scanner's JSON (`osv-scanner scan --format json`), versions 1 and 2.
//!
//! Documented at <https://google.github.io/osv-scanner/output/>, its vulnerabilities at
//! <https://ossf.github.io/osv-schema/>. One finding for each OSV record and package; the records
//! of a group are aliases of each other. Identity: advisory (through aliases), package, source
//! file. A record whose code is never called (`experimentalAnalysis`) is suppressed; a licence
//! that the scan's policy forbids is no weakness and is skipped.
//!
//! Severity: the database's own word, else the CVSS vectors, else the group's highest score; a
//! malicious package (`MAL-`) is critical, and whatever says nothing is medium.

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{Level, Location, PackageLocation};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter, inside};
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

/// Most names taken from a record's group; more than are kept would only cost time.
const ALIASES: usize = 200;

pub struct OsvScanner;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "osv-scanner".into(),
    title: "OSV-Scanner JSON".into(),
    tool: "OSV-Scanner".into(),
    category: Category::Sca,
    identity: "advisory (through its aliases), package, source file".into(),
    streams: true,
});

#[derive(Default, Deserialize)]
struct Source {
    #[serde(default, deserialize_with = "lenient::string")]
    path: String,
    /// `lockfile`, `sbom`, `docker`, `os`, `git`...
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    kind: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    package: Package,
    #[serde(default, borrow)]
    vulnerabilities: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    groups: Vec<Group>,
    #[serde(default, deserialize_with = "lenient::strings")]
    license_violations: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    #[serde(default, deserialize_with = "lenient::string")]
    name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    ecosystem: String,
    /// Instead of a version where sources are vendored.
    #[serde(default, deserialize_with = "lenient::opt_string")]
    commit: Option<String>,
}

#[derive(Default, Deserialize)]
struct Group {
    #[serde(default, deserialize_with = "lenient::strings")]
    ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    aliases: Vec<String>,
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    max_severity: Option<f64>,
    #[serde(
        default,
        rename = "experimentalAnalysis",
        alias = "experimental_analysis",
        deserialize_with = "lenient::or_default"
    )]
    analysis: HashMap<String, Analysis>,
}

#[derive(Default, Deserialize)]
struct Analysis {
    #[serde(default, deserialize_with = "lenient::or_default")]
    called: Option<bool>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    unimportant: bool,
}

/// A record of the OSV schema.
#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default, deserialize_with = "lenient::strings")]
    aliases: Vec<String>,
    /// What the advisory of a distribution is about; not an alias where there are several.
    #[serde(default, deserialize_with = "lenient::strings")]
    upstream: Vec<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    summary: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    details: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    severity: Vec<Severity>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    affected: Vec<Affected>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    references: Vec<Reference>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    database_specific: Specific,
}

#[derive(Default, Deserialize)]
struct Severity {
    /// `CVSS_V2`, `CVSS_V3`, `CVSS_V4`, or `Ubuntu` with a word for a score.
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::string")]
    score: String,
}

#[derive(Default, Deserialize)]
struct Affected {
    #[serde(default, deserialize_with = "lenient::or_default")]
    package: AffectedPackage,
    #[serde(default, deserialize_with = "lenient::or_default")]
    severity: Vec<Severity>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    ranges: Vec<Range>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    database_specific: Specific,
    #[serde(default, deserialize_with = "lenient::or_default")]
    ecosystem_specific: Specific,
}

#[derive(Default, Deserialize)]
struct AffectedPackage {
    #[serde(default, deserialize_with = "lenient::string")]
    name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    purl: Option<String>,
}

#[derive(Default, Deserialize)]
struct Range {
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    events: Vec<HashMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct Reference {
    #[serde(default, deserialize_with = "lenient::string")]
    url: String,
}

/// What databases add in their own way.
#[derive(Default, Deserialize)]
struct Specific {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    cwe_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    cwes: Vec<Cwe>,
}

#[derive(Default, Deserialize)]
struct Cwe {
    #[serde(default, rename = "cweId", deserialize_with = "lenient::string")]
    id: String,
}

impl Format for OsvScanner {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()).filter(|outline| !outline.list) else {
            return Confidence::No;
        };
        if !outline.has("results") {
            return Confidence::No;
        }
        if outline.mentions("\"packages\"")
            && outline.mentions("\"ecosystem\"")
            && outline.mentions("\"source\"")
        {
            return Confidence::Certain;
        }
        if outline.has_any(&["experimental_config", "image_metadata"]) {
            return Confidence::Likely;
        }
        // Nothing was found.
        let empty = outline
            .list_of("results")
            .is_some_and(|list| list.text.starts_with("[]"));
        if outline.keys == ["results"] && empty {
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
        let mut sources: Vec<Source> = Vec::new();
        let mut is_report = false;
        let mut image = false;
        json::for_each_of(
            input,
            &["results[].source", "results", "image_metadata"],
            |item| {
                match item.path {
                    0 => {
                        // A result may lack its source; the list has one for each index.
                        sources.resize_with(item.index(0), Source::default);
                        sources.push(item.read().unwrap_or_default());
                    }
                    1 => is_report = true,
                    _ => image = item.raw.starts_with('{'),
                }
                Ok(())
            },
        )?;
        if !is_report {
            return Err(super::bandit::lacks(
                "results",
                "osv-scanner scan --format json",
            ));
        }
        let mut emitter = Emitter::new(sink, Level::Medium);
        json::for_each(input, "results[].packages[]", |item| {
            let Some(entry) = emitter.check(item.read::<Entry<'_>>()) else {
                return Ok(());
            };
            let Entry {
                package,
                vulnerabilities,
                groups,
                license_violations,
            } = entry;
            let unknown = Source::default();
            let source = sources.get(item.index(0)).unwrap_or(&unknown);
            // From the last to the first, so that of two groups with one id the first holds.
            let by_id: HashMap<&str, &Group> = groups
                .iter()
                .rev()
                .flat_map(|group| group.ids.iter().map(move |id| (id.as_str(), group)))
                .collect();
            for raw in vulnerabilities.unwrap_or_default() {
                let position = inside(item.position, item.raw, raw.get(), emitter.items());
                match serde_json::from_str::<Record>(raw.get()) {
                    Ok(record) => {
                        let (draft, location) = convert(record, &package, &by_id, source);
                        emitter.emit(draft, location, position)?;
                    }
                    Err(error) => {
                        emitter.skip(json::skipped(position, format!("no OSV record: {error}")))
                    }
                }
            }
            for license in license_violations {
                let message = format!(
                    "the licence {license} of {} is forbidden, which is no weakness",
                    package.name
                );
                let position = Position {
                    item: emitter.items(),
                    ..item.position
                };
                emitter.skip(json::skipped(position, message));
            }
            Ok(())
        })?;
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(if image {
                Category::Container
            } else {
                Category::Sca
            }),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

fn convert(
    record: Record,
    package: &Package,
    groups: &HashMap<&str, &Group>,
    source: &Source,
) -> (Draft, Location) {
    let group = groups.get(record.id.as_str()).copied();
    let analysis = group.and_then(|group| group.analysis.get(&record.id));
    let reported = match analysis {
        Some(Analysis {
            called: Some(false),
            ..
        }) => Reported::Suppressed {
            status: "uncalled".into(),
            justification: None,
        },
        Some(Analysis {
            unimportant: true, ..
        }) => Reported::Suppressed {
            status: "unimportant".into(),
            justification: None,
        },
        _ => Reported::Present,
    };
    let mut identifiers = vec![record.id.clone()];
    identifiers.extend(record.aliases);
    identifiers.extend(
        group
            .into_iter()
            .flat_map(|group| group.ids.iter().chain(&group.aliases))
            .take(ALIASES)
            .cloned(),
    );
    identifiers.extend(record.upstream);
    let affected: Vec<&Affected> = record
        .affected
        .iter()
        .filter(|affected| affected.package.name == package.name)
        .collect();
    let own = affected
        .iter()
        .map(|affected| &affected.severity)
        .find(|severity| !severity.is_empty());
    let severities = if record.severity.is_empty() {
        own.unwrap_or(&record.severity)
    } else {
        &record.severity
    };
    let specifics = || {
        let inner = record
            .affected
            .iter()
            .flat_map(|affected| [&affected.database_specific, &affected.ecosystem_specific]);
        std::iter::once(&record.database_specific).chain(inner)
    };
    let (vectors, words): (Vec<_>, Vec<_>) = severities
        .iter()
        .partition(|severity| severity.kind.starts_with("CVSS"));
    let cwes = specifics().flat_map(|specific| {
        specific
            .cwe_ids
            .iter()
            .chain(specific.cwes.iter().map(|cwe| &cwe.id))
    });
    let title = if record.summary.is_empty() {
        format!("{} in {}", record.id, package.name)
    } else {
        record.summary.clone()
    };
    let draft = Draft {
        title,
        cwes: text::cwes(cwes),
        references: record
            .references
            .into_iter()
            .map(|reference| reference.url)
            .collect(),
        identifiers,
        vectors: vectors
            .into_iter()
            .map(|severity| severity.score.clone())
            .collect(),
        severity: specifics()
            .find_map(|specific| specific.severity.clone())
            .or_else(|| words.first().map(|severity| severity.score.clone())),
        score: group.and_then(|group| group.max_severity),
        default: record.id.starts_with("MAL-").then_some(Level::Critical),
        reported,
        description: record.details,
        rule: record.id,
        ..Draft::default()
    };
    let fixed: Vec<&str> = affected
        .iter()
        .flat_map(|affected| &affected.ranges)
        .filter(|range| range.kind != "GIT")
        .flat_map(|range| &range.events)
        .filter_map(|event| event.get("fixed").map(String::as_str))
        .collect();
    let location = PackageLocation {
        name: package.name.clone(),
        version: package.version.clone().or_else(|| package.commit.clone()),
        purl: affected
            .iter()
            .find_map(|affected| affected.package.purl.clone()),
        ecosystem: text::ecosystem(&package.ecosystem).map(str::to_owned),
        fixed_version: (!fixed.is_empty()).then(|| fixed.join(", ")),
        path: Some(text::path(&source.path, false))
            .filter(|path| !path.is_empty() && source.kind != "docker"),
        image: (source.kind == "docker").then(|| source.path.clone()),
        ..PackageLocation::default()
    };
    (draft, Location::Package(location))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};

    const REPORT: &str = r#"{"results": [{"packages": [
        {"package": {"name": "lodash", "version": "4.17.11", "ecosystem": "npm"}, "vulnerabilities": [
            {"id": "GHSA-jf85-cpcp-j695", "aliases": ["CVE-2019-10744"], "summary": "Prototype Pollution in lodash", "details": "long",
             "affected": [{"package": {"ecosystem": "npm", "name": "lodash", "purl": "pkg:npm/lodash"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.12"}]},
                {"type": "GIT", "events": [{"fixed": "abcdef"}]}]}, {"package": {"name": "lodash-es"}, "ranges": [{"type": "SEMVER", "events": [{"fixed": "9"}]}]}],
             "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H"}], "references": [{"type": "WEB", "url": "https://nvd.example/x"}],
             "database_specific": {"severity": "CRITICAL", "cwe_ids": ["CWE-1321", "CWE-20"]}},
            {"no_id": true}],
         "groups": [{"ids": ["GHSA-jf85-cpcp-j695"], "aliases": ["CVE-2019-10744", "GHSA-jf85-cpcp-j695"], "max_severity": "9.1"}], "license_violations": ["WTFPL"]}],
        "source": {"path": "./web/package-lock.json", "type": "lockfile"}},
      {"source": {"path": "go.mod", "type": "lockfile"}, "packages": [{"package": {"name": "golang.org/x/text", "version": "0.3.0", "ecosystem": "Go"}, "vulnerabilities": [
            {"id": "GO-2021-0113", "aliases": ["CVE-2021-38561"], "details": "d"}, {"id": "MAL-2024-1", "summary": "Malicious code"}],
         "groups": [{"ids": ["GO-2021-0113"], "aliases": [], "max_severity": "7.5", "experimentalAnalysis": {"GO-2021-0113": {"called": false}}}]}]}]}"#;

    #[test]
    fn records_are_findings_of_their_package_and_file() {
        assert_eq!(detected(&OsvScanner, REPORT), Confidence::Certain);
        let read = read(&OsvScanner, REPORT);
        assert_eq!(
            read.lines(),
            [
                (
                    "GHSA-jf85-cpcp-j695".into(),
                    Level::Critical,
                    "lodash@4.17.11 (web/package-lock.json)".into()
                ),
                (
                    "GO-2021-0113".into(),
                    Level::High,
                    "golang.org/x/text@0.3.0 (go.mod)".into()
                ),
                (
                    "MAL-2024-1".into(),
                    Level::Critical,
                    "golang.org/x/text@0.3.0 (go.mod)".into()
                ),
            ]
        );
        let weakness = &read.findings[0].weakness;
        assert_eq!(
            (
                weakness.identifiers.join(" ").as_str(),
                weakness.cwes.as_slice()
            ),
            ("CVE-2019-10744 GHSA-jf85-cpcp-j695", &[1321, 20][..])
        );
        let package = read.package(0);
        assert_eq!(
            (package.purl.as_deref(), package.fixed_version.as_deref()),
            (Some("pkg:npm/lodash"), Some("4.17.12"))
        );
        assert_eq!(
            read.findings[1].weakness.title,
            "GO-2021-0113 in golang.org/x/text"
        );
        assert!(
            matches!(&read.findings[1].reported, Reported::Suppressed { status, .. } if status == "uncalled")
        );
        assert_eq!(
            read.codes(),
            ["item.skipped", "item.skipped"],
            "a damaged record and a licence"
        );
        for warning in &read.warnings[..1] {
            let at = usize::try_from(warning.position.byte.unwrap()).unwrap();
            assert!(REPORT[at..].starts_with(r#"{"no_id""#));
        }
    }

    #[test]
    fn no_results_are_no_findings() {
        assert_eq!(
            read(&OsvScanner, r#"{"results": [], "experimental_config": {}}"#)
                .meta
                .items,
            0
        );
        assert_eq!(read(&OsvScanner, r#"{"results": null}"#).meta.items, 0);
        assert_eq!(refused(&OsvScanner, "").code, "report.empty");
        assert_eq!(refused(&OsvScanner, "{}").code, "report.wrong_format");
    }
}
