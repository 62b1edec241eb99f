//! The workflows, step by step, on every store.

use gna_domain::Resource;
use gna_domain::ctx::{Actor, Ctx, Grants};
use gna_domain::id::{TokenId, TypedId};
use gna_domain::model::{
    FalsePositiveStatus, Level, PolicyChange, State, Treatment, VerificationOutcome,
    VerificationStatus,
};
use gna_domain::page::PageRequest;
use gna_domain::port::repo;
use gna_domain::port::search::Sort;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::{
    false_positive::Command as F, treatment::Command as T, verification::Command as V,
};
use gna_domain::service::filter::VulnerabilityFilter;
use gna_domain::service::{triage, vulnerability};
use gna_testkit::{Stores, trivy};

use super::{Desk, nobody, set};

const BY_SEVERITY: Sort = Sort {
    field: "severity",
    descending: true,
};

impl Desk {
    async fn listed(&self, filter: VulnerabilityFilter) -> usize {
        self.scene.world.run_jobs().await.expect("indexes");
        let scope = [Resource::Group(
            self.scene.group.organization,
            self.scene.group.id,
        )];
        let page = PageRequest::first(10);
        vulnerability::query(&self.triager, &scope, &filter, BY_SEVERITY, &page)
            .await
            .expect("finds")
            .items
            .len()
    }
}

#[tokio::test]
async fn acceptances_keep_to_the_policy() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        desk.policy(PolicyChange {
            max_acceptance_days: set(30),
            max_acceptances: set(2),
            acceptance_max_severity: set(8.0),
            ..PolicyChange::default()
        })
        .await;
        let accept = |days| {
            Command::Treatment(T::Accept {
                until: desk.in_days(days),
            })
        };
        let dev = &desk.developer;
        assert_eq!(desk.code(dev, accept(0)).await, "acceptance.in_past");
        assert_eq!(desk.code(dev, accept(31)).await, "acceptance.too_long");
        let silent = triage::act(dev, desk.id, &accept(9), Some("  "), None).await;
        assert_eq!(silent.expect_err("refused").code(), "reason.required");
        let after = desk.act(dev, accept(30)).await.expect("is accepted");
        assert_eq!(after.triage.treatment.until(), Some(desk.in_days(30)));
        assert_eq!(desk.code(dev, accept(30)).await, "treatment.unchanged");
        desk.act(dev, accept(29)).await.expect("is accepted again");
        assert_eq!(desk.code(dev, accept(28)).await, "acceptance.too_often");
        let rate = |score| Command::Rate(Some(Rating::Score(score)));
        desk.act(&desk.triager, rate(8.1)).await.expect("is rated");
        assert_eq!(
            desk.code(dev, Command::Treatment(T::Request)).await,
            "acceptance.severity"
        );
        desk.scene.check().await;
    }
}

#[tokio::test]
async fn a_permanent_acceptance_takes_a_second_person_and_a_refusal_leaves_what_was() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let (dev, manager) = (&desk.developer, &desk.manager);
        let step = |command| Command::Treatment(command);
        let user = dev.actor.user().expect("a person");
        desk.act(dev, Command::StartWith(user))
            .await
            .expect("starts");
        let asked = desk.act(dev, step(T::Request)).await.expect("asks");
        assert_eq!(
            asked.triage.treatment.as_str(),
            "IN_PROGRESS",
            "it holds until two agree"
        );
        assert_eq!(desk.code(dev, step(T::Reset)).await, "treatment.pending");
        assert_eq!(desk.code(dev, step(T::Approve)).await, "auth.forbidden");
        assert_eq!(
            desk.code(manager, step(T::Withdraw)).await,
            "approval.other_person"
        );

        let refused = desk.act(manager, step(T::Reject)).await.expect("refuses");
        assert_eq!(refused.triage.treatment.as_str(), "IN_PROGRESS");
        assert!(refused.triage.acceptance_request.is_none());
        assert_eq!(
            desk.code(manager, step(T::Approve)).await,
            "acceptance.not_requested"
        );

        desk.act(manager, step(T::Request)).await.expect("asks");
        assert_eq!(
            desk.code(manager, step(T::Approve)).await,
            "approval.same_person"
        );
        // A token of the same person is the same person; a group's token is nobody.
        let through = |owner| {
            let token = TokenId::from_uuid(uuid::Uuid::from_u128(9));
            Ctx::new(
                manager.ports.clone(),
                Actor::Token { token, owner },
                Grants::unlimited(),
            )
        };
        let own = through(manager.actor.user());
        assert_eq!(
            desk.code(&own, step(T::Approve)).await,
            "approval.same_person"
        );
        assert_eq!(
            desk.code(&through(None), step(T::Approve)).await,
            "approval.needs_person"
        );
        let second = desk
            .scene
            .world
            .member(&desk.scene.group, gna_domain::policy::Role::Manager);
        let done = desk.act(&second, step(T::Approve)).await.expect("approves");
        assert!(matches!(
            done.triage.treatment,
            Treatment::AcceptedPermanently { .. }
        ));
        assert_eq!(
            desk.code(dev, step(T::Request)).await,
            "treatment.unchanged"
        );
        desk.act(dev, step(T::Reset))
            .await
            .expect("is taken up again");
        desk.scene.check().await;
    }
}

