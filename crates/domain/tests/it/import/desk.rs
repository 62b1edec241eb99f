//! What people do at their desks with what imports made: taking a merge back, another default ref.

use gna_domain::error::Result;
use gna_domain::model::{AssetRef, State};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::repo;
use gna_domain::rules::decide::Decision;
use gna_domain::service::asset::{self, UpdateAsset};
use gna_domain::service::report::UploadReport;
use gna_domain::service::{merge, triage, vulnerability};
use gna_testkit::{Stores, trivy};

use super::helpers::Scene;
use super::identity::grype;

const GHSA: &str = "GHSA-35jh-r3h4-6jhm";
const CVE: &str = "CVE-2021-23337";

fn code<T: std::fmt::Debug>(refused: Result<T>) -> &'static str {
    refused.expect_err("refused").code()
}

#[tokio::test]
async fn a_merge_can_be_taken_back_and_stays_taken_back() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let lodash = ("lodash", "4.17.20");
        let trivy = || trivy("package-lock.json", &[(CVE, lodash.0, lodash.1)]);
        let alias = || grype(&[(GHSA, Some(CVE), lodash.0, lodash.1)]);
        scene.import(trivy()).await;
        scene
            .import(grype(&[(GHSA, None, lodash.0, lodash.1)]))
            .await;
        scene.import(alias()).await;
        let merged = scene.vulnerabilities().await;
        let (survivor, absorbed) = (merged[0].id, merged[1].id);
        assert_eq!(merged[1].merged_into, Some(survivor));

        let reader = scene.world.member(&scene.group, Role::Reader);
        assert_eq!(
            code(merge::unmerge(&reader, absorbed, None).await),
            "auth.forbidden"
        );
        let triager = scene.world.member(&scene.group, Role::Triager);
        let close = Decision::Reopen;
        let decided = triage::decide(&triager, absorbed, close, None, None).await;
        assert_eq!(code(decided), "vulnerability.merged");
        let back = merge::unmerge(&triager, absorbed, Some("two things"))
            .await
            .expect("is separated");
        assert_eq!((back.merged_into, back.state), (None, State::Open));
        assert_eq!(back.kept_apart, [survivor]);
        let kept = vulnerability::require(&triager, survivor)
            .await
            .expect("is there");
        assert_eq!(
            (kept.absorbed.len(), &kept.kept_apart[..]),
            (0, &[absorbed][..])
        );
        assert_eq!(scene.summary().await.len(), 2);
        scene.check().await;
        assert_eq!(
            code(merge::unmerge(&triager, absorbed, None).await),
            "vulnerability.not_merged"
        );

        let again = scene.import(alias()).await;
        assert_eq!(
            (
                again.counts.merged,
                again.counts.created,
                again.counts.closed
            ),
            (0, 0, 0),
            "no import joins what a person separated"
        );
        assert_eq!(states(&scene).await, ["OPEN", "OPEN"], "it is seen of each");
        scene.check().await;
        let before = scene.vulnerabilities().await;
        let again = scene.import(alias()).await;
        assert_eq!((again.counts.total, again.counts.unchanged), (1, 1));
        assert_eq!(scene.vulnerabilities().await, before);
    }
}

/// The states of all vulnerabilities, in the order they were made.
async fn states(scene: &Scene) -> Vec<&'static str> {
    let all = scene.vulnerabilities().await;
    all.iter().map(|value| value.state.as_str()).collect()
}

#[tokio::test]
async fn each_of_two_that_were_separated_goes_by_its_own_name_from_then_on() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let trivy = |rows: &[(&str, &str, &str)]| trivy("package-lock.json", rows);
        let lodash = (CVE, "lodash", "4.17.20");
        let ghsa = || grype(&[(GHSA, None, "lodash", "4.17.20")]);
        let alias = || grype(&[(GHSA, Some(CVE), "lodash", "4.17.20")]);
        for report in [trivy(&[lodash]), ghsa(), alias()] {
            scene.import(report).await;
        }
        let absorbed = scene.vulnerabilities().await[1].id;
        let triager = scene.world.member(&scene.group, Role::Triager);
        merge::unmerge(&triager, absorbed, None)
            .await
            .expect("is separated");
        // (report, states of the one with the CVE and of the other, closed, reopened)
        let steps = [
            (alias(), ["OPEN", "OPEN"], 0, 0),
            (ghsa(), ["OPEN", "OPEN"], 0, 0),
            (grype(&[]), ["OPEN", "CLOSED"], 1, 0),
            (ghsa(), ["OPEN", "OPEN"], 0, 1),
            (alias(), ["OPEN", "OPEN"], 0, 0),
            (ghsa(), ["OPEN", "OPEN"], 0, 0),
            (trivy(&[]), ["CLOSED", "OPEN"], 1, 0),
            (grype(&[]), ["CLOSED", "CLOSED"], 1, 0),
            // One item that brings two back counts once.
            (alias(), ["OPEN", "OPEN"], 0, 1),
        ];
        for (at, (report, expected, closed, reopened)) in steps.into_iter().enumerate() {
            let report = scene.import(report).await;
            assert_eq!(states(&scene).await, expected, "step {at} on {stores:?}");
            let counts = &report.counts;
            assert_eq!(
                (
                    counts.created,
                    counts.closed,
                    counts.reopened,
                    counts.merged
                ),
                (0, closed, reopened, 0),
                "step {at} on {stores:?}"
            );
            scene.check().await;
        }
        let all = scene.vulnerabilities().await;
        assert!(!all[1].identifiers.contains(&CVE.to_owned()), "{all:?}");
    }
}

