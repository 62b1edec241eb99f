//! An import that is interrupted at any commit ends in the same result.

use async_trait::async_trait;
use gna_domain::Resource;
use gna_domain::error::{Error, Result};
use gna_domain::page::{Page, PageRequest};
use gna_domain::port::store::{
    Backup, ChangeSet, FeedItem, FeedPosition, Key, List, Raw, Signals, Store, StoreLimits,
    UniqueKey,
};
use gna_domain::service::report::UploadReport;
use gna_domain::service::triage_rule;
use gna_domain::time::Timestamp;
use gna_testkit::{Issue, Stores, sarif};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::helpers::{Scene, line};
use crate::triage_rules::{suppressing, tagging};

/// Fails commits once so many have gone through, and takes few writes at once, so that an import
/// has many chunks.
struct Failing {
    inner: Arc<dyn Store>,
    left: AtomicI64,
    writes: usize,
}

#[async_trait]
impl Store for Failing {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }
    fn limits(&self) -> StoreLimits {
        StoreLimits {
            writes: self.writes,
            ..self.inner.limits()
        }
    }
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Raw>>> {
        self.inner.get(keys).await
    }
    async fn find(&self, uniques: &[UniqueKey]) -> Result<Vec<Option<Raw>>> {
        self.inner.find(uniques).await
    }
    async fn list(&self, lists: &[List]) -> Result<Vec<Page<Raw>>> {
        self.inner.list(lists).await
    }
    async fn scan(&self, collection: &'static str, page: &PageRequest) -> Result<Page<Raw>> {
        self.inner.scan(collection, page).await
    }
    async fn commit(&self, changes: ChangeSet) -> Result<FeedPosition> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Error::unavailable(
                "store.unavailable",
                "the cable was pulled",
            ));
        }
        self.inner.commit(changes).await
    }
    async fn feed(&self, after: Option<&FeedPosition>, limit: usize) -> Result<Vec<FeedItem>> {
        self.inner.feed(after, limit).await
    }
    async fn feed_end(&self) -> Result<FeedPosition> {
        self.inner.feed_end().await
    }
    fn feed_reached(&self, reader: &FeedPosition, target: &FeedPosition) -> bool {
        self.inner.feed_reached(reader, target)
    }
    async fn tidy(&self, feed_before: Timestamp) -> Result<()> {
        self.inner.tidy(feed_before).await
    }
    fn signals(&self) -> Signals {
        self.inner.signals()
    }
    async fn check(&self) -> Result<Vec<String>> {
        self.inner.check().await
    }
    async fn backup(&self, name: &str) -> Result<Option<Backup>> {
        self.inner.backup(name).await
    }
}

/// Fifty findings of which the second report keeps some, moves some, drops some and adds some.
fn before_and_after() -> (Vec<u8>, Vec<u8>) {
    let issue = |number: u32, line: u32| {
        Issue::new(
            &format!("rule-{}", number % 7),
            &format!("src/{}.rs", number % 5),
            line,
        )
        .snippet(&format!("call_{number}();"))
    };
    let first: Vec<Issue> = (0..50).map(|number| issue(number, number + 1)).collect();
    let second: Vec<Issue> = (10..60)
        .map(|number| {
            issue(
                number,
                if number % 3 == 0 {
                    number + 100
                } else {
                    number + 1
                },
            )
        })
        .collect();
    (sarif("Linter", &first), sarif("Linter", &second))
}

async fn run(
    stores: Stores,
    fail_after: Option<i64>,
) -> (Vec<String>, gna_domain::model::Counts, bool) {
    let mut scene = Scene::on(stores).await;
    let (first, second) = before_and_after();
    scene.import(first).await;
    // Rules decide on what the second report creates and changes, in the same commits.
    let place = Resource::Group(scene.group.organization, scene.group.id);
    let system = scene.world.system();
    for draft in [
        tagging("'rule-1' in vulnerability.rules", "first"),
        suppressing("vulnerability.path == 'src/2.rs'"),
    ] {
        triage_rule::save(&system, place, None, &draft, None)
            .await
            .expect("is a rule");
    }
    let inner = scene.world.ports.store.clone();
    let failing = Arc::new(Failing {
        inner: inner.clone(),
        left: AtomicI64::new(i64::MAX),
        writes: 60,
    });
    scene.world.ports.store = failing.clone();
    scene.ci.ports.store = failing.clone();
    let upload = UploadReport {
        asset: "checkout".to_owned(),
        file_name: "second.json".to_owned(),
        ..UploadReport::default()
    };
    scene.world.clock.advance_millis(60_000);
    let report =
        gna_domain::service::report::upload(&scene.ci, scene.group.id, upload, second.into())
            .await
            .expect("uploads");
    failing
        .left
        .store(fail_after.unwrap_or(i64::MAX), Ordering::SeqCst);
    let failed = scene.world.run_jobs().await.is_err();
    failing.left.store(i64::MAX, Ordering::SeqCst);
    // The lease of the dead worker ends; another one takes the job over.
    scene.world.clock.advance_days(1);
    scene
        .world
        .run_jobs()
        .await
        .expect("the second worker ends it");
    scene.world.ports.store = inner;
    scene.check().await;
    let report = gna_domain::service::report::require(&scene.ci, report.id)
        .await
        .expect("there");
    assert!(report.status.is_final() && report.counts.add_up());
    let mut summary = scene.summary().await;
    let mut decided: Vec<String> = scene
        .vulnerabilities()
        .await
        .iter()
        .filter(|value| !value.rules.is_empty())
        .map(|value| {
            let held = value.triage.is_false_positive();
            format!("{} {:?} {held}", line(value), value.tags)
        })
        .collect();
    assert!(decided.len() >= 5, "{decided:?}");
    decided.sort();
    summary.extend(decided);
    (summary, report.counts.clone(), failed)
}

#[tokio::test]
async fn every_commit_can_be_the_last() {
    for stores in Stores::ALL {
        let (expected, counts, failed) = run(stores, None).await;
        assert!(!failed);
        assert_eq!(
            (
                counts.created,
                counts.updated,
                counts.unchanged,
                counts.closed
            ),
            (10, 13, 27, 10)
        );
        let mut interrupted = 0;
        for fail_after in 0.. {
            let (summary, again, failed) = run(stores, Some(fail_after)).await;
            assert_eq!(
                summary, expected,
                "cut after {fail_after} commits on {stores:?}"
            );
            assert_eq!(
                again, counts,
                "cut after {fail_after} commits on {stores:?}"
            );
            if !failed {
                break;
            }
            interrupted += 1;
        }
        assert!(interrupted >= 15, "only {interrupted} places to be cut at");
    }
}
