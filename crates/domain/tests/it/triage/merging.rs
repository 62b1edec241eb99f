//! Decisions on two records that turn out to be one, and on one that turns out to be two.

use gna_domain::id::VulnerabilityId;
use gna_domain::model::{FalsePositiveStatus, Organization, Treatment, Vulnerability};
use gna_domain::policy::Role;
use gna_domain::port::Stored;
use gna_domain::port::repo;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::verification::Command as V;
use gna_domain::rules::{false_positive::Command as F, treatment::Command as T};
use gna_domain::service::weakness_acceptance::{self as acceptance, Command as A, Draft};
use gna_domain::service::{merge, triage, vulnerability};
use gna_testkit::{Stores, trivy};

use crate::import::helpers::Scene;
use crate::import::identity::grype;

const GHSA: &str = "GHSA-35jh-r3h4-6jhm";
const CVE: &str = "CVE-2021-23337";
const LODASH: (&str, &str) = ("lodash", "4.17.20");

/// Two records of one thing, each found by a tool that does not know the other's name for it: the one
/// that will survive, and the one that will be absorbed.
async fn two_of_lodash(scene: &Scene) -> (VulnerabilityId, VulnerabilityId) {
    let (name, version) = LODASH;
    scene
        .import(trivy("package-lock.json", &[(CVE, name, version)]))
        .await;
    scene.import(grype(&[(GHSA, None, name, version)])).await;
    let two = scene.vulnerabilities().await;
    (two[0].id, two[1].id)
}

/// A report that has both names.
async fn they_are_one(scene: &Scene) {
    let (name, version) = LODASH;
    scene
        .import(grype(&[(GHSA, Some(CVE), name, version)]))
        .await;
}

#[tokio::test]
async fn the_strictest_decision_wins_and_comes_apart_again() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let (survivor, absorbed) = two_of_lodash(&scene).await;
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

        they_are_one(&scene).await;
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
    let (survivor, absorbed) = two_of_lodash(&scene).await;
    let triager = scene.world.member(&scene.group, Role::Triager);
    let rate = Command::Rate(Some(Rating::Score(9.9)));
    triage::act(&triager, absorbed, &rate, None, None)
        .await
        .expect("is rated");
    they_are_one(&scene).await;
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

#[tokio::test]
async fn a_retest_that_waited_waits_again_and_is_not_on_hold() {
    for stores in Stores::ALL {
        for held in [false, true] {
            let scene = Scene::on(stores).await;
            let (_, absorbed) = two_of_lodash(&scene).await;
            let triager = scene.world.member(&scene.group, Role::Triager);
            let act = async |command: V| -> Stored<Vulnerability> {
                let command = Command::Verification(command);
                triage::act(&triager, absorbed, &command, Some("mended"), None)
                    .await
                    .expect("is done")
            };
            let asked = act(V::Request).await;
            if held {
                act(V::Hold).await;
            }
            they_are_one(&scene).await;
            let gone = vulnerability::require(&triager, absorbed).await;
            let gone = gone.expect("is there").value.triage.verification;
            assert!(
                !gone.is_some_and(|it| it.is_pending()),
                "it is of no record"
            );

            let back = merge::unmerge(&triager, absorbed, Some("two things"))
                .await
                .expect("is separated");
            assert_eq!(
                back.triage.verification, asked.triage.verification,
                "{stores:?}, on hold: {held}"
            );
            scene.check().await;
            act(V::Hold).await;
        }
    }
}

/// What becomes of a weakness acceptance while two are one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meanwhile {
    Nothing,
    Ended,
    Removed,
    AskedForAgain,
}

/// How the one of two that has this weakness is treated after they were one for a while.
async fn treatment_after(stores: Stores, weakness: &str, meanwhile: Meanwhile) -> Treatment {
    let scene = Scene::on(stores).await;
    let world = &scene.world;
    let store = world.ports.store.as_ref();
    let acme = repo::require::<Organization>(store, scene.group.organization).await;
    let acme = acme.expect("is there").value;
    let [olga, otto] = [Role::Owner; 2].map(|role| world.in_organization(&acme, role));
    let (survivor, absorbed) = two_of_lodash(&scene).await;
    let draft = Draft {
        weakness: weakness.to_owned(),
        ..Draft::default()
    };
    let why = Some("borne");
    let id = acceptance::submit(&olga, acme.id, None, &draft, why).await;
    let id = id.expect("is submitted").id;
    acceptance::decide(&otto, acme.id, id, A::Approve, None, None)
        .await
        .expect("is approved");
    world.run_jobs().await.expect("is applied");
    they_are_one(&scene).await;
    if meanwhile != Meanwhile::Nothing {
        acceptance::decide(&otto, acme.id, id, A::Deactivate, why, None)
            .await
            .expect("ends");
        world.run_jobs().await.expect("is taken back");
    }
    match meanwhile {
        Meanwhile::Nothing | Meanwhile::Ended => {}
        Meanwhile::Removed => {
            acceptance::remove(&otto, acme.id, id).await.expect("goes");
        }
        Meanwhile::AskedForAgain => {
            acceptance::submit(&olga, acme.id, Some(id), &draft, why)
                .await
                .expect("is submitted");
        }
    }
    let triager = world.member(&scene.group, Role::Triager);
    merge::unmerge(&triager, absorbed, Some("two things"))
        .await
        .expect("is separated");
    scene.check().await;
    let has_it = if weakness == CVE { survivor } else { absorbed };
    let value = vulnerability::require(&triager, has_it).await;
    value.expect("is there").value.triage.treatment
}

#[tokio::test]
async fn what_a_weakness_acceptance_set_comes_back_only_while_that_is_in_force() {
    for stores in Stores::ALL {
        for weakness in [CVE, GHSA] {
            for meanwhile in [
                Meanwhile::Nothing,
                Meanwhile::Ended,
                Meanwhile::Removed,
                Meanwhile::AskedForAgain,
            ] {
                let treatment = treatment_after(stores, weakness, meanwhile).await;
                let is_borne = matches!(treatment, Treatment::AcceptedPermanently { .. });
                assert_eq!(
                    is_borne,
                    meanwhile == Meanwhile::Nothing,
                    "{weakness}, {meanwhile:?} on {stores:?}: {treatment:?}"
                );
            }
        }
    }
}