#[tokio::test]
async fn false_positives_are_hidden_until_another_person_rejects_them() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let step = |command| Command::FalsePositive(command);
        let (dev, triager) = (&desk.developer, &desk.triager);
        let only = |status: &str| VulnerabilityFilter {
            false_positives: vec![status.to_owned()],
            ..VulnerabilityFilter::default()
        };
        assert_eq!(desk.listed(VulnerabilityFilter::default()).await, 1);
        desk.act(triager, step(F::Request)).await.expect("asks");
        assert_eq!(
            desk.code(triager, step(F::Confirm)).await,
            "approval.same_person"
        );
        assert_eq!(
            desk.code(dev, step(F::Request)).await,
            "false_positive.pending"
        );
        assert_eq!(desk.code(dev, step(F::Confirm)).await, "auth.forbidden");
        assert_eq!(desk.listed(VulnerabilityFilter::default()).await, 0);
        assert_eq!(desk.listed(only("REQUESTED")).await, 1);
        desk.act(&desk.manager, step(F::Confirm))
            .await
            .expect("agrees");
        assert_eq!(
            desk.code(dev, step(F::Request)).await,
            "false_positive.confirmed"
        );
        assert_eq!(
            desk.code(dev, Command::Verification(V::Request)).await,
            "verification.false_positive"
        );
        let any = VulnerabilityFilter {
            any_false_positive: true,
            ..VulnerabilityFilter::default()
        };
        assert_eq!(desk.listed(any).await, 1);
        desk.scene.check().await;
        // It is reported again, and stays what people said.
        desk.scene.import(super::report()).await;
        assert_eq!(desk.listed(only("CONFIRMED")).await, 1);
        let back = desk.act(triager, step(F::Reject)).await.expect("is real");
        assert_eq!(
            back.triage.false_positive_status(),
            Some(FalsePositiveStatus::Rejected)
        );
        assert_eq!(desk.listed(VulnerabilityFilter::default()).await, 1);
        desk.act(dev, step(F::Request)).await.expect("asks again");
        desk.act(dev, step(F::Withdraw))
            .await
            .expect("takes it back");
        assert_eq!(
            desk.code(dev, step(F::Withdraw)).await,
            "false_positive.not_requested"
        );
        desk.scene.check().await;
    }
}

#[tokio::test]
async fn a_retest_is_asked_for_held_and_answered() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let step = |command| Command::Verification(command);
        let (dev, triager) = (&desk.developer, &desk.triager);
        assert_eq!(
            desk.code(triager, step(V::Hold)).await,
            "verification.not_requested"
        );
        desk.act(dev, step(V::Request)).await.expect("asks");
        assert_eq!(
            desk.code(dev, step(V::Request)).await,
            "verification.pending"
        );
        assert_eq!(
            desk.code(triager, step(V::Resume)).await,
            "verification.not_on_hold"
        );
        desk.act(triager, step(V::Hold)).await.expect("holds");
        let open = step(V::Verify(VerificationOutcome::Open));
        assert_eq!(
            desk.code(triager, open.clone()).await,
            "verification.on_hold"
        );
        desk.act(triager, step(V::Resume)).await.expect("resumes");
        let still = desk.act(triager, open).await.expect("is answered");
        assert_eq!(still.state, State::Open);
        let again = desk.act(dev, step(V::Request)).await.expect("asks again");
        assert_eq!(
            again.triage.verification.as_ref().map(|known| known.cycle),
            Some(2)
        );
        let closed = desk
            .act(triager, step(V::Verify(VerificationOutcome::Closed)))
            .await;
        let closed = closed.expect("is answered");
        assert_eq!(
            closed.state.closed_reason().map(|reason| reason.as_str()),
            Some("VERIFIED")
        );
        assert_eq!(
            desk.code(dev, step(V::Request)).await,
            "vulnerability.not_open"
        );
        // The next report shows it again; one that no longer does answers a retest by itself.
        desk.scene.import(super::report()).await;
        desk.act(dev, step(V::Request))
            .await
            .expect("it is open again");
        desk.scene.import(trivy("package-lock.json", &[])).await;
        let gone = vulnerability::require(triager, desk.id)
            .await
            .expect("is there");
        let answer = gone.triage.verification.as_ref().expect("there was one");
        assert_eq!(
            (answer.status, answer.outcome, answer.verified.is_none()),
            (
                VerificationStatus::Verified,
                Some(VerificationOutcome::Closed),
                true
            )
        );
        desk.scene.check().await;
    }
}

