//! What must hold whatever is imported, in whatever order.

use std::collections::BTreeSet;

use gna_domain::model::{IdentityKey, Report};
use gna_domain::port::Stored;
use gna_domain::service::report::UploadReport;
use gna_testkit::{Issue, Stores, sarif, trivy};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::helpers::Scene;
use super::identity::grype;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// One report of one of four tools over a small set of things, so that they often meet.
fn report() -> impl Strategy<Value = (usize, Vec<(u8, u8)>)> {
    (0..4usize, prop::collection::vec((0..4u8, 0..6u8), 0..6))
}

fn render(tool: usize, things: &[(u8, u8)]) -> Vec<u8> {
    if tool < 2 {
        let issues: Vec<Issue> = things
            .iter()
            .map(|&(rule, place)| {
                Issue::new(
                    &format!("rule-{rule}"),
                    &format!("src/{}.rs", place % 3),
                    u32::from(place) * 7 + 1,
                )
                .snippet(&format!("line_{place}();"))
            })
            .collect();
        return sarif(["Alpha", "Beta"][tool], &issues);
    }
    let names: Vec<(String, String)> = things
        .iter()
        .map(|(cve, package)| (format!("CVE-2024-000{cve}"), format!("package-{package}")))
        .collect();
    let rows: Vec<(&str, &str, &str)> = names
        .iter()
        .map(|(cve, package)| (cve.as_str(), package.as_str(), "1.0.0"))
        .collect();
    trivy(
        ["package-lock.json", "web/package-lock.json"][tool - 2],
        &rows,
    )
}

/// What three tools say of one lock file: (package, GHSA, CVE). They name an advisory in all ways that
/// there are, and any two names may be said to be one.
type Said = (u8, Option<u8>, Option<u8>);

fn said() -> impl Strategy<Value = Vec<Said>> {
    let name = || prop::option::weighted(0.7, 0..3u8);
    prop::collection::vec((0..2u8, name(), name()), 0..6)
}

/// Trivy, Grype and OSV-Scanner, in this order, all of the same lock file.
fn render_advisories(tool: usize, said: &[Said]) -> Vec<u8> {
    let names: Vec<(String, Option<String>, Option<String>)> = said
        .iter()
        .map(|(package, ghsa, cve)| {
            (
                format!("package-{package}"),
                ghsa.map(|number| format!("GHSA-2222-3333-444{}", number + 2)),
                cve.map(|number| format!("CVE-2024-000{number}")),
            )
        })
        .collect();
    // (package, own name, other name)
    let rows: Vec<(&str, &str, Option<&str>)> = names
        .iter()
        .filter_map(|(package, ghsa, cve)| {
            let (own, other) = match (ghsa.as_deref(), cve.as_deref()) {
                (Some(ghsa), cve) => (ghsa, cve),
                (None, cve) => (cve?, None),
            };
            Some((package.as_str(), own, other))
        })
        .collect();
    match tool {
        0 => {
            let rows: Vec<(&str, &str, &str)> = names
                .iter()
                .filter_map(|(package, _, cve)| Some((cve.as_deref()?, package.as_str(), "1.0.0")))
                .collect();
            trivy("package-lock.json", &rows)
        }
        1 => {
            let rows: Vec<(&str, Option<&str>, &str, &str)> = rows
                .into_iter()
                .map(|(package, own, other)| (own, other, package, "1.0.0"))
                .collect();
            grype(&rows)
        }
        _ => osv(&rows),
    }
}

/// An OSV-Scanner report of `package-lock.json`: (package, id, alias).
fn osv(rows: &[(&str, &str, Option<&str>)]) -> Vec<u8> {
    let packages: Vec<Value> = rows
        .iter()
        .map(|(package, id, alias)| {
            let aliases: Vec<&str> = alias.iter().copied().collect();
            json!({
                "package": { "name": package, "version": "1.0.0", "ecosystem": "npm" },
                "vulnerabilities": [{ "id": id, "aliases": aliases }],
                "groups": [{ "ids": [id], "aliases": [id] }],
            })
        })
        .collect();
    let source = json!({ "path": "package-lock.json", "type": "lockfile" });
    json!({ "results": [{ "source": source, "packages": packages }] })
        .to_string()
        .into_bytes()
}

/// The format is said, since an empty report may be any tool's.
async fn import_advisories(scene: &Scene, tool: usize, said: &[Said]) -> Stored<Report> {
    let upload = UploadReport {
        format: Some(["trivy", "grype", "osv-scanner"][tool].to_owned()),
        ..UploadReport::default()
    };
    scene.import_as(upload, render_advisories(tool, said)).await
}

/// What must not hang on the order: which names are one, in what state it is, and which tools show
/// it. The id that survives, the rules that a tool has it under (one of two names of a thing that is known to
/// be one is a repeat) and the place as a tool writes it may.
async fn outcome(scene: &Scene) -> BTreeSet<(Vec<IdentityKey>, &'static str, Vec<String>)> {
    scene
        .vulnerabilities()
        .await
        .iter()
        .filter(|value| value.merged_into.is_none())
        .map(|value| {
            let mut tools: Vec<String> = value
                .sources
                .iter()
                .filter(|source| source.is_present())
                .map(|source| source.tool.clone())
                .collect();
            tools.dedup();
            (value.keys.clone(), value.state.as_str(), tools)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// History replays, counters are right, counts add up: after every import of any sequence.
    #[test]
    fn any_sequence_of_imports_leaves_a_sound_record(reports in prop::collection::vec(report(), 1..8)) {
        runtime().block_on(async {
            let scene = Scene::on(Stores::Memory).await;
            for (tool, things) in reports {
                scene.import(render(tool, &things)).await;
                scene.check().await;
            }
        });
    }

    /// Tools that share packages and advisories, and learn from each other which names are one, give
    /// the same final set in any order; and once it is there, no report changes it.
    #[test]
    fn the_order_in_which_aliases_are_learned_does_not_matter(
        reports in prop::collection::vec(said(), 3),
        order in Just([0usize, 1, 2]).prop_shuffle(),
    ) {
        runtime().block_on(async {
            let mut results = Vec::new();
            for order in [[0, 1, 2], order] {
                let scene = Scene::on(Stores::Memory).await;
                for tool in order {
                    import_advisories(&scene, tool, &reports[tool]).await;
                    scene.check().await;
                }
                let all = outcome(&scene).await;
                for tool in order {
                    let again = import_advisories(&scene, tool, &reports[tool]).await;
                    let counts = &again.counts;
                    assert_eq!((counts.created, counts.closed, counts.merged), (0, 0, 0), "{order:?}");
                }
                assert_eq!(outcome(&scene).await, all, "{order:?}");
                results.push(all);
            }
            assert_eq!(results[0], results[1], "{order:?}");
        });
    }

    /// Reports of different tools on one ref give the same final set in any order.
    #[test]
    fn the_order_of_imports_does_not_matter(
        things in prop::collection::vec(prop::collection::vec((0..4u8, 0..6u8), 0..6), 3),
        order in Just([0usize, 1, 2]).prop_shuffle(),
    ) {
        runtime().block_on(async {
            let mut results = Vec::new();
            for order in [[0, 1, 2], order] {
                let scene = Scene::on(Stores::Memory).await;
                for tool in order {
                    scene.import(render(tool, &things[tool])).await;
                }
                results.push(scene.summary().await);
            }
            assert_eq!(results[0], results[1]);
        });
    }
}
