//! The gate on a store: verdicts of reports, their record, and the same verdicts without a server.

use gna_domain::Ctx;
use gna_domain::ctx::Resource;
use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::import::{ParsedFinding, Refusal, Sink, Warning};
use gna_domain::model::{PolicyChange, ReportStatus, Vulnerability};
use gna_domain::page::PageRequest;
use gna_domain::policy::{Action, Role};
use gna_domain::port::Stored;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::gate::{
    Basis, Counts, Item, Limits, Snapshot, Verdict, candidates, judge, seal,
};
use gna_domain::rules::{decide::Decision, false_positive, identity, treatment};
use gna_domain::service::gate::{self, Ran, RunGate};
use gna_domain::service::report::UploadReport;
use gna_domain::service::{audit, report, triage};
use gna_testkit::{Issue, Stores, sarif, trivy};

use crate::import::helpers::Scene;
use crate::triage::{Desk, set};

const FIVE: [(&str, &str, &str); 5] = [
    ("CVE-2024-0001", "left-pad", "1.0.0"),
    ("CVE-2024-0002", "right-pad", "1.0.0"),
    ("CVE-2024-0003", "top-pad", "1.0.0"),
    ("CVE-2024-0004", "low-pad", "1.0.0"),
    ("CVE-2024-0005", "mid-pad", "1.0.0"),
];

fn five() -> Vec<u8> {
    trivy("package-lock.json", &FIVE)
}

fn on(name: &str) -> UploadReport {
    UploadReport {
        r#ref: Some(name.to_owned()),
        ..UploadReport::default()
    }
}

fn asked(report: gna_domain::id::ReportId) -> RunGate {
    RunGate {
        report,
        with: Vec::new(),
        limits: Limits::default(),
        new_only: false,
        base: None,
    }
}

async fn of_package(scene: &Scene, name: &str) -> Stored<Vulnerability> {
    scene
        .vulnerabilities()
        .await
        .into_iter()
        .find(|value| {
            value
                .location
                .package()
                .is_some_and(|package| package.name == name)
        })
        .expect("is there")
}

/// Keeps everything of a report.
struct All(Vec<ParsedFinding>);

impl Sink for All {
    fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal> {
        self.0.push(finding);
        Ok(())
    }
    fn warning(&mut self, _: Warning) {}
}

/// What `gna gate --snapshot` does with a report.
async fn offline(ctx: &Ctx, snapshot: &Snapshot, bytes: Vec<u8>, base: Option<&str>) -> Counts {
    let parsing = &ctx.ports.parsing;
    let opened = parsing
        .open("report.json", bytes.into(), None)
        .expect("opens");
    let mut all = All(Vec::new());
    let meta = opened.parse(&mut all).expect("reads");
    let items: Vec<Item> = all
        .0
        .iter()
        .filter_map(|finding| {
            let keys = identity::keys(finding, &meta.tool, identity::Options::default());
            Item::new(finding, keys)
        })
        .collect();
    let basis = Basis {
        snapshot: Some(snapshot),
        base: None,
        base_ref: base.and_then(|name| snapshot.place_of(name)),
    };
    let terms =
        Limits::agreed(&snapshot.limits, &Limits::default(), base.is_some()).expect("terms");
    candidates(&items, basis, ctx.now())
        .iter()
        .fold(Counts::default(), |counts, one| {
            counts.and(judge(&one.candidate, &terms, ctx.now()))
        })
}

async fn snapshot(ctx: &Ctx, asset: gna_domain::id::AssetId) -> Snapshot {
    let sealed = gate::snapshot(ctx, asset).await.expect("is taken");
    let trusted = gate::public_key(ctx)
        .await
        .expect("is known")
        .expect("is made");
    assert_eq!(sealed.key, trusted);
    seal::open(&sealed.file, &[trusted]).expect("opens")
}

