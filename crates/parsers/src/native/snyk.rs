//! Snyk's JSON: `snyk test --json`, `snyk container test --json`, `snyk iac test --json`.
//!
//! Documented at <https://docs.snyk.io/developer-tools/snyk-cli/commands/test>; one project, or a
//! list of them (`--all-projects`), each with the `applications` found in an image. Snyk Code
//! writes SARIF. Identity: Snyk's id (through CVE and GHSA), package and manifest: every path by
//! which one package comes in is an item of its own in the report, and a duplicate here. What the
//! policy ignores (`filtered.ignore`) or patches is suppressed. Severity: Snyk's word.

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{CodeLocation, Level, Location, PackageLocation};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter, inside};
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct Snyk;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| {
    FormatInfo {
    name: "snyk".into(),
    title: "Snyk JSON".into(),
    tool: "Snyk".into(),
    category: Category::Sca,
    identity: "advisory (through its aliases), package, manifest; for infrastructure as code rule, file, path to the setting".into(),
    streams: true,
}
});

/// One project, its items still unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Project<'a> {
    #[serde(default, borrow)]
    vulnerabilities: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    infrastructure_as_code_issues: Option<Vec<&'a RawValue>>,
    /// Projects within an image.
    #[serde(default, borrow)]
    applications: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    filtered: Option<Filtered<'a>>,
    #[serde(default, deserialize_with = "lenient::string")]
    package_manager: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    display_target_file: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    target_file: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    project_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    path: Option<String>,
    #[serde(default, borrow)]
    docker: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    error: Option<String>,
}

#[derive(Default, Deserialize)]
struct Filtered<'a> {
    #[serde(default, borrow)]
    ignore: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    patch: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vulnerability {
    id: String,
    #[serde(default, deserialize_with = "lenient::string")]
    title: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    cvss_score: Option<f64>,
    #[serde(default, rename = "CVSSv3", deserialize_with = "lenient::opt_string")]
    cvss_v3: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    cvss_sources: Vec<CvssSource>,
    /// By scheme: `CVE`, `CWE`, `GHSA`, `RUSTSEC`...
    #[serde(default, deserialize_with = "lenient::or_default")]
    identifiers: BTreeMap<String, Option<Vec<String>>>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    references: Vec<Reference>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    package_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    module_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    package_manager: String,
    #[serde(default, deserialize_with = "lenient::strings")]
    fixed_in: Vec<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    nearest_fixed_in_version: Option<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    from: Vec<String>,
    /// Begins with `false`, the project itself.
    #[serde(default, deserialize_with = "lenient::strings")]
    upgrade_path: Vec<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    license: Option<String>,
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    filtered: Ignored,
}

#[derive(Default, Deserialize)]
struct CvssSource {
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::string")]
    vector: String,
}

#[derive(Default, Deserialize)]
struct Reference {
    #[serde(default, deserialize_with = "lenient::string")]
    url: String,
}

/// Why the policy leaves it out.
#[derive(Default, Deserialize)]
struct Ignored {
    #[serde(default, deserialize_with = "lenient::or_default")]
    ignored: Vec<Reason>,
}

#[derive(Default, Deserialize)]
struct Reason {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    reason: Option<String>,
}

/// A setting of infrastructure as code.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issue {
    id: String,
    #[serde(default, deserialize_with = "lenient::string")]
    title: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    iac_description: IacText,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    issue: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    impact: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    resolve: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    line_number: Option<u32>,
    #[serde(default, deserialize_with = "lenient::strings")]
    path: Vec<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    references: Vec<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    documentation: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    is_ignored: bool,
    #[serde(default, deserialize_with = "lenient::string")]
    sub_type: String,
}

#[derive(Default, Deserialize)]
struct IacText {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    issue: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    impact: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    resolve: Option<String>,
}

