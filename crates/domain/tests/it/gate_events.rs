//! What the gate tells others: a build that does not pass, and the pass that ends that.

use async_trait::async_trait;
use gna_domain::error::Result;
use gna_domain::id::ReportId;
use gna_domain::model::Group;
use gna_domain::policy::Role;
use gna_domain::port::egress::OutResponse;
use gna_domain::port::store::{ChangeSet, FeedPosition};
use gna_domain::rules::gate::{Limits, Verdict};
use gna_domain::service::gate::{self, RunGate};
use gna_domain::service::report::UploadReport;
use gna_domain::service::webhook::endpoint::{self, NewEndpoint};
use gna_domain::service::webhook::{DeliverHandler, follow};
use gna_testkit::{AtCommit, StoreBetween, Stores, World, trivy};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

async fn upload(world: &World, shop: &Group, r#ref: &str, cves: &[&str]) -> ReportId {
    world.clock.advance_millis(1_000);
    let items: Vec<(&str, &str, &str)> = cves.iter().map(|cve| (*cve, "pad", "1.0.0")).collect();
    let upload = UploadReport {
        asset: "checkout".to_owned(),
        file_name: "a.json".to_owned(),
        r#ref: Some(r#ref.to_owned()),
        ..UploadReport::default()
    };
    let robot = world.member(shop, Role::Ci);
    world
        .import(&robot, shop, upload, trivy("a.json", &items))
        .await
        .id
}

async fn judge(world: &World, shop: &Group, report: ReportId) -> Verdict {
    let lax = Limits {
        strict: Some(false),
        ..Limits::default()
    };
    judge_by(world, shop, report, lax, false).await
}

async fn judge_by(
    world: &World,
    shop: &Group,
    report: ReportId,
    limits: Limits,
    new_only: bool,
) -> Verdict {
    let asked = RunGate {
        report,
        with: Vec::new(),
        limits,
        new_only,
        base: None,
    };
    let robot = world.member(shop, Role::Ci);
    gate::run(&robot, asked).await.expect("judges").run.verdict
}

/// What the feed calls the runs since then, oldest first.
async fn called(world: &World, since: &FeedPosition) -> Vec<String> {
    world.caught_up().await;
    let items = world.ports.store.feed(Some(since), 10_000).await;
    let items = items.expect("reads").into_iter();
    items
        .filter(|item| item.key.collection == "gate_run")
        .map(|item| item.event.name)
        .collect()
}

#[tokio::test]
async fn a_broken_gate_and_the_pass_that_ends_it_are_told_and_no_other_pass() {
    for stores in Stores::ALL {
        let world = World::on(stores).await.handling(Arc::new(DeliverHandler));
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        let olga = world.in_organization(&acme, Role::Owner);
        world.egress.respond(|_| {
            Ok(OutResponse {
                status: 200,
                headers: Vec::new(),
                body: Default::default(),
            })
        });
        let new = NewEndpoint {
            url: "https://hooks.example.com/gna".to_owned(),
            events: vec!["gate.broken".to_owned(), "gate.recovered".to_owned()],
            ..NewEndpoint::default()
        };
        endpoint::create(&olga, acme.id, new)
            .await
            .expect("is made");

        let clean = upload(&world, &shop, "main", &[]).await;
        assert_eq!(judge(&world, &shop, clean).await, Verdict::Pass);
        let bad = upload(&world, &shop, "main", &["CVE-2024-0001", "CVE-2024-0002"]).await;
        assert_eq!(judge(&world, &shop, bad).await, Verdict::Broken);
        assert_eq!(judge(&world, &shop, bad).await, Verdict::Broken);
        // Another ref passes: that ends nothing.
        let branch = upload(&world, &shop, "branch", &[]).await;
        assert_eq!(judge(&world, &shop, branch).await, Verdict::Pass);
        let good = upload(&world, &shop, "main", &[]).await;
        assert_eq!(judge(&world, &shop, good).await, Verdict::Pass);
        assert_eq!(judge(&world, &shop, good).await, Verdict::Pass);

        let system = world.system();
        world.caught_up().await;
        follow::follower().catch_up(&system).await.expect("follows");
        world.run_jobs().await.expect("sends");
        let mut told: Vec<Value> = world
            .egress
            .asked()
            .iter()
            .map(|request| {
                let body = request.body.as_ref().expect("a body");
                serde_json::from_slice(&body.bytes).expect("JSON")
            })
            .collect();
        // Messages about different runs are under no order.
        told.sort_by_key(|message| message["timestamp"].to_string());
        let types: Vec<&Value> = told.iter().map(|message| &message["type"]).collect();
        assert_eq!(types.len(), 3, "{stores:?}: {types:?}");
        let count = |name: &str| types.iter().filter(|of| **of == name).count();
        assert_eq!((count("gate.broken"), count("gate.recovered")), (2, 1));
        let first = &told[0]["data"];
        assert_eq!(first["group"]["slug"], "shop");
        assert_eq!(first["asset"]["name"], "checkout");
        let run = &first["gate_run"];
        assert_eq!(run["ref"], "main");
        assert_eq!(run["report"], json!(bad));
        assert_eq!(
            (&run["verdict"], &run["fails"]),
            (&json!("BROKEN"), &json!(false))
        );
        assert_eq!(run["counts"]["breaking"], 2);
        assert_eq!(run["terms"]["strict"], false);
        let last = &told[2]["data"]["gate_run"];
        assert_eq!(
            (&last["verdict"], &last["report"]),
            (&json!("PASS"), &json!(good))
        );
    }
}