#[tokio::test]
async fn decisions_spare_and_the_same_report_is_judged_alike_with_a_snapshot() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let scene = &desk.scene;
        let report = scene.import(five()).await;
        let ran = gate::run(&scene.ci, asked(report.id))
            .await
            .expect("judges");
        assert_eq!(ran.run.verdict, Verdict::Broken);
        assert_eq!((ran.run.counts.judged, ran.run.counts.breaking), (5, 5));

        let decide = async |package: &str, who: &Ctx, command: Command| {
            let id = of_package(scene, package).await.id;
            triage::act(who, id, &command, Some("because"), None)
                .await
                .expect("is decided")
        };
        let until = desk.in_days(10);
        let accept = Command::Treatment(treatment::Command::Accept { until });
        decide("left-pad", &desk.developer, accept).await;
        let request = Command::FalsePositive(false_positive::Command::Request);
        decide("right-pad", &desk.developer, request).await;
        let out = Command::State(Decision::Close(gna_domain::model::ClosedReason::OutOfScope));
        decide("top-pad", &desk.triager, out).await;
        let rated = Command::Rate(Some(Rating::Score(2.0)));
        decide("low-pad", &desk.triager, rated).await;
        desk.policy(PolicyChange {
            gate_threshold: set(7.0),
            ..PolicyChange::default()
        })
        .await;

        let expected = Counts {
            judged: 5,
            breaking: 1,
            accepted: 1,
            false_positive: 1,
            not_open: 1,
            below_threshold: 1,
            ..Counts::default()
        };
        let ran = gate::run(&scene.ci, asked(report.id))
            .await
            .expect("judges");
        assert_eq!(ran.run.counts, expected);
        assert_eq!(ran.breaking.len(), 1);
        assert_eq!(ran.breaking[0].title, "CVE-2024-0005 in mid-pad");
        let taken = snapshot(&scene.ci, report.asset).await;
        assert_eq!(taken.limits.threshold, Some(7.0));
        assert_eq!(offline(&scene.ci, &taken, five(), None).await, expected);

        // An acceptance ends by itself, in the snapshot too.
        scene.world.clock.advance_millis(11 * 86_400_000);
        let later = Counts {
            breaking: 2,
            accepted: 0,
            ..expected
        };
        let ran = gate::run(&scene.ci, asked(report.id))
            .await
            .expect("judges");
        assert_eq!(ran.run.counts, later);
        assert_eq!(offline(&scene.ci, &taken, five(), None).await, later);
    }
}

#[tokio::test]
async fn a_branch_is_judged_by_what_is_on_it_with_the_decisions_of_all_refs() {
    let desk = Desk::on(Stores::Memory).await;
    let scene = &desk.scene;
    scene
        .import_as(on("main"), trivy("package-lock.json", &FIVE[..3]))
        .await;
    let accept = Command::Treatment(treatment::Command::Accept {
        until: desk.in_days(10),
    });
    let id = of_package(scene, "left-pad").await.id;
    triage::act(&desk.developer, id, &accept, Some("later"), None)
        .await
        .expect("is decided");
    // The branch repaired one, has one more, and still has what main repairs next.
    let branch = trivy("package-lock.json", &[FIVE[0], FIVE[1], FIVE[3]]);
    let tested = scene.import_as(on("feature"), branch.clone()).await;
    scene
        .import_as(on("main"), trivy("package-lock.json", &FIVE[..1]))
        .await;
    let closed = of_package(scene, "right-pad").await;
    assert_eq!(closed.state.as_str(), "CLOSED");

    let whole = gate::run(&scene.ci, asked(tested.id))
        .await
        .expect("judges");
    assert_eq!(
        whole.run.counts,
        Counts {
            judged: 3,
            breaking: 2,
            accepted: 1,
            ..Counts::default()
        }
    );
    let new_only = RunGate {
        new_only: true,
        ..asked(tested.id)
    };
    let new = gate::run(&scene.ci, new_only.clone())
        .await
        .expect("judges");
    assert_eq!(new.run.base, Some(of_default(scene, &tested).await));
    // What main no longer has is new again on the branch, as a merge would bring it back.
    assert_eq!(new.run.counts.breaking, 2);
    let taken = snapshot(&scene.ci, tested.asset).await;
    assert_eq!(
        offline(&scene.ci, &taken, branch, Some("main")).await,
        new.run.counts
    );
    let unknown = RunGate {
        base: Some("nowhere".to_owned()),
        ..new_only
    };
    let refused = gate::run(&scene.ci, unknown).await.expect_err("refused");
    assert_eq!(refused.code(), "gate.no_base");
}

async fn of_default(scene: &Scene, report: &gna_domain::model::Report) -> gna_domain::id::RefId {
    gna_domain::service::asset::require(&scene.ci, report.asset)
        .await
        .expect("is there")
        .default_ref
}

