//! Lists that are far longer than anybody writes them: what compared each entry with all before it would
//! need minutes for each of these, and hours for a report of the size that is accepted.

use gna_parsers::{Input, Outcome, Registry};
use serde_json::{Value, json};

/// Entries of a list. Each compared with those before it: more than a thousand million comparisons.
const MANY: usize = 40_000;
/// What is kept of a list.
const KEPT: usize = 200;

fn read(format: &str, report: &Value) -> Outcome {
    let text = report.to_string();
    Registry::native()
        .collect(&Input::new("long.json", text.as_bytes()), Some(format))
        .unwrap()
}

fn many(make: impl Fn(usize) -> Value) -> Value {
    // Twice, so that repeats are found at any distance.
    (0..MANY).chain(0..MANY).map(make).collect()
}

#[test]
fn one_finding_with_very_long_lists() {
    let report = json!({"format": "gna-report", "version": 1, "findings": [{
        "title": "One",
        "references": many(|nth| json!(format!("https://x.example/{nth}"))),
        "identifiers": many(|nth| json!(format!("CVE-2024-{nth:06}, odd-name-{nth}"))),
        "cwes": many(|nth| json!(nth + 1)),
        "tags": many(|nth| json!(format!("tag {nth}"))),
    }]});
    let outcome = read("gna-json", &report);
    let weakness = &outcome.findings[0].weakness;
    assert_eq!(
        [
            weakness.references.len(),
            weakness.identifiers.len(),
            weakness.cwes.len(),
            outcome.findings[0].tags.len()
        ],
        [KEPT; 4]
    );
}

#[test]
fn one_result_of_sarif_with_very_many_places() {
    let report = json!({"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "wide", "rules": [{"id": "r", "properties": {
            "references": many(|nth| json!(format!("https://x.example/{nth}"))),
        }}]}},
        "results": [{"ruleId": "r", "message": {"text": "here"}, "locations": many(|nth| json!({
            "physicalLocation": {"artifactLocation": {"uri": "a.c"}, "region": {"startLine": nth + 1}},
        }))}],
    }]});
    let outcome = read("sarif", &report);
    assert_eq!(outcome.findings.len(), MANY);
    assert_eq!(outcome.findings[0].weakness.references.len(), KEPT);
}

#[test]
fn an_id_of_slashes_has_no_endless_row_of_parents() {
    let report = json!({"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "deep", "rules": [{"id": "r"}]}},
        "results": [
            {"ruleId": "/".repeat(4_000_000), "message": {"text": "here"}},
            {"ruleId": "r/1/2", "message": {"text": "there"}},
        ],
    }]});
    let outcome = read("sarif", &report);
    assert_eq!(outcome.findings.len(), 2);
}

#[test]
fn one_package_of_osv_with_very_many_records_in_groups() {
    let many = 20_000;
    let record = |nth: usize| json!({"id": format!("GHSA-aaaa-bbbb-{nth:04}")});
    let alone = |nth: usize| json!({"ids": [format!("GHSA-aaaa-bbbb-{nth:04}")]});
    let together = json!({"ids": (0..many).map(|nth| format!("x-{nth}")).collect::<Vec<_>>()});
    let groups = std::iter::once(together).chain((0..many).map(alone));
    let report = json!({"results": [{"source": {"path": "go.mod", "type": "lockfile"}, "packages": [{
        "package": {"name": "p", "version": "1", "ecosystem": "npm"},
        "vulnerabilities": (0..many).map(record).collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
    }]}]});
    assert_eq!(read("osv-scanner", &report).findings.len(), many);
}
