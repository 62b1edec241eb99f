//! From first sight to closing and back.

use gna_domain::model::{AuditEntry, State};
use gna_domain::port::repo;
use gna_domain::port::search::{Condition, SearchRequest, Selection, Sort};
use gna_domain::service::report::UploadReport;
use serde_json::Value;

use gna_testkit::{Issue, Stores, sarif, trivy};

use super::helpers::Scene;

fn issues(names: &[&str]) -> Vec<u8> {
    let issues: Vec<Issue> = (1..)
        .zip(names)
        .map(|(line, name)| {
            Issue::new(name, "src/cart.rs", line * 10).snippet(&format!("call_{name}();"))
        })
        .collect();
    sarif("Linter", &issues)
}

#[tokio::test]
async fn the_same_report_twice_changes_nothing() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let first = scene.import(issues(&["a", "b", "c"])).await;
        assert_eq!((first.counts.total, first.counts.created), (3, 3));
        let before = scene.vulnerabilities().await;
        let second = scene.import(issues(&["a", "b", "c"])).await;
        assert_eq!((second.counts.total, second.counts.unchanged), (3, 3));
        assert_eq!(
            scene.vulnerabilities().await,
            before,
            "not even a version moved"
        );
        scene.check().await;
    }
}

#[tokio::test]
async fn a_ref_that_an_upload_makes_is_in_the_audit_log_once() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let on_feature = || UploadReport {
            r#ref: Some("feature".to_owned()),
            ..UploadReport::default()
        };
        scene.import(issues(&["a"])).await;
        scene.import_as(on_feature(), issues(&["a"])).await;
        scene.import_as(on_feature(), issues(&["a"])).await;
        let store = scene.world.ports.store.as_ref();
        let of = scene.group.organization.to_string();
        let audit = repo::all_children::<AuditEntry>(store, &of).await;
        let audit = audit.expect("reads");
        let made: Vec<_> = audit
            .iter()
            .filter(|entry| entry.action == "ref.created")
            .collect();
        assert_eq!(made.len(), 1, "{audit:?}");
        assert_eq!(made[0].actor, scene.ci.actor.label());
    }
}

#[tokio::test]
async fn what_is_missing_closes_and_what_comes_back_reopens() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        scene.import(issues(&["a", "b"])).await;
        let closing = scene.import(issues(&["a"])).await;
        assert_eq!((closing.counts.unchanged, closing.counts.closed), (1, 1));
        assert_eq!(
            scene.summary().await,
            [
                "NOT_DETECTED src/cart.rs:20 Linter:b(gone)",
                "OPEN src/cart.rs:10 Linter:a"
            ]
        );
        let back = scene.import(issues(&["a", "b"])).await;
        assert_eq!((back.counts.unchanged, back.counts.reopened), (1, 1));
        assert_eq!(scene.vulnerabilities().await.len(), 2, "it is the same one");
        scene.check().await;
    }
}

#[tokio::test]
async fn an_empty_report_of_the_tool_closes_all_of_it_and_nothing_of_others() {
    let scene = Scene::on(Stores::Memory).await;
    scene.import(issues(&["a", "b"])).await;
    scene
        .import(sarif("Other", &[Issue::new("x", "src/pay.rs", 3)]))
        .await;
    let empty = scene.import(sarif("Linter", &[])).await;
    assert_eq!((empty.counts.total, empty.counts.closed), (0, 2));
    assert!(
        scene
            .summary()
            .await
            .contains(&"OPEN src/pay.rs:3 Other:x".to_owned())
    );
    scene.check().await;
}

#[tokio::test]
async fn what_a_report_lists_as_gone_is_counted_and_never_opens() {
    let scene = Scene::on(Stores::Memory).await;
    scene.import(issues(&["a", "b"])).await;
    let said = |gone: &[usize]| {
        let mut report: Value = serde_json::from_slice(&issues(&["a", "b", "c"])).expect("JSON");
        for at in gone {
            report["runs"][0]["results"][*at]["baselineState"] = "absent".into();
        }
        report.to_string().into_bytes()
    };
    // The second was there and is gone; the third never was.
    let report = scene.import(said(&[1, 2])).await;
    let counts = &report.counts;
    assert_eq!(
        (
            counts.total,
            counts.unchanged,
            counts.closed,
            counts.created
        ),
        (3, 1, 1, 0)
    );
    assert_eq!(counts.skipped.get("item.absent"), Some(&2));
    assert_eq!(scene.vulnerabilities().await.len(), 2);
    // All of it gone is a report of the tool as well.
    let report = scene.import(said(&[0, 1, 2])).await;
    assert_eq!((report.counts.total, report.counts.closed), (3, 1));
    // And it comes back under the same name.
    let report = scene.import(said(&[2])).await;
    assert_eq!(report.counts.reopened, 2);
    scene.check().await;
}

