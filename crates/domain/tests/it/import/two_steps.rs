//! Reports whose bytes come before what is said about them: room is made, bytes are sent, and then they
//! are registered.

use bytes::Bytes;
use gna_domain::model::{AuditEntry, Report, ReportStatus, UPLOAD_KEPT_MS, UPLOAD_MS, Upload};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::{Blobs, Stored, repo};
use gna_domain::secret::Secret;
use gna_domain::service::report::UploadReport;
use gna_domain::service::upload::{self, Begun, Door};
use gna_domain::{Ctx, Grants, Result};
use gna_testkit::{Issue, Stores, sarif};

use super::helpers::Scene;

/// The largest report, in bytes.
const LIMIT: u64 = 100_000;

fn words() -> UploadReport {
    UploadReport {
        asset: "checkout".to_owned(),
        file_name: "report.json".to_owned(),
        ..UploadReport::default()
    }
}

fn good() -> Bytes {
    sarif("Linter", &[Issue::new("a", "src/cart.rs", 10)]).into()
}

async fn begun(scene: &Scene) -> (Upload, Secret) {
    let begun = upload::begin(&scene.ci, scene.group.id, None, LIMIT).await;
    let Begun { upload, door } = begun.expect("room is made");
    match door {
        Door::Own(proof) => (upload, proof),
        Door::Signed(_) => panic!("nothing here signs addresses"),
    }
}

/// As a program without any right does, which was given the proof.
async fn send(scene: &Scene, to: &Upload, proof: &Secret, bytes: Bytes) -> Result<()> {
    let nobody = scene.world.anonymous();
    let admitted = upload::admit(&nobody, to.id, proof).await?;
    upload::keep(&nobody, &admitted, bytes, LIMIT).await
}

async fn register(scene: &Scene, of: &Upload, words: UploadReport) -> Result<Stored<Report>> {
    upload::register(&scene.ci, scene.group.id, of.id, words, LIMIT).await
}

/// The places of bytes whose names begin so.
fn blobs(scene: &Scene, begin: &str) -> usize {
    let names = scene.world.blobs.names();
    names.iter().filter(|name| name.starts_with(begin)).count()
}

async fn reports(scene: &Scene) -> usize {
    let all = PageRequest::first(100);
    let store = scene.world.ports.store.as_ref();
    store.scan("report", &all).await.expect("scans").items.len()
}

