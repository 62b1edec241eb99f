//! Trying a policy: what is counted is what setting it then does, and nothing is written.

use gna_domain::Resource;
use gna_domain::model::{PolicyChange, Vulnerability};
use gna_domain::port::Stored;
use gna_domain::rules::desk::Command;
use gna_domain::rules::policy_trial::Effect;
use gna_domain::rules::treatment;
use gna_domain::service::policy_trial::{self, Trial};
use gna_testkit::{Stores, trivy};

use crate::triage::{Desk, set};

impl Desk {
    async fn trial(&self, change: PolicyChange) -> Trial {
        let group = &self.scene.group;
        self.scene.world.run_jobs().await.expect("runs");
        let place = Resource::Group(group.organization, group.id);
        policy_trial::run(&self.manager, place, change, None)
            .await
            .expect("is tried")
    }

    async fn counts(&self, change: PolicyChange) -> Vec<(Effect, u64)> {
        let trial = self.trial(change).await;
        trial
            .effects
            .iter()
            .map(|of| (of.effect, of.count))
            .collect()
    }
}

#[tokio::test]
async fn due_dates_acceptances_and_the_gate_are_told_before_they_change() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let rows = [
            ("CVE-2024-0001", "left-pad", "1.0.0"),
            ("CVE-2024-0002", "right-pad", "1.0.0"),
        ];
        desk.scene.import(trivy("package-lock.json", &rows)).await;
        let until = desk.in_days(60);
        let accept = Command::Treatment(treatment::Command::Accept { until });
        desk.act(&desk.triager, accept).await.expect("is accepted");
        desk.scene.world.clock.advance_days(20);
        let before: Vec<Stored<Vulnerability>> = desk.scene.vulnerabilities().await;

        let sla = PolicyChange {
            sla_days_high: set(10),
            ..PolicyChange::default()
        };
        let expected = [(Effect::GetsDueDate, 2), (Effect::BecomesOverdue, 2)];
        assert_eq!(desk.counts(sla).await, expected);
        let shorter = PolicyChange {
            max_acceptance_days: set(30),
            ..PolicyChange::default()
        };
        assert_eq!(desk.counts(shorter).await, [(Effect::AcceptanceOutside, 1)]);
        let mild = PolicyChange {
            acceptance_max_severity: set(4.0),
            ..PolicyChange::default()
        };
        let expected = [
            (Effect::NoLongerAcceptable, 2),
            (Effect::AcceptanceOutside, 1),
        ];
        assert_eq!(desk.counts(mild).await, expected);
        let lenient = PolicyChange {
            gate_threshold: set(9.5),
            ..PolicyChange::default()
        };
        // The accepted one breaks nothing before and after.
        assert_eq!(desk.counts(lenient).await, [(Effect::SparedByGate, 1)]);
        assert_eq!(desk.counts(PolicyChange::default()).await, []);
        assert_eq!(desk.scene.vulnerabilities().await, before);

        let trial = desk.trial(sla).await;
        assert_eq!((trial.examined, trial.changed), (2, 2));
        assert_eq!(trial.effects[0].examples.len(), 2);
        assert!(trial.next.is_none());
    }
}

#[tokio::test]
async fn contradictions_and_strangers_are_refused() {
    let desk = Desk::on(Stores::Memory).await;
    let group = &desk.scene.group;
    let place = Resource::Group(group.organization, group.id);
    let everywhere = Resource::Organization(group.organization);
    let contradiction = PolicyChange {
        acceptance_min_severity: set(9.0),
        acceptance_max_severity: set(3.0),
        ..PolicyChange::default()
    };
    let code = async |who: &gna_domain::Ctx, place, change| {
        let tried = policy_trial::run(who, place, change, None).await;
        tried.err().map_or("tried", |error| error.code())
    };
    let nothing = PolicyChange::default();
    assert_eq!(
        code(&desk.manager, place, contradiction).await,
        "policy.contradiction"
    );
    assert_eq!(code(&desk.triager, place, nothing).await, "auth.forbidden");
    assert_eq!(
        code(&desk.manager, everywhere, nothing).await,
        "auth.forbidden"
    );
    let system = desk.scene.world.system();
    assert_eq!(
        code(&system, everywhere, contradiction).await,
        "policy.contradiction"
    );
    assert_eq!(code(&system, everywhere, nothing).await, "tried");
}
