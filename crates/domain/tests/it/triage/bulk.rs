//! One decision on many vulnerabilities.

use gna_domain::Ctx;
use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::model::{ClosedReason, PolicyChange, State, Treatment};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::Stored;
use gna_domain::rules::decide::Decision;
use gna_domain::rules::desk::Command;
use gna_domain::rules::treatment::Command as T;
use gna_domain::service::bulk::{self, BULK_LIMIT, Bulk, BulkStatus, Chosen};
use gna_domain::service::filter::VulnerabilityFilter;
use gna_testkit::{Stores, trivy};

use super::{Desk, set};

/// More than one step takes, so that a bulk has several.
const MANY: usize = 450;

async fn crowded(stores: Stores) -> Desk {
    let desk = Desk::on(stores).await;
    let packages: Vec<(String, String)> = (0..MANY)
        .map(|n| (format!("CVE-2024-{n:04}"), format!("pad-{n}")))
        .collect();
    let mut rows: Vec<(&str, &str, &str)> = packages
        .iter()
        .map(|(cve, name)| (cve.as_str(), name.as_str(), "1.0.0"))
        .collect();
    // Still there, so that the report closes nothing.
    rows.push(("CVE-2024-0001", "left-pad", "1.0.0"));
    desk.scene.import(trivy("package-lock.json", &rows)).await;
    desk
}

fn all() -> Chosen {
    Chosen::Filter(Box::default())
}

impl Desk {
    async fn start(&self, who: &Ctx, chosen: Chosen, command: Command) -> Stored<Bulk> {
        bulk::start(who, self.scene.group.id, chosen, command, Some("because"))
            .await
            .expect("starts")
    }

    async fn ended(&self, started: Stored<Bulk>) -> Stored<Bulk> {
        self.scene.world.run_jobs().await.expect("runs");
        let ended = bulk::require(&self.triager, started.id).await;
        ended.expect("is there")
    }

    async fn refused(&self, who: &Ctx, chosen: Chosen, command: Command) -> &'static str {
        let started = bulk::start(who, self.scene.group.id, chosen, command, None).await;
        started.expect_err("refused").code()
    }
}

fn counts(bulk: &Bulk) -> (Option<u64>, u64, u64, u64, u64) {
    (
        bulk.total,
        bulk.done,
        bulk.changed,
        bulk.unchanged,
        bulk.refused,
    )
}

#[tokio::test]
async fn a_filter_is_decided_on_in_steps_with_each_refusal_told() {
    for stores in Stores::ALL {
        let desk = crowded(stores).await;
        let open = desk.scene.vulnerabilities().await;
        let total = open.len() as u64;
        // One is closed already; closing it once more is refused, and the rest is not kept from it.
        let closed = open[7].id;
        let fixed = Command::State(Decision::Close(ClosedReason::Fixed));
        let one = desk.start(
            &desk.triager,
            Chosen::Ids(vec![closed, closed]),
            fixed.clone(),
        );
        let one = desk.ended(one.await).await;
        assert_eq!(one.status, BulkStatus::Complete);
        assert_eq!(counts(&one), (Some(1), 1, 1, 0, 0));

        let started = desk.start(&desk.triager, all(), fixed).await;
        assert_eq!((started.status, started.total), (BulkStatus::Queued, None));
        let ended = desk.ended(started).await;
        assert_eq!(ended.status, BulkStatus::Complete);
        assert_eq!(counts(&ended), (Some(total), total, total - 1, 0, 1));
        let page = PageRequest::first(10);
        let told = bulk::refusals(&desk.triager, ended.id, page).await;
        let told = told.expect("lists").items;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].vulnerability, closed);
        assert!(!told[0].code.is_empty() && !told[0].message.is_empty());

        for vulnerability in desk.scene.vulnerabilities().await {
            assert_eq!(vulnerability.state, State::Closed(ClosedReason::Fixed));
            assert_eq!(vulnerability.version, 2, "each was decided on once");
        }
        desk.scene.check().await;
        desk.scene.world.caught_up().await;
        let listed = bulk::list(&desk.triager, &desk.scene.group, PageRequest::first(10)).await;
        let listed: Vec<_> = listed.expect("lists").items;
        assert_eq!(listed.len(), 2);
    }
}