#[tokio::test]
async fn a_policy_has_everything_judged_or_the_default_ref_compared_with_whatever_is_asked() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let scene = &desk.scene;
        scene
            .import_as(on("main"), trivy("package-lock.json", &FIVE[..2]))
            .await;
        // Whoever owns a pipeline can make a ref that has everything.
        scene.import_as(on("everything"), five()).await;
        let tested = scene.import_as(on("feature"), five()).await;
        let new_only = |base: Option<&str>| RunGate {
            new_only: true,
            base: base.map(str::to_owned),
            ..asked(tested.id)
        };
        let run = async |input: RunGate| gate::run(&scene.ci, input).await.expect("judges").run;
        let free = run(new_only(Some("everything"))).await;
        assert_eq!((free.counts.breaking, free.notes.len()), (0, 0));
        assert_eq!(run(new_only(None)).await.counts.breaking, 3);

        desk.policy(PolicyChange {
            gate_allow_base: set(false),
            ..PolicyChange::default()
        })
        .await;
        let bound = run(new_only(Some("everything"))).await;
        assert_eq!(
            bound.counts.breaking, 3,
            "{stores:?}: main is compared with"
        );
        assert_eq!(bound.base, Some(of_default(scene, &tested).await));
        assert!(bound.notes[0].contains("default ref"), "{:?}", bound.notes);
        assert_eq!(run(new_only(None)).await.notes, [""; 0]);

        desk.policy(PolicyChange {
            gate_allow_new_only: set(false),
            ..PolicyChange::default()
        })
        .await;
        let whole = run(new_only(Some("everything"))).await;
        assert_eq!((whole.counts.breaking, whole.terms.new_only), (5, false));
        assert_eq!((whole.base, whole.notes.len()), (None, 1));
        assert!(
            whole.notes[0].contains("only what is new"),
            "{:?}",
            whole.notes
        );
        assert_eq!(run(asked(tested.id)).await.notes, [""; 0]);
        let kept = gate::get(&scene.ci, whole.id).await.expect("is on record");
        assert_eq!(kept.notes, whole.notes);
        // The snapshot binds where there is no server.
        let taken = snapshot(&scene.ci, tested.asset).await;
        assert_eq!(taken.limits.allow_new_only, Some(false));
        let offline = offline(&scene.ci, &taken, five(), Some("everything")).await;
        assert_eq!(offline.breaking, 5);
    }
}

#[tokio::test]
async fn on_the_base_itself_only_what_the_build_brought_is_new() {
    let scene = Scene::on(Stores::Memory).await;
    scene.import(trivy("package-lock.json", &FIVE[..2])).await;
    let packages = scene.import(trivy("package-lock.json", &FIVE[..3])).await;
    let code = scene
        .import(sarif("Scan", &[Issue::new("sqli", "src/a.rs", 3)]))
        .await;
    let new_only = |report, with| RunGate {
        with,
        new_only: true,
        ..asked(report)
    };
    let both = gate::run(&scene.ci, new_only(code.id, vec![packages.id]))
        .await
        .expect("judges");
    assert_eq!((both.run.counts.breaking, both.run.counts.on_base), (2, 2));
    let alone = gate::run(&scene.ci, new_only(code.id, Vec::new()))
        .await
        .expect("judges");
    assert_eq!(
        (alone.run.counts.breaking, alone.run.counts.on_base),
        (1, 3)
    );
    let other = scene.import_as(on("feature"), five()).await;
    let mixed = gate::run(&scene.ci, new_only(code.id, vec![other.id])).await;
    assert_eq!(mixed.expect_err("refused").code(), "gate.other_ref");
}

#[tokio::test]
async fn grace_and_debt_go_by_what_the_record_knows() {
    let desk = Desk::on(Stores::Memory).await;
    let scene = &desk.scene;
    desk.policy(PolicyChange {
        gate_grace_days: set(5),
        gate_debt_days: set(30),
        ..PolicyChange::default()
    })
    .await;
    let report = scene.import(five()).await;
    let verdict = async || {
        let ran = gate::run(&scene.ci, asked(report.id))
            .await
            .expect("judges");
        (
            ran.run.counts.in_grace,
            ran.run.counts.breaking,
            ran.run.counts.technical_debt,
        )
    };
    let days = |days: i64| scene.world.clock.advance_millis(days * 86_400_000);
    assert_eq!(verdict().await, (5, 0, 0));
    days(6);
    assert_eq!(verdict().await, (0, 5, 0));
    let taken = snapshot(&scene.ci, report.asset).await;
    days(25);
    assert_eq!(verdict().await, (0, 0, 5));
    assert_eq!(
        offline(&scene.ci, &taken, five(), None)
            .await
            .technical_debt,
        5
    );
    // What was repaired and comes back is neither new nor old debt.
    scene.import(trivy("package-lock.json", &FIVE[1..])).await;
    let back = scene.import(five()).await;
    let ran = gate::run(&scene.ci, asked(back.id)).await.expect("judges");
    assert_eq!(
        (ran.run.counts.breaking, ran.run.counts.technical_debt),
        (1, 4)
    );
}

