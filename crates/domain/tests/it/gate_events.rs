//! What the gate tells others: a build that does not pass, and the pass that ends that.

use gna_domain::id::ReportId;
use gna_domain::model::Group;
use gna_domain::policy::Role;
use gna_domain::port::egress::OutResponse;
use gna_domain::rules::gate::{Limits, Verdict};
use gna_domain::service::gate::{self, RunGate};
use gna_domain::service::report::UploadReport;
use gna_domain::service::webhook::endpoint::{self, NewEndpoint};
use gna_domain::service::webhook::{DeliverHandler, follow};
use gna_testkit::{Stores, World, trivy};
use serde_json::{Value, json};
use std::sync::Arc;

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
    let asked = RunGate {
        report,
        with: Vec::new(),
        limits: Limits {
            strict: Some(false),
            ..Limits::default()
        },
        new_only: false,
        base: None,
    };
    let robot = world.member(shop, Role::Ci);
    gate::run(&robot, asked).await.expect("judges").run.verdict
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
