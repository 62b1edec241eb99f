//! Decisions on a store whose lists show only later what was written: they go by keys, and come out the
//! same.

use gna_domain::model::{Overlap, Timing};
use gna_domain::policy::Role;
use gna_domain::port::Stored;
use gna_domain::rules::gate::seal;
use gna_domain::service::asset::{self, CreateAsset};
use gna_domain::service::schedule::{self, NewSchedule};
use gna_domain::service::{gate, token, user, vex};
use gna_testkit::{Stores, World};
use serde_json::json;

use crate::access::start_on;
use crate::import::helpers::Scene;

/// A new asset, which no list shows yet.
async fn unlisted(scene: &Scene) -> Stored<gna_domain::model::Asset> {
    let manager = scene.world.member(&scene.group, Role::Manager);
    let input = CreateAsset {
        name: "checkout".to_owned(),
        ..CreateAsset::default()
    };
    let made = asset::create(&manager, &scene.group, input)
        .await
        .expect("is made");
    let page = gna_domain::page::PageRequest::first(10);
    let listed = asset::of_group(&manager, &scene.group, page).await;
    assert!(listed.expect("lists").items.is_empty(), "the list is late");
    made
}

#[tokio::test]
async fn a_person_is_deleted_though_the_lists_show_tokens_that_are_gone_and_not_the_new_ones() {
    let start = start_on(Stores::Lagging).await;
    let bob = start.join("bob", start.shop(), Role::Developer).await;
    let bobs = start.ctx(&bob).await;
    let new = async || {
        let input = start.token(&["report.upload"], 30);
        token::create(&bobs, input).await.expect("makes")
    };
    let (_, listed) = new().await;
    start.world.caught_up().await;
    token::revoke(&bobs, listed.id).await.expect("revokes");
    let (unlisted, _) = new().await;
    let ada = start.ada().await;
    user::delete(&ada, bob.user.id).await.expect("deletes");
    assert!(start.bearer(&unlisted).await.is_err(), "its owner is gone");
    assert!(start.enter(&bob).await.is_err());
}

#[tokio::test]
async fn a_vex_document_is_about_an_asset_from_the_moment_that_there_is_one() {
    let scene = Scene::on(Stores::Lagging).await;
    unlisted(&scene).await;
    let document = |product: &str| {
        let document = json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://vendor.invented/vex/1",
            "author": "Invented Vendor", "timestamp": "2026-01-01T00:00:00Z", "version": 1,
            "statements": [{
                "vulnerability": { "name": "CVE-2024-0001" }, "products": [{ "@id": product }],
                "status": "not_affected", "justification": "component_not_present",
            }],
        });
        document.to_string()
    };
    let manager = scene.world.member(&scene.group, Role::Manager);
    let said = vex::Wish {
        asset: Some("checkout".to_owned()),
        ..vex::Wish::default()
    };
    for (wish, product) in [
        (said, "pkg:npm/one@1.0.0"),
        (vex::Wish::default(), "pkg:generic/checkout"),
    ] {
        let bytes = document(product).into();
        let told = vex::import(&manager, scene.group.id, &wish, bytes).await;
        let told = told.expect("the asset is known");
        assert_eq!((told.claims, told.absent, told.unknown), (1, 1, 0));
    }
}

#[tokio::test]
async fn a_snapshot_has_the_refs_that_no_list_shows_yet() {
    let scene = Scene::on(Stores::Lagging).await;
    let asset = unlisted(&scene).await;
    let sealed = gate::snapshot(&scene.ci, asset.id).await.expect("is taken");
    let snapshot = seal::open(&sealed.file, &[sealed.key]).expect("opens");
    assert_eq!(snapshot.default_ref, "main");
    assert_eq!(snapshot.refs, ["main"]);
}

#[tokio::test]
async fn a_schedule_that_has_just_run_is_due_at_its_next_time_whatever_the_list_shows() {
    let world = World::on(Stores::Lagging).await;
    let system = world.system();
    let new = NewSchedule {
        organization: None,
        name: "poll".to_owned(),
        timing: Timing::Every { seconds: 60 },
        overlap: Overlap::Queue,
        spread_ms: 0,
        job: "test.run".to_owned(),
        payload: json!({}),
    };
    schedule::create(&system, new, &["test.run".to_owned()])
        .await
        .expect("is made");
    world.clock.advance_millis(60_000);
    let next = system.now().plus_millis(60_000);
    for look in 1..=3 {
        let told = schedule::tick(&system).await.expect("ticks");
        assert_eq!(told, Some(next), "look {look}");
    }
    let page = gna_domain::page::PageRequest::first(10);
    let jobs = world.ports.store.scan("job", &page).await.expect("scans");
    assert_eq!(jobs.items.len(), 1);
}
