//! Checkov's JSON (`checkov -o json`): infrastructure as code, secrets, packages of a repository.
//!
//! Documented at <https://www.checkov.io/2.Basics/Reviewing%20Scan%20Results.html>; one object, or
//! a list with one per framework (`check_type`). Identity: check id, file, resource; for packages
//! the advisory, package and file. Passed checks are handed over as absent, suppressed ones with
//! their comment. Without an account Checkov states no severity: those are medium.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{CodeLocation, Level, Location, PackageLocation};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

use super::draft::{Draft, Emitter};
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct Checkov;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "checkov".into(),
    title: "Checkov JSON".into(),
    tool: "Checkov".into(),
    category: Category::Iac,
    identity: "check id, file, resource; for packages advisory, package, file".into(),
    streams: true,
});

/// Fields of one framework's object; each may also stand in a list.
const PATHS: [&str; 12] = [
    "results.failed_checks[]",
    "[].results.failed_checks[]",
    "results.skipped_checks[]",
    "[].results.skipped_checks[]",
    "results.passed_checks[]",
    "[].results.passed_checks[]",
    "results.parsing_errors[]",
    "[].results.parsing_errors[]",
    "check_type",
    "[].check_type",
    "summary.checkov_version",
    "[].summary.checkov_version",
];

#[derive(Deserialize)]
struct Check {
    check_id: String,
    #[serde(default, deserialize_with = "lenient::string")]
    check_name: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    check_result: Outcome,
    /// Pairs of a line's number and its text.
    #[serde(default, deserialize_with = "lenient::or_default")]
    code_block: Vec<(u32, String)>,
    #[serde(default, deserialize_with = "lenient::string")]
    file_path: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    file_line_range: Vec<i64>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    resource: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    guideline: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    cwe: Vec<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    vulnerability_details: Option<Details>,
}

#[derive(Default, Deserialize)]
struct Outcome {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    suppress_comment: Option<String>,
}

/// What a check of packages (`sca_package`, `sca_image`) says.
#[derive(Deserialize)]
struct Details {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    id: Option<String>,
    package_name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    package_version: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    package_type: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    cvss: Option<f64>,
    #[serde(default, deserialize_with = "lenient::string")]
    vector: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    link: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    lowest_fixed_version: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    license: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    image_name: Option<String>,
}

