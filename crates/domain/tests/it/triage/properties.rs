//! No sequence of decisions, reports and days reaches a state that must not be.

use gna_domain::Ctx;
use gna_domain::model::{
    ClosedReason, FalsePositiveStatus, PolicyChange, State, Treatment, VerificationOutcome,
    Vulnerability,
};
use gna_domain::policy::Role;
use gna_domain::rules::decide::Decision;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::{
    false_positive::Command as F, treatment::Command as T, verification::Command as V,
};
use gna_domain::service::{triage, vulnerability};
use gna_domain::time::Timestamp;
use gna_testkit::{Stores, trivy};
use proptest::prelude::*;

use super::{Desk, set};

const MAX_DAYS: i64 = 30;
const MAX_TIMES: u32 = 2;

#[derive(Clone, Debug)]
enum Step {
    Report { shown: bool },
    Days(i64),
    Decide { who: usize, what: usize, days: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => any::<bool>().prop_map(|shown| Step::Report { shown }),
        1 => (0..20i64).prop_map(Step::Days),
        12 => (0..3usize, 0..23usize, 0..40i64).prop_map(|(who, what, days)| Step::Decide { who, what, days }),
    ]
}

fn command(what: usize, until: Timestamp, who: &Ctx) -> Command {
    let user = who.actor.user();
    match what {
        0 => Command::Treatment(T::Start),
        1 => Command::Treatment(T::Accept { until }),
        2 | 3 => Command::Treatment(T::Request),
        4 | 5 => Command::Treatment(T::Approve),
        6 => Command::Treatment(T::Reject),
        7 => Command::Treatment(T::Withdraw),
        8 => Command::Treatment(T::Reset),
        9 => Command::StartWith(user.expect("a person")),
        10 | 11 => Command::FalsePositive(F::Request),
        12 => Command::FalsePositive(F::Confirm),
        13 => Command::FalsePositive(F::Reject),
        14 => Command::FalsePositive(F::Withdraw),
        15 => Command::Verification(V::Request),
        16 => Command::Verification(V::Hold),
        17 => Command::Verification(V::Resume),
        18 => Command::Verification(V::Verify(VerificationOutcome::Closed)),
        19 => Command::Assign(user.filter(|_| until.millis() % 2 == 0)),
        20 => Command::Rate(Some(Rating::Score(5.0))),
        21 => Command::State(Decision::Close(ClosedReason::Fixed)),
        _ => Command::State(Decision::Reopen),
    }
}

fn assert_sound(value: &Vulnerability) {
    let triage = &value.triage;
    match &triage.treatment {
        Treatment::InProgress { .. } => assert!(triage.assignee.is_some(), "someone works on it"),
        Treatment::Accepted { until, decided } => {
            assert!(*until > decided.at && *until <= decided.at.plus_days(MAX_DAYS));
        }
        Treatment::AcceptedPermanently { decided, approved } => {
            assert_ne!(decided.person, approved.person, "two people");
            assert!(triage.acceptance_request.is_none());
        }
        Treatment::Untreated => {}
    }
    assert!(triage.acceptances <= MAX_TIMES);
    if let Some(request) = triage.false_positive.as_ref()
        && request.status == FalsePositiveStatus::Confirmed
    {
        let second = request.decided.as_ref().expect("someone confirmed it");
        assert_ne!(second.person, request.requested.person, "two people");
    }
    if triage.is_verification_pending() {
        assert_eq!(value.state, State::Open, "only what is open is retested");
    }
    if let Some(own) = &triage.severity {
        assert_eq!(
            (value.severity.score, value.severity.tool.as_str()),
            (own.score, "manual")
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_reaches_a_forbidden_state(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let desk = Desk::on(Stores::Memory).await;
            desk.policy(PolicyChange {
                max_acceptance_days: set(30),
                max_acceptances: set(MAX_TIMES),
                ..PolicyChange::default()
            })
            .await;
            let second = desk.scene.world.member(&desk.scene.group, Role::Manager);
            desk.enlist(&second, Role::Manager).await;
            let people = [&desk.manager, &second, &desk.developer];
            for step in steps {
                match step {
                    Step::Report { shown } => {
                        let rows = [("CVE-2024-0001", "left-pad", "1.0.0")];
                        let rows = if shown { &rows[..] } else { &[] };
                        desk.scene.import(trivy("package-lock.json", rows)).await;
                    }
                    Step::Days(days) => desk.scene.world.clock.advance_days(days),
                    Step::Decide { who, what, days } => {
                        let who = people[who];
                        let command = command(what, desk.in_days(days), who);
                        // Refusals are fine; what they let through must be sound.
                        let _ = triage::act(who, desk.id, &command, Some("because"), None).await;
                    }
                }
                let value = vulnerability::require(&desk.manager, desk.id).await.expect("is there");
                assert_sound(&value);
            }
            desk.scene.check().await;
        });
    }
}