impl Format for Snyk {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()) else {
            return Confidence::No;
        };
        if outline.has("infrastructureAsCodeIssues")
            || outline.mentions("\"SNYK-")
                && outline.has("vulnerabilities")
                && !outline.has("bomFormat")
        {
            return Confidence::Certain;
        }
        if outline.has("vulnerabilities")
            && outline.has_any(&[
                "dependencyCount",
                "licensesPolicy",
                "displayTargetFile",
                "uniqueCount",
            ])
        {
            return Confidence::Certain;
        }
        if outline.has("vulnerabilities")
            && outline.mentions("\"semver\"")
            && outline.mentions("\"upgradePath\"")
        {
            return Confidence::Likely;
        }
        if outline.has_all(&["ok", "error", "path"]) {
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
        let mut reader = Reader {
            emitter: Emitter::new(sink, Level::Medium),
            seen: Seen::default(),
        };
        let list = input.text()?.trim_start().starts_with('[');
        let mut failure = None;
        let mut projects = 0_u64;
        json::for_each(input, if list { "[]" } else { "" }, |item| {
            projects += 1;
            let Some(project) = reader.emitter.check(item.read::<Project<'_>>()) else {
                return Ok(());
            };
            match &project.error {
                Some(error) if project.vulnerabilities.is_none() => {
                    let of = project.path.clone().unwrap_or_default();
                    let message =
                        format!("Snyk could not test {of}: {}", text::one_line(error, 300));
                    reader
                        .emitter
                        .note("scan.incomplete", message.clone(), item.position);
                    failure = Some(message);
                    Ok(())
                }
                _ => reader.project(project, item.raw, item.position, 0),
            }
        })?;
        let items = reader.emitter.items();
        match failure {
            Some(message) if projects == 1 => Err(Refusal::new("report.wrong_format", message)),
            _ if !reader.seen.project && projects > 0 => {
                Err(super::bandit::lacks("vulnerabilities", "snyk test --json"))
            }
            _ => Ok(reader.seen.into_meta(items)),
        }
    }
}

/// What the projects of a report have shown so far.
#[derive(Default)]
struct Seen {
    project: bool,
    docker: bool,
    iac: bool,
    names: Vec<String>,
}

impl Seen {
    fn into_meta(self, items: u64) -> ReportMeta {
        let category = match (self.docker, self.iac) {
            (true, _) => Category::Container,
            (_, true) => Category::Iac,
            _ => Category::Sca,
        };
        let subject = match self.names.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(category),
            subject,
            items,
            ..ReportMeta::default()
        }
    }
}

struct Reader<'s> {
    emitter: Emitter<'s>,
    seen: Seen,
}

impl Reader<'_> {
    /// Reads a project and, one level down, the applications of an image.
    fn project(
        &mut self,
        project: Project<'_>,
        whole: &str,
        at: Position,
        depth: u32,
    ) -> Result<(), Refusal> {
        self.seen.project |=
            project.vulnerabilities.is_some() || project.infrastructure_as_code_issues.is_some();
        self.seen.docker |= project.docker.is_some_and(|raw| raw.get().starts_with('{'));
        self.seen.iac |= project.infrastructure_as_code_issues.is_some();
        if depth == 0 {
            self.seen.names.extend(project.project_name.clone());
        }
        let file = project
            .display_target_file
            .clone()
            .or_else(|| project.target_file.clone());
        let file = file.map(|file| text::path(&file, false));
        let filtered = project.filtered.unwrap_or_default();
        let lists = [
            (project.vulnerabilities, None),
            (filtered.ignore, Some("ignored")),
            (filtered.patch, Some("patched")),
        ];
        for (list, aside) in lists {
            for raw in list.unwrap_or_default() {
                let position = inside(at, whole, raw.get(), self.emitter.items());
                if let Some(vulnerability) = self.read::<Vulnerability>(raw, position) {
                    let (draft, location) = convert(
                        vulnerability,
                        &project.package_manager,
                        file.as_deref(),
                        aside,
                    );
                    self.emitter.emit(draft, location, position)?;
                }
            }
        }
        for raw in project.infrastructure_as_code_issues.unwrap_or_default() {
            let position = inside(at, whole, raw.get(), self.emitter.items());
            if let Some(issue) = self.read::<Issue>(raw, position) {
                let (draft, location) = setting(issue, file.as_deref().unwrap_or_default());
                self.emitter.emit(draft, location, position)?;
            }
        }
        for raw in project.applications.unwrap_or_default() {
            let position = inside(at, whole, raw.get(), self.emitter.items());
            match serde_json::from_str::<Project<'_>>(raw.get()) {
                Ok(application) if depth == 0 => {
                    self.project(application, raw.get(), position, 1)?
                }
                Ok(_) => {}
                Err(error) => self.emitter.skip(json::skipped(
                    position,
                    format!("no application of an image: {error}"),
                )),
            }
        }
        Ok(())
    }

    fn read<'a, T: Deserialize<'a>>(&mut self, raw: &'a RawValue, position: Position) -> Option<T> {
        let read = serde_json::from_str(raw.get());
        self.emitter.check(read.map_err(|error| {
            json::skipped(position, text::cut(&error.to_string(), 200).into_owned())
        }))
    }
}

