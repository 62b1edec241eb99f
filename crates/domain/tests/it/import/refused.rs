//! What a report that is refused leaves, and what it must not take away.

use gna_domain::model::{AuditEntry, Report, ReportStatus};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::repo;
use gna_domain::service::asset::{self, UpdateAsset};
use gna_domain::service::report::{self, UploadReport};
use gna_testkit::{Issue, Stores, sarif};

use super::helpers::Scene;

fn good() -> Vec<u8> {
    sarif("Linter", &[Issue::new("a", "src/cart.rs", 10)])
}

fn truncated() -> Vec<u8> {
    b"{\"version\": \"2.1.0\", \"runs\": [{\"tool\"".to_vec()
}

fn on(name: &str) -> UploadReport {
    UploadReport {
        r#ref: Some(name.to_owned()),
        ..UploadReport::default()
    }
}

/// How many assets and refs there are.
async fn kept(scene: &Scene) -> (usize, usize) {
    let store = scene.world.ports.store.as_ref();
    let all = PageRequest::first(100);
    let assets = store.scan("asset", &all).await.expect("scans");
    let refs = store.scan("asset_ref", &all).await.expect("scans");
    (assets.items.len(), refs.items.len())
}

/// Uploads without importing.
async fn upload(scene: &Scene, bytes: Vec<u8>) -> Report {
    scene.world.clock.advance_millis(60_000);
    let upload = UploadReport {
        asset: "checkout".to_owned(),
        file_name: "report.json".to_owned(),
        ..UploadReport::default()
    };
    let report = report::upload(&scene.ci, scene.group.id, upload, bytes.into()).await;
    report.expect("is taken").value
}

async fn status(scene: &Scene, of: &Report) -> ReportStatus {
    let report = report::require(&scene.ci, of.id).await;
    report.expect("is there").status
}

#[tokio::test]
async fn a_report_that_can_not_be_read_leaves_only_its_refusal() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        for (bytes, code) in [
            (truncated(), "report.truncated"),
            (b"neither fish nor flesh".to_vec(), "report.unknown_format"),
        ] {
            for upload in [UploadReport::default(), on("feature")] {
                let report = scene.import_as(upload, bytes.clone()).await;
                assert_eq!(report.status, ReportStatus::Refused);
                let refusal = report.refusal.as_ref();
                assert_eq!(refusal.map(|refusal| refusal.code.as_str()), Some(code));
                assert_eq!(kept(&scene).await, (0, 0), "{code} on {stores:?}");
            }
        }
        assert!(scene.vulnerabilities().await.is_empty());
        let store = scene.world.ports.store.as_ref();
        let of = scene.group.organization.to_string();
        let audit = repo::all_children::<AuditEntry>(store, &of).await;
        let audit = audit.expect("reads");
        let count = |action: &str| audit.iter().filter(|entry| entry.action == action).count();
        assert_eq!((count("asset.created"), count("asset.removed")), (4, 4));
        // The name is free for a report that can be read.
        scene.import(good()).await;
        assert_eq!(kept(&scene).await, (1, 1));
        scene.check().await;
    }
}

#[tokio::test]
async fn a_ref_goes_alone_and_only_with_the_report_that_it_was_made_for() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        scene.import(good()).await;
        scene.import(truncated()).await;
        assert_eq!(kept(&scene).await, (1, 1), "it was there before");
        scene.import_as(on("feature"), truncated()).await;
        assert_eq!(kept(&scene).await, (1, 1), "on {stores:?}");
        scene.import_as(on("feature"), good()).await;
        scene.import_as(on("feature"), truncated()).await;
        assert_eq!(kept(&scene).await, (1, 2), "on {stores:?}");
        scene.check().await;
    }
}

#[tokio::test]
async fn what_someone_else_came_to_use_stays() {
    for stores in Stores::ALL {
        // Another report, uploaded before the first is refused.
        let scene = Scene::on(stores).await;
        let refused = upload(&scene, truncated()).await;
        let other = upload(&scene, good()).await;
        assert_eq!(other.asset, refused.asset);
        scene.world.run_jobs().await.expect("imports");
        assert_eq!(status(&scene, &refused).await, ReportStatus::Refused);
        assert_eq!(status(&scene, &other).await, ReportStatus::Complete);
        assert_eq!(kept(&scene).await, (1, 1), "on {stores:?}");
        assert_eq!(scene.vulnerabilities().await.len(), 1);
        scene.check().await;

        // A person who tagged it meanwhile.
        let scene = Scene::on(stores).await;
        let refused = upload(&scene, truncated()).await;
        let manager = scene.world.member(&scene.group, Role::Manager);
        let tagged = UpdateAsset {
            tags: Some(vec!["pci".to_owned()]),
            ..UpdateAsset::default()
        };
        asset::update(&manager, refused.asset, tagged)
            .await
            .expect("is tagged");
        scene.world.run_jobs().await.expect("imports");
        assert_eq!(status(&scene, &refused).await, ReportStatus::Refused);
        assert_eq!(kept(&scene).await, (1, 1), "on {stores:?}");
    }
}
