//! What must hold whatever is imported, in whatever order.

use gna_testkit::{Issue, Stores, sarif, trivy};
use proptest::prelude::*;

use super::helpers::Scene;

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