fn convert(
    found: Vulnerability,
    manager: &str,
    file: Option<&str>,
    aside: Option<&str>,
) -> (Draft, Location) {
    let manager = if found.package_manager.is_empty() {
        manager
    } else {
        &found.package_manager
    };
    // A `type` says what is installed, the name after the slash of a system package the binary.
    let name = found
        .package_name
        .or(found.module_name)
        .unwrap_or_else(|| found.name.clone());
    let ecosystem = ecosystem(manager);
    let mut identifiers = vec![found.id.clone()];
    let mut cwes = Vec::new();
    for (scheme, values) in found.identifiers {
        match scheme.as_str() {
            "CWE" => cwes = values.unwrap_or_default(),
            _ => identifiers.extend(values.unwrap_or_default()),
        }
    }
    // The vector that Snyk itself stands for; older reports have only that.
    let mut vectors: Vec<String> = found
        .cvss_v3
        .into_iter()
        .map(|vector| base_metrics(&vector))
        .collect();
    vectors.extend(
        found
            .cvss_sources
            .into_iter()
            .filter(|source| source.kind == "primary")
            .map(|source| base_metrics(&source.vector)),
    );
    let upgrade: Vec<&String> = found
        .upgrade_path
        .iter()
        .filter(|step| step.contains('@'))
        .collect();
    let mut tags = Vec::new();
    if found.license.is_some() || found.kind == "license" {
        tags.push("license".to_owned());
    }
    let draft = Draft {
        title: if found.title.is_empty() {
            format!("{} in {name}", found.id)
        } else {
            found.title
        },
        description: found.description,
        recommendation: match (upgrade.first(), found.fixed_in.first()) {
            (Some(step), _) => Some(format!("Upgrade to {step}.")),
            (None, Some(fixed)) => Some(format!("Upgrade {name} to {fixed} or later.")),
            _ => None,
        },
        references: found
            .references
            .into_iter()
            .map(|reference| reference.url)
            .collect(),
        cwes: text::cwes(&cwes),
        identifiers,
        vectors,
        severity: found.severity,
        score: found.cvss_score,
        message: (found.from.len() > 1)
            .then(|| format!("Introduced through {}", found.from.join(" > "))),
        tags,
        reported: match aside {
            Some(status) => Reported::Suppressed {
                status: status.to_owned(),
                justification: found
                    .filtered
                    .ignored
                    .into_iter()
                    .find_map(|reason| reason.reason),
            },
            None => Reported::Present,
        },
        rule: found.id,
        ..Draft::default()
    };
    let fixed = if found.fixed_in.is_empty() {
        found.nearest_fixed_in_version.into_iter().collect()
    } else {
        found.fixed_in
    };
    let location = PackageLocation {
        purl: system_purl(
            &draft.rule,
            ecosystem,
            &found.name,
            found.version.as_deref(),
        ),
        version: found.version,
        ecosystem: ecosystem.map(str::to_owned),
        fixed_version: (!fixed.is_empty()).then(|| fixed.join(", ")),
        path: file.filter(|file| !file.is_empty()).map(str::to_owned),
        name,
        ..PackageLocation::default()
    };
    (draft, Location::Package(location))
}

fn ecosystem(manager: &str) -> Option<&'static str> {
    match manager {
        // Snyk's names of managers that are no word of the purl types.
        "paket" => Some("nuget"),
        "gomodules" | "golangdep" | "govendor" => Some("golang"),
        "mix" => Some("hex"),
        "yarn-workspace" => Some("npm"),
        "unmanaged" => None,
        _ => text::ecosystem(manager),
    }
}