#[tokio::test]
async fn a_partial_report_closes_nothing() {
    let scene = Scene::on(Stores::Memory).await;
    scene.import(issues(&["a", "b"])).await;
    let partial = UploadReport {
        partial: true,
        ..UploadReport::default()
    };
    let report = scene.import_as(partial, issues(&["b"])).await;
    assert_eq!(
        (
            report.counts.unchanged,
            report.counts.updated,
            report.counts.closed
        ),
        (0, 1, 0),
        "line 20 became line 10"
    );
    assert!(
        scene
            .summary()
            .await
            .iter()
            .all(|line| line.starts_with("OPEN"))
    );
}

#[tokio::test]
async fn suppressed_ones_are_kept_counted_and_out_of_the_numbers() {
    let scene = Scene::on(Stores::Memory).await;
    let report = scene
        .import(sarif(
            "Linter",
            &[
                Issue::new("a", "a.rs", 1).suppressed(),
                Issue::new("b", "b.rs", 1),
            ],
        ))
        .await;
    assert_eq!((report.counts.suppressed, report.counts.created), (1, 1));
    let open = scene
        .import(sarif(
            "Linter",
            &[Issue::new("a", "a.rs", 1), Issue::new("b", "b.rs", 1)],
        ))
        .await;
    assert_eq!(
        (open.counts.updated, open.counts.unchanged),
        (1, 1),
        "the suppression was taken back"
    );
    scene.check().await;
}

#[tokio::test]
async fn each_ref_has_its_own_presence_and_the_default_ref_decides() {
    let scene = Scene::on(Stores::Memory).await;
    let on = |name: &str| UploadReport {
        r#ref: Some(name.to_owned()),
        ..UploadReport::default()
    };
    scene.import_as(on("main"), issues(&["a"])).await;
    scene.import_as(on("feature"), issues(&["a", "b"])).await;
    let by_rule = |all: Vec<gna_domain::port::Stored<gna_domain::model::Vulnerability>>,
                   rule: &str| {
        all.into_iter()
            .find(|one| one.sources[0].rule == rule)
            .expect("there")
            .value
    };
    let feature_only = by_rule(scene.vulnerabilities().await, "b");
    assert!(!feature_only.on_default_ref && feature_only.state == State::Open);
    // Gone from the feature branch, but still on the default one.
    scene.import_as(on("feature"), sarif("Linter", &[])).await;
    assert_eq!(
        by_rule(scene.vulnerabilities().await, "a").state,
        State::Open
    );
    assert!(matches!(
        by_rule(scene.vulnerabilities().await, "b").state,
        State::Closed(_)
    ));
    // The branch is merged: what it found is now on the default ref.
    scene.import_as(on("main"), issues(&["a", "b"])).await;
    assert!(by_rule(scene.vulnerabilities().await, "b").on_default_ref);
    scene.check().await;
}

#[tokio::test]
async fn what_is_imported_can_be_found_and_last_seen_moves_on() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        scene
            .import(trivy(
                "package-lock.json",
                &[("CVE-2021-23337", "lodash", "4.17.20")],
            ))
            .await;
        let search = |text: &str| SearchRequest {
            selection: Selection {
                groups: vec![scene.group.id],
                condition: Condition::All(vec![]),
                text: Some(text.to_owned()),
            },
            sort: Sort {
                field: "last_seen",
                descending: true,
            },
            limit: 10,
            after: None,
        };
        for text in ["lodash", "CVE-2021-23337", "package-lock"] {
            let page = scene
                .world
                .ports
                .search
                .query(&search(text))
                .await
                .expect("searches");
            assert_eq!(page.hits.len(), 1, "{text} on {stores:?}");
        }
        scene
            .import(trivy(
                "package-lock.json",
                &[
                    ("CVE-2021-23337", "lodash", "4.17.20"),
                    ("CVE-2020-8203", "lodash", "4.17.20"),
                ],
            ))
            .await;
        let now = gna_domain::port::Clock::now(scene.world.clock.as_ref()).millis();
        let seen_now = Selection {
            groups: vec![scene.group.id],
            condition: Condition::Between("last_seen", Some(now), Some(now)),
            text: None,
        };
        let count = scene
            .world
            .ports
            .search
            .count(&seen_now, 10)
            .await
            .expect("counts");
        assert_eq!(
            count.value(),
            2,
            "the unchanged one was seen again, on {stores:?}"
        );
    }
}