#[tokio::test]
async fn who_is_taken_in_by_an_older_one_is_kept_apart_there_too() {
    const OTHER: &str = "GHSA-2222-3333-4444";
    let scene = Scene::on(Stores::Memory).await;
    let said = |other: Option<&str>, ghsa: Option<&str>| {
        let lodash = ("lodash", "4.17.20");
        grype(&[
            (OTHER, other, lodash.0, lodash.1),
            (GHSA, ghsa, lodash.0, lodash.1),
        ])
    };
    scene
        .import(grype(&[(OTHER, None, "lodash", "4.17.20")]))
        .await;
    scene
        .import(trivy("package-lock.json", &[(CVE, "lodash", "4.17.20")]))
        .await;
    scene.import(said(None, None)).await;
    let merged = scene.import(said(None, Some(CVE))).await;
    assert_eq!(merged.counts.merged, 1);
    let all = scene.vulnerabilities().await;
    assert_eq!(all[2].merged_into, Some(all[1].id));
    let triager = scene.world.member(&scene.group, Role::Triager);
    merge::unmerge(&triager, all[2].id, None)
        .await
        .expect("is separated");
    // The oldest takes in the one, and with it what a person said about the other.
    let merged = scene.import(said(Some(CVE), None)).await;
    assert_eq!(merged.counts.merged, 1);
    let both = scene.import(said(Some(CVE), Some(CVE))).await;
    assert_eq!((both.counts.merged, both.counts.closed), (0, 0));
    assert_eq!(states(&scene).await, ["OPEN", "CLOSED", "OPEN"]);
    assert_eq!(scene.summary().await.len(), 2);
    scene.check().await;
}

#[tokio::test]
async fn another_default_ref_is_settled_by_a_job_once() {
    let scene = Scene::on(Stores::Memory).await;
    let on = |name: &str| UploadReport {
        r#ref: Some(name.to_owned()),
        ..UploadReport::default()
    };
    scene
        .import_as(on("main"), trivy("p.json", &[("CVE-2024-0001", "a", "1")]))
        .await;
    let report = scene
        .import_as(on("next"), trivy("p.json", &[("CVE-2024-0002", "b", "1")]))
        .await;
    let manager = scene.world.member(&scene.group, Role::Manager);
    let refs = asset::require(&manager, report.asset)
        .await
        .expect("is there");
    let refs = asset::refs(&manager, &refs, PageRequest::first(10))
        .await
        .expect("reads")
        .items;
    let next = refs
        .iter()
        .find(|known| known.name == "next")
        .map(|known| known.id);
    let change = || UpdateAsset {
        default_ref: next,
        ..UpdateAsset::default()
    };
    let triager = scene.world.member(&scene.group, Role::Triager);
    assert_eq!(
        code(asset::update(&triager, report.asset, change()).await),
        "auth.forbidden"
    );
    asset::update(&manager, report.asset, change())
        .await
        .expect("is changed");
    scene.world.run_jobs().await.expect("settles");
    let states: Vec<(bool, &str)> = scene
        .vulnerabilities()
        .await
        .iter()
        .map(|value| (value.on_default_ref, value.state.as_str()))
        .collect();
    assert_eq!(states, [(false, "OPEN"), (true, "OPEN")]);
    scene.check().await;
    let versions = |all: Vec<gna_domain::port::Stored<gna_domain::model::Vulnerability>>| {
        all.iter().map(|value| value.version).collect::<Vec<_>>()
    };
    let settled = versions(scene.vulnerabilities().await);
    asset::update(&manager, report.asset, change())
        .await
        .expect("changes nothing");
    scene.world.run_jobs().await.expect("has nothing to do");
    assert_eq!(versions(scene.vulnerabilities().await), settled);
    let store = scene.world.ports.store.as_ref();
    assert!(
        repo::get::<AssetRef>(store, report.r#ref)
            .await
            .expect("reads")
            .is_some()
    );
}
