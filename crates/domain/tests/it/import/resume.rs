//! An import that is interrupted at any commit ends in the same result.

use gna_domain::Resource;
use gna_domain::model::Counts;
use gna_domain::service::report::UploadReport;
use gna_domain::service::triage_rule;
use gna_testkit::{Issue, Stores, sarif};

use super::helpers::{Scene, line};
use crate::failing::{Failing, cut_everywhere};
use crate::triage_rules::{suppressing, tagging};

/// Fifty findings of which the second report keeps some, moves some, drops some and adds some.
fn before_and_after() -> (Vec<u8>, Vec<u8>) {
    let issue = |number: u32, line: u32| {
        Issue::new(
            &format!("rule-{}", number % 7),
            &format!("src/{}.rs", number % 5),
            line,
        )
        .snippet(&format!("call_{number}();"))
    };
    let first: Vec<Issue> = (0..50).map(|number| issue(number, number + 1)).collect();
    let second: Vec<Issue> = (10..60)
        .map(|number| {
            issue(
                number,
                if number % 3 == 0 {
                    number + 100
                } else {
                    number + 1
                },
            )
        })
        .collect();
    (sarif("Linter", &first), sarif("Linter", &second))
}

async fn run(stores: Stores, fail_after: Option<i64>) -> ((Vec<String>, Counts), bool) {
    let mut scene = Scene::on(stores).await;
    let (first, second) = before_and_after();
    scene.import(first).await;
    // Rules decide on what the second report creates and changes, in the same commits.
    let place = Resource::Group(scene.group.organization, scene.group.id);
    let system = scene.world.system();
    for draft in [
        tagging("'rule-1' in vulnerability.rules", "first"),
        suppressing("vulnerability.path == 'src/2.rs'"),
    ] {
        triage_rule::save(&system, place, None, &draft, None)
            .await
            .expect("is a rule");
    }
    let failing = Failing::install(&mut scene.world, 25);
    scene.ci.ports.store = scene.world.ports.store.clone();
    let upload = UploadReport {
        asset: "checkout".to_owned(),
        file_name: "second.json".to_owned(),
        ..UploadReport::default()
    };
    scene.world.clock.advance_millis(60_000);
    let report =
        gna_domain::service::report::upload(&scene.ci, scene.group.id, upload, second.into())
            .await
            .expect("uploads");
    let failed = failing.cut(&mut scene.world, fail_after).await;
    scene.check().await;
    let report = gna_domain::service::report::require(&scene.ci, report.id)
        .await
        .expect("there");
    assert!(report.status.is_final() && report.counts.add_up());
    let mut summary = scene.summary().await;
    let mut decided: Vec<String> = scene
        .vulnerabilities()
        .await
        .iter()
        .filter(|value| !value.rules.is_empty())
        .map(|value| {
            let held = value.triage.is_false_positive();
            format!("{} {:?} {held}", line(value), value.tags)
        })
        .collect();
    assert!(decided.len() >= 5, "{decided:?}");
    decided.sort();
    summary.extend(decided);
    ((summary, report.counts.clone()), failed)
}

#[tokio::test]
async fn every_commit_can_be_the_last() {
    for (_, counts) in cut_everywhere(15, run).await {
        let Counts {
            created,
            updated,
            unchanged,
            closed,
            ..
        } = counts;
        assert_eq!((created, updated, unchanged, closed), (10, 13, 27, 10));
    }
}
