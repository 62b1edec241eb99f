//! The programme in numbers: what is counted with every change, and that a recount gives the same.

use gna_domain::model::{ClosedReason, Counter, Level, PolicyChange, Tally};
use gna_domain::port::repo;
use gna_domain::port::store::ChangeSet;
use gna_domain::rules::decide::Decision;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::{false_positive, treatment};
use gna_domain::service::metrics::{self, LevelMetrics, Metrics};
use gna_testkit::{Stores, trivy};
use proptest::prelude::*;

use crate::triage::{Desk, set};

impl Desk {
    async fn numbers(&self) -> Metrics {
        let group = &self.scene.group;
        metrics::of_group(&self.triager, group.organization, group.id)
            .await
            .expect("reads")
    }

    async fn high(&self) -> LevelMetrics {
        let numbers = self.numbers().await;
        let high = numbers.levels.iter().find(|of| of.level == Level::High);
        *high.expect("is there")
    }
}

#[tokio::test]
async fn numbers_follow_what_people_reports_and_time_do() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let exposure = desk.numbers().await.risk_exposure;
        assert!(exposure > 1.0, "{exposure}");
        desk.policy(PolicyChange {
            sla_days_high: set(10),
            sla_soon_days: set(0),
            ..PolicyChange::default()
        })
        .await;
        assert_eq!(desk.numbers().await.sla_compliance, Some(1.0));

        let until = desk.in_days(3);
        let accept = Command::Treatment(treatment::Command::Accept { until });
        desk.act(&desk.triager, accept).await.expect("is accepted");
        let accepted = desk.numbers().await;
        assert_eq!(
            (accepted.accepted, accepted.accepted_exposure),
            (1, exposure)
        );

        // Time ends the acceptance, then passes the due date.
        desk.later(4).await;
        assert_eq!(
            (desk.high().await.accepted, desk.high().await.overdue),
            (0, 0)
        );
        desk.later(16).await;
        let late = desk.numbers().await;
        assert_eq!((late.overdue, late.sla_compliance), (1, Some(0.0)));

        // Repaired, twenty days after it was found; it stays late.
        let fixed = Command::State(Decision::Close(ClosedReason::Fixed));
        desk.act(&desk.triager, fixed).await.expect("is closed");
        let closed = desk.numbers().await;
        assert_eq!((closed.open, closed.closed, closed.overdue), (0, 1, 0));
        assert_eq!(
            (closed.risk_exposure, closed.sla_compliance),
            (0.0, Some(0.0))
        );
        let days = closed.mean_days_to_remediate.expect("was repaired");
        assert!((days - 20.0).abs() < 0.01, "{days}");
        let weeks: Vec<(i64, i64, i64)> = closed
            .weeks
            .iter()
            .map(|(_, flow)| (flow.created, flow.closed, flow.reopened))
            .collect();
        assert_eq!(weeks, [(1, 0, 0), (0, 1, 0)]);

        // Seen again: a new term begins.
        desk.scene.import(crate::triage::report()).await;
        let again = desk.numbers().await;
        assert_eq!(
            (again.open, again.overdue, again.sla_compliance),
            (1, 0, Some(1.0))
        );
        assert_eq!(
            again
                .weeks
                .iter()
                .map(|(_, flow)| flow.reopened)
                .sum::<i64>(),
            1
        );
        desk.scene.check().await;

        // Nobody else sees them.
        let other = desk.scene.world.organization("other").await;
        let theirs = desk.scene.world.group(&other, "theirs").await;
        let stranger = desk
            .scene
            .world
            .member(&theirs, gna_domain::policy::Role::Manager);
        let group = &desk.scene.group;
        let refused = metrics::of_group(&stranger, group.organization, group.id).await;
        assert_eq!(refused.expect_err("refused").code(), "not_found");
        let all = metrics::of_organization(&stranger, group.organization).await;
        assert_eq!(all.expect("is empty").open, 0);
    }
}

#[tokio::test]
async fn counters_that_are_wrong_are_counted_anew() {
    let desk = Desk::on(Stores::Memory).await;
    let store = desk.scene.world.ports.store.clone();
    let group = desk.scene.group.id.to_string();
    let before = repo::all_children::<Counter>(store.as_ref(), &group)
        .await
        .expect("reads");
    let mut wrong = before[0].value.clone();
    wrong.tally = Tally {
        exposure: 7,
        ..Tally::default()
    };
    let mut changes = ChangeSet::new();
    changes.update(&before[0], &wrong, None).expect("writes");
    store.commit(changes).await.expect("commits");
    let job = gna_domain::model::Job::new(
        gna_domain::port::fresh(desk.scene.world.ports.ids.as_ref()),
        metrics::REBUILD,
        serde_json::Value::Null,
        desk.scene.world.ports.clock.now(),
    );
    let mut changes = ChangeSet::new();
    changes.create(&job, None).expect("writes");
    store.commit(changes).await.expect("commits");
    desk.scene.world.run_jobs().await.expect("runs");
    let after = repo::all_children::<Counter>(store.as_ref(), &group)
        .await
        .expect("reads");
    assert_eq!(after[0].value, before[0].value);
    desk.scene.check().await;
}

#[derive(Clone, Debug)]
enum Step {
    Import(Vec<u8>),
    Decide(u8, u8),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        prop::collection::vec(0..5u8, 0..5).prop_map(Step::Import),
        (0..5u8, 0..9u8).prop_map(|(which, what)| Step::Decide(which, what)),
        (1..40i64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever reports, people and time do: the counters are what a recount of the history gives.
    #[test]
    fn counters_equal_a_recount_after_any_sequence(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let desk = Desk::on(Stores::Memory).await;
            desk.policy(PolicyChange { sla_days_high: set(14), ..PolicyChange::default() }).await;
            for step in steps {
                match step {
                    Step::Import(packages) => {
                        let names: Vec<String> = packages.iter().map(|n| format!("pad-{n}")).collect();
                        let cves: Vec<String> = packages.iter().map(|n| format!("CVE-2024-100{n}")).collect();
                        let rows: Vec<(&str, &str, &str)> = cves.iter().zip(&names)
                            .map(|(cve, name)| (cve.as_str(), name.as_str(), "1.0.0")).collect();
                        desk.scene.import(trivy("package-lock.json", &rows)).await;
                    }
                    Step::Wait(days) => {
                        desk.later(days).await;
                    }
                    Step::Decide(which, what) => {
                        let all = desk.scene.vulnerabilities().await;
                        let id = all[usize::from(which) % all.len()].id;
                        let command = match what {
                            0 => Command::State(Decision::Close(ClosedReason::Fixed)),
                            1 => Command::State(Decision::Close(ClosedReason::OutOfScope)),
                            2 => Command::State(Decision::Reopen),
                            3 => Command::Treatment(treatment::Command::Accept { until: desk.in_days(9) }),
                            4 => Command::Treatment(treatment::Command::Reset),
                            5 => Command::FalsePositive(false_positive::Command::Request),
                            6 => Command::Rate(Some(Rating::Score(9.9))),
                            7 => Command::Rate(None),
                            _ => Command::FalsePositive(false_positive::Command::Withdraw),
                        };
                        // Many are refused, as they should be.
                        let _ = gna_domain::service::triage::act(&desk.triager, id, &command, Some("because"), None).await;
                    }
                }
                desk.scene.check().await;
            }
        });
    }
}