#[tokio::test]
async fn responsibility_severity_and_tickets() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let dev = &desk.developer;
        let user = dev.actor.user().expect("a person");
        assert_eq!(
            desk.code(dev, Command::Assign(Some(nobody()))).await,
            "assignee.unknown"
        );
        assert_eq!(
            desk.code(dev, Command::Treatment(T::Start)).await,
            "treatment.no_assignee"
        );
        let mine = VulnerabilityFilter {
            assignees: vec![user],
            ..VulnerabilityFilter::default()
        };
        let free = VulnerabilityFilter {
            unassigned: true,
            ..VulnerabilityFilter::default()
        };
        assert_eq!(
            (
                desk.listed(mine.clone()).await,
                desk.listed(free.clone()).await
            ),
            (0, 1)
        );
        desk.act(dev, Command::StartWith(user))
            .await
            .expect("starts");
        assert_eq!((desk.listed(mine).await, desk.listed(free).await), (1, 0));
        assert_eq!(
            desk.code(dev, Command::Assign(None)).await,
            "treatment.needs_assignee"
        );
        let other = desk.triager.actor.user().expect("a person");
        let handed = desk
            .act(dev, Command::StartWith(other))
            .await
            .expect("is handed over");
        assert_eq!(handed.triage.assignee, Some(other));

        let rate = |rating| Command::Rate(Some(rating));
        let triager = &desk.triager;
        assert_eq!(
            desk.code(dev, rate(Rating::Score(1.0))).await,
            "auth.forbidden"
        );
        assert_eq!(
            desk.code(triager, rate(Rating::Score(f64::NAN))).await,
            "severity.score"
        );
        assert_eq!(
            desk.code(triager, rate(Rating::Vector("CVSS:3.1/AV:N".into())))
                .await,
            "severity.vector"
        );
        let vector = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N";
        let rated = desk
            .act(triager, rate(Rating::Vector(vector.into())))
            .await
            .expect("is rated");
        assert_eq!(
            (rated.severity.level, rated.severity.tool.as_str()),
            (Level::Critical, "manual")
        );
        assert_eq!(
            rated.sources[0].level,
            Level::High,
            "the source's own word is kept"
        );
        desk.scene.import(trivy("package-lock.json", &[])).await;
        desk.scene.import(super::report()).await;
        let kept = vulnerability::require(triager, desk.id)
            .await
            .expect("is there");
        assert_eq!(
            kept.severity.score, 9.3,
            "closing and opening forget nothing"
        );
        let back = desk
            .act(triager, Command::Rate(None))
            .await
            .expect("is unrated");
        assert_eq!(back.severity.tool, "Trivy");

        let link = |url: &str| Command::Link(Some(url.to_owned()));
        for bad in [
            "javascript:alert(1)",
            "https://",
            "https://u:p@x/",
            "https://x/a b",
            "ftp://x",
        ] {
            assert_eq!(desk.code(dev, link(bad)).await, "ticket.malformed", "{bad}");
        }
        let linked = desk
            .act(dev, link("https://tickets.example/SHOP-1"))
            .await
            .expect("is linked");
        assert_eq!(
            linked.triage.ticket.as_deref(),
            Some("https://tickets.example/SHOP-1")
        );
        desk.scene.check().await;
    }
}

#[tokio::test]
async fn of_two_people_at_once_one_wins_and_one_is_told() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let seen = vulnerability::require(&desk.triager, desk.id)
            .await
            .expect("is there")
            .version;
        let ask = Command::FalsePositive(F::Request);
        let until = desk.in_days(3);
        let accept = Command::Treatment(T::Accept { until });
        let (one, other) = tokio::join!(
            triage::act(&desk.triager, desk.id, &ask, Some("a"), Some(seen)),
            triage::act(&desk.developer, desk.id, &accept, Some("b"), Some(seen)),
        );
        let codes: Vec<_> = [&one, &other]
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        assert_eq!(codes.len(), 1, "{one:?} {other:?}");
        assert_eq!(codes[0].code(), "store.conflict");
        // Two second persons at once, without naming a version: one decides, the other is refused.
        let desk = Desk::on(stores).await;
        desk.act(&desk.developer, ask).await.expect("asks");
        let confirm = Command::FalsePositive(F::Confirm);
        let (one, other) = tokio::join!(
            desk.act(&desk.triager, confirm.clone()),
            desk.act(&desk.manager, confirm),
        );
        let codes: Vec<_> = [&one, &other]
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        assert_eq!(codes.len(), 1, "{one:?} {other:?}");
        assert_eq!(codes[0].code(), "false_positive.not_requested");
        let store = desk.scene.world.ports.store.as_ref();
        let audit = repo::all_children::<gna_domain::model::AuditEntry>(
            store,
            &desk.scene.group.organization.to_string(),
        )
        .await
        .expect("reads");
        let confirmed = audit
            .iter()
            .filter(|entry| entry.action == "false_positive.confirmed");
        assert_eq!(confirmed.count(), 1);
        desk.scene.check().await;
    }
}