#[tokio::test]
async fn what_each_rule_says_holds_for_each_of_many() {
    let desk = crowded(Stores::Memory).await;
    desk.policy(PolicyChange {
        max_acceptance_days: set(30),
        max_acceptances: set(1),
        ..PolicyChange::default()
    })
    .await;
    let until = desk.in_days(20);
    let accept = Command::Treatment(T::Accept { until });
    let some: Vec<VulnerabilityId> = desk.scene.vulnerabilities().await[..3]
        .iter()
        .map(|vulnerability| vulnerability.id)
        .collect();
    let first = desk.start(&desk.developer, Chosen::Ids(some.clone()), accept.clone());
    assert_eq!(desk.ended(first.await).await.changed, 3);
    // Accepted again, until another day: the policy allows it once only.
    let until = desk.in_days(21);
    let unknown = VulnerabilityId::from_uuid(uuid::Uuid::from_u128(9));
    let again = Chosen::Ids([some.clone(), vec![unknown]].concat());
    let again = desk.start(
        &desk.developer,
        again,
        Command::Treatment(T::Accept { until }),
    );
    let again = desk.ended(again.await).await;
    assert_eq!(counts(&again), (Some(4), 4, 0, 0, 4));
    let page = PageRequest::first(10);
    let told = bulk::refusals(&desk.developer, again.id, page).await;
    let mut codes: Vec<String> = told
        .expect("lists")
        .items
        .iter()
        .map(|refusal| refusal.code.clone())
        .collect();
    codes.sort();
    assert_eq!(
        codes,
        [
            "acceptance.too_often",
            "acceptance.too_often",
            "acceptance.too_often",
            "not_found"
        ]
    );
    let stored = desk.scene.vulnerabilities().await;
    let who = stored
        .iter()
        .find(|vulnerability| vulnerability.id == some[0]);
    assert!(matches!(
        &who.expect("is there").triage.treatment,
        Treatment::Accepted { .. }
    ));
    desk.scene.check().await;
}

#[tokio::test]
async fn a_cancelled_bulk_decides_nothing_more() {
    let desk = crowded(Stores::Memory).await;
    let tag = Command::State(Decision::Tag {
        add: vec!["later".to_owned()],
        remove: Vec::new(),
    });
    let started = desk.start(&desk.triager, all(), tag).await;
    let cancelled = bulk::cancel(&desk.triager, started.id).await;
    assert_eq!(cancelled.expect("stops").status, BulkStatus::Cancelled);
    let again = bulk::cancel(&desk.triager, started.id).await;
    assert_eq!(again.expect("is stopped").status, BulkStatus::Cancelled);
    let ended = desk.ended(started).await;
    assert_eq!((ended.status, ended.done), (BulkStatus::Cancelled, 0));
    let untouched = desk.scene.vulnerabilities().await;
    assert!(
        untouched
            .iter()
            .all(|vulnerability| vulnerability.version == 1)
    );
}

#[tokio::test]
async fn bad_bulks_are_refused_before_anything_is_written() {
    let desk = Desk::on(Stores::Memory).await;
    let confirm = Command::State(Decision::Confirm);
    let none = Chosen::Ids(Vec::new());
    let triager = &desk.triager;
    assert_eq!(
        desk.refused(triager, none, confirm.clone()).await,
        "bulk.nothing"
    );
    let ids = |count: usize| {
        let ids = (0..count).map(|n| VulnerabilityId::from_uuid(uuid::Uuid::from_u128(n as u128)));
        Chosen::Ids(ids.collect())
    };
    let many = ids(BULK_LIMIT + 1);
    assert_eq!(
        desk.refused(triager, many, confirm.clone()).await,
        "bulk.too_many"
    );
    let developer = &desk.developer;
    assert_eq!(
        desk.refused(developer, all(), confirm.clone()).await,
        "auth.forbidden"
    );
    let assign = Command::Assign(Some(super::nobody()));
    assert_eq!(
        desk.refused(triager, all(), assign).await,
        "assignee.unknown"
    );
    let elsewhere = desk.scene.world.organization("other").await;
    let elsewhere = desk.scene.world.group(&elsewhere, "else").await;
    let stranger = desk.scene.world.member(&elsewhere, Role::Manager);
    assert_eq!(desk.refused(&stranger, all(), confirm).await, "not_found");
    let filter = VulnerabilityFilter::default();
    assert_eq!(filter, serde_json::from_str("{}").expect("defaults"));
    let started = desk
        .start(triager, ids(1), Command::State(Decision::Reopen))
        .await;
    let seen = bulk::require(&stranger, started.id).await;
    assert_eq!(seen.expect_err("hidden").code(), "not_found");
}
