//! Every real report at hand goes through the registry: whatever it is, nothing panics, and every
//! item is accounted for. They are kept outside of the repository; without them this is skipped,
//! loudly.

use gna_parsers::{Input, Limits, Outcome, Registry, decode};
use std::path::{Path, PathBuf};

/// Reports up to this size are also read with every format but their own.
const SMALL: usize = 20_000;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

/// What every outcome must fulfil.
pub fn check(outcome: &Outcome, name: &str) {
    let format = &outcome.format.name;
    let lost = outcome
        .warnings
        .iter()
        .find(|warning| warning.code == "report.miscounted");
    assert_eq!(lost, None, "{name} as {format}");
    assert_eq!(
        outcome.meta.items,
        outcome.findings.len() as u64 + outcome.skipped,
        "{name} as {format}"
    );
    for finding in &outcome.findings {
        let weakness = &finding.weakness;
        assert!(
            !weakness.rule.is_empty() && !weakness.title.is_empty(),
            "{name} as {format}: {finding:?}"
        );
        assert!(
            !weakness.title.contains('\n') && !weakness.cwes.contains(&0),
            "{name} as {format}: {finding:?}"
        );
    }
}

/// The folders whose reports native formats may claim: their own tools, and tools that write one
/// of these formats among others.
const CLAIMED: [(&str, &[&str]); 22] = [
    ("bandit", &["bandit"]),
    ("burp", &["burp"]),
    ("checkov", &["checkov"]),
    ("cyclonedx", &["cyclonedx"]),
    ("cyclonedx-xml", &["cyclonedx"]),
    ("defectdojo-csv", &["generic"]),
    ("defectdojo-json", &["generic"]),
    ("dependency-check", &["dependency_check"]),
    (
        "gitlab",
        &[
            "checkmarx_one",
            "gitlab_api_fuzzing",
            "gitlab_container_scan",
            "gitlab_dast",
            "gitlab_dep_scan",
            "gitlab_sast",
        ],
    ),
    ("gitleaks", &["gitleaks"]),
    ("gna-csv", &[]),
    ("gna-json", &[]),
    ("grype", &["anchore_grype"]),
    (
        "npm-audit",
        &["npm_audit", "npm_audit_7_plus", "pnpm_audit"],
    ),
    ("nuclei", &["nuclei"]),
    ("osv-scanner", &["osv_scanner"]),
    (
        "sarif",
        &[
            "cppcheck",
            "devskim",
            "flawfinder",
            "govulncheck",
            "mayhem",
            "sarif",
            "snyk_code",
        ],
    ),
    ("semgrep", &["semgrep", "semgrep_pro"]),
    ("snyk", &["snyk"]),
    ("trivy", &["trivy"]),
    ("zap-json", &["zap"]),
    ("zap-xml", &["zap"]),
];

#[test]
fn native_formats_claim_their_own_reports_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/reports");
    if !folder.is_dir() {
        eprintln!("SKIPPED: there are no reports at {}", folder.display());
        return;
    }
    let registry = Registry::native();
    let limits = Limits::default();
    let (mut own, mut foreign) = (0, Vec::new());
    for path in files(&folder) {
        let name = path.to_string_lossy();
        let tool = path
            .strip_prefix(&folder)
            .ok()
            .and_then(|rest| rest.iter().next())
            .unwrap()
            .to_string_lossy();
        let Ok(report) = decode::decode(&name, std::fs::read(&path).unwrap(), &limits) else {
            continue;
        };
        let Ok(format) = registry.detect(&report.input(limits)) else {
            continue;
        };
        let format = format.info().name.as_str();
        let allowed = CLAIMED.iter().find(|(claimant, _)| *claimant == format);
        match allowed {
            // Formats that are not listed are those of one tool with several folders.
            None => own += 1,
            Some((_, tools)) if tools.contains(&tool.as_ref()) => own += 1,
            Some(_) => foreign.push(format!("{format}: {name}")),
        }
    }
    assert!(own > 80, "only {own} reports were known");
    assert!(
        foreign.is_empty(),
        "claimed from others:\n{}",
        foreign.join("\n")
    );
}

#[test]
fn every_item_of_every_report_is_accounted_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/reports");
    if !folder.is_dir() {
        eprintln!("SKIPPED: there are no reports at {}", folder.display());
        return;
    }
    let registry = Registry::native();
    let limits = Limits::default();
    let (mut read, mut refused, mut unknown) = (0, 0, 0);
    for path in files(&folder) {
        let name = path.to_string_lossy();
        let raw = std::fs::read(&path).unwrap();
        let Ok(reports) = decode::decode_all(&name, raw, &limits) else {
            refused += 1;
            continue;
        };
        for report in &reports {
            let input = report.input(limits);
            match registry.collect(&input, None) {
                Ok(outcome) => {
                    read += 1;
                    check(&outcome, &name);
                }
                Err(refusal) if refusal.code == "report.unknown_format" => unknown += 1,
                Err(_) => refused += 1,
            }
            if report.bytes.len() <= SMALL {
                with_all_formats(&registry, &input);
            }
        }
    }
    println!("read {read}, refused {refused}, of other formats {unknown}");
    assert!(
        read > 50,
        "most native formats have samples, only {read} were read"
    );
}

fn with_all_formats(registry: &Registry, input: &Input<'_>) {
    for format in registry.all() {
        if let Ok(outcome) = registry.collect(input, Some(&format.info().name)) {
            check(&outcome, input.name);
        }
    }
}
