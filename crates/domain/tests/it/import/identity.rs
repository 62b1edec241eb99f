//! When two sightings are one vulnerability.

use gna_domain::model::{State, Vulnerability};
use gna_domain::port::Stored;
use gna_testkit::{Issue, Stores, sarif, trivy};
use serde_json::json;

use super::helpers::Scene;

/// A Grype report: (id, related CVE, package, version), found where Trivy finds it too.
pub fn grype(matches: &[(&str, Option<&str>, &str, &str)]) -> Vec<u8> {
    let matches: Vec<_> = matches
        .iter()
        .map(|(id, related, package, version)| {
            let related: Vec<_> = related.iter().map(|id| json!({ "id": id, "dataSource": "nvd", "namespace": "nvd:cpe" })).collect();
            json!({
                "vulnerability": { "id": id, "severity": "High", "namespace": "github:language:javascript", "fix": { "versions": [], "state": "unknown" } },
                "relatedVulnerabilities": related,
                "matchDetails": [],
                "artifact": {
                    "name": package, "version": version, "type": "npm", "language": "javascript",
                    "purl": format!("pkg:npm/{package}@{version}"),
                    "locations": [{ "path": "/package-lock.json" }],
                },
            })
        })
        .collect();
    json!({ "matches": matches, "source": { "type": "directory", "target": "." }, "descriptor": { "name": "grype", "version": "0.80.0" } }).to_string().into_bytes()
}

#[tokio::test]
async fn two_tools_that_report_one_cve_make_one_vulnerability_with_two_sources() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        scene
            .import(trivy(
                "package-lock.json",
                &[("CVE-2021-23337", "lodash", "4.17.20")],
            ))
            .await;
        let second = scene
            .import(grype(&[(
                "GHSA-35jh-r3h4-6jhm",
                Some("CVE-2021-23337"),
                "lodash",
                "4.17.20",
            )]))
            .await;
        assert_eq!((second.counts.created, second.counts.updated), (0, 1));
        let all = scene.vulnerabilities().await;
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].sources.len(), 2);
        // One tool no longer shows it: still there. Neither does: closed.
        scene.import(grype(&[])).await;
        assert_eq!(scene.vulnerabilities().await[0].state.as_str(), "OPEN");
        scene.import(trivy("package-lock.json", &[])).await;
        assert_eq!(scene.vulnerabilities().await[0].state.as_str(), "CLOSED");
        scene.check().await;
    }
}

#[tokio::test]
async fn an_alias_learned_later_merges_and_the_oldest_survives() {
    let scene = Scene::on(Stores::Memory).await;
    scene
        .import(trivy(
            "package-lock.json",
            &[("CVE-2021-23337", "lodash", "4.17.20")],
        ))
        .await;
    scene
        .import(grype(&[("GHSA-35jh-r3h4-6jhm", None, "lodash", "4.17.20")]))
        .await;
    assert_eq!(
        scene.summary().await.len(),
        2,
        "nothing says that they are the same"
    );
    let third = scene
        .import(grype(&[(
            "GHSA-35jh-r3h4-6jhm",
            Some("CVE-2021-23337"),
            "lodash",
            "4.17.20",
        )]))
        .await;
    assert_eq!((third.counts.updated, third.counts.merged), (1, 1));
    let all = scene.vulnerabilities().await;
    assert_eq!(all[1].merged_into, Some(all[0].id));
    assert_eq!(scene.summary().await.len(), 1);
    scene.check().await;
    let again = scene
        .import(grype(&[(
            "GHSA-35jh-r3h4-6jhm",
            Some("CVE-2021-23337"),
            "lodash",
            "4.17.20",
        )]))
        .await;
    assert_eq!(again.counts.unchanged, 1);
    scene.import(grype(&[])).await;
    scene.import(trivy("package-lock.json", &[])).await;
    assert!(scene.summary().await[0].starts_with("NOT_DETECTED"));
    scene.check().await;
}

