//! Decisions on two records that turn out to be one, and on one that turns out to be two.

use gna_domain::id::VulnerabilityId;
use gna_domain::model::Vulnerability;
use gna_domain::model::{FalsePositiveStatus, Treatment};
use gna_domain::policy::Role;
use gna_domain::port::Stored;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::{false_positive::Command as F, treatment::Command as T};
use gna_domain::service::{merge, triage, vulnerability};
use gna_testkit::{Stores, trivy};

use crate::import::helpers::Scene;
use crate::import::identity::grype;

const GHSA: &str = "GHSA-35jh-r3h4-6jhm";
const CVE: &str = "CVE-2021-23337";

#[tokio::test]
async fn the_strictest_decision_wins_and_comes_apart_again() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let lodash = ("lodash", "4.17.20");
        scene
            .import(trivy("package-lock.json", &[(CVE, lodash.0, lodash.1)]))
            .await;
        scene
            .import(grype(&[(GHSA, None, lodash.0, lodash.1)]))
            .await;
        let two = scene.vulnerabilities().await;
        let (survivor, absorbed) = (two[0].id, two[1].id);
        let triager = scene.world.member(&scene.group, Role::Triager);
        let act = async |id: VulnerabilityId, command: Command| -> Stored<Vulnerability> {
            triage::act(&triager, id, &command, Some("because"), None)
                .await
                .expect("is decided")
        };
        let until = scene.world.ports.clock.now().plus_days(60);
        let sooner = scene.world.ports.clock.now().plus_days(20);
        act(survivor, Command::Treatment(T::Accept { until })).await;
        act(survivor, Command::FalsePositive(F::Request)).await;
        act(absorbed, Command::Treatment(T::Accept { until: sooner })).await;
        act(absorbed, Command::Rate(Some(Rating::Score(9.9)))).await;
        act(
            absorbed,
            Command::Link(Some("https://tickets.example/1".into())),
        )
        .await;

        scene
            .import(grype(&[(GHSA, Some(CVE), lodash.0, lodash.1)]))
            .await;
        let one = vulnerability::require(&triager, survivor)
            .await
            .expect("is there");
        assert_eq!(one.absorbed, [absorbed]);
        assert_eq!(one.triage.treatment.until(), Some(sooner));
        assert_eq!(
            one.triage.false_positive_status(),
            None,
            "nobody said it of both"
        );
        assert_eq!(
            (one.severity.score, one.severity.tool.as_str()),
            (9.9, "manual")
        );
        assert_eq!(
            one.triage.ticket.as_deref(),
            Some("https://tickets.example/1")
        );
        scene.check().await;

        let back = merge::unmerge(&triager, absorbed, Some("two things"))
            .await
            .expect("is separated");
        assert_eq!(back.triage.treatment.until(), Some(sooner));
        let kept = vulnerability::require(&triager, survivor)
            .await
            .expect("is there");
        assert_eq!(kept.triage.treatment.until(), Some(until));
        assert_eq!(
            kept.triage.false_positive_status(),
            Some(FalsePositiveStatus::Requested)
        );
        assert_eq!(
            (kept.triage.severity.as_ref(), kept.triage.ticket.as_ref()),
            (None, None)
        );
        assert_ne!(kept.severity.tool, "manual");
        scene.check().await;
    }
}

#[tokio::test]
async fn what_was_decided_about_both_stays_with_the_survivor() {
    let scene = Scene::on(Stores::Memory).await;
    let lodash = ("lodash", "4.17.20");
    scene
        .import(trivy("package-lock.json", &[(CVE, lodash.0, lodash.1)]))
        .await;
    scene
        .import(grype(&[(GHSA, None, lodash.0, lodash.1)]))
        .await;
    let two = scene.vulnerabilities().await;
    let (survivor, absorbed) = (two[0].id, two[1].id);
    let triager = scene.world.member(&scene.group, Role::Triager);
    let rate = Command::Rate(Some(Rating::Score(9.9)));
    triage::act(&triager, absorbed, &rate, None, None)
        .await
        .expect("is rated");
    scene
        .import(grype(&[(GHSA, Some(CVE), lodash.0, lodash.1)]))
        .await;
    let until = scene.world.ports.clock.now().plus_days(20);
    let accept = Command::Treatment(T::Accept { until });
    triage::act(&triager, survivor, &accept, Some("both"), None)
        .await
        .expect("is accepted");
    merge::unmerge(&triager, absorbed, None)
        .await
        .expect("is separated");
    let kept = vulnerability::require(&triager, survivor)
        .await
        .expect("is there");
    assert!(matches!(kept.triage.treatment, Treatment::Accepted { .. }));
    assert_eq!(
        kept.severity.score, 9.9,
        "it was decided on with this severity"
    );
    scene.check().await;
}