/// Snyk names the packages of a system by source and binary, `glibc/libc6`, and its own id by the
/// system, `SNYK-DEBIAN12-GLIBC-1`: enough for the purl of the binary, which other scanners name.
fn system_purl(
    id: &str,
    ecosystem: Option<&str>,
    name: &str,
    version: Option<&str>,
) -> Option<String> {
    let kind = ecosystem.filter(|kind| matches!(*kind, "deb" | "rpm" | "apk"))?;
    let system = id.strip_prefix("SNYK-")?.split('-').next()?;
    let vendor = system
        .trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
        .to_ascii_lowercase();
    let vendor = match vendor.as_str() {
        "rhel" => "redhat".to_owned(),
        "" => return None,
        _ => vendor,
    };
    let binary = name
        .rsplit('/')
        .next()
        .filter(|binary| !binary.is_empty())?;
    let mut purl = packageurl::PackageUrl::new(kind.to_owned(), binary.to_owned()).ok()?;
    purl.with_namespace(vendor).ok()?;
    if let Some(version) = version {
        purl.with_version(version.to_owned()).ok()?;
    }
    Some(purl.to_string())
}

/// The vector without the temporal metrics (`E`, `RL`, `RC`) that Snyk appends.
fn base_metrics(vector: &str) -> String {
    let temporal = |metric: &&str| {
        !["E:", "RL:", "RC:"]
            .iter()
            .any(|name| metric.starts_with(name))
    };
    if vector.starts_with("CVSS:3") {
        vector
            .split('/')
            .filter(temporal)
            .collect::<Vec<_>>()
            .join("/")
    } else {
        vector.to_owned()
    }
}