#[tokio::test]
async fn an_upgrade_that_is_still_vulnerable_keeps_its_history() {
    let scene = Scene::on(Stores::Memory).await;
    scene
        .import(trivy(
            "package-lock.json",
            &[("CVE-2021-23337", "lodash", "4.17.15")],
        ))
        .await;
    let upgraded = scene
        .import(trivy(
            "package-lock.json",
            &[("CVE-2021-23337", "lodash", "4.17.20")],
        ))
        .await;
    assert_eq!((upgraded.counts.updated, upgraded.counts.closed), (1, 0));
    assert_eq!(
        scene.summary().await,
        ["OPEN lodash@4.17.20 Trivy:CVE-2021-23337"]
    );
}

#[tokio::test]
async fn moved_code_keeps_its_identity() {
    let scene = Scene::on(Stores::Memory).await;
    let at = |a: u32, b: u32| {
        sarif(
            "Linter",
            &[
                Issue::new("sql", "src/db.rs", a).snippet("query(input)"),
                Issue::new("sql", "src/db.rs", b).snippet("query(other)"),
            ],
        )
    };
    scene.import(at(10, 20)).await;
    let moved = scene.import(at(110, 120)).await;
    assert_eq!(
        (
            moved.counts.updated,
            moved.counts.created,
            moved.counts.closed
        ),
        (2, 0, 0)
    );
    // The first is repaired, the second moves to where the first was.
    let one = scene
        .import(sarif(
            "Linter",
            &[Issue::new("sql", "src/db.rs", 110).snippet("query(other)")],
        ))
        .await;
    assert_eq!((one.counts.updated, one.counts.closed), (1, 1));
    let lines = scene.summary().await;
    assert_eq!(
        lines,
        [
            "NOT_DETECTED src/db.rs:110 Linter:sql(gone)",
            "OPEN src/db.rs:110 Linter:sql"
        ]
    );
    scene.check().await;
}

#[tokio::test]
async fn of_many_results_in_one_file_those_close_that_were_repaired() {
    let scene = Scene::on(Stores::Memory).await;
    let from = |first: u32| {
        let issues: Vec<Issue> = (first..=150)
            .map(|number| Issue::new("sql", "src/db.rs", number * 10))
            .collect();
        sarif("Linter", &issues)
    };
    scene.import(from(1)).await;
    let open = |all: &[Stored<Vulnerability>]| -> Vec<Option<u32>> {
        let open = all.iter().filter(|value| value.state == State::Open);
        let mut lines: Vec<Option<u32>> = open.map(|value| value.location.line()).collect();
        lines.sort_unstable();
        lines
    };
    let second = scene.import(from(11)).await;
    assert_eq!((second.counts.unchanged, second.counts.closed), (140, 10));
    let after = scene.vulnerabilities().await;
    let expected: Vec<Option<u32>> = (11..=150).map(|number| Some(number * 10)).collect();
    assert_eq!(open(&after), expected);
    let third = scene.import(from(11)).await;
    assert_eq!((third.counts.unchanged, third.counts.closed), (140, 0));
    assert_eq!(scene.vulnerabilities().await, after);
    let fourth = scene.import(from(1)).await;
    assert_eq!((fourth.counts.unchanged, fourth.counts.reopened), (140, 10));
    assert_eq!(scene.vulnerabilities().await.len(), 150);
}

#[tokio::test]
async fn a_name_that_only_a_repeat_tells_is_learned() {
    let scene = Scene::on(Stores::Memory).await;
    let ghsa = "GHSA-35jh-r3h4-6jhm";
    let report = scene
        .import(grype(&[
            (ghsa, None, "lodash", "4.17.20"),
            (ghsa, Some("CVE-2021-23337"), "lodash", "4.17.20"),
        ]))
        .await;
    assert_eq!((report.counts.created, report.counts.duplicates), (1, 1));
    let report = scene
        .import(trivy(
            "package-lock.json",
            &[("CVE-2021-23337", "lodash", "4.17.20")],
        ))
        .await;
    assert_eq!((report.counts.created, report.counts.updated), (0, 1));
    assert_eq!(scene.summary().await.len(), 1);
    scene.check().await;
}

#[tokio::test]
async fn what_a_report_says_twice_is_counted_once() {
    let scene = Scene::on(Stores::Memory).await;
    let twice = Issue::new("sql", "src/db.rs", 10).snippet("query(input)");
    let report = scene.import(sarif("Linter", &[twice.clone(), twice])).await;
    assert_eq!(
        (
            report.counts.total,
            report.counts.created,
            report.counts.duplicates
        ),
        (2, 1, 1)
    );
}