impl Format for Checkov {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        match Outline::of(input.head_text()) {
            Some(outline) if outline.has_all(&["check_type", "results"]) => Confidence::Certain,
            Some(outline) if outline.has_all(&["passed", "failed", "checkov_version"]) => {
                Confidence::Certain
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
        let mut meta = ReportMeta {
            tool: INFO.tool.clone(),
            ..ReportMeta::default()
        };
        let mut framework = String::new();
        let mut categories = Vec::new();
        json::for_each_of(input, &PATHS, |item| {
            match item.path {
                path @ 0..=5 => {
                    if let Some(check) = emitter.check(item.read::<Check>()) {
                        let reported = match path {
                            0 | 1 => Reported::Present,
                            2 | 3 => Reported::Suppressed {
                                status: "skipped".into(),
                                justification: check.check_result.suppress_comment.clone(),
                            },
                            _ => Reported::Absent {
                                reason: "the check passed".into(),
                            },
                        };
                        let (draft, location) = convert(check, &framework, reported);
                        emitter.emit(draft, location, item.position)?;
                    }
                }
                6 | 7 => {
                    if let Ok(path) = item.read::<String>() {
                        emitter.note(
                            "scan.incomplete",
                            format!("{path} could not be parsed"),
                            item.position,
                        );
                    }
                }
                8 | 9 => {
                    framework = item.read().unwrap_or_default();
                    categories.push(category(&framework));
                }
                _ => meta.tool_version = item.read().ok(),
            }
            Ok(())
        })?;
        categories.dedup();
        meta.category = match categories.as_slice() {
            [one] => Some(*one),
            [] => Some(Category::Iac),
            _ => Some(Category::Other),
        };
        if categories.is_empty() {
            meta.tool_version = summary(input)?;
        }
        meta.items = emitter.items();
        Ok(meta)
    }
}

/// What Checkov writes when it found no file to check: counts alone, or an empty list.
fn summary(input: &Input<'_>) -> Result<Option<String>, Refusal> {
    #[derive(Deserialize)]
    struct Summary {
        checkov_version: String,
    }
    let root = json::document::<&RawValue>(input)?.get();
    if root.starts_with('[') && root.trim_start_matches('[').trim_start().starts_with(']') {
        return Ok(None);
    }
    match serde_json::from_str::<Summary>(root) {
        Ok(summary) => Ok(Some(summary.checkov_version)),
        Err(_) => Err(super::bandit::lacks("check_type", "checkov -o json")),
    }
}

fn category(framework: &str) -> Category {
    match framework {
        "secrets" => Category::Secret,
        "sca_package" | "sca_package_scan" => Category::Sca,
        "sca_image" => Category::Container,
        "sast" => Category::Sast,
        other if other.starts_with("sast") || other.starts_with("cdk") => Category::Sast,
        _ => Category::Iac,
    }
}

fn convert(check: Check, framework: &str, reported: Reported) -> (Draft, Location) {
    let path = text::path(&check.file_path, false);
    let line = |nth: usize| {
        check
            .file_line_range
            .get(nth)
            .and_then(|line| u32::try_from(*line).ok())
    };
    let mut draft = Draft {
        title: check.check_name,
        description: check.description,
        references: vec![check.guideline],
        cwes: text::cwes(&check.cwe),
        severity: check.severity,
        tags: if framework.is_empty() {
            vec![]
        } else {
            vec![framework.to_owned()]
        },
        reported,
        rule: check.check_id,
        ..Draft::default()
    };
    if let Some(details) = check.vulnerability_details {
        return (packaged(draft, &details), package(details, path));
    }
    let secret = framework == "secrets" || draft.rule.starts_with("CKV_SECRET");
    let mut symbol = check.resource;
    if secret && let Some(resource) = symbol.take() {
        // Checkov names a secret by its SHA-1: enough to guess short ones, so it is digested again.
        let mut digits = hex::encode(Sha256::digest(resource.as_bytes()));
        digits.truncate(16);
        draft.fingerprints = vec![("checkov-secret".to_owned(), digits)];
    }
    let lines: Vec<String> = check.code_block.into_iter().map(|(_, line)| line).collect();
    let location = CodeLocation {
        path,
        line: line(0),
        end_line: line(1),
        column: None,
        snippet: (!secret && !lines.is_empty()).then(|| lines.concat()),
        symbol,
    };
    (draft, Location::Code(location))
}

/// A check of a package as an advisory, or as a licence that the policy does not allow.
fn packaged(mut draft: Draft, details: &Details) -> Draft {
    let name = &details.package_name;
    if let Some(license) = &details.license {
        draft.title = format!("{license} licence of {name}");
        draft.tags.push("license".to_owned());
        return draft;
    }
    // `CKV_CVE_2021_44228` is how Checkov writes what the details name as CVE-2021-44228.
    if let Some(id) = &details.id {
        draft.rule.clone_from(id);
        draft.identifiers = vec![id.clone()];
        draft.title = format!("{id} in {name}");
    }
    draft.description = details.description.clone().or(draft.description);
    draft.severity = draft.severity.or_else(|| details.severity.clone());
    draft.score = details.cvss;
    draft.vectors = vec![details.vector.clone()];
    draft.references.push(details.link.clone());
    if let Some(fixed) = &details.lowest_fixed_version {
        draft.recommendation = Some(format!("Upgrade {name} to {fixed} or later."));
    }
    draft
}

fn package(details: Details, path: String) -> Location {
    Location::Package(PackageLocation {
        version: details.package_version,
        ecosystem: text::ecosystem(&details.package_type).map(str::to_owned),
        fixed_version: details.lowest_fixed_version,
        path: Some(path).filter(|path| !path.is_empty()),
        image: details.image_name,
        name: details.package_name,
        ..PackageLocation::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{read, refused};

    const TERRAFORM: &str = r#"{"check_type": "terraform", "results": {
        "passed_checks": [{"check_id": "CKV_AWS_1", "check_name": "p", "file_path": "/main.tf", "file_line_range": [1, 2], "resource": "aws_x.y"}],
        "failed_checks": [{"check_id": "CKV_AWS_20", "check_name": "Bucket is public", "check_result": {"result": "FAILED"},
            "code_block": [[3, "resource \"aws_s3_bucket\" \"b\" {\n"], [4, "}\n"]], "file_path": "/main.tf", "file_line_range": [3, 4],
            "resource": "aws_s3_bucket.b", "guideline": "https://docs.example/20", "severity": null}],
        "skipped_checks": [{"check_id": "CKV_AWS_21", "check_name": "Versioning", "check_result": {"result": "SKIPPED", "suppress_comment": "test data"},
            "file_path": "/main.tf", "file_line_range": [3, 4], "resource": "aws_s3_bucket.b", "severity": "LOW"}],
        "parsing_errors": ["/bad.tf"]}, "summary": {"checkov_version": "3.2.0"}}"#;

    #[test]
    fn failed_skipped_and_passed_checks_are_told_apart() {
        let read = read(&Checkov, TERRAFORM);
        assert_eq!(
            read.lines(),
            [
                ("CKV_AWS_1".into(), Level::Medium, "/main.tf:1".into()),
                ("CKV_AWS_20".into(), Level::Medium, "/main.tf:3".into()),
                ("CKV_AWS_21".into(), Level::Low, "/main.tf:3".into()),
            ]
        );
        assert!(matches!(read.findings[0].reported, Reported::Absent { .. }));
        assert_eq!(read.findings[1].reported, Reported::Present);
        assert_eq!(
            read.findings[2].reported,
            Reported::Suppressed {
                status: "skipped".into(),
                justification: Some("test data".into())
            }
        );
        let Location::Code(code) = &read.findings[1].location else {
            panic!()
        };
        assert_eq!(
            (code.symbol.as_deref(), code.snippet.as_deref()),
            (
                Some("aws_s3_bucket.b"),
                Some("resource \"aws_s3_bucket\" \"b\" {\n}")
            )
        );
        assert_eq!(
            (read.codes(), read.meta.tool_version.as_deref()),
            (vec!["scan.incomplete"], Some("3.2.0"))
        );
        assert_eq!(read.meta.category, Some(Category::Iac));
    }

    #[test]
    fn packages_and_secrets_of_a_list_have_their_own_places() {
        let read = read(
            &Checkov,
            r#"[{"check_type": "sca_package", "results": {"failed_checks": [
            {"check_id": "CKV_CVE_2020_1747", "check_name": "SCA package scan", "file_path": "/requirements.txt", "file_line_range": [0, 0],
             "resource": "requirements.txt.pyyaml", "severity": "CRITICAL", "vulnerability_details": {"id": "CVE-2020-1747", "package_name": "pyyaml",
             "package_version": "5.3", "package_type": "python", "cvss": 9.8, "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
             "lowest_fixed_version": "5.3.1", "link": "https://nvd.example/x"}}]}},
            {"check_type": "secrets", "results": {"failed_checks": [{"check_id": "CKV_SECRET_6", "check_name": "Base64 High Entropy String",
             "file_path": "/a.py", "file_line_range": [4, 5], "resource": "f3bbbd66a63d4bf1747940578ec3d0103530e21d", "code_block": [[4, "hunter2"]]}]}}]"#,
        );
        assert_eq!(
            read.lines(),
            [
                (
                    "CVE-2020-1747".into(),
                    Level::Critical,
                    "pyyaml@5.3 (/requirements.txt)".into()
                ),
                ("CKV_SECRET_6".into(), Level::Medium, "/a.py:4".into()),
            ]
        );
        assert_eq!(read.package(0).ecosystem.as_deref(), Some("pypi"));
        let kept = format!("{:?}", read.findings[1]);
        assert!(
            !kept.contains("hunter2") && !kept.contains("f3bbbd66"),
            "{kept}"
        );
        assert_eq!(read.meta.category, Some(Category::Other));
    }

    #[test]
    fn nothing_to_check_is_no_error() {
        for text in [
            r#"{"passed": 0, "failed": 0, "skipped": 0, "parsing_errors": 0, "checkov_version": "3.2.0"}"#,
            "[]",
        ] {
            assert_eq!(read(&Checkov, text).meta.items, 0, "{text}");
        }
        assert_eq!(
            refused(&Checkov, r#"{"results": 1}"#).code,
            "report.wrong_format"
        );
    }
}