#[tokio::test]
async fn bytes_that_came_first_become_one_report_however_often_they_are_registered() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let (room, proof) = begun(&scene).await;
        send(&scene, &room, &proof, "a first try".into())
            .await
            .expect("is kept");
        send(&scene, &room, &proof, good())
            .await
            .expect("takes its place");
        assert!(room.blob().contains(&scene.group.organization.to_string()));

        // Twice at once, as a client does that does not hear the first answer.
        let (one, two) = tokio::join!(
            register(&scene, &room, words()),
            register(&scene, &room, words())
        );
        let (one, two) = (one.expect("is taken"), two.expect("is the same"));
        assert_eq!(one.id, two.id, "{stores:?}");
        assert_eq!((reports(&scene).await, blobs(&scene, "uploads/")), (1, 0));
        assert_eq!(blobs(&scene, "reports/"), 1, "one copy, not two");
        assert_eq!(one.uploaded_by, scene.ci.actor.label());
        assert_eq!(one.size, u64::try_from(good().len()).expect("fits"));

        // Bytes that come late go nowhere, and change nothing of the report.
        let late = send(&scene, &room, &proof, "late".into()).await;
        assert_eq!(late.expect_err("refused").code(), "upload.used");
        let straight = scene.world.blobs.put(&room.blob(), "late".into()).await;
        straight.expect("an address that still works");
        let again = register(&scene, &room, words()).await.expect("the same");
        assert_eq!(again.id, one.id);
        scene.world.run_jobs().await.expect("imports");
        let done = repo::require::<Report>(scene.ci.store(), one.id).await;
        let done = done.expect("is there");
        assert_eq!(
            (done.status, done.counts.created),
            (ReportStatus::Complete, 1)
        );

        let other = UploadReport {
            asset: "something else".to_owned(),
            ..words()
        };
        let refused = register(&scene, &room, other).await;
        assert_eq!(refused.expect_err("refused").code(), "upload.used");

        let organization = scene.group.organization.to_string();
        let log = repo::all_children::<AuditEntry>(scene.ci.store(), &organization).await;
        let log = log.expect("reads");
        for (action, times) in [("upload.begun", 1), ("report.uploaded", 1)] {
            let entries = log.iter().filter(|entry| entry.action == action);
            assert_eq!(entries.count(), times, "{action}");
        }
        for collection in ["audit", "upload"] {
            let all = PageRequest::first(100);
            let kept = scene.ci.store().scan(collection, &all).await;
            for record in kept.expect("scans").items {
                let text = String::from_utf8_lossy(&record.body).into_owned();
                assert!(!text.contains(proof.expose()), "{collection}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_registers_what_is_another_s() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let world = &scene.world;
        let (room, proof) = begun(&scene).await;
        let guess = Secret::new("0".repeat(64));
        let refused = send(&scene, &room, &guess, good()).await;
        assert_eq!(refused.expect_err("refused").code(), "upload.not_found");
        send(&scene, &room, &proof, good()).await.expect("is kept");

        let colleague = world.member(&scene.group, Role::Manager);
        let evil = world.organization("evil").await;
        let den = world.group(&evil, "den").await;
        let eve = world.member(&den, Role::Manager);
        // Who began it, in another group.
        let everywhere = Ctx::new(
            world.ports.clone(),
            scene.ci.actor.clone(),
            Grants::unlimited(),
        );
        let reader = world.member(&scene.group, Role::Reader);
        for (who, ctx, group, code) in [
            ("a colleague", &colleague, &scene.group, "upload.not_found"),
            ("a stranger", &eve, &scene.group, "not_found"),
            ("a stranger at home", &eve, &den, "upload.not_found"),
            ("in another group", &everywhere, &den, "upload.not_found"),
            ("a reader", &reader, &scene.group, "auth.forbidden"),
        ] {
            let refused = upload::register(ctx, group.id, room.id, words(), LIMIT).await;
            assert_eq!(refused.expect_err("refused").code(), code, "{who}");
        }
        for (who, ctx, code) in [
            ("a stranger", &eve, "not_found"),
            ("a reader", &reader, "auth.forbidden"),
            ("nobody", &world.anonymous(), "auth.required"),
        ] {
            let refused = upload::begin(ctx, scene.group.id, None, LIMIT).await;
            assert_eq!(refused.expect_err("refused").code(), code, "{who}");
        }
        assert_eq!((reports(&scene).await, blobs(&scene, "reports/")), (0, 0));
        register(&scene, &room, words()).await.expect("its own");
    }
}

#[tokio::test]
async fn what_can_not_become_a_report_leaves_nothing_but_its_room() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        for (size, code) in [(0, "report.empty"), (LIMIT + 1, "report.too_large")] {
            let refused = upload::begin(&scene.ci, scene.group.id, Some(size), LIMIT).await;
            assert_eq!(refused.expect_err("refused").code(), code);
        }
        let (room, proof) = begun(&scene).await;
        let early = register(&scene, &room, words()).await;
        assert_eq!(early.expect_err("refused").code(), "upload.incomplete");
        let large = vec![b' '; usize::try_from(LIMIT).expect("fits") + 1];
        for (bytes, code) in [
            (Bytes::new(), "report.empty"),
            (Bytes::from(large), "report.too_large"),
        ] {
            let refused = send(&scene, &room, &proof, bytes.clone()).await;
            assert_eq!(refused.expect_err("refused").code(), code);
            // Nor where they went to the store by themselves.
            let straight = scene.world.blobs.put(&room.blob(), bytes).await;
            straight.expect("is kept");
            let refused = register(&scene, &room, words()).await;
            assert_eq!(refused.expect_err("refused").code(), code);
        }
        send(&scene, &room, &proof, good()).await.expect("is kept");
        let wrong_format = UploadReport {
            format: Some("no-such-format".to_owned()),
            ..words()
        };
        // Seen only after the bytes were copied.
        let wrong_environment = UploadReport {
            environment: Some("nowhere".to_owned()),
            ..words()
        };
        for (words, code) in [
            (wrong_format, "report.unknown_format"),
            (wrong_environment, "environment.unknown"),
        ] {
            let refused = register(&scene, &room, words).await;
            assert_eq!(refused.expect_err("refused").code(), code);
        }
        assert_eq!((reports(&scene).await, blobs(&scene, "reports/")), (0, 0));
        // And what was wrong can be mended.
        register(&scene, &room, words()).await.expect("is taken");
    }
}

#[tokio::test]
async fn what_nobody_registers_goes_after_a_day() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let clock = &scene.world.clock;
        let system = scene.world.system();
        let (forgotten, proof) = begun(&scene).await;
        send(&scene, &forgotten, &proof, good())
            .await
            .expect("is kept");
        let (used, its_proof) = begun(&scene).await;
        send(&scene, &used, &its_proof, good())
            .await
            .expect("is kept");
        clock.advance_millis(UPLOAD_MS);
        let late = send(&scene, &forgotten, &proof, good()).await;
        assert_eq!(late.expect_err("refused").code(), "upload.expired");
        let report = register(&scene, &used, words()).await;
        let report = report.expect("later than the bytes is in time");

        clock.advance_millis(UPLOAD_KEPT_MS - UPLOAD_MS - 1);
        let (young, its_proof) = begun(&scene).await;
        send(&scene, &young, &its_proof, good())
            .await
            .expect("is kept");
        upload::sweep(&system).await.expect("sweeps");
        assert_eq!(blobs(&scene, "uploads/"), 2, "nothing is old enough");
        clock.advance_millis(1);
        let refused = register(&scene, &forgotten, words()).await;
        assert_eq!(refused.expect_err("refused").code(), "upload.expired");
        assert!(upload::sweep(&scene.ci).await.is_err(), "not everybody's");
        upload::sweep(&system).await.expect("sweeps");
        assert_eq!(blobs(&scene, "uploads/"), 1, "the young one");
        let left = scene
            .ci
            .store()
            .scan(
                <Upload as gna_domain::port::Entity>::COLLECTION,
                &PageRequest::first(100),
            )
            .await;
        assert_eq!(left.expect("scans").items.len(), 1);
        for gone in [&forgotten, &used] {
            let refused = register(&scene, gone, words()).await;
            assert_eq!(refused.expect_err("refused").code(), "upload.not_found");
        }
        let kept = repo::require::<Report>(scene.ci.store(), report.id).await;
        assert_eq!(kept.expect("stays").id, report.id);
        assert_eq!(blobs(&scene, &report.raw_blob()), 1);
    }
}