#[tokio::test]
async fn every_run_is_on_record_and_nobody_else_sees_it() {
    let scene = Scene::on(Stores::Sqlite).await;
    let report = scene.import(five()).await;
    let ran: Ran = gate::run(&scene.ci, asked(report.id))
        .await
        .expect("judges");
    let reader = scene.world.member(&scene.group, Role::Reader);
    let listed = gate::of_group(&reader, &scene.group, PageRequest::first(10))
        .await
        .expect("lists");
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].value, ran.run.value);
    assert_eq!(
        gate::get(&reader, ran.run.id)
            .await
            .expect("is there")
            .value,
        ran.run.value
    );
    let system = scene.world.system();
    let log = audit::list(
        &system,
        Some(scene.group.organization),
        PageRequest::first(10),
    )
    .await
    .expect("lists");
    let entry = &log.items[0];
    assert_eq!(
        (entry.action.as_str(), entry.actor.as_str()),
        ("gate.run", scene.ci.actor.label().as_str())
    );

    let refused = gate::run(&reader, asked(report.id))
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), "auth.forbidden");
    let evil = scene.world.organization("evil").await;
    let den = scene.world.group(&evil, "den").await;
    let stranger = scene.world.member(&den, Role::Manager);
    for code in [
        gate::run(&stranger, asked(report.id))
            .await
            .expect_err("refused"),
        gate::snapshot(&stranger, report.asset)
            .await
            .expect_err("refused"),
        gate::get(&stranger, ran.run.id).await.expect_err("refused"),
    ] {
        assert_eq!(code.code(), "not_found");
    }
    assert!(!scene.ci.can(
        Action::VulnerabilityDecide,
        Resource::Group(scene.group.organization, scene.group.id)
    ));
}

#[tokio::test]
async fn there_is_no_verdict_before_the_import_is_complete() {
    let scene = Scene::on(Stores::Memory).await;
    let upload = UploadReport {
        asset: "checkout".to_owned(),
        file_name: "a.json".to_owned(),
        ..UploadReport::default()
    };
    let queued = report::upload(&scene.ci, scene.group.id, upload.clone(), five().into())
        .await
        .expect("is taken");
    let early = gate::run(&scene.ci, asked(queued.id))
        .await
        .expect_err("refused");
    assert_eq!(
        (early.code(), early.retry_after()),
        ("gate.report_pending", Some(1))
    );
    scene.world.run_jobs().await.expect("imports");
    assert!(gate::run(&scene.ci, asked(queued.id)).await.is_ok());
    let broken = report::upload(&scene.ci, scene.group.id, upload, "no report".into())
        .await
        .expect("is taken");
    scene.world.run_jobs().await.expect("refuses");
    let read = report::require(&scene.ci, broken.id)
        .await
        .expect("is there");
    assert_eq!(read.status, ReportStatus::Refused);
    let never = gate::run(&scene.ci, asked(broken.id))
        .await
        .expect_err("refused");
    assert_eq!(never.code(), "gate.report_failed");
    let nothing = gate::run(
        &scene.ci,
        asked(gna_domain::id::ReportId::from_uuid(uuid::Uuid::nil())),
    )
    .await
    .expect_err("refused");
    assert_eq!(nothing.code(), "not_found");
}

#[tokio::test]
async fn the_worst_of_many_are_listed() {
    let scene = Scene::on(Stores::Memory).await;
    let many: Vec<(String, String)> = (0..150)
        .map(|n| (format!("CVE-2024-{n:04}"), format!("pad-{n}")))
        .collect();
    let many: Vec<(&str, &str, &str)> = many
        .iter()
        .map(|(cve, package)| (cve.as_str(), package.as_str(), "1.0.0"))
        .collect();
    let report = scene.import(trivy("package-lock.json", &many)).await;
    let ran = gate::run(&scene.ci, asked(report.id))
        .await
        .expect("judges");
    assert_eq!(ran.run.counts.breaking, 150);
    assert_eq!(ran.breaking.len(), 150);
    assert_eq!(ran.run.breaking.len(), gna_domain::model::OFFENDERS_KEPT);
    let ids: std::collections::BTreeSet<VulnerabilityId> =
        ran.breaking.iter().map(|one| one.vulnerability).collect();
    assert_eq!(ids.len(), 150);
}