fn setting(issue: Issue, file: &str) -> (Draft, Location) {
    let text = issue.iac_description;
    let paragraphs: Vec<String> = [text.issue.or(issue.issue), text.impact.or(issue.impact)]
        .into_iter()
        .flatten()
        .collect();
    let mut references = vec![issue.documentation];
    references.extend(issue.references);
    let draft = Draft {
        rule: issue.id,
        title: issue.title,
        description: Some(paragraphs.join("\n\n")),
        recommendation: text.resolve.or(issue.resolve),
        references,
        severity: issue.severity,
        tags: vec![issue.sub_type],
        reported: if issue.is_ignored {
            Reported::Suppressed {
                status: "ignored".into(),
                justification: None,
            }
        } else {
            Reported::Present
        },
        ..Draft::default()
    };
    let location = CodeLocation {
        path: file.to_owned(),
        line: issue.line_number,
        symbol: (!issue.path.is_empty()).then(|| issue.path.join(".")),
        ..CodeLocation::default()
    };
    (draft, Location::Code(location))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};

    const PROJECT: &str = r#"{"vulnerabilities": [
        {"id": "SNYK-JS-LODASH-567746", "title": "Prototype Pollution", "severity": "high", "cvssScore": 9.8, "CVSSv3": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:L/E:P",
         "identifiers": {"CVE": ["CVE-2020-8203"], "CWE": ["CWE-1321"], "GHSA": ["GHSA-p6mc-m468-83gw"]}, "references": [{"title": "x", "url": "https://snyk.example/x"}],
         "packageName": "lodash", "name": "lodash", "version": "4.17.15", "fixedIn": ["4.17.20"], "from": ["shop@1.0.0", "a@1", "lodash@4.17.15"], "upgradePath": [false, "a@2", "lodash@4.17.20"]},
        {"id": "SNYK-JS-LODASH-567746", "title": "Prototype Pollution", "severity": "high", "packageName": "lodash", "version": "4.17.15", "from": ["shop@1.0.0", "lodash@4.17.15"], "upgradePath": []},
        {"id": "snyk:lic:npm:gplthing:GPL-3.0", "title": "GPL-3.0 license", "type": "license", "license": "GPL-3.0", "severity": "medium", "packageName": "gplthing", "version": "1.0.0", "from": []},
        {"title": "no id"}],
        "ok": false, "dependencyCount": 3, "packageManager": "npm", "filtered": {"ignore": [{"id": "SNYK-JS-Y-1", "title": "y", "severity": "low", "packageName": "y", "version": "1",
          "filtered": {"ignored": [{"reason": "not reachable", "expires": "2030-01-01"}]}}], "patch": []},
        "projectName": "shop", "displayTargetFile": "web/package-lock.json", "path": "/x"}"#;

    #[test]
    fn a_project_of_packages() {
        for text in [PROJECT.to_owned(), format!("[{PROJECT}]")] {
            assert_eq!(detected(&Snyk, &text), Confidence::Certain);
            let read = read(&Snyk, &text);
            assert_eq!(
                read.lines(),
                [
                    (
                        "SNYK-JS-LODASH-567746".into(),
                        Level::High,
                        "lodash@4.17.15 (web/package-lock.json)".into()
                    ),
                    (
                        "SNYK-JS-LODASH-567746".into(),
                        Level::High,
                        "lodash@4.17.15 (web/package-lock.json)".into()
                    ),
                    (
                        "snyk:lic:npm:gplthing:GPL-3.0".into(),
                        Level::Medium,
                        "gplthing@1.0.0 (web/package-lock.json)".into()
                    ),
                    (
                        "SNYK-JS-Y-1".into(),
                        Level::Low,
                        "y@1 (web/package-lock.json)".into()
                    ),
                ]
            );
            let weakness = &read.findings[0].weakness;
            assert_eq!(
                weakness.identifiers,
                [
                    "CVE-2020-8203",
                    "GHSA-p6mc-m468-83gw",
                    "SNYK-JS-LODASH-567746"
                ]
            );
            assert_eq!(
                (weakness.cvss[0].score, weakness.recommendation.as_deref()),
                (7.3, Some("Upgrade to a@2."))
            );
            assert_eq!(read.package(0).ecosystem.as_deref(), Some("npm"));
            assert_eq!(
                read.findings[3].reported,
                Reported::Suppressed {
                    status: "ignored".into(),
                    justification: Some("not reachable".into())
                }
            );
            assert_eq!(read.meta.subject.as_deref(), Some("shop"));
            let at = usize::try_from(read.warnings[0].position.byte.unwrap()).unwrap();
            assert!(text[at..].starts_with(r#"{"title": "no id""#));
        }
    }

    #[test]
    fn images_have_system_packages_and_applications() {
        let read = read(
            &Snyk,
            r#"{"vulnerabilities": [{"id": "SNYK-DEBIAN12-GLIBC-1", "title": "Overflow", "severity": "low", "packageName": "glibc", "name": "glibc/libc6",
            "version": "2.36-9+deb12u1", "packageManager": "debian:12", "nearestFixedInVersion": "2.36-9+deb12u4"}], "docker": {"baseImage": "debian:12"}, "packageManager": "deb", "path": "shop:1",
            "applications": [{"vulnerabilities": [{"id": "SNYK-JS-A-1", "title": "a", "severity": "high", "name": "a", "version": "1"}], "packageManager": "npm", "displayTargetFile": "/app/package.json"}]}"#,
        );
        assert_eq!(
            read.lines(),
            [
                (
                    "SNYK-DEBIAN12-GLIBC-1".into(),
                    Level::Low,
                    "glibc@2.36-9+deb12u1".into()
                ),
                (
                    "SNYK-JS-A-1".into(),
                    Level::High,
                    "a@1 (/app/package.json)".into()
                ),
            ]
        );
        assert_eq!(
            read.package(0).purl.as_deref(),
            Some("pkg:deb/debian/libc6@2.36-9%2Bdeb12u1")
        );
        assert_eq!(read.meta.category, Some(Category::Container));
    }

    #[test]
    fn settings_of_infrastructure() {
        let text = r#"[{"infrastructureAsCodeIssues": [{"id": "SNYK-CC-TF-45", "title": "S3 bucket is public", "severity": "high", "lineNumber": 4, "path": ["resource", "aws_s3_bucket[b]", "acl"],
            "iacDescription": {"issue": "i", "impact": "m", "resolve": "Set acl to private"}, "isIgnored": false, "subType": "S3"}], "targetFile": "main.tf", "projectName": "infra"},
            {"ok": false, "error": "Invalid file", "path": "bad.tf"}]"#;
        let read = read(&Snyk, text);
        assert_eq!(
            read.lines(),
            [("SNYK-CC-TF-45".into(), Level::High, "main.tf:4".into())]
        );
        assert_eq!(
            read.findings[0].weakness.description.as_deref(),
            Some("i\n\nm")
        );
        assert_eq!(
            (read.codes(), read.meta.category),
            (vec!["scan.incomplete"], Some(Category::Iac))
        );
    }

    #[test]
    fn an_error_of_snyk_is_told() {
        let refusal = refused(
            &Snyk,
            r#"{"ok": false, "error": "Authentication error (SNYK-0005)", "path": "/x"}"#,
        );
        assert!(
            refusal.message.contains("Authentication error"),
            "{refusal}"
        );
        assert_eq!(refused(&Snyk, r#"{"x": 1}"#).code, "report.wrong_format");
        assert_eq!(
            read(&Snyk, r#"[{"vulnerabilities": [], "ok": true}]"#)
                .meta
                .items,
            0
        );
    }
}
