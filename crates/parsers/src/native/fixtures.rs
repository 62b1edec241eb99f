//! Reports recorded or written by us (`tests/fixtures`), read the way the importer does: the
//! registry finds the format, and every item is accounted for.

use super::testing::{fixture, place};
use crate::{Input, Registry};

/// File, format, findings, warnings, and one of the findings as `rule place`.
const REPORTS: [(&str, &str, usize, usize, &str); 18] = [
    (
        "bandit/recorded.json",
        "bandit",
        7,
        0,
        "B324 src/cart.py:14",
    ),
    (
        "checkov/recorded.json",
        "checkov",
        16,
        0,
        "CKV_AWS_24 /main.tf:5",
    ),
    (
        "defectdojo-csv/findings.csv",
        "defectdojo-csv",
        2,
        0,
        "coupon-can-be-used-twice https://shop.example/coupon",
    ),
    (
        "defectdojo-json/findings.json",
        "defectdojo-json",
        2,
        0,
        "CVE-2019-10744 lodash@4.17.11 (web/package-lock.json)",
    ),
    (
        "gitlab/gl-dast-report.json",
        "gitlab",
        1,
        0,
        "79.1 GET https://shop.example/search",
    ),
    (
        "gitlab/gl-dependency-scanning-report.json",
        "gitlab",
        1,
        0,
        "1f9ad6e4 lodash@4.17.11 (web/package-lock.json)",
    ),
    (
        "gitlab/gl-sast-report.json",
        "gitlab",
        2,
        0,
        "gosec.G401-1 till/token.go:12",
    ),
    (
        "gitleaks/recorded.json",
        "gitleaks",
        1,
        0,
        "generic-api-key src/settings.py:2",
    ),
    (
        "gna-csv/all-places.csv",
        "gna-csv",
        4,
        0,
        "sqli POST https://shop.example/search",
    ),
    (
        "gna-json/all-places.json",
        "gna-json",
        6,
        0,
        "weak-tls shop.example:443",
    ),
    ("gna-json/nothing-found.json", "gna-json", 0, 0, ""),
    (
        "gna-json/smallest.json",
        "gna-json",
        1,
        0,
        "default-password-on-the-admin-page ",
    ),
    (
        "npm-audit/version-6.json",
        "npm-audit",
        2,
        0,
        "GHSA-jf85-cpcp-j695 lodash@3.10.1",
    ),
    (
        "npm-audit/version-7.json",
        "npm-audit",
        3,
        0,
        "GHSA-35jh-r3h4-6jhm lodash (node_modules/lodash)",
    ),
    (
        "nuclei/results.jsonl",
        "nuclei",
        3,
        0,
        "http-missing-security-headers:x-frame-options https://shop.example/",
    ),
    (
        "osv-scanner/shop.json",
        "osv-scanner",
        2,
        0,
        "GO-2021-0113 golang.org/x/text@0.3.5 (till/go.mod)",
    ),
    (
        "semgrep/recorded.json",
        "semgrep",
        2,
        0,
        "shell-true src/cart.py:18",
    ),
    (
        "snyk/all-projects.json",
        "snyk",
        2,
        0,
        "SNYK-JS-LODASH-450202 lodash@4.17.11 (web/package-lock.json)",
    ),
];

#[test]
fn each_report_finds_its_format_and_is_read_to_its_end() {
    let registry = Registry::native();
    for (file, format, findings, warnings, one) in REPORTS {
        let text = fixture(file);
        let outcome = registry
            .collect(&Input::new(file, text.as_bytes()), None)
            .unwrap();
        assert_eq!(outcome.format.name, format, "{file}");
        assert_eq!(
            (outcome.findings.len(), outcome.warnings.len()),
            (findings, warnings),
            "{file}: {:?}",
            outcome.warnings
        );
        let lines: Vec<String> = outcome
            .findings
            .iter()
            .map(|finding| format!("{} {}", finding.weakness.rule, place(&finding.location)))
            .collect();
        assert!(
            one.is_empty() || lines.iter().any(|line| line == one),
            "{file}: {lines:#?}"
        );
    }
}

/// A report that breaks off is refused wherever it does, and never read as a shorter one.
#[test]
fn no_beginning_of_a_report_passes_for_the_whole() {
    let registry = Registry::native();
    for (file, format, ..) in REPORTS.iter().filter(|(file, ..)| file.ends_with(".json")) {
        let text = fixture(file);
        let whole = text.trim_end();
        for part in 1..40 {
            let cut = whole.len() * part / 40;
            let Some(beginning) = whole.get(..cut).filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            let refused = registry
                .collect(&Input::new(file, beginning.as_bytes()), Some(format))
                .unwrap_err();
            assert_eq!(refused.code, "report.truncated", "{file} cut at {cut}");
        }
    }
}