#[tokio::test]
async fn a_pass_by_laxer_terms_ends_no_failure_and_takes_no_recovery_away() {
    for stores in Stores::ALL {
        let world = World::on(stores).await;
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        let since = world.ports.store.feed_end().await.expect("ends");
        let strict = Limits::default();
        let lenient = Limits {
            threshold: Some(9.9),
            ..Limits::default()
        };
        let lax = Limits {
            strict: Some(false),
            ..Limits::default()
        };
        upload(&world, &shop, "main", &[]).await;
        let bad = upload(&world, &shop, "branch", &["CVE-2024-0001"]).await;
        let by = async |report, limits, new_only| {
            world.clock.advance_millis(1_000);
            judge_by(&world, &shop, report, limits, new_only).await
        };
        assert_eq!(by(bad, strict, false).await, Verdict::Broken);
        assert_eq!(by(bad, lenient, false).await, Verdict::Pass);
        assert_eq!(by(bad, strict, true).await, Verdict::Broken);
        assert_eq!(by(bad, lax, false).await, Verdict::Broken);
        let good = upload(&world, &shop, "branch", &[]).await;
        assert_eq!(by(good, lenient, false).await, Verdict::Pass);
        assert_eq!(by(good, strict, false).await, Verdict::Pass);
        assert_eq!(by(good, strict, false).await, Verdict::Pass);
        assert_eq!(by(good, strict, true).await, Verdict::Pass);
        assert_eq!(by(good, lax, false).await, Verdict::Pass);
        assert_eq!(
            called(&world, &since).await,
            [
                "gate.broken",
                "gate.passed",
                "gate.broken",
                "gate.broken",
                "gate.passed",
                "gate.recovered",
                "gate.passed",
                "gate.recovered",
                "gate.recovered",
            ],
            "{stores:?}"
        );
    }
}

/// Holds the first record of a run back until it is told to go on.
#[derive(Default)]
struct Held {
    was: AtomicBool,
    reached: Notify,
    goes_on: Notify,
}

#[async_trait]
impl AtCommit for Held {
    async fn before(&self, changes: &ChangeSet) -> Result<()> {
        let mut writes = changes.writes.iter();
        let is_run = writes.any(|write| write.key.collection == "gate_run");
        if is_run && !self.was.swap(true, Ordering::SeqCst) {
            self.reached.notify_one();
            self.goes_on.notified().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn of_two_runs_at_once_the_one_that_ends_last_is_called_by_what_the_other_left() {
    for stores in Stores::ALL {
        let mut world = World::on(stores).await;
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        let clean = upload(&world, &shop, "main", &[]).await;
        assert_eq!(judge(&world, &shop, clean).await, Verdict::Pass);
        world.caught_up().await;
        let since = world.ports.store.feed_end().await.expect("ends");
        let held = Arc::<Held>::default();
        world.ports.store = Arc::new(StoreBetween {
            inner: world.ports.store.clone(),
            with: held.clone(),
        });
        let world = &world;
        let (first, second) = tokio::join!(judge(world, &shop, clean), async {
            held.reached.notified().await;
            let bad = upload(world, &shop, "main", &["CVE-2024-0001"]).await;
            let verdict = judge(world, &shop, bad).await;
            held.goes_on.notify_one();
            verdict
        });
        assert_eq!((first, second), (Verdict::Pass, Verdict::Broken));
        assert_eq!(
            called(world, &since).await,
            ["gate.broken", "gate.recovered"],
            "{stores:?}"
        );
        // What stands is what was recorded last.
        let bad = upload(world, &shop, "main", &["CVE-2024-0001"]).await;
        judge(world, &shop, bad).await;
        let good = upload(world, &shop, "main", &[]).await;
        judge(world, &shop, good).await;
        let all = called(world, &since).await;
        assert_eq!(all.last().map(String::as_str), Some("gate.recovered"));
    }
}
